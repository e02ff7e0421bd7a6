"""What is signed is what was displayed, and the log it stands on only grows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from refundwatch.api.deciding import Reason, Standing, build_decision, content_digest
from refundwatch.api.heads import HeadKeeper, LogHead
from refundwatch.config.paths import state_folder
from refundwatch.domain.decision import parse_statement, request_sha256
from refundwatch.domain.merkle import (
    consistency_proof,
    head_at,
    leaf_hash,
    nodes_of,
)
from refundwatch.errors import ConfigError, ContentDiffers, LogRewritten
from tests.unit.commands.views import gbp, refund
from tests.unit.security.sshsig_making import VECTORS

if TYPE_CHECKING:
    from refundwatch.api.models import RefundView

STATED = json.loads(VECTORS["decision"]["message"])
NOW = datetime(2026, 1, 1, 0, 10, 0, 999_999, tzinfo=UTC)
STANDING = Standing(
    actor=STATED["actor"],
    key=STATED["key"],
    instance=STATED["instance"],
    policy_version=STATED["policy_version"],
    head=LogHead(STATED["log_size"], STATED["log_root"]),
)
REASON = Reason("damaged on arrival")


def shown(**changes: Any) -> RefundView:
    """A view whose digest is the one of what it shows."""
    view = refund(**changes)
    digest = request_sha256(
        refund_id=view.id,
        revision=view.revision,
        account=view.account,
        payment_id=view.payment_id,
        amount_minor=view.amount.minor,
        currency=view.amount.currency,
        exponent=view.amount.exponent,
        reason_code=view.reason_code,
    )
    return view.model_copy(update={"request_sha256": digest})


def built(view: RefundView, decision: str = "approve", **more: Any) -> bytes:
    return build_decision(
        view, decision, REASON, STANDING, now=NOW, nonce=bytes(range(16)), **more
    )


def test_statement_is_the_published_one_but_for_its_content() -> None:
    view = shown(
        id=STATED["refund_id"],
        gateway=STATED["gateway"],
        payment_id=STATED["payment_id"],
        amount=gbp(STATED["amount_minor"]).model_copy(update={"currency": "EUR"}),
        revision=STATED["revision"],
    )
    ours = json.loads(built(view))
    # The digest pins account and reason code too, which the vector does not tell.
    assert ours.pop("request_sha256") == view.request_sha256
    assert ours == {name: STATED[name] for name in STATED if name != "request_sha256"}


@pytest.mark.parametrize(
    "lie",
    [
        {"amount": gbp(99_999)},
        {"amount": gbp(1_000).model_copy(update={"exponent": 3})},
        {"amount": gbp(1_000).model_copy(update={"currency": "EUR"})},
        {"account": "another"},
        {"payment_id": "py_other"},
        {"reason_code": "other"},
        {"revision": 9},
        {"id": "rf_other"},
        {"request_sha256": "0" * 64},
    ],
    ids=str,
)
def test_view_that_shows_other_content_than_its_digest_is_never_signed(
    lie: dict[str, Any],
) -> None:
    lying = shown().model_copy(update=lie)
    with pytest.raises(ContentDiffers, match="Nothing was signed"):
        built(lying)


def test_edit_states_the_new_amount_about_the_content_that_was_shown() -> None:
    view = shown()
    stated = parse_statement(built(view, "edit", amount_minor=777))
    assert stated.amount_minor == 777
    assert stated.request_sha256 == content_digest(view)
    assert stated.revision == view.revision


def test_resolution_states_its_evidence() -> None:
    evidence = {"resolution": "succeeded", "gateway_reference": "re_1"}
    assert parse_statement(built(shown(), "resolve", evidence=evidence)).evidence == (
        evidence
    )


def test_statement_ends_five_minutes_after_its_second() -> None:
    stated = json.loads(built(shown()))
    assert stated["issued_at"] == "2026-01-01T00:10:00Z"
    assert stated["expires_at"] == "2026-01-01T00:15:00Z"


# --- heads ------------------------------------------------------------------------

LEAVES = [leaf_hash(bytes([number])) for number in range(9)]
NODES = nodes_of(LEAVES)


def head(size: int) -> LogHead:
    return LogHead(size, head_at(size, NODES).root().hex())


def proof(old: int, new: int) -> tuple[bytes, ...]:
    return consistency_proof(old, new, NODES)


def test_log_that_grows_is_accepted_and_remembered(tmp_path: Path) -> None:
    keeper = HeadKeeper(tmp_path / "deep" / "state", "refundwatch.example")
    assert keeper.last() is None
    assert keeper.accept(None, head(3)) == head(3)
    for old, new in ((3, 3), (3, 4), (4, 9)):
        keeper.accept(head(old), head(new), proof(old, new))
        assert keeper.last() == head(new)
    assert (tmp_path / "deep" / "state").stat().st_mode & 0o077 == 0
    other = HeadKeeper(tmp_path / "deep" / "state", "other.example")
    assert other.last() is None


@pytest.mark.parametrize(
    ("shows", "by"),
    [
        (head(3), ()),
        (head(0), ()),
        (LogHead(6, "0" * 64), ()),
        (LogHead(9, head(8).root), proof(6, 9)),
        (head(9), proof(5, 9)),
        (head(9), ()),
        (LogHead(9, "nonsense"), proof(6, 9)),
        (LogHead(-1, "0" * 64), ()),
    ],
    ids=range(8),
)
def test_log_that_does_not_continue_is_told_and_the_old_head_stays(
    tmp_path: Path, shows: LogHead, by: tuple[bytes, ...]
) -> None:
    keeper = HeadKeeper(tmp_path, "refundwatch.example")
    keeper.accept(None, head(6))
    with pytest.raises(LogRewritten):
        keeper.accept(head(6), shows, by)
    assert keeper.last() == head(6)


def test_head_of_a_slower_program_does_not_go_back(tmp_path: Path) -> None:
    keeper = HeadKeeper(tmp_path, "refundwatch.example")
    keeper.accept(None, head(9))
    keeper.accept(head(3), head(5), proof(3, 5))
    assert keeper.last() == head(9)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"size":-1,"root":"' + "0" * 64 + '"}', '{"size":1}']
)
def test_broken_file_of_a_head_is_an_error_that_names_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "refundwatch.example.head.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"refundwatch\.example\.head\.json"):
        HeadKeeper(tmp_path, "refundwatch.example").last()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "a\0", "é"])
def test_instance_that_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LogRewritten):
        HeadKeeper(tmp_path, name)


def test_state_folder_is_the_users_own() -> None:
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/refundwatch")
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/refundwatch")
    assert state_folder({"HOME": "/h", "XDG_STATE_HOME": "s"}) == Path(
        "/h/.local/state/refundwatch"
    )
