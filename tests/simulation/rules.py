"""The invariants S1 to S20 and L1 to L5, held against the truth after every step.

They are stated apart from the product: the table of moves, the approvals and the sums
here are our reading of the protocol, not calls into the code that is judged.
"""

from __future__ import annotations

import json
from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from refundwatch.sandbox.books import DEAD_STATUSES
from refundwatch.store.rows import micros
from tests.simulation.gateways import known_as
from tests.simulation.plan import NEIGHBOUR
from tests.simulation.protocol import MOVES, NEGATIVE, ONE_BELOW, TWO_FROM

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.sandbox.ledger import LedgerRow
    from refundwatch.sandbox.model import WebhookPost
    from tests.simulation.city import City
    from tests.simulation.gateways import Known
    from tests.simulation.wire import Order


LONGEST_IN_FLIGHT: Final = 120.0
"""So long an order may still be on its way when somebody looks for it (P7)."""

_LOOKS: Final = 2

NOT_AFTER_A_LOSS = frozenset({"S4", "S5", "S8", "S9", "S11", "L2", "L5"})
"""What speaks of intents, sums and deliveries that went with the log's end."""


def root_over(leaves: list[bytes]) -> bytes:
    """RFC 9162's own recursion over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << ((len(leaves) - 1).bit_length() - 1)
    both = root_over(leaves[:half]) + root_over(leaves[half:])
    return sha256(b"\1" + both).digest()


class Broken(AssertionError):
    """An invariant that did not hold, and what was seen."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what


class Rules:
    """Watches one run."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.broken: Broken | None = None
        self._rows: dict[str, sqlite3.Row] = {}
        self._seq = -1
        self._key_owner: dict[str, tuple[str, int]] = {}
        self._bytes: dict[str, tuple[str, bytes, str]] = {}
        self._references: dict[str, str] = {}
        self._executed: dict[str, list[LedgerRow]] = defaultdict(list)
        self._queued_at: dict[str, float] = {}
        self._genuine: set[bytes] = set()
        self._told: set[bytes] = set()
        self._answers: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.after_loss = False
        self._watch_ledger()

    # --- saying so ---

    def hold(self, invariant: str, condition: object, what: str) -> None:
        """Count a check; the first that fails ends the run."""
        if self.after_loss and invariant in NOT_AFTER_A_LOSS:
            return
        self.city.tally.checked(invariant)
        if not condition and self.broken is None:
            self.broken = Broken(invariant, what)

    def states_by_reference(self) -> Iterable[tuple[str, str]]:
        """Give our references and the states of their refunds."""
        return (
            (row["merchant_reference"], row["state"]) for row in self._rows.values()
        )

    def named(self, known: Known, key: str, body: bytes) -> tuple[str, str]:
        """Give our reference and our key of the order that bears a key.

        Where a gateway knows no keys, our reference in the body is all that an order
        is known by.
        """
        given = self.city.look(
            "SELECT merchant_reference, idempotency_key FROM refund_generation"
        )
        found = [
            (str(row["merchant_reference"]), str(row["idempotency_key"]))
            for row in given
            if (
                known.written(row["idempotency_key"]) == key
                if key
                else row["merchant_reference"].encode() in body
            )
        ]
        self.hold("S4", found, f"an order under the key {key}, which nobody was given")
        return found[0] if found else (f"nobody's {key}", key)

    # --- at the gateway ---

    def _watch_ledger(self) -> None:
        ledger = self.city.sandbox.ledger
        accept, execute = ledger.accept, ledger.execute

        def accepted(row: LedgerRow) -> None:
            accept(row)
            self._on_accepted(row)

        def executed(account: str, refund_id: str, at: float, status: str) -> None:
            execute(account, refund_id, at, status)
            row = ledger.row(account, refund_id)
            if row is not None:
                self._on_executed(row)

        ledger.accept = accepted  # type: ignore[method-assign]
        ledger.execute = executed  # type: ignore[method-assign]

    def _on_accepted(self, row: LedgerRow) -> None:
        self.city.trace("accepted", row.account, row.refund_id, row.amount_minor)
        if row.amount_minor != row.asked_minor:
            self.city.tally.fired("wrong amount executed")
        if row.source == "api":
            self._has_intent(row, "when it was accepted")

    def _has_intent(self, row: LedgerRow, when: str) -> None:
        """S4: a durable attempt stands for whatever the gateway took."""
        found = self.city.look(
            "SELECT 1 FROM refund_generation AS g JOIN attempt AS a"
            " ON a.refund_id = g.refund_id AND a.generation = g.generation"
            " WHERE g.merchant_reference = ?",
            row.merchant_reference,
        )
        self.hold("S4", found, f"{row.merchant_reference} has no intent {when}")

    def _on_executed(self, row: LedgerRow) -> None:
        if row.source != "api":
            return
        rows = self._executed[row.merchant_reference]
        if all(one.refund_id != row.refund_id for one in rows):
            rows.append(row)
        self.hold("S1", len(rows) == 1, f"{row.merchant_reference} was executed twice")
        owner = self.city.look(
            "SELECT refund_id FROM refund_generation WHERE merchant_reference = ?",
            row.merchant_reference,
        )
        if owner:
            self._once_in_all(owner[0]["refund_id"])
        model = self.city.sandbox.model(row.account)
        payment = model.books.payment(row.payment)
        sums = sum(one.net_minor for one in self._ledger_of(row.account, row.payment))
        limit = payment.amount_minor if payment else 0
        fits = sums <= limit or self.city.plan.planted
        self.hold("S2", fits, f"{sums} executed of {limit} captured at {row.payment}")

    def _once_in_all(self, refund_id: str) -> None:
        """S1 over all generations: what came back may be sent again, else nothing."""
        references = self.city.look(
            "SELECT merchant_reference AS it FROM refund_generation"
            " WHERE refund_id = ?",
            refund_id,
        )
        standing = [
            one
            for row in references
            for one in self._executed[row["it"]]
            if (now := self.city.sandbox.ledger.row(one.account, one.refund_id))
            and now.executed
        ]
        self.hold("S1", len(standing) <= 1, f"{refund_id} was paid under two keys")

    def _ledger_of(self, account: str, payment: str) -> list[LedgerRow]:
        return self.city.sandbox.ledger.rows(account, payment)

    # --- on the wire ---

    def on_order(self, path: ConnectionPath, order: Order) -> None:
        """S5, S6, S15: what leaves is what was claimed, approved and allowed."""
        city = self.city
        found = city.look(
            "SELECT r.*, g.generation AS of_generation, p.frozen, c.paused"
            " FROM refund_generation AS g"
            " JOIN refund AS r ON r.id = g.refund_id"
            " JOIN payment AS p ON p.id = r.payment_id"
            " JOIN connection AS c ON c.id = ?"
            " WHERE g.idempotency_key = ?",
            path.id,
            order.key,
        )
        if not found:
            self.hold("S4", condition=False, what=f"{order.key} left without intent")
            return
        row = found[0]
        owner = (row["id"], row["of_generation"])
        self.hold(
            "S5",
            self._key_owner.setdefault(order.key, owner) == owner,
            f"{order.key} belongs to two refunds",
        )
        bytes_before = self._bytes.setdefault(
            order.reference, (order.key, order.body, order.target)
        )
        self.hold(
            "S5",
            bytes_before == (order.key, order.body, order.target),
            f"{order.reference} was sent with another key or other bytes",
        )
        self._approved(row)
        frozen = row["frozen"] is not None and not self._came_after_the_claim(
            row["id"], "payment:frozen", row["payment_id"]
        )
        self.hold("S15", not frozen, f"{row['id']}: its payment is frozen")
        paused = row["paused"] is not None and not self._came_after_the_claim(
            row["id"], "connection:paused", path.id
        )
        self.hold("S15", not paused, f"{row['id']}: {path.id} is paused")
        self._circuit_closed(path, row["id"])
        self._claimed(row, order)
        self._in_its_lease(row)
        self._resend_in_time(path, order)
        if path.account.name == NEIGHBOUR:
            self.delays.setdefault(
                row["id"],
                city.loop.time() - self._queued_at.get(row["id"], 0.0),
            )

    def _circuit_closed(self, path: ConnectionPath, refund_id: str) -> None:
        """S15: while a circuit is open no order leaves on it; half-open only reads."""
        opened = self.city.look(
            "SELECT 1 FROM circuit"
            " WHERE connection = ? AND part = 'orders' AND opened_at IS NOT NULL",
            path.id,
        )
        late = opened and self._came_after_the_claim(
            refund_id, "circuit:opened", path.id
        )
        self.hold(
            "S15",
            not opened or late,
            f"{refund_id} left over {path.id}, whose circuit is not closed",
        )

    def _came_after_the_claim(self, refund_id: str, kind: str, subject: str) -> bool:
        """Tell by the log whether a halt came when the order was on its way already."""
        claims = self.city.look(
            "SELECT max(seq) AS it FROM audit_entry"
            " WHERE refund_id = ? AND kind = 'refund:attempt:opened'",
            refund_id,
        )
        halts = self.city.look(
            "SELECT seq, entry FROM audit_entry WHERE kind = ? ORDER BY seq", kind
        )
        ours = [it["seq"] for it in halts if subject.encode() in bytes(it["entry"])]
        return bool(ours) and ours[-1] > (claims[0]["it"] or 0)

    def _claimed(self, row: sqlite3.Row, order: Order) -> None:
        """Each order has an attempt of its own, opened and durable before it leaves.

        The refund may have moved on since: a delivery can overtake its own order.
        """
        opened = self.city.look(
            "SELECT count(*) AS n FROM attempt WHERE refund_id = ? AND generation = ?",
            row["id"],
            row["of_generation"],
        )[0]["n"]
        left = sum(it.key == order.key for it in self.city.wire.orders)
        self.hold(
            "S15",
            row["state"] == "sending" or (left < opened and row["attempts"]),
            f"{row['id']} left as {row['state']}: order {left + 1} of {opened}",
        )

    def _in_its_lease(self, row: sqlite3.Row) -> None:
        """S15: nothing leaves after its lease, whoever took the refund since."""
        if self.city.plan.clock:
            return  # the lease is written by a clock that is wrong
        ends = self.city.look(
            "SELECT max(lease_until) AS it FROM attempt"
            " WHERE refund_id = ? AND generation = ?",
            row["id"],
            row["of_generation"],
        )[0]["it"]
        now = micros(self.city.clock.now())
        self.hold(
            "S15", ends is not None and now < ends, f"{row['id']} left after its lease"
        )

    def _approved(self, row: sqlite3.Row) -> None:
        amount = row["amount_minor"]
        needed = 0 if amount < ONE_BELOW else 1 if amount < TWO_FROM else 2
        words = self.city.look(
            "SELECT kind, actor, revision FROM decision WHERE refund_id = ?", row["id"]
        )
        own = {row["created_by"]} | {
            it["actor"] for it in words if it["kind"] == "edit"
        }
        given = {
            it["actor"]
            for it in words
            if it["kind"] == "approve" and it["revision"] == row["revision"]
        }
        valid = {actor for actor in given - own if actor.startswith("person:")}
        self.hold(
            "S6",
            len(valid) >= needed,
            f"{row['id']} left with {len(valid)} of {needed} approvals of"
            f" revision {row['revision']}",
        )

    def _resend_in_time(self, path: ConnectionPath, order: Order) -> None:
        """S1 depends on it: no key is used again after its documented life.

        Where no key protects an order and the gateway's listing is complete, it may be
        sent again once it is proven that nothing was made of the last: by the truth,
        and by two looks that came after the last could still be on its way.
        """
        same = [it for it in self.city.wire.orders if it.key == order.key and it.taken]
        if not same:
            return
        age = order.at - same[0].at
        capabilities = path.gateway.capabilities
        made = [
            row
            for row in self.city.sandbox.ledger.rows()
            if row.merchant_reference == order.reference
        ]
        arrived = all(it.arrived for it in same)
        looked = self._looks_since(same[-1].at + LONGEST_IN_FLIGHT) >= _LOOKS
        looked = looked or not self._in_doubt(order.key)
        proven = capabilities.complete_listing and arrived and not made and looked
        self.hold(
            "S5",
            age < capabilities.key_window_seconds or proven,
            f"{order.reference} was resent after {age:.0f} s",
        )
        doubtful = self.city.look(
            "SELECT 1 FROM refund_generation AS g JOIN attempt AS a"
            " ON a.refund_id = g.refund_id AND a.generation = g.generation"
            " WHERE g.idempotency_key = ? AND a.outcome = 'unknown'"
            " AND a.connection <> ?",
            order.key,
            path.id,
        )
        known = known_as(path.id)
        keyed = known.key_header or known.key_member
        here = self.city.wire.key_at(path, known.written(order.key)) if keyed else ""
        taken = any(row.idempotency_key != here or not here for row in made)
        elsewhere = [it for it in same if it.connection != path.id]
        under_way = any(not it.arrived for it in elsewhere)
        self.hold(
            "S5",
            proven or (not doubtful and not (elsewhere and (taken or under_way))),
            f"{order.reference} was resent over another endpoint",
        )

    def _in_doubt(self, key: str) -> bool:
        """Tell whether nobody said of an order under the key that it was not done."""
        return bool(
            self.city.look(
                "SELECT 1 FROM refund_generation AS g JOIN attempt AS a"
                " ON a.refund_id = g.refund_id AND a.generation = g.generation"
                " WHERE g.idempotency_key = ? AND a.outcome = 'unknown'",
                key,
            )
        )

    def _looks_since(self, moment: float) -> int:
        reads = self.city.wire.reads
        return sum(
            at >= moment for name in ("look_up", "look_before") for at in reads[name]
        )

    def on_concurrency(self, path: ConnectionPath, count: int) -> None:
        """S19: orders, look-ups and reads never pass what a connection declares."""
        fits = count <= path.concurrency
        self.hold("S19", fits, f"{count} calls at once over {path.id}")

    # --- at a commit ---

    def on_commit(self) -> None:
        """S3, S7, S8, S10, S12, S14: every commit is a state that may stand."""
        rows = self._refunds()
        entries = self.city.look(
            "SELECT seq, kind, refund_id, entry FROM audit_entry WHERE seq > ?"
            " ORDER BY seq",
            self._seq,
        )
        paths: dict[str, list[tuple[str | None, str]]] = defaultdict(list)
        for row in entries:
            self.hold("S10", row["seq"] == self._seq + 1, f"a gap at {row['seq']}")
            self._seq = row["seq"]
            data = json.loads(row["entry"]).get("data", {})
            if row["refund_id"] and "after" in data and "before" in data:
                paths[row["refund_id"]].append((data["before"], data["after"]))
                self._path(row["refund_id"], data)
            if row["kind"] in NEGATIVE:
                self._nothing_under_way(rows[row["refund_id"]])
        for refund_id, row in rows.items():
            self._moved(refund_id, row, paths.get(refund_id, []))
        self._balances()
        self._rows = rows

    def _refunds(self) -> dict[str, sqlite3.Row]:
        found = self.city.look(
            "SELECT id, account, state, booking, merchant_reference, idempotency_key,"
            " amount_minor, currency, payment_reference FROM refund ORDER BY id"
        )
        return {row["id"]: row for row in found}

    def _path(self, refund_id: str, data: dict[str, Any]) -> None:
        before = data["before"]
        for after in data.get("path") or [data["after"]]:
            if before is not None and before != after:
                self.hold(
                    "S7",
                    after in MOVES[before],
                    f"{refund_id} went from {before} to {after}",
                )
            before = after

    def _moved(
        self, refund_id: str, row: sqlite3.Row, path: list[tuple[str | None, str]]
    ) -> None:
        old = self._rows.get(refund_id)
        before, after = (old["state"] if old else None), row["state"]
        self._chained(refund_id, before, after, path)
        if before == after:
            return
        self.city.trace("state", refund_id[-6:], before, after)
        if after == "queued":
            self._queued_at.setdefault(refund_id, self.city.loop.time())
        if old and old["booking"] == "reserved" and row["booking"] == "free":
            self._freed(row)
        if after == "succeeded" and before != "review":
            self._succeeded(row)

    def _chained(
        self,
        refund_id: str,
        before: str | None,
        after: str,
        path: list[tuple[str | None, str]],
    ) -> None:
        """S10: each change of state stands in the log, in the commit that made it."""
        at = before
        for entry_before, entry_after in path:
            self.hold(
                "S10",
                entry_before == at,
                f"{refund_id} was {at}, its entry says {entry_before}",
            )
            at = entry_after
        self.hold("S10", at == after, f"{refund_id} became {after} without an entry")

    def _nothing_under_way(self, row: sqlite3.Row) -> None:
        """S12: an attempt ends without success only by its own word."""
        orders = [
            it
            for it in self.city.wire.orders
            if it.key == row["idempotency_key"] and it.life == self.city.life_number
        ]
        self.hold(
            "S12",
            not orders or orders[-1].returned,
            f"{row['id']}: an older attempt spoke while a newer one is under way",
        )

    def _freed(self, row: sqlite3.Row) -> None:
        """S8: nothing frees a reservation while the money may have left."""
        reference = row["merchant_reference"]
        made = [
            it
            for it in self.city.sandbox.ledger.rows()
            if it.merchant_reference == reference
            and it.source == "api"
            and (it.executed or it.executed_at is None)
            and it.status not in DEAD_STATUSES
        ]
        reviewed = self._rows[row["id"]]["state"] == "review"
        self.hold(
            "S8",
            not made or reviewed,
            f"{row['id']} became {row['state']} and free, but stands at the gateway",
        )

    def _succeeded(self, row: sqlite3.Row) -> None:
        """S14: paid out is what was paid: this amount, currency and payment."""
        made = [
            it
            for it in self.city.sandbox.ledger.rows()
            if it.merchant_reference == row["merchant_reference"] and it.executed_at
        ]
        told = known_as(row["account"]).tells_amounts
        same = [
            it
            for it in made
            if it.currency == row["currency"]
            and it.payment == row["payment_reference"]
            and (it.amount_minor == row["amount_minor"] or not told)
        ]
        self.hold(
            "S14",
            same,
            f"{row['id']} succeeded with {row['amount_minor']}; the gateway: {made}",
        )

    def _balances(self) -> None:
        found = self.city.look(
            "SELECT gateway_reference, reserved_minor, refunded_minor, captured_minor,"
            " frozen FROM payment"
        )
        for name, reserved, refunded, captured, frozen in found:
            fits = reserved >= 0 and refunded >= 0
            within = reserved + refunded <= captured or frozen is not None
            self.hold(
                "S3",
                fits and within,
                f"{name}: {reserved} reserved, {refunded} refunded of {captured}",
            )

    # --- lives ---

    def on_start(self) -> None:
        """S4, S10: whatever survived a death has every intent and every entry."""
        for row in self.city.sandbox.ledger.rows():
            if row.source == "api":
                self._has_intent(row, "after a restart")
        left = self.city.look("SELECT id FROM refund WHERE state = 'sending'")
        self.hold("S15", not left, "a refund is still sending after a start")
        self._extends_all()

    def _extends_all(self) -> None:
        """S10: the log extends every checkpoint that was ever published."""
        known = [it.checkpoint for it in self.city.archive.published]
        if not known:
            return
        rows = self.city.look("SELECT entry FROM audit_entry ORDER BY seq")
        leaves = [sha256(b"\0" + row["entry"]).digest() for row in rows]
        for one in known:
            extends = one.size <= len(leaves) and root_over(leaves[: one.size])
            self.hold(
                "S10", extends == one.root, f"the log is not that of {one.size} entries"
            )

    def lost(self, change: Callable[[], None]) -> None:
        """Change the disk for an older one: what was seen since is not known there."""
        change()
        seq = self.city.look("SELECT max(seq) AS it FROM audit_entry")[0]["it"]
        self._seq = seq
        self._rows = self._refunds()
        self._answers.clear()
        self.after_loss = True

    def power_lost(self, image: Callable[[], bytes]) -> None:
        """Put the disk's bytes in the place of the memory's."""
        dead = self.city.connection
        if dead.in_transaction:
            dead.execute("ROLLBACK")
        seq = dead.execute("SELECT max(seq) FROM audit_entry").fetchone()[0]
        self.city.change_disk(image())
        kept = self.city.look("SELECT max(seq) AS it FROM audit_entry")[0]["it"]
        # What was seen of a lost future must not be held against the past.
        self._seq = min(self._seq, kept if kept is not None else -1)
        self._rows = self._refunds()
        self.hold("S10", kept == seq, f"the log ended at {seq} and now at {kept}")

    # --- deliveries ---

    def on_posted(self, post: WebhookPost) -> None:
        """Note what a gateway truly said."""
        if not post.forged:
            self._genuine.add(post.body)

    def on_delivered(self, post: WebhookPost, status: int | None) -> None:
        """S11: what is acknowledged is durable once; a forgery changes nothing."""
        ok = status is not None and 200 <= status < 300
        if post.forged:
            self.hold("S11", not ok, f"a forged {post.event} was acknowledged")
            stored = self.city.look(
                "SELECT 1 FROM delivery_body WHERE body_sha256 = ?",
                sha256(post.body).hexdigest(),
            )
            # A forgery of what truly happened can have the very bytes of the truth.
            stored = [] if post.body in self._genuine else stored
            self.hold("S11", not stored, f"a forged {post.event} was stored")
            return
        if ok:
            self._told.add(post.body)
            self._is_durable(post)

    def was_told(self, row: LedgerRow) -> bool:
        """Tell whether a delivery that we took in names what was made."""
        name = row.refund_id.encode()
        return any(name in body for body in self._told)

    def _is_durable(self, post: WebhookPost) -> None:
        if not self.city.life["alive"]:
            return
        wanted = known_as(post.account).identity(post)
        if wanted is None:
            return
        found = self.city.look(
            "SELECT count(DISTINCT body_id) AS n FROM delivery"
            " WHERE account = ? AND ? LIKE '%' || type AND dedupe_id LIKE ?",
            post.account,
            post.event,
            f"%{wanted}%",
        )
        self.hold(
            "S11",
            found[0]["n"] == 1,
            f"{post.event} {wanted} was acknowledged, stored {found[0]['n']} times",
        )

    # --- requests ---

    def on_answered(self, request_id: str, refund_id: str) -> None:
        """S13: one request, one refund, however often it is made."""
        same = self._answers.setdefault(request_id, refund_id)
        self.hold("S13", same == refund_id, f"{request_id} made {same} and {refund_id}")

    def on_conflict(self, request_id: str, *, refused: bool) -> None:
        """S13: another body under a known request is refused."""
        self.hold("S13", refused, f"{request_id} was taken with another body")
