from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.commands.hub import problem
from tests.unit.commands.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.commands.conftest import Ran
    from tests.unit.commands.hub import Answer, Call, FakeHub

HEADER = "invoice_no,invoiced_at,customer_id,country,currency,amount,lines\n"
GOOD = "536365,2010-12-01 08:26:00,17850,United Kingdom,GBP,139.12,7\n"
LONDON = ("--account", "stripe-uk", "--timezone", "Europe/London")


@pytest.fixture
def shop(hub: FakeHub) -> Shop:
    return Shop("payments").open(hub)


def rows(count: int) -> str:
    lines = (f"R{at},2011-07-01 10:00:00,1,UK,GBP,{at + 1}.50,1" for at in range(count))
    return HEADER + "\n".join(lines) + "\n"


def test_row_becomes_a_payment_in_minor_units_and_utc(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    summer = "536366,2011-07-01 10:00:00,,France,GBP,0.1,2\n"
    ran = run("payments", "import", write(HEADER + GOOD + summer), *LONDON)
    assert (ran.code, ran.out) == (0, "payments: 2 new, 0 unchanged\n")
    first, second = shop.kept.values()
    assert first == {
        "account": "stripe-uk",
        "gateway_reference": "536365",
        "captured_minor": 13912,
        "currency": "GBP",
        "captured_at": "2010-12-01T08:26:00Z",
        "order_reference": None,
        "invoices": [{"number": "536365", "amount_minor": 13912}],
        "customer": {
            "name": None,
            "email": None,
            "account": "17850",
            "last_four": None,
        },
    }
    assert second["captured_minor"] == 10
    assert second["captured_at"] in {
        "2011-07-01T09:00:00Z",
        "2011-07-01T10:00:00+01:00",
    }
    assert second["customer"] is None


def test_second_import_changes_nothing_and_sends_only_the_rehearsal(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    file = write(rows(700))
    assert run("payments", "import", file, *LONDON).code == 0
    assert shop.requests == [True, True, False, False]
    again = run("payments", "import", file, *LONDON, "--json")
    assert json.loads(again.out) == {
        "rows": 700,
        "created": 0,
        "unchanged": 700,
        "dry_run": False,
        "problems": [],
    }
    assert shop.requests[4:] == [True, True]


def test_dry_run_stores_nothing(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    ran = run("payments", "import", write(HEADER + GOOD), *LONDON, "--dry-run")
    assert ran.code == 0
    assert "1 new, 0 unchanged (checked only, nothing stored)" in ran.out
    assert shop.requests == [True]
    assert shop.kept == {}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1,2010-12-01 08:26,1,UK,GBP,,7", "column amount: is empty"),
        ("1,2010-12-01 08:26,1,UK,GBP,-3.00,7", "column amount: -3.00 is not more"),
        ("1,2010-12-01 08:26,1,UK,GBP,0,7", "column amount: 0 is not more than"),
        ("1,2010-12-01 08:26,1,UK,GBP,1.005,7", "column amount: '1.005' has 3"),
        ('1,2010-12-01 08:26,1,UK,GBP,"1,234.50",7', "column amount: '1,234.50' is"),
        ("1,2010-12-01 08:26,1,UK,GBP,1e3,7", "column amount: '1e3' is not an am"),
        ("1,2010-12-01 08:26,1,UK,GBP,99999999999999.00,7", "column amount: An am"),
        ("1,2010-12-01 08:26,1,UK,JPY,1.50,7", "column amount: '1.50' has 2"),
        ("1,2010-12-01 08:26,1,UK,QQQ,1.50,7", "column currency: 'QQQ' is not a"),
        ("1,2010-12-01 08:26,1,UK,gbp,1.50,7", "column currency: 'gbp' is not a"),
        ("1,2010-12-01 08:26,1,UK,,1.50,7", "column currency: is empty"),
        (",2010-12-01 08:26,1,UK,GBP,1.50,7", "column invoice_no: is empty"),
        ("a b,2010-12-01 08:26,1,UK,GBP,1.50,7", "column invoice_no: must be 1"),
        (f"{'x' * 129},2010-12-01,1,UK,GBP,1.50,7", "column invoice_no: must be 1"),
        (f"1,2010-12-01,{'y' * 2001},UK,GBP,1.50,7", "column customer_id: is longer"),
        ("1,yesterday,1,UK,GBP,1.50,7", "column invoiced_at: 'yesterday' is no"),
        ("1,2011-03-27 01:30:00,1,UK,GBP,1.50,7", "does not exist in Europe/London"),
        ("536365,2010-12-01 08:26,1,UK,GBP,139.12,7", "stands on line 2 already"),
        ("1,2010-12-01 08:26,1,UK,GBP,1.50", ": has 6 cells, the header has 7"),
        ('1,2010-12-01 08:26,1,"UK"x,GBP,1.50,7', ": is no CSV"),
        ('1,2010-12-01 08:26,1,"UK,GBP,1.50,7', ": opens a quote that never closes"),
    ],
)
def test_bad_row_names_line_and_column_and_nothing_is_sent(
    row: str,
    words: str,
    run: Callable[..., Ran],
    write: Callable[..., str],
    hub: FakeHub,
) -> None:
    file = write(HEADER + GOOD + row + "\n")
    ran = run("payments", "import", file, *LONDON)
    assert ran.code == 1
    assert f"{file}, line 3" in ran.err
    assert words in ran.err
    assert "Nothing was stored" in ran.err
    assert ran.out == ""
    assert hub.calls == []


def test_every_bad_row_is_reported_and_the_print_is_capped(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    bad = "".join(f"R{at},2010-12-01,1,UK,GBP,,1\n" for at in range(30))
    file = write(HEADER + bad + GOOD)
    ran = run("payments", "import", file, *LONDON)
    assert ran.err.count("is empty") == 20
    assert "... and 10 more" in ran.err
    found = json.loads(run("payments", "import", file, *LONDON, "--json").out)
    assert [it["line"] for it in found["problems"]] == list(range(2, 32))
    assert found["problems"][0] == {
        "line": 2,
        "column": "amount",
        "code": "cell.empty",
        "message": "is empty",
    }
    assert hub.calls == []


def test_line_of_a_row_after_a_quoted_line_break_is_where_it_begins(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    quoted = '7,2010-12-01,1,"United\nKingdom",GBP,1.50,7\n'
    bad = "8,2010-12-01,1,UK,GBP,x,7\n"
    ran = run("payments", "import", write(HEADER + quoted + "\n" + bad), *LONDON)
    assert "line 5, column amount" in ran.err


def test_byte_order_mark_crlf_and_quoted_commas_are_read(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    text = (
        "\ufeff" + HEADER + '536365,2010-12-01 08:26:00,1,"Korea, South",GBP,1.50,7\n'
    )
    ran = run("payments", "import", write(text.replace("\n", "\r\n")), *LONDON)
    assert ran.code == 0
    assert shop.kept["536365"]["captured_minor"] == 150


def test_row_that_is_no_utf8_is_named(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    content = (HEADER + GOOD).encode() + b"1,2010-12-01,1,Cura\xe7ao,GBP,1.50,7\n"
    ran = run("payments", "import", write(content), *LONDON)
    assert (ran.code, hub.calls) == (1, [])
    assert "line 3: is not UTF-8 text" in ran.err


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("", (), "is empty"),
        ("invoice_no,currency\n", (), "no column for the captured amount"),
        ("amount,currency\n", (), "no column for the gateway's reference"),
        ("invoice_no,amount\n1,2.00\n", (), "give --currency"),
        ("invoice_no,amount,amount\n", (), "the column 'amount' stands twice"),
        (HEADER, ("--amount-column", "amont"), "did you mean amount?"),
        (HEADER, ("--timezone", "Mars/Base"), "is no time zone"),
        (HEADER, ("--delimiter", ";;"), "';;' cannot stand between cells"),
    ],
)
def test_file_that_cannot_be_understood_is_a_usage_error(
    text: str,
    more: tuple[str, ...],
    words: str,
    run: Callable[..., Ran],
    write: Callable[..., str],
    hub: FakeHub,
) -> None:
    ran = run("payments", "import", write(text), *LONDON, *more)
    assert (ran.code, hub.calls) == (2, [])
    assert words in ran.err


def test_account_must_be_named_somewhere(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    ran = run("payments", "import", write(HEADER + GOOD))
    assert ran.code == 2
    assert "give --account" in ran.err


def test_local_time_without_a_zone_asks_for_one(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    ran = run("payments", "import", write(HEADER + GOOD), "--account", "stripe-uk")
    assert (ran.code, hub.calls) == (2, [])
    assert "line 2, column invoiced_at" in ran.err
    assert "--timezone" in ran.err


def test_folder_is_no_file(run: Callable[..., Ran], hub: FakeHub) -> None:
    ran = run("payments", "import", "/tmp", *LONDON)
    assert ran.code == 2
    assert "/tmp is no plain file" in ran.err


def test_tabs_may_stand_between_cells(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    file = write("reference\tamount\tcurrency\nR1\t2.50\tGBP\n")
    assert run("payments", "import", file, *LONDON, "--delimiter", "tab").code == 0
    assert shop.kept["R1"]["captured_minor"] == 250


def test_daemon_that_leaves_during_the_rehearsal_stored_nothing(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    hub.answer("payments.bulk", problem(503, "store.closed", "It is going away."))
    ran = run("payments", "import", write(HEADER + GOOD), *LONDON)
    assert ran.code == 3
    assert "Nothing was stored." in ran.err


def test_missing_file_is_a_usage_error(run: Callable[..., Ran], hub: FakeHub) -> None:
    ran = run("payments", "import", "nowhere.csv", *LONDON)
    assert ran.code == 2
    assert "nowhere.csv: No such file" in ran.err


def test_flags_name_columns_and_a_dash_leaves_one_out(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    text = "ref;sum;ccy;invoice_no\nch_1;2.50;EUR;77\n"
    columns = "--reference-column ref --amount-column sum --currency-column ccy"
    more = "--invoice-column - --delimiter ;"
    file = write(text)
    ran = run("payments", "import", file, *LONDON, *columns.split(), *more.split())
    assert ran.code == 0, ran.err
    assert shop.kept["ch_1"]["invoices"] == []
    assert shop.kept["ch_1"]["currency"] == "EUR"


def test_mapping_file_names_columns_and_settings(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    mapping = write(
        'account = "adyen-eu"\ncurrency = "EUR"\n[columns]\nreference = "psp"\n',
        "m.toml",
    )
    file = write("psp,amount\nP1,2.50\n")
    ran = run("payments", "import", file, "--mapping", mapping)
    assert ran.code == 0, ran.err
    assert shop.kept["P1"]["account"] == "adyen-eu"
    assert shop.kept["P1"]["captured_minor"] == 250
    other = write("psp,amount\nP2,2.50\n")
    flags = ("--account", "stripe-uk", "--currency", "JPY")
    ran = run("payments", "import", other, "--mapping", mapping, *flags)
    assert ran.code == 1
    assert "'2.50' has 2 decimals, JPY 0" in ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acount = 'x'", "'acount' is not known; did you mean account?"),
        ("[columns]\nammount = 'x'", "'ammount' is not known; did you mean amount?"),
        ("account = 5", "account is not a text"),
        ("columns = 'x'", "columns is not a table"),
        ("account = ", "Invalid value"),
    ],
)
def test_mapping_file_with_a_mistake_names_file_and_key(
    text: str,
    words: str,
    run: Callable[..., Ran],
    write: Callable[..., str],
    hub: FakeHub,
) -> None:
    mapping = write(text, "m.toml")
    ran = run("payments", "import", write(HEADER + GOOD), "--mapping", mapping)
    assert (ran.code, hub.calls) == (2, [])
    assert words in ran.err
    assert "m.toml" in ran.err


def test_rows_that_the_daemon_refuses_are_all_named_and_none_is_stored(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    shop.refused = {
        "R3": ("payment.conflict", "It is known with another one.", "captured_minor"),
        "R650": ("account.unknown", "There is no account.", "account"),
    }
    ran = run("payments", "import", write(rows(700)), *LONDON)
    assert ran.code == 1
    assert "line 5, column amount: It is known with another one." in ran.err
    assert "line 652, column --account: There is no account." in ran.err
    assert shop.requests == [True, True]
    assert shop.kept == {}


def test_import_that_breaks_off_says_what_is_stored_and_can_be_repeated(
    run: Callable[..., Ran],
    write: Callable[..., str],
    shop: Shop,
    hub: FakeHub,
) -> None:
    def failing(call: Call) -> Answer:
        if len(shop.requests) == 4:
            return problem(503, "store.closed", "The daemon is going away.")
        return shop.take(call)

    hub.handlers["payments.bulk"] = failing
    file = write(rows(1200))
    ran = run("payments", "import", file, *LONDON)
    assert ran.code == 3
    assert "The daemon is going away." in ran.err
    assert "Of 1200 payments, 500 are stored (500 new, 0 unchanged)." in ran.err
    assert "Lines 502 to 1001 may be or not" in ran.err
    assert len(shop.kept) == 500
    shop.open(hub)
    assert run("payments", "import", file, *LONDON).out == (
        "payments: 700 new, 500 unchanged\n"
    )


def test_row_refused_after_the_rehearsal_says_what_is_stored(
    run: Callable[..., Ran], write: Callable[..., str], shop: Shop
) -> None:
    shop.refused_for_good = {"R600": ("payment.conflict", "Another one.", "currency")}
    ran = run("payments", "import", write(rows(700)), *LONDON)
    assert ran.code == 1
    assert "line 602, column currency: Another one." in ran.err
    assert "Of 700 payments, 500 are stored" in ran.err


def test_file_that_changes_meanwhile_is_not_stored(
    run: Callable[..., Ran],
    write: Callable[..., str],
    shop: Shop,
    hub: FakeHub,
) -> None:
    file = write(HEADER + GOOD)

    def changing(call: Call) -> Answer:
        write(HEADER + GOOD.replace("139.12", "999.12"))
        return shop.take(call)

    hub.handlers["payments.bulk"] = changing
    ran = run("payments", "import", file, *LONDON)
    assert ran.code == 1
    assert "was changed while it was imported" in ran.err
    assert shop.kept == {}


def test_wrong_role_is_permission(
    run: Callable[..., Ran], write: Callable[..., str], hub: FakeHub
) -> None:
    hub.answer("payments.bulk", problem(403, "policy.role_missing", "None of your …"))
    ran = run("payments", "import", write(HEADER + GOOD), *LONDON)
    assert ran.code == 77


def test_added_payment_is_sent_exactly(run: Callable[..., Ran], hub: FakeHub) -> None:
    from tests.unit.commands.views import payment

    hub.answer("payments.create", (201, payment()))
    base = "payments add --account stripe-uk --reference ch_1 --currency GBP"
    more = "--amount 12.5 --invoice A --invoice B=2.50 --captured-at 2026-11-02T09:00Z"
    ran = run(*base.split(), *more.split(), "--json")
    assert ran.code == 0, ran.err
    body: dict[str, Any] = hub.named("payments.create")[0].body
    assert body["captured_minor"] == 1250
    assert body["invoices"] == [
        {"number": "A", "amount_minor": 1250},
        {"number": "B", "amount_minor": 250},
    ]
    assert json.loads(ran.out) == json.loads(payment().model_dump_json())


@pytest.mark.parametrize("amount", ["1,50", "-1", "1.005", "", "1e2"])
def test_added_payment_with_a_bad_amount_is_not_sent(
    amount: str, run: Callable[..., Ran], hub: FakeHub
) -> None:
    base = "payments add --account stripe-uk --reference ch_1 --currency GBP"
    ran = run(*base.split(), f"--amount={amount}")
    assert ran.code != 0
    assert hub.calls == []
    assert "Traceback" not in ran.err
