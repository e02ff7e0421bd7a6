"""What must be true once all trouble is over and a day has passed."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import TYPE_CHECKING, NoReturn

from tests.simulation.furniture import CANARIES
from tests.simulation.gateways import (
    has_look_up,
    known_as,
    looks_before_resend,
)
from tests.simulation.protocol import STOP_SECONDS, TERMINAL

if TYPE_CHECKING:
    from tests.simulation.city import City

DAY = 86_400.0


async def reckon(city: City) -> None:
    """Hold the books against the truth, then stop the daemon as systemd would."""
    city.advance()
    await _second_chance(city)
    _ended(city)
    _sums(city)
    _amounts(city)
    _matched(city)
    _secrets(city)
    _exact(city)
    _neighbour(city)
    await _stop(city)


async def _second_chance(city: City) -> None:
    """Wait for the daily look of what met an after-effect of the trouble in the calm.

    An error that a gateway stored under a key comes back on the first resend, however
    calm it is; then the next look is a day away, and two must be apart. Where a resend
    needs looks of its own, these too let the back-off grow to a day before the calm.
    """
    open_ones = city.look(
        "SELECT merchant_reference AS it FROM refund WHERE state = 'unknown'"
    )
    references = {row["it"] for row in open_ones}
    late = [
        order
        for order in city.wire.orders
        if order.reference in references and order.at > city.healthy_since
    ]
    slow = looks_before_resend(city.plan.gateway) and any(
        row["state"] not in TERMINAL for row in city.look("SELECT state FROM refund")
    )
    if late or slow or _people_were_late(city):
        await asyncio.sleep(3 * DAY)


def _people_were_late(city: City) -> bool:
    """Tell whether people stopped a refund, or sent one anew, late in the calm.

    What waits with people is ended for this rule; once they have decided, it begins.
    """
    return bool(
        city.look(
            "SELECT 1 FROM refund AS r JOIN payment AS p ON p.id = r.payment_id"
            " WHERE r.state IN ('held', 'queued', 'sending', 'unknown', 'pending')"
            " AND (p.frozen IS NOT NULL OR r.generation > 0)"
        )
    )


def _ended(city: City) -> None:
    """L1, L3, S18: after a day nothing is open but what waits for people."""
    for row in city.look("SELECT * FROM refund ORDER BY id"):
        state = row["state"]
        ended = state in TERMINAL or state == "review" or _may_wait(city, row["id"])
        city.rules.hold("L1", ended, f"{row['id']} is still {state}: {dict(row)}")
        city.rules.hold("L3", ended, f"{row['id']} is still {state}")
        if city.plan.clock:
            # What a wrong clock changed would be open, or not what was executed.
            once = _executions(city, row["id"]) <= 1
            city.rules.hold("S18", ended and once, f"{row['id']} is {state}")
    problems = [name for name, _ in city.log.problems if name not in _EXPECTED]
    city.rules.hold("L3", not problems, f"the log speaks of {problems[:3]}")


_EXPECTED = {"delivery_unverifiable", "clock_was_ahead"}
"""What the faults themselves cause, and the daemon rightly reports."""


def _executions(city: City, refund_id: str) -> int:
    """Count what stands at the gateway under any key of a refund."""
    found = city.look(
        "SELECT merchant_reference AS it FROM refund_generation WHERE refund_id = ?",
        refund_id,
    )
    ours = {row["it"] for row in found}
    return sum(
        row.merchant_reference in ours and row.executed
        for row in city.sandbox.ledger.rows()
    )


def _may_wait(city: City, refund_id: str) -> bool:
    """Tell whether a gateway without look-up may still tell while the key lives.

    What is queued behind such a refund of its payment waits with it.
    """
    row = city.look("SELECT * FROM refund WHERE id = ?", refund_id)[0]
    if row["state"] == "queued":
        before = city.look(
            "SELECT id FROM refund WHERE payment_id = ? AND state = 'unknown'",
            row["payment_id"],
        )
        return any(_may_wait(city, one["id"]) for one in before)
    blind = not has_look_up(city.plan.gateway)
    pending = row["state"] == "pending" and (
        _open_there(city, row["merchant_reference"])
        # What it said was heard before the loss; settlement will tell again.
        or (blind and city.rules.after_loss)
    )
    return pending or (blind and row["state"] == "unknown")


def _open_there(city: City, reference: str) -> bool:
    return any(
        row.merchant_reference == reference and row.executed_at is None
        for row in city.sandbox.ledger.rows()
    )


def _sums(city: City) -> None:
    """S9: each payment's refunded amount is what left and stayed away."""
    executed: dict[tuple[str, str], int] = defaultdict(int)
    for row in city.sandbox.ledger.rows():
        executed[row.account, row.payment] += row.net_minor
    for payment in city.look("SELECT * FROM payment"):
        key = (payment["account"], payment["gateway_reference"])
        refunds = city.look(
            "SELECT state, booking, merchant_reference, amount_minor FROM refund"
            " WHERE payment_id = ?",
            payment["id"],
        )
        booked = payment["refunded_minor"]
        unbooked = sum(
            row.net_minor
            for row in city.sandbox.ledger.rows(*key)
            for refund in refunds
            if refund["booking"] == "reserved"
            and refund["merchant_reference"] == row.merchant_reference
        )
        city.rules.hold(
            "S9",
            _agrees(city, key, executed[key], booked + unbooked),
            f"{key}: {executed[key]} left, {booked} in the books,"
            f" {unbooked} open: {[tuple(row) for row in refunds]}",
        )
        reserved = sum(
            row["amount_minor"] for row in refunds if row["booking"] == "reserved"
        )
        city.rules.hold(
            "S9",
            payment["reserved_minor"] == reserved,
            f"{key}: {payment['reserved_minor']} reserved for {reserved}",
        )


def _agrees(city: City, key: tuple[str, str], executed: int, booked: int) -> bool:
    """Compare; what may stand between the sums is seen by people.

    A stranger's refund waits for its row for a day, with an alarm; one that its
    gateway would not confirm has an alarm of its own. And where our clock was wrong,
    nobody can say whether a read had counted it: too much booked keeps the money; or a
    day of waiting seemed to be over, and ended with an alarm. Where no webhook tells of
    a stranger's refund (what we took in counts as told, wherever it came from), a read
    before our next order tells, or settlement; where it tells without a time, it may be
    booked beside the read that could count it, which keeps the money too.
    """
    account = key[0]
    known = known_as(account)
    untold = sum(
        row.net_minor
        for row in city.sandbox.ledger.rows(*key)
        if row.source != "api" and not city.rules.was_told(row)
    )
    least = executed - (0 if known.tells_strangers else untold)
    most = executed
    if not known.dates_deliveries and _is_seen(city, key):
        most += _read_beside(city, key)
    if least <= booked <= most:
        return True
    waiting = city.look(
        "SELECT 1 FROM delivery WHERE account = ? AND state = 'waiting'", account
    )
    unconfirmed = city.look(
        "SELECT 1 FROM alarm WHERE kind = 'delivery_unconfirmed' AND subject LIKE ?",
        f"{account}/%",
    )
    if (
        waiting
        or unconfirmed
        or (city.plan.clock and city.plan.outside and booked > executed)
        or (city.plan.clock and _unmatched(city, key))
    ):
        return True
    return executed == booked


def _unmatched(city: City, key: tuple[str, str]) -> bool:
    """Tell whether people were called to what matched nothing at a payment.

    What names no payment is called by its own id.
    """
    waited = city.look(
        "SELECT 1 FROM alarm AS a JOIN delivery AS d"
        " ON a.subject = d.account || '/' || coalesce(d.payment_reference, d.dedupe_id)"
        " WHERE a.kind = 'delivery_unmatched' AND d.account = ?"
        " AND coalesce(d.payment_reference, ?) = ?",
        key[0],
        key[1],
        key[1],
    )
    return bool(waited)


def _read_beside(city: City, key: tuple[str, str]) -> int:
    """Sum what others refunded before our last read of the payment could count it."""
    read_at = city.look(
        "SELECT read_at FROM payment WHERE account = ? AND gateway_reference = ?", *key
    )[0]["read_at"]
    return sum(
        row.net_minor
        for row in city.sandbox.ledger.rows(*key)
        if row.source != "api" and row.accepted_at * 1e6 <= (read_at or 0)
    )


def _is_seen(city: City, key: tuple[str, str]) -> bool:
    """Tell whether people were called to what others refunded of a payment."""
    return bool(
        city.look(
            "SELECT 1 FROM alarm AS a JOIN payment AS p ON a.subject = p.id"
            " WHERE p.account = ? AND p.gateway_reference = ? AND a.kind IN"
            " ('payment_refunded_elsewhere', 'payment_over_captured')",
            *key,
        )
    )


def _amounts(city: City) -> None:
    """S14: where a look-up told no amount, the gateway's message has told it since."""
    if known_as(city.plan.account).tells_amounts:
        return
    for row in city.look("SELECT * FROM refund WHERE state = 'succeeded'"):
        booked = row["executed_minor"] or row["amount_minor"]
        left = [
            it.amount_minor
            for it in city.sandbox.ledger.rows(row["account"])
            if it.merchant_reference == row["merchant_reference"] and it.executed_at
        ]
        city.rules.hold("S14", booked in left, f"{row['id']}: {booked} of {left}")


def _matched(city: City) -> None:
    """L5: no delivery is left unmatched without an alarm."""
    for row in city.look("SELECT * FROM delivery WHERE state = 'waiting'"):
        alarmed = city.look(
            "SELECT 1 FROM alarm WHERE subject = ?",
            f"{row['account']}/{row['payment_reference'] or row['dedupe_id']}",
        )
        city.rules.hold("L5", alarmed, f"delivery {row['id']} waits: {dict(row)}")
    city.tally.checked("L5")


def _secrets(city: City) -> None:
    """S16: nothing secret stands in the log, the audit or an alarm."""
    texts = [repr(city.log.events), repr(city.log.problems)]
    texts += [
        bytes(row["entry"]).decode()
        for row in city.look("SELECT entry FROM audit_entry")
    ]
    texts += [row["detail"] for row in city.look("SELECT detail FROM alarm")]
    whole = "\n".join(texts)
    for secret in CANARIES:
        city.rules.hold("S16", secret not in whole, f"{secret[:6]}… stands in a text")


def _exact(city: City) -> None:
    """S17: no entry holds a number with a point."""

    def refuse(text: str) -> NoReturn:
        raise ValueError(text)

    for row in city.look("SELECT entry FROM audit_entry"):
        try:
            json.loads(row["entry"], parse_float=refuse)
            exact = True
        except ValueError:
            exact = False
        city.rules.hold("S17", exact, "an audit entry holds a float")


def _neighbour(city: City) -> None:
    """L2: the trouble of one gateway delays no refund of another."""
    plan = city.plan
    undisturbed = not (plan.crashes or plan.clock or plan.cancels)
    for refund_id, delay in city.rules.delays.items():
        if undisturbed:
            city.rules.hold("L2", delay < 120, f"{refund_id} waited {delay:.0f} s")


async def _stop(city: City) -> None:
    """L4: a stop ends within the time of one exchange."""
    begun = city.loop.time()
    city.stop.set()
    await asyncio.wait(city.rooms)
    took = city.loop.time() - begun
    city.rules.hold("L4", took <= STOP_SECONDS, f"stopping took {took:.0f} s")
