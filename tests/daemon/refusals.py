"""What a refusal looks like, whatever was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.daemon.living import Answered

REFUNDS = "/v1/refunds"


def refused(answer: Answered, status: int, code: str, field: str | None = None) -> str:
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body.get("field") == field, answer
    assert answer.body["status"] == status
    sentence = str(answer.body["detail"])
    assert sentence.endswith("."), sentence
    assert len(sentence) > 10, sentence
    return sentence
