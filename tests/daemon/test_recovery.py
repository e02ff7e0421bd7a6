"""A backup is put back after refunds left: none of them leaves a second time."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from refundwatch.domain.policy import Role
from refundwatch.security.notekey import mint
from tests.daemon.furnishing import config_text
from tests.daemon.living import gateways, give_token, living, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from refundwatch.sandbox.controls import Sandbox
    from tests.daemon.living import Living

SECRETS = {"audit.key": mint("hub.test/audit").text()}
AUDIT = """
[audit]
key = "file:audit.key"
seal_seconds = 1
"""
FILE = "hub.db.checkpoint"
UNHEARD = {"dropped_after": 1.0, "hang_seconds": 0.5, "webhook_silent": 1.0}
UNASKED = {"read_trouble": 1.0, "webhook_silent": 1.0}


@asynccontextmanager
async def starting(folder: Path, box: Sandbox, text: str) -> AsyncIterator[Living]:
    async with living(folder, text=text, sandbox=box, secrets=SECRETS) as daemon:
        yield daemon


async def sealed_whole(daemon: Living) -> None:
    """Wait until a checkpoint covers what is in the log now."""
    [(entries,)] = daemon.query("SELECT count(*) FROM audit_entry")

    async def covered() -> bool:
        answer = await daemon.call("GET", "/v1/audit/checkpoint", by="viewer")
        return bool(
            answer.status == 200 and answer.body["checkpoint"]["size"] >= entries
        )

    await until(covered)


def copy_database(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(source)) as one,
        closing(sqlite3.connect(target)) as it,
    ):
        one.backup(it)


def put_back(folder: Path) -> None:
    for name in ("hub.db", "hub.db-wal", "hub.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "copy.db").rename(folder / "hub.db")


class Story:
    """The refunds of a hub before and after its backup was taken."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.asked: dict[str, tuple[str, int, str]] = {}

    async def ask(
        self, daemon: Living, name: str, amount: int, account: str = "stripe-uk"
    ) -> dict[str, Any]:
        """Request a refund; the same name gives the same request."""
        currency = "EUR" if account == "adyen-eu" else "GBP"
        reference = f"pi_{name}"
        known = daemon.query(
            "SELECT id FROM payment WHERE gateway_reference = ?", reference
        )
        if not known:
            if name not in self.asked:
                self.box.add_payment(account, reference, 100_000, currency)
            await daemon.payment(
                account=account, gateway_reference=reference, currency=currency
            )
            known = daemon.query(
                "SELECT id FROM payment WHERE gateway_reference = ?", reference
            )
        self.asked[name] = (account, amount, currency)
        return await daemon.refund(
            amount, payment=known[0][0], currency=currency, request_id=name
        )

    def executed(self) -> list[tuple[str, int]]:
        """Every refund that the gateways took, executed or not."""
        rows = self.box.ledger.rows()
        return sorted((row.payment, row.amount_minor) for row in rows)


async def approve(daemon: Living, refund: dict[str, Any]) -> None:
    answer = await daemon.decide(refund, "approve", by="approver")
    assert answer.status == 200, answer


async def before(folder: Path, story: Story, daemon: Living) -> dict[str, Any]:
    """Leave one in doubt and two waiting; copy; then let all of them leave."""
    story.box.set_faults("none", UNHEARD, "stripe-uk")
    doubt = await story.ask(daemon, "doubt", 1_000)
    await until(story.executed)
    story.box.set_faults("none", UNASKED, "stripe-uk")
    await daemon.becomes(doubt, "unknown")
    waits = await story.ask(daemon, "waits", 10_000)
    blind = await story.ask(daemon, "blind", 10_000, "adyen-eu")
    await sealed_whole(daemon)
    await asyncio.to_thread(copy_database, folder / "hub.db", folder / "copy.db")
    story.box.set_faults("none", {}, "stripe-uk")
    await daemon.becomes(doubt, "succeeded")
    for one in (waits, blind):
        await approve(daemon, one)
        await daemon.becomes(one, "succeeded")
    late = await story.ask(daemon, "late", 2_000)
    await daemon.becomes(late, "succeeded")
    await sealed_whole(daemon)
    return {"doubt": doubt, "waits": waits, "blind": blind, "late": late}


async def accept_loss(daemon: Living) -> None:
    daemon.secrets["admin2"] = await give_token(
        daemon.hub, "person:sue", frozenset({Role.ADMIN})
    )
    shown = await daemon.call("GET", "/v1/audit/recovery", by="viewer")
    body = {
        "accept_sha256": sha256(shown.body["known"].encode()).hexdigest(),
        "reason_code": "backup_restored",
    }
    for by in ("admin", "admin2"):
        answer = await daemon.call("POST", "/v1/audit/recovery", body, by=by)
        assert answer.status == 200, answer
    await until(lambda: daemon.hub.recovery is None)


async def test_what_left_after_a_backup_is_not_sent_again_once_it_was_put_back(
    tmp_path: Path,
) -> None:
    async with gateways(SECRETS, more=AUDIT) as (box, text):
        story = Story(box)
        async with starting(tmp_path, box, text) as daemon:
            old = await before(tmp_path, story, daemon)
        put_back(tmp_path)
        left = story.executed()
        assert len(left) == 4
        async with starting(tmp_path, box, text) as daemon:
            await _nothing_moves(daemon, old["doubt"])
            assert story.executed() == left
            await accept_loss(daemon)
            await _what_left_is_found(daemon, story, old)
            assert story.executed() == left
            await _what_cannot_be_asked_waits(daemon, old["blind"])
            # Adyen knows the key again, so even the release pays nothing twice.
            assert story.executed() == left
            fresh = await story.ask(daemon, "fresh", 3_000)
            await daemon.becomes(fresh, "succeeded")
            assert story.executed() == sorted([*left, ("pi_fresh", 3_000)])


async def _nothing_moves(daemon: Living, doubt: dict[str, Any]) -> None:
    """In recovery nobody asks, sends or changes anything."""
    assert daemon.hub.recovery is not None
    calls = daemon.query("SELECT count(*) FROM gateway_call")
    refused = await daemon.call("POST", "/v1/payments", {}, by="operator")
    assert (refused.status, refused.code) == (503, "audit.recovery")
    await asyncio.sleep(1.5)
    assert daemon.query("SELECT count(*) FROM gateway_call") == calls
    assert await daemon.is_in(doubt, "unknown")


async def _what_left_is_found(
    daemon: Living, story: Story, old: dict[str, Any]
) -> None:
    await daemon.becomes(old["doubt"], "succeeded")
    await approve(daemon, old["waits"])
    await daemon.becomes(old["waits"], "review")
    late = await story.ask(daemon, "late", 2_000)
    assert late["merchant_reference"] == old["late"]["merchant_reference"]
    await daemon.becomes(late, "review")


async def _what_cannot_be_asked_waits(daemon: Living, blind: dict[str, Any]) -> None:
    await approve(daemon, blind)
    held = await daemon.becomes(blind, "held")
    alarms = await daemon.call("GET", "/v1/alarms", by="viewer")
    about = {(it["kind"], it["subject"]) for it in alarms.body["items"]}
    assert ("refund_may_be_lost", blind["id"]) in about
    released = await daemon.decide(held, "release", by="operator")
    assert released.status == 200, released
    # The gateway answers as it did; its word that it paid was heard and lost.
    await daemon.becomes(blind, "pending")


async def test_log_cut_where_it_stands_waits_for_a_backup_that_is_whole(
    tmp_path: Path,
) -> None:
    text = config_text(more=AUDIT)
    async with living(tmp_path, text=text, secrets=SECRETS) as daemon:
        for _ in range(3):
            await daemon.payment()
        await sealed_whole(daemon)
    with closing(sqlite3.connect(tmp_path / "hub.db")) as other:
        other.executescript(
            "DROP TRIGGER audit_entry_no_delete;"
            "DELETE FROM audit_entry WHERE seq > (SELECT max(seq) FROM audit_entry) / 2"
        )
    for _ in range(2):
        # What a start notes in the cut log must not hide the cut from the next one.
        async with living(tmp_path, text=text, secrets=SECRETS) as daemon:
            assert daemon.hub.recovery is not None
            shown = await daemon.call("GET", "/v1/audit/recovery", by="viewer")
            body = {
                "accept_sha256": shown.body["known_sha256"],
                "reason_code": "backup_restored",
            }
            answer = await daemon.call("POST", "/v1/audit/recovery", body, by="admin")
            assert (answer.status, answer.code) == (503, "audit.recovery")
            assert "Put back the newest backup" in answer.body["detail"]
