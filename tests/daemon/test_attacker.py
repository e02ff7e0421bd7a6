"""Somebody holds the database file and no key: nothing is paid that nobody asked for.

The daemon is stopped, its file is rewritten with whatever SQL can do, triggers dropped,
and the daemon starts again before gateways that would pay.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from refundwatch.security import tokens
from tests.daemon.living import gateways, living, refund_body, until

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.sandbox.controls import Sandbox
    from tests.daemon.living import Living

WAITING = ("approval", "redirect", "raise", "author", "victim")


class Attacker:
    """Rewrites a database that no daemon has open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA foreign_keys = OFF")
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in connection.execute(triggers).fetchall():
            connection.execute(f"DROP TRIGGER {name}")

    def run(self, text: str, *values: Any) -> None:
        changed = self._connection.execute(text, values).rowcount
        assert changed > 0, text

    def copy(self, table: str, where: str, **changed: Any) -> None:
        """Insert a row like another one."""
        names = [
            row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")
        ]
        told = ", ".join("?" if name in changed else name for name in names)
        values = [changed[name] for name in names if name in changed]
        self.run(f"INSERT INTO {table} SELECT {told} FROM {table} {where}", *values)

    def queue(self, refund: str) -> None:
        self.run(
            "UPDATE refund SET state = 'queued', due_at = 0, approved_at = 1, "
            "required_approvals = 0 WHERE id = ?",
            refund,
        )


async def ask(daemon: Living, box: Sandbox, name: str, amount: int) -> Any:
    box.add_payment("stripe-uk", f"pi_{name}", 100_000, "GBP")
    payment = await daemon.payment(gateway_reference=f"pi_{name}")
    return await daemon.refund(amount, payment=payment, request_id=name)


def attack(path: Path, ids: dict[str, str], secret: tokens.MintedToken) -> None:
    with closing(sqlite3.connect(path)) as connection:
        it = Attacker(connection)
        # An approval copied from another refund, with its sealed statement.
        it.copy(
            "decision",
            f"WHERE refund_id = '{ids['approved']}'",
            refund_id=ids["approval"],
            nonce=None,
        )
        it.queue(ids["approval"])
        # Another payment at the gateway.
        it.run(
            "UPDATE payment SET gateway_reference = 'pi_elsewhere' "
            "WHERE gateway_reference = 'pi_redirect'"
        )
        it.run(
            "UPDATE refund SET payment_reference = 'pi_elsewhere' WHERE id = ?",
            ids["redirect"],
        )
        it.queue(ids["redirect"])
        it.run("UPDATE refund SET amount_minor = 90000 WHERE id = ?", ids["raise"])
        it.queue(ids["raise"])
        # Somebody else asked, so that its author may approve it.
        it.run(
            "UPDATE refund SET created_by = 'person:nobody' WHERE id = ?", ids["author"]
        )
        # What was paid is to be paid again.
        it.run("DELETE FROM attempt WHERE refund_id = ?", ids["paid"])
        it.run(
            "UPDATE refund SET attempts = 0, fence = 0, gateway_reference = NULL, "
            "first_sent_at = NULL, last_sent_at = NULL, final_at = NULL, "
            "booking = 'reserved', succeeded_at = NULL, accepted_at = NULL, "
            "idempotency_key = 'again' WHERE id = ?",
            ids["paid"],
        )
        it.queue(ids["paid"])
        # A refund below every band that nobody requested.
        it.copy(
            "refund",
            f"WHERE id = '{ids['paid']}'",
            id="rf_inserted",
            request_id="inserted",
            merchant_reference="inserted",
            idempotency_key="inserted",
            amount_minor=500,
        )
        it.copy(
            "token",
            "WHERE principal = 'machine:shop' LIMIT 1",
            token_id=secret.id,
            secret_sha256=secret.secret_sha256,
            scopes_and_limits=None,
            revoked_at=None,
        )
        connection.commit()


async def test_who_holds_the_database_file_pays_nothing(tmp_path: Path) -> None:
    async with gateways() as (box, text):
        async with living(tmp_path, text=text, sandbox=box) as daemon:
            paid = await ask(daemon, box, "paid", 2_000)
            await daemon.becomes(paid, "succeeded")
            approved = await ask(daemon, box, "approved", 10_000)
            answer = await daemon.decide(approved, "approve", by="approver")
            assert answer.status == 200, answer
            await daemon.becomes(approved, "succeeded")
            waiting = {name: await ask(daemon, box, name, 10_000) for name in WAITING}
            box.add_payment("stripe-uk", "pi_elsewhere", 100_000, "GBP")
            secrets = daemon.secrets
        before = [(row.payment, row.amount_minor) for row in box.ledger.rows()]
        assert len(before) == 2
        ids = {name: it["id"] for name, it in waiting.items()}
        ids |= {"paid": paid["id"], "approved": approved["id"]}
        forged = tokens.mint()
        await asyncio.to_thread(attack, tmp_path / "hub.db", ids, forged)

        async with living(tmp_path, text=text, sandbox=box, people=False) as daemon:
            daemon.secrets.update(secrets)
            body = refund_body(waiting["victim"]["payment_id"], 500, request_id="r-x")
            asked = await daemon.call("POST", "/v1/refunds", body, token=forged.text)
            assert asked.status == 401, asked
            author = await daemon.shown(waiting["author"])
            answer = await daemon.decide(author, "approve", by="approver")
            assert answer.status == 403, answer
            told = {
                "refund_row_unproven": {
                    *(ids[name] for name in ("approval", "redirect", "raise", "paid")),
                    "rf_inserted",
                },
                "token_row_unproven": {forged.id},
            }

            async def seen() -> bool:
                found = await daemon.call("GET", "/v1/alarms", by="viewer")
                rows = {(it["kind"], it["subject"]) for it in found.body["items"]}
                wanted = {(kind, it) for kind, ids in told.items() for it in ids}
                return wanted <= rows

            await until(seen, 15)
            # Everything that could be due was looked at; one more breath for the rest.
            await asyncio.sleep(0.5)
        after = [(row.payment, row.amount_minor) for row in box.ledger.rows()]
        assert after == before
