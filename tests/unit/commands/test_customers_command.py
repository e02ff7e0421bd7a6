from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.models import CustomerView
from refundwatch.api.models_customers import ErasedView, KeptView

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub


def report(payments: int = 2, *, dry_run: bool = False) -> ErasedView:
    return ErasedView(
        payments=payments,
        fields=payments * 3,
        texts=payments,
        deliveries=0,
        kept=[KeptView(what="the audit log", why="it holds no personal field")],
        dry_run=dry_run,
    )


def test_erase_counts_first_asks_and_says_what_stays(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer("customers.erase", report())
    ran = run("customers", "erase", "--email", "j@e.uk", typed="y\n")
    assert ran.code == 0
    assert "the customer of 2 payments (6 fields, 2 free texts" in ran.err
    assert "Erased from 2 payments" in ran.out
    assert "the audit log: it holds no personal field" in ran.out
    bodies = [call.body for call in hub.named("customers.erase")]
    assert [it["dry_run"] for it in bodies] == [True, False]


def test_no_is_a_no(hub: FakeHub, run: Callable[..., Ran]) -> None:
    hub.answer("customers.erase", report())
    assert run("customers", "erase", "--name", "Jane", typed="\n").code != 0
    assert [it.body["dry_run"] for it in hub.named("customers.erase")] == [True]


def test_without_a_terminal_nothing_is_sent_unless_yes_is_given(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer("customers.erase", report())
    ran = run("customers", "erase", "--name", "Jane")
    assert (ran.code, hub.calls) == (2, [])
    assert run("customers", "erase", "--name", "Jane", "--yes").code == 0


def test_nobody_named_is_refused_and_nobody_found_is_said(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    assert run("customers", "erase", "--yes").code == 2
    hub.answer("customers.erase", report(0, dry_run=True))
    ran = run("customers", "erase", "--account", "C-1", "--yes")
    assert "nothing to erase" in ran.out
    assert len(hub.calls) == 1


def test_unmask_needs_a_reason_and_shows_what_is_known(
    hub: FakeHub, run: Callable[..., Ran]
) -> None:
    hub.answer("customers.unmask", CustomerView(masked=False, name="Jane Doe"))
    assert run("customers", "unmask", "pay_1").code == 2
    ran = run("customers", "unmask", "pay_1", "--reason-code", "called")
    assert ran.out == "name       Jane Doe\n"
    assert hub.named("customers.unmask")[0].body == {"reason_code": "called"}
