"""The real tables, whole: every row is read, to the penny."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.shared import SHARED
from tests.unit.commands.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import FakeHub

FOLDER = SHARED / "data"


def pennies(name: str) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sums[row["invoice_no"]] += int(Decimal(row["amount"]) * 100)
    return sums


def test_retail_payments_are_read_to_the_penny(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    shop = Shop("payments").open(hub)
    file = str(FOLDER / "retail-payments.csv")
    flags = ("--account", "stripe-uk", "--timezone", "Europe/London")
    ran = run("payments", "import", file, *flags)
    assert ran.out == "payments: 12494 new, 0 unchanged\n", ran.err
    expected = pennies("retail-payments.csv")
    assert {key: row["captured_minor"] for key, row in shop.kept.items()} == expected


def test_retail_refunds_are_read_to_the_penny(
    run: Callable[..., Ran], hub: FakeHub
) -> None:
    shop = Shop("refunds").open(hub)
    file = str(FOLDER / "retail-refunds.csv")
    ran = run("refunds", "import", file, "--account", "stripe-uk", "--yes")
    assert ran.out == "refunds: 2355 new, 0 unchanged\n", ran.err
    sums: defaultdict[str, int] = defaultdict(int)
    for row in shop.kept.values():
        sums[row["payment"]] += row["amount_minor"]
    assert sums == pennies("retail-refunds.csv")
