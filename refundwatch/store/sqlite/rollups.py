"""Numbers kept at write time, so that a dashboard costs the same for ever.

Invariant: a rollup changes in the commit of what it counts; what is counted and which
sums make a window is decided in `refundwatch.domain.numbers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.domain.numbers import (
    KEEP_MINUTES,
    Grain,
    Measure,
    Tally,
    floor,
    split,
    tallies,
)
from refundwatch.store.rows import micros
from refundwatch.store.sql import named_queries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from refundwatch.domain.health import Span
    from refundwatch.domain.refund import Refund
    from refundwatch.domain.transition import Applied
    from refundwatch.store.sqlite.sheaf import Sheaf
    from refundwatch.store.sqlite.transaction import Transaction

_SQL = named_queries("sqlite", "rollups")
_NO_CURRENCY: Final = ""


def on_created(tx: Transaction, refund: Refund, at: datetime) -> None:
    """Count a new refund; it belongs to its account until a connection is known."""
    _enter_state(tx, refund)
    tx.change(_SQL["count_day"], (micros(refund.created_at), refund.account))
    _add(tx, refund, (Tally(Measure.REQUESTED),), at)


def on_applied(tx: Transaction, applied: Applied, at: datetime) -> None:
    """Count what an event changed, at the time it became known."""
    before, after = applied.before, applied.after
    if (before.state, before.connection) != (after.state, after.connection):
        _leave_state(tx, before)
        _enter_state(tx, after)
    _add(tx, after, tallies(applied, at), at)


def on_observed(
    tx: Transaction, connection: str, observed: Iterable[Span], down: Iterable[Span]
) -> None:
    """Count the time a connection was observed, and was down."""
    for measure, spans in ((Measure.OBSERVED, observed), (Measure.DOWN, down)):
        for span in spans:
            for grain in Grain:
                for start, milliseconds in split(span, grain):
                    tally = Tally(measure, milliseconds)
                    _add_to(tx, grain, start, connection, _NO_CURRENCY, tally)


def _enter_state(tx: Transaction, refund: Refund) -> None:
    key = (refund.account, refund.connection or "", refund.state.value)
    if tx.sheaf is None:
        tx.change(_SQL["enter_state"], key)
    else:
        tx.sheaf.states[key] += 1


def _leave_state(tx: Transaction, refund: Refund) -> None:
    # Where nothing was counted nothing is taken off: a wrong count may be looked at
    # later, but it must never stop the move of a refund.
    key = (refund.account, refund.connection or "", refund.state.value)
    if tx.sheaf is None:
        tx.change(_SQL["leave_state"], key)
    else:
        tx.sheaf.states[key] -= 1


def settle(tx: Transaction, sheaf: Sheaf) -> None:
    """Write the sums that units gathered."""
    for key, by in sheaf.states.items():
        if by > 0:
            tx.change(_SQL["enter_states"], (*key, by))
        elif by < 0:
            tx.change(_SQL["leave_states"], (-by, *key))
    tallies = [(*key, amount) for key, amount in sheaf.tallies.items()]
    tx.change_all(_SQL["add_tally"], tallies)
    if sheaf.tallied_at is not None:
        tx.change(_SQL["drop_minutes"], (micros(sheaf.tallied_at - KEEP_MINUTES),))


def _add(
    tx: Transaction, refund: Refund, found: tuple[Tally, ...], at: datetime
) -> None:
    if not found:
        return
    subject = refund.connection or refund.account
    for grain in Grain:
        start = floor(at, grain)
        for tally in found:
            _add_to(tx, grain, start, subject, refund.currency, tally)
    if tx.sheaf is None:
        tx.change(_SQL["drop_minutes"], (micros(at - KEEP_MINUTES),))
    else:
        tx.sheaf.tallied_at = at


def _add_to(  # noqa: PLR0917 - the parts of a sum's key
    tx: Transaction,
    grain: Grain,
    start: datetime,
    subject: str,
    currency: str,
    tally: Tally,
) -> None:
    key = (
        grain.value,
        micros(start),
        subject,
        currency,
        tally.measure.value,
        tally.code,
        tally.bucket,
    )
    if tx.sheaf is None:
        tx.change(_SQL["add_tally"], (*key, tally.amount))
    else:
        tx.sheaf.tallies[key] += tally.amount
