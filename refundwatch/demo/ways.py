"""Which way the refunds of accounts with two connections went, and why.

Invariant: every reason is one that the hub stored with an attempt.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from refundwatch.api import models as m
from refundwatch.demo.accounts import EVERY, MAIN
from refundwatch.demo.balance import PAID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from refundwatch.api.client import ApiClient

MOST_READ: Final = 1000
"""The newest that are read whole; a run that is watched can be a long one."""

_AGAIN: Final = "sent again where the question was open"
_WORDS: Final = {
    "busy": "was busy",
    "circuit_half_open": "took reads alone",
    "circuit_open": "had its orders stopped",
    "dearer": "was dearer",
    "down": "was down",
    "fails_more": "failed more often",
    "later_in_configuration": "comes later in the configuration",
    "resting": "had asked for a rest",
    "slower": "was slower",
}


async def went(
    client: ApiClient, refunds: Sequence[m.RefundView]
) -> list[m.RefundDetailView]:
    """Read the sent refunds, oldest first, of accounts with more than one way."""
    sent = [
        it
        for it in refunds
        if it.connection is not None and len(EVERY[it.account].connections) > len(MAIN)
    ]
    return [
        await client.call("refunds.show", m.RefundDetailView, parts={"refund": it.id})
        for it in sent[-MOST_READ:]
    ]


def ways(details: Sequence[m.RefundDetailView]) -> str:
    """Lay out one line a connection, and below it why each other was passed over."""
    sent: Counter[str] = Counter()
    why: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for detail in details:
        for attempt in detail.attempts:
            sent[attempt.connection] += 1
            why[attempt.connection].update(_reasons(attempt))
    paid = Counter(it.refund.connection for it in details if it.refund.state in PAID)
    lines = ["ways of accounts with two connections:"]
    for name in sorted(sent):
        lines.append(f"  {name}: {paid[name]} paid out, {sent[name]} attempts")
        lines += [f"    {count} {it}" for it, count in why[name].most_common()]
    return "\n".join(lines)


def _reasons(attempt: m.AttemptView) -> list[str]:
    return [
        _AGAIN
        if note.reason == "pinned"
        else f"because {note.connection} {_WORDS.get(note.reason, note.reason)}"
        for note in attempt.route
        if note.reason == "pinned" or note.connection != attempt.connection
    ]
