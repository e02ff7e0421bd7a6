from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

CARD = "4111-1111-1111-1111"


def test_card_number_in_a_cell_is_refused_by_line_and_column_before_it_is_sent(
    hub: FakeHub, run: Callable[..., Ran], write: Callable[[str], str]
) -> None:
    file = write(
        "account,gateway_reference,captured,currency,customer_name\n"
        "stripe-uk,pi_1,10.00,GBP,Jane\n"
        f"stripe-uk,pi_2,10.00,GBP,Jane {CARD}\n"
    )
    ran = run("payments", "import", file)
    assert ran.code != 0
    assert "line 3, column customer_name" in ran.err
    assert "card numbers are never taken" in ran.err
    assert CARD not in ran.err + ran.out
    assert [call for call in hub.calls if CARD in str(call.body)] == []


def test_card_number_as_a_column_is_refused(
    hub: FakeHub, run: Callable[..., Ran], write: Callable[[str], str]
) -> None:
    ran = run("payments", "import", write(f"account,{CARD}\nx,y\n"))
    assert ran.code != 0
    assert CARD not in ran.err
    assert hub.calls == []
