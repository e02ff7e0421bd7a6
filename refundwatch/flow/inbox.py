"""Room three, the desk: stored deliveries are applied, each once.

Invariant: a word counts only for the refund it matches; a hint counts as what the
gateway says when it is read again, and never by itself where its signature does not
cover it; no delivery is dropped without its reason, and money that moved without us
ends booked or alarmed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, assert_never

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.refund import RefundState, Word
from refundwatch.domain.transition import apply
from refundwatch.flow.asking import question
from refundwatch.flow.exchange import Silent
from refundwatch.flow.lanes import Share
from refundwatch.flow.loops import Room
from refundwatch.flow.pace import RETRY_CAP_SECONDS
from refundwatch.flow.strangers import (
    PAID,
    Borne,
    awaits_its_end,
    bear_out,
    is_proven,
    must_be_read,
)
from refundwatch.gateways.contract import (
    Absent,
    EventKind,
    Found,
    LookupFailed,
    NotShown,
)
from refundwatch.store.contract import (
    ApplyDelivery,
    ApplyDispute,
    ApplyEvent,
    CloseAlarm,
    CloseDelivery,
    DueInbox,
    PostponeDelivery,
    RaiseAlarm,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from refundwatch.domain.refund import Evidence, Refund
    from refundwatch.flow.asking import Answer
    from refundwatch.flow.equipment import Equipment
    from refundwatch.flow.exchange import Ran
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import Heard, LookupResult, Operation
    from refundwatch.store.contract import CallRecord, DeliveryItem, InboxJob

_SET_BACK: Final = timedelta(hours=1)
"""What is further ahead than this was stamped by a clock that was wrong."""

_SAYS: Final[dict[Word, frozenset[RefundState]]] = {
    Word.PENDING: frozenset({RefundState.PENDING}),
    Word.SUCCEEDED: frozenset({RefundState.SUCCEEDED, RefundState.SETTLED}),
    Word.SETTLED: frozenset({RefundState.SETTLED}),
    Word.FAILED: frozenset({RefundState.DECLINED, RefundState.REVERSED}),
    Word.REVERSED: frozenset({RefundState.REVERSED}),
    Word.UNSEEN: frozenset(),
}
_PROGRESS: Final[dict[Word, int]] = {
    Word.UNSEEN: 3,
    Word.PENDING: 0,
    Word.SUCCEEDED: 1,
    Word.SETTLED: 2,
    Word.FAILED: 3,
    Word.REVERSED: 3,
}
_READS_BEHIND: Final = 5
"""How often a read may lag behind a signed event before the read is believed."""

_CROWD: Final = 16
"""So many deliveries wait for an answer only where they come faster than it goes."""

_WHILE_SECONDS: Final = 0.1
_FEW: Final = 8
"""Items that are worth a look: each begins by reading the changed pages anew."""

_MOMENT_SECONDS: Final = 0.005

_UNMATCHED_ALARM_TRIES: Final = 3
"""A few minutes: by then no intent of ours can still be on its way to the store."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the gateway is asked before an item counts, and over which connection."""

    path: ConnectionPath
    ask: Callable[[], Operation[LookupResult]]


@dataclass(frozen=True, slots=True)
class _Letter:
    """An item that matches a refund, with its own word if it says one.

    `read` is None where nothing has to be asked, or nobody can be.
    """

    job: InboxJob
    refund: Refund
    own: GatewayWord | None
    read: _Read | None

    def is_ahead_of(self, word: Word) -> bool:
        """Tell whether the item says more than a read that says `word`."""
        if self.own is None or self.own.word is Word.UNSEEN:
            return False
        return _PROGRESS[word] < _PROGRESS[self.own.word]


class Inbox(Room[int]):
    """Applies what was delivered."""

    name: ClassVar[str] = "inbox"
    wakes_on: ClassVar[frozenset[str]] = frozenset({"inbox"})

    def __init__(self, equipment: Equipment) -> None:
        """Open with nothing under way."""
        super().__init__(equipment, equipment.settings.inbox_concurrency)
        self._share = Share(equipment.paths, equipment.lanes)
        self._refunds: set[str] = set()
        self._lately = 0

    async def step(self) -> int:
        """Start applying what is due, one item a refund at a time."""
        await self._give_way()
        at = self.look()
        self.jobs.most = self.at.settings.inbox_concurrency

        def due(seen: frozenset[int]) -> DueInbox | None:
            # What finds no place now would be read again for each place that frees.
            places = self._share.free()
            if places == 0:
                return None
            room = min(self.jobs.free, max(places, _FEW))
            return DueInbox(at, room, seen, self._share.full_accounts())

        self._lately = await self.fill(due, lambda job: job.delivery_id, self._start)
        return self._lately

    async def _give_way(self) -> None:
        """Let a crowd at the door go first, for a while.

        A gateway soon gives up on a listener; what is stored can be applied when the
        flood is over, and meanwhile a little of it with every while.
        """
        if self.at.door.waiting >= _CROWD:
            await self.at.clock.sleep(_WHILE_SECONDS)
        elif 0 < self._lately < _FEW:
            # A look costs as much as several items: let a few come together.
            await self.at.clock.sleep(_MOMENT_SECONDS)

    async def _start(self, job: InboxJob) -> bool:
        refund = job.refund
        if refund is None:
            self.jobs.start(job.delivery_id, self._unmatched_or_other(job))
            return True
        if refund.id in self._refunds:
            return False
        letter = self._letter(job, refund)
        # What needs no answer waits for nobody's place.
        read = letter.read
        leave = self._share.enter(read.path) if read is not None else _nothing
        if leave is None:
            return False
        self._refunds.add(refund.id)

        def done(give_back: Callable[[], None] = leave) -> None:
            self._refunds.discard(refund.id)
            give_back()

        self.jobs.start(job.delivery_id, self._matched(letter), done)
        return True

    # --- what is not a word about a refund of ours ---------------------------------

    async def _unmatched_or_other(self, job: InboxJob) -> None:
        if job.item.kind == EventKind.REFUND:
            await self._unmatched(job)
        else:
            await self._other(job)

    async def _other(self, job: InboxJob) -> None:
        match job.item.kind:
            case EventKind.DISPUTE_OPENED | EventKind.DISPUTE_CLOSED as kind:
                closed = kind == EventKind.DISPUTE_CLOSED
                await self.at.store.execute(
                    ApplyDispute(self.at.clock.now(), job.delivery_id, closed=closed)
                )
            case _:
                await self._close(job, "not_about_refunds")

    async def _unmatched(self, job: InboxJob) -> None:
        """Wait for a row that never comes? Then money moved without us."""
        keep = timedelta(seconds=self.at.settings.unmatched_keep_seconds)
        since = self._waits_since(job)
        waited = self.at.clock.now() - since
        if waited >= keep:
            await self._end_unmatched(job, last=waited >= 2 * keep)
            return
        if job.tries == _UNMATCHED_ALARM_TRIES:
            await self._alarm_unmatched(job)
        due_at = self.at.pace.after_tries(str(job.delivery_id), job.tries)
        await self._postpone(job, "unmatched", min(due_at, since + keep))

    def _waits_since(self, job: InboxJob) -> datetime:
        """Say since when an item waits, also where our clock was ahead when it came.

        Then the gateway's own stamp says it, or else how often it was looked at.
        """
        now = self.at.clock.now()
        if job.received_at - now <= _SET_BACK:
            return job.received_at
        occurred = _moment(job.item.occurred_at)
        if occurred is not None and occurred <= now:
            return occurred
        steps = self.at.settings.backoff_seconds
        waits = (steps[min(step, len(steps) - 1)] for step in range(job.tries))
        return now - timedelta(seconds=sum(waits))

    async def _end_unmatched(self, job: InboxJob, *, last: bool) -> None:
        """Book what moved, after asking whether it did where the item is no proof."""
        paid, said = job.item.word in PAID, None
        path = next(iter(self.at.paths.of_account(job.account)), None)
        accepted = awaits_its_end(job.item, path)
        if accepted or must_be_read(job.item, path):
            borne = await self._borne_out(job, path)
            borne_out, said = borne.out, borne.said
            if borne_out is None and not last:
                again = timedelta(seconds=RETRY_CAP_SECONDS)
                await self._postpone(job, "unmatched", self.at.clock.now() + again)
                return
            if not borne_out and not accepted:
                await self._unconfirmed(job, _subject(job))
                return
            paid = bool(borne_out) if accepted else paid
        if not paid:
            await self._alarm_unmatched(job)
        await self._close(job, "unmatched", external=paid, said=said)

    async def _borne_out(self, job: InboxJob, path: ConnectionPath | None) -> Borne:
        if path is None:
            return Borne(out=None)
        async with self.at.lanes.lane(path):
            borne = await bear_out(self.at.exchanges, path, job.item)
        await self.at.exchanges.note(borne.calls)
        return borne

    async def _unconfirmed(self, job: InboxJob, subject: str) -> None:
        """Call people: an item said what the gateway would not say again."""
        await self.at.store.execute(
            RaiseAlarm(
                at=self.at.clock.now(),
                kind="delivery_unconfirmed",
                severity="critical",
                subject=subject,
                detail={"account": job.account, "type": job.item.type},
            )
        )
        await self._close(job, "unconfirmed", believed=False)

    async def _alarm_unmatched(self, job: InboxJob) -> None:
        await self.at.store.execute(
            RaiseAlarm(
                at=self.at.clock.now(),
                kind="delivery_unmatched",
                severity="warning",
                subject=_subject(job),
                detail={"account": job.account, "type": job.item.type},
            )
        )

    # --- a word about a refund of ours ---------------------------------------------

    def _letter(self, job: InboxJob, refund: Refund) -> _Letter:
        """Say what an item says of a refund, and what must be read before it counts."""
        path = self.at.lanes.of_refund(refund)
        own = self._own_word(job.item, refund, path)
        ask = self._question(job.item, refund, path)
        read = None
        if path is not None and ask is not None:
            known = self._says_nothing_new(own, refund)
            read = None if known else _Read(path, ask)
        return _Letter(job, refund, own, read)

    async def _matched(self, letter: _Letter) -> None:
        job, read = letter.job, letter.read
        if job.item.kind != EventKind.REFUND:
            await self._other(job)
            return
        if job.tries > _UNMATCHED_ALARM_TRIES:
            await self.at.store.execute(
                CloseAlarm(self.at.clock.now(), "delivery_unmatched", _subject(job))
            )
        if read is not None:
            async with self.at.lanes.lane(read.path):
                ran = await self.at.exchanges.ask(read.path, read.ask)
            self.at.lanes.obey(read.path, ran.calls)
            await self.at.exchanges.note(ran.calls[:-1])
            await self._apply_read(letter, ran)
            return
        proven = is_proven(job.item, self.at.lanes.of_refund(letter.refund))
        if proven or self._says_nothing_new(letter.own, letter.refund):
            await self._apply_own(letter)
        else:
            await self._unread(letter, "nobody_to_ask", None)

    def _own_word(
        self, item: DeliveryItem, refund: Refund, path: ConnectionPath | None
    ) -> GatewayWord | None:
        """Give the item's own word, if it says one."""
        if item.word is None or item.evidence is None:
            return None
        due_at = None
        if path is not None:
            due_at = self.at.pace.first_poll(path.gateway.capabilities)
        return GatewayWord(item.word, _named(item, item.evidence, refund), due_at)

    def _question(
        self, item: DeliveryItem, refund: Refund, path: ConnectionPath | None
    ) -> Callable[[], Operation[LookupResult]] | None:
        """Give the read that a hint asks for; None where the word stands by itself."""
        if path is None or not item.hint or item.kind != EventKind.REFUND:
            return None
        theirs = item.evidence.gateway_reference if item.evidence is not None else None
        return question(refund, path, by_our_reference=False, gateway_reference=theirs)

    def _says_nothing_new(self, own: GatewayWord | None, refund: Refund) -> bool:
        if own is None or refund.state not in _SAYS[own.word]:
            return False
        would = apply(refund, own, self.at.clock.now())
        return not would.changed and would.alarm is None

    async def _apply_own(self, letter: _Letter) -> None:
        if letter.own is None:
            await self._close(letter.job, "no_word")
            return
        await self._apply(letter, letter.own, None)

    async def _apply(
        self, letter: _Letter, event: GatewayWord, call: CallRecord | None
    ) -> None:
        command = ApplyDelivery(
            at=self.at.clock.now(),
            delivery_id=letter.job.delivery_id,
            refund_id=letter.refund.id,
            event=event,
            call=call,
        )
        await self.at.store.execute(command)

    # --- what the gateway says when it is read again -------------------------------

    async def _apply_read(self, letter: _Letter, ran: Ran[Answer]) -> None:
        match ran.result:
            case Found(matches=matches) if matches:
                await self._found(letter, matches, ran.last_call)
            case Found() | Absent():
                await self._unread(letter, "not_found_yet", ran.last_call)
            case NotShown():
                await self._not_shown(letter, ran.last_call)
            case LookupFailed(retry_after_seconds=wait):
                await self._unread(letter, "read_failed", ran.last_call, wait)
            case Silent():
                await self._unread(letter, "read_failed", ran.last_call)
            case _:
                assert_never(ran.result)

    async def _found(
        self, letter: _Letter, matches: Sequence[Heard], call: CallRecord | None
    ) -> None:
        due_at = self._next_look(letter)
        *earlier, last = [
            GatewayWord(heard.word, heard.evidence, due_at) for heard in matches
        ]
        for event in earlier:
            await self._tell(letter.refund, event, None)
        behind = letter.is_ahead_of(last.word)
        if behind and letter.job.tries < _READS_BEHIND:
            # The read lags behind what was signed: take it, and look once more.
            await self._tell(letter.refund, last, call)
            await self._postpone(letter.job, "read_behind_event")
            return
        if behind:
            await self._alarm_behind(letter.refund)
        await self._apply(letter, self._completed(letter, last), call)

    def _next_look(self, letter: _Letter) -> datetime | None:
        """Say when what is read now is asked about again, also after no word at all."""
        if letter.own is not None:
            return letter.own.due_at
        path = self.at.lanes.of_refund(letter.refund)
        return self.at.pace.first_poll(path.gateway.capabilities) if path else None

    def _completed(self, letter: _Letter, read: GatewayWord) -> GatewayWord:
        """Add the amount that a proven item states where the read states none."""
        told = letter.own.evidence if letter.own is not None else None
        if told is None or told.amount_minor is None:
            return read
        path = self.at.lanes.of_refund(letter.refund)
        if read.evidence.amount_minor is not None or not is_proven(
            letter.job.item, path
        ):
            return read
        currency = read.evidence.currency or told.currency
        whole = replace(
            read.evidence, amount_minor=told.amount_minor, currency=currency
        )
        return replace(read, evidence=whole)

    async def _tell(
        self, refund: Refund, event: GatewayWord, call: CallRecord | None
    ) -> None:
        await self.at.store.execute(
            ApplyEvent(self.at.clock.now(), refund.id, event, call)
        )

    async def _alarm_behind(self, refund: Refund) -> None:
        await self.at.store.execute(
            RaiseAlarm(
                at=self.at.clock.now(),
                kind="delivery_contradicts_read",
                severity="warning",
                subject=refund.id,
            )
        )

    async def _not_shown(self, letter: _Letter, call: CallRecord | None) -> None:
        """Take what was proven by itself once a read that lags would show it."""
        job = letter.job
        path = self.at.lanes.of_refund(letter.refund)
        waited = self.at.clock.now() - self._waits_since(job)
        patient = path is not None and waited >= timedelta(
            seconds=self.at.settings.scaled(
                path.gateway.capabilities.lookup_delay_seconds
            )
        )
        if patient and letter.own is not None and is_proven(job.item, path):
            await self._apply(letter, letter.own, call)
            return
        await self._unread(letter, "not_shown", call)

    async def _unread(
        self,
        letter: _Letter,
        reason: str,
        call: CallRecord | None,
        wait: float | None = None,
    ) -> None:
        """Try later; what was signed counts by itself when nobody can confirm it."""
        job = letter.job
        keep = timedelta(seconds=self.at.settings.unmatched_keep_seconds)
        since = job.replayed_at or self._waits_since(job)
        if self.at.clock.now() - since >= keep:
            if is_proven(job.item, self.at.lanes.of_refund(letter.refund)):
                await self._apply_own(letter)
            else:
                await self._unconfirmed(job, letter.refund.id)
            return
        due_at = self.at.pace.after_tries(
            str(job.delivery_id), job.tries, wait, RETRY_CAP_SECONDS
        )
        await self._postpone(job, reason, due_at, call)

    # --- the end of a job ------------------------------------------------------------

    async def _postpone(
        self,
        job: InboxJob,
        reason: str,
        due_at: datetime | None = None,
        call: CallRecord | None = None,
    ) -> None:
        later = due_at or self.at.pace.after_tries(str(job.delivery_id), job.tries)
        await self.at.store.execute(
            PostponeDelivery(self.at.clock.now(), job.delivery_id, later, reason, call)
        )

    async def _close(
        self,
        job: InboxJob,
        reason: str,
        *,
        external: bool = False,
        believed: bool = True,
        said: GatewayWord | None = None,
    ) -> None:
        one, now = job.delivery_id, self.at.clock.now()
        closing = CloseDelivery(now, one, reason, external, believed, said)
        await self.at.store.execute(closing)


def _named(item: DeliveryItem, evidence: Evidence, refund: Refund) -> Evidence:
    """Call the payment by our name for it, if the item means ours."""
    names = {item.payment_reference, *item.payment_aliases} - {None}
    if not names:
        return evidence
    if refund.payment_reference in names:
        return replace(evidence, payment_reference=refund.payment_reference)
    return replace(evidence, payment_reference=min(name for name in names if name))


def _moment(written: str | None) -> datetime | None:
    """Read a time that an adapter restated; None where there is none."""
    try:
        return datetime.fromisoformat(written) if written else None
    except ValueError:
        return None


def _subject(job: InboxJob) -> str:
    return f"{job.account}/{job.item.payment_reference or job.item.dedupe_id}"


def _nothing() -> None:
    """Give nothing back: nothing was taken."""
