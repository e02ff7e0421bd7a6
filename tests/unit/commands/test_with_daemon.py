"""The commands against the daemon itself, from the first token to the audit log."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.commands.conftest import Ran

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """\
instance = "commands.test"
mode = "sandbox"
[vault]
key = "file:vault.key"
[store]
path = "refundwatch.db"
[api]
socket = "hub.sock"
[webhooks]
listen = "127.0.0.1:0"
[health]
listen = "127.0.0.1:0"
[[bands]]
currency = "GBP"
auto_below = "0.01"
one_approval_below = "400.00"
[accounts.stripe-uk]
gateway = "stripe"
timezone = "Europe/London"
webhook_secrets = ["file:webhook.secret"]
[accounts.stripe-uk.connections.main]
endpoint = "http://127.0.0.1:9"
credentials = { api_key = "file:api.key" }
"""
PAYMENTS = """\
invoice_no,invoiced_at,customer_id,country,currency,amount,lines
536365,2010-12-01 08:26:00,17850,United Kingdom,GBP,139.12,7
536366,2010-12-01 08:28:00,17850,United Kingdom,GBP,22.20,2
"""
REFUNDS = """\
credit_note_no,invoice_no,requested_at,customer_id,country,currency,amount,lines
C1,536365,2010-12-01 12:38:00,17850,United Kingdom,GBP,25.50,1
C1,536366,2010-12-01 12:38:00,17850,United Kingdom,GBP,22.20,1
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    files = {
        "config.toml": CONFIG,
        "vault.key": f"k1 {base64.b64encode(bytes(range(32))).decode()}\n",
        "webhook.secret": "whsec_invented_for_this_test",
        "api.key": "sk_test_invented_for_this_test",
    }
    for name, text in files.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(text)
    tmp_path.chmod(0o700)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("REFUNDWATCH_")
    }
    started = [sys.executable, "-m", "refundwatch", "daemon", "--config"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [*started, str(tmp_path / "config.toml")],
            cwd=ROOT,
            env=environment,
            stderr=log,
        ) as process,
    ):
        try:
            for _ in range(300):
                if (tmp_path / "hub.sock").exists() or process.poll() is not None:
                    break
                time.sleep(0.1)
            assert process.poll() is None, (tmp_path / "log").read_text()
            yield tmp_path
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def person(
    daemon: Path, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Give a function that makes whoever is named the caller."""
    monkeypatch.delenv("REFUNDWATCH_TOKEN")
    made = run(
        *("tokens", "create", "person:root", "--role", "admin"),
        *("--out", str(daemon / "root.token")),
    )
    assert made.code == 0, made.err

    def become(name: str) -> None:
        monkeypatch.setenv("REFUNDWATCH_TOKEN_FILE", str(daemon / f"{name}.token"))

    become("root")
    for name, principal, roles in (
        ("shop", "machine:shop", ("requester", "operator", "viewer")),
        ("ann", "person:ann", ("approver", "viewer")),
    ):
        flags = [flag for role in roles for flag in ("--role", role)]
        out = str(daemon / f"{name}.token")
        assert run("tokens", "create", principal, *flags, "--out", out).code == 0
    return become


def import_both(run: Callable[..., Ran], write: Callable[..., str]) -> None:
    payments = write(PAYMENTS, "payments.csv")
    flags = ("--account", "stripe-uk", "--timezone", "Europe/London")
    for words in ("2 new, 0 unchanged", "0 new, 2 unchanged"):
        ran = run("payments", "import", payments, *flags)
        assert (ran.code, ran.out) == (0, f"payments: {words}\n"), ran.err

    too_much = write(REFUNDS.replace("22.20", "22.21"), "refunds.csv")
    ran = run("refunds", "import", too_much, "--account", "stripe-uk", "--yes")
    assert ran.code == 1
    assert "line 3, column amount: 2221 minor units asked" in ran.err
    assert json.loads(run("refunds", "list", "--json").out)["items"] == []

    refunds = write(REFUNDS, "refunds.csv")
    for words in ("2 new, 0 unchanged", "0 new, 2 unchanged"):
        ran = run("refunds", "import", refunds, "--account", "stripe-uk", "--yes")
        assert (ran.code, ran.out) == (0, f"refunds: {words}\n"), ran.err
    other = write(REFUNDS.replace("25.50", "25.51"), "refunds.csv")
    ran = run("refunds", "import", other, "--account", "stripe-uk", "--yes")
    assert ran.code == 1
    assert "line 2" in ran.err
    assert "with another body" in ran.err


def approve_one(run: Callable[..., Ran]) -> str:
    waiting = json.loads(run("approvals", "list", "--json").out)["items"]
    assert sorted(it["amount"]["minor"] for it in waiting) == [2220, 2550]
    first = waiting[0]["id"]
    assert run("approvals", "approve", first, typed="\n").code == 1
    assert run("approvals", "approve", first, typed="y\n").code == 0
    assert run("approvals", "approve", first, "--yes").code == 4
    assert run("refunds", "cancel", first, "--reason-code", "x", "--yes").code == 77
    assert "approve by person:ann" in run("refunds", "show", first).out
    other: str = waiting[1]["id"]
    return other


def edit_and_withdraw(run: Callable[..., Ran], second: str) -> None:
    reason = ("--reason-code", "asked", "--yes")
    edited = run("refunds", "edit", second, *reason, "--amount", "1.00", "--json")
    assert json.loads(edited.out)["refund"]["amount"]["minor"] == 100
    assert run("refunds", "hold", second, *reason).code == 0
    assert run("refunds", "release", second, *reason).code == 0
    assert run("refunds", "cancel", second, *reason).code == 0
    assert run("refunds", "lookup", second).code == 4
    shown = run("payments", "show", "536365", "--account", "stripe-uk", "--json")
    assert json.loads(shown.out)["captured"]["minor"] == 13912
    assert json.loads(run("invoices", "show", "536366", "--json").out)["number"]
    for words in ("accounts list", "connections list", "connections outages"):
        assert run(*words.split()).code == 0
    assert run("metrics", "--by-currency").code == 0
    assert run("refunds", "list", "--filter", "state:cancelled").out.count("rf_") == 1
    assert run("refunds", "list", "--filter", "stat:x").code in {2, 4}


def prove(run: Callable[..., Ran]) -> None:
    ran = run("audit", "verify")
    assert ran.code == 0, ran.err
    size, root = ran.out.split()[1::2]
    assert run("audit", "verify", "--min-size", size).code == 0
    assert len(root) == 64
    assert run("audit", "tail", "-n", "5").out.count("\n") == 5
    tokens = json.loads(run("tokens", "list", "--json").out)["items"]
    shop = next(it["id"] for it in tokens if it["principal"] == "machine:shop")
    assert run("tokens", "revoke", shop).code == 0


def load_anew(run: Callable[..., Ran], folder: Path) -> None:
    file = folder / "config.toml"
    good = file.read_text()
    file.write_text(good.replace("400.00", "300.00"))
    (folder / "api.key").write_text("sk_test_the_next_one")
    tried = run("config", "reload", "--dry-run")
    assert tried.code == 0, tried.err
    told = ("changed  bands[0].one_approval_below: 400.00 -> 300.00", "nothing was")
    assert all(words in tried.out for words in told)
    done = json.loads(run("config", "reload", "--json").out)
    assert [it["change"] for it in done["changes"]] == ["renewed", "changed"]
    assert "sk_test" not in str(done)
    assert "No value and no secret" in run("config", "reload").out
    file.write_text(good.replace("commands.test", "other.test"))
    refused = run("config", "reload")
    assert (refused.code, refused.out) == (4, "")
    assert "config.toml:1: instance: changes only by a restart" in refused.err


def test_a_refund_is_imported_approved_shown_and_proven(
    daemon: Path,
    person: Callable[[str], None],
    run: Callable[..., Ran],
    write: Callable[..., str],
) -> None:
    person("shop")
    import_both(run, write)
    person("ann")
    second = approve_one(run)
    person("shop")
    edit_and_withdraw(run, second)
    person("root")
    load_anew(run, daemon)
    prove(run)
    person("shop")
    assert run("refunds", "list").code == 77
