from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.models_keys import KeysView, KeyView, RotationView
from tests.unit.commands.hub import problem
from tests.unit.commands.views import AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub


def keys(
    *, ended: bool = False, values: int | None = 7, unreadable: int = 0
) -> KeysView:
    return KeysView(
        keys=[
            KeyView(
                id=1,
                state="destroyed" if ended else "decrypt_only",
                wrapped_under="k1",
                created_at=AT,
                uses=9,
                values=values,
            ),
        ],
        key_encrypting_keys=["k2", "k1"],
        remaining=values,
        rotation=RotationView(
            key=3,
            cause="asked",
            started_by="person:root",
            started_at=AT,
            moved_at=AT,
            finished_at=AT if ended else None,
            passes=2,
            rows_walked=40,
            values_resealed=120,
            unreadable=unreadable,
            destroyed=[1] if ended else [],
            per_second=None if ended else 812.4,
        ),
    )


def test_status_shows_values_by_key_remaining_and_pace(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer("keys.status", keys())
    ran = run("keys", "status")
    assert ran.code == 0
    for words in ("decrypt only", "k2, k1", "values under older data keys: 7"):
        assert words in ran.out
    assert "120 values, 812 a second; pass 2, 40 rows" in ran.out
    assert hub.named("keys.status")[0].query == {"count": "true"}
    assert run("keys", "status", "--quick").code == 0
    assert hub.named("keys.status")[1].query == {"count": "false"}


def test_rotate_waits_until_it_is_done(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("keys.rotate", keys())
    hub.answer("keys.status", keys(ended=True, values=None))
    ran = run("keys", "rotate", "--wait")
    assert "keys destroyed: 1" in ran.out
    assert hub.named("keys.rotate")[0].body == {"kind": "data"}


def test_unreadable_values_are_said(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("keys.status", keys(ended=True, unreadable=2))
    assert "2 values cannot be read" in run("keys", "status").err


def test_kek_is_wrapped_anew(hub: FakeHub, run: Callable[..., Ran]) -> None:
    view = keys(ended=True).model_copy(update={"rewrapped": 2, "remaining": None})
    hub.answer("keys.rotate", view)
    ran = run("keys", "rotate", "--kek")
    assert "2 data keys are wrapped under the first" in ran.out
    assert hub.named("keys.rotate")[0].body == {"kind": "kek"}


def test_refusal_of_the_daemon_is_passed_on(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer(
        "keys.rotate", problem(409, "vault.rotation_running", "It runs already.")
    )
    ran = run("keys", "rotate")
    assert ran.code != 0
    assert "It runs already." in ran.err
