from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.commands.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

HEADER = "credit_note_no,invoice_no,requested_at,customer_id,country,currency,amount\n"
ONE = "C1,536365,2010-12-02 12:00:00,17850,United Kingdom,GBP,25.50\n"
TWO = "C1,536366,2010-12-02 12:00:00,17850,United Kingdom,GBP,0.05\n"
STRIPE = ("--account", "stripe-uk")


@pytest.fixture
def shop(hub: FakeHub) -> Shop:
    return Shop("refunds").open(hub)


def test_row_becomes_a_request_whose_id_is_its_own_cells(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    file = write(HEADER + ONE + TWO)
    ran = run("refunds", "import", file, *STRIPE, "--yes")
    assert (ran.code, ran.out) == (0, "refunds: 2 new, 0 unchanged\n")
    assert shop.kept["C1/536365"] == {
        "request_id": "C1/536365",
        "payment": "536365",
        "account": "stripe-uk",
        "amount_minor": 2550,
        "currency": "GBP",
        "reason_code": "goods_returned",
        "reason_text": None,
        "expected_remaining_minor": None,
        "invoice": "536365",
    }
    assert shop.kept["C1/536366"]["amount_minor"] == 5
    again = run("refunds", "import", file, *STRIPE, "--yes")
    assert again.out == "refunds: 0 new, 2 unchanged\n"


def test_template_makes_the_request_id(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    template = "r:{invoice_no}:{credit_note_no}"
    file = write(HEADER + ONE)
    flags = ("--request-id-template", template, "--reason-code", "damaged", "--yes")
    assert run("refunds", "import", file, *STRIPE, *flags).code == 0
    assert shop.kept["r:536365:C1"]["reason_code"] == "damaged"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{credit_note}/{invoice_no}", "there is no column 'credit_note'"),
        ("constant", "there is no {column} in it"),
    ],
)
def test_template_that_cannot_be_filled_is_a_usage_error(
    template: str,
    words: str,
    run: Callable[..., Ran],
    write: Callable[..., str],
    hub: FakeHub,
) -> None:
    flags = (*STRIPE, "--yes", "--request-id-template", template)
    ran = run("refunds", "import", write(HEADER + ONE), *flags)
    assert (ran.code, hub.calls) == (2, [])
    assert words in ran.err


def test_file_without_request_ids_asks_how_to_make_them(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    file = write("payment,amount,currency\np1,1.00,GBP\n")
    ran = run("refunds", "import", file, *STRIPE, "--yes")
    assert ran.code == 2
    assert "--request-id-column" in ran.err


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ONE, "column {credit_note_no}/{invoice_no}: 'C1/536365' stands on line 2"),
        (",536365,x,1,UK,GBP,1.00\n", "column credit_note_no: is empty"),
        ("C 2,536365,x,1,UK,GBP,1.00\n", "must be 1 to 128 printable ASCII"),
        ("C2,,x,1,UK,GBP,1.00\n", "is empty"),
        ("C2,536365,x,1,UK,GBP,0.00\n", "column amount: 0.00 is not more than"),
        ("C2,536365,x,1,UK,GBP,\n", "column amount: is empty"),
    ],
)
def test_bad_row_names_line_and_column_and_nothing_is_sent(
    row: str,
    words: str,
    run: Callable[..., Ran],
    write: Callable[..., str],
    hub: FakeHub,
) -> None:
    ran = run("refunds", "import", write(HEADER + ONE + row), *STRIPE, "--yes")
    assert (ran.code, hub.calls) == (1, [])
    assert "line 3, column" in ran.err
    assert words in ran.err


def test_refused_rows_name_the_column_their_field_came_from(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    shop.refused = {
        "C1/536365": ("refund.amount_exceeds_refundable", "Too much.", "amount_minor"),
        "C1/536366": ("payment.unknown", "There is no payment.", "payment"),
    }
    file = write(HEADER + ONE + TWO)
    ran = run("refunds", "import", file, *STRIPE, "--yes", "--json")
    assert ran.code == 1
    found = json.loads(ran.out)["problems"]
    assert [(it["line"], it["column"]) for it in found] == [
        (2, "amount"),
        (3, "invoice_no"),
    ]
    assert shop.kept == {}


def test_without_a_terminal_yes_is_needed_before_anything_is_sent(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    ran = run("refunds", "import", write(HEADER + ONE), *STRIPE)
    assert (ran.code, hub.calls) == (2, [])
    assert "--yes" in ran.err


def test_dry_run_needs_no_yes(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    ran = run("refunds", "import", write(HEADER + ONE), *STRIPE, "--dry-run")
    assert (ran.code, shop.requests) == (0, [True])


@pytest.mark.parametrize("typed", ["\n", "n\n", "", "x\n", "yep\n"])
def test_anything_but_yes_stores_nothing(
    typed: str, run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    file = write(HEADER + ONE + TWO)
    ran = run("refunds", "import", file, *STRIPE, typed=typed)
    assert ran.code == 1
    assert "2 refunds, GBP 25.55 in all, of which 2 are new." in ran.err
    assert "[y/N]" in ran.err
    assert shop.requests == [True]
    assert shop.kept == {}


def test_a_typed_yes_stores(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    ran = run("refunds", "import", write(HEADER + ONE), *STRIPE, typed="y\n")
    assert (ran.code, len(shop.kept)) == (0, 1)


def test_payments_by_our_own_id_need_no_account(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    text = "request_id,payment,amount,currency\nR1,pay_abc,1.00,GBP\n"
    assert run("refunds", "import", write(text), "--yes").code == 0
    assert shop.kept["R1"]["account"] is None
    other = write(text.replace("pay_abc", "536365"))
    ran = run("refunds", "import", other, "--yes")
    assert ran.code == 2
    assert "line 2: '536365' is no payment's id of ours" in ran.err
