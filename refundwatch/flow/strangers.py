"""Items whose word must be read again: whether the gateway bears them out.

Invariant: where a signature covers less than the body, nothing that moves an amount is
believed of the body alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.events import GatewayWord
from refundwatch.domain.refund import Word
from refundwatch.gateways.contract import Found, RefundInstruction

if TYPE_CHECKING:
    from refundwatch.flow.exchange import Exchanges
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import Heard, LookupResult, Operation
    from refundwatch.store.contract import CallRecord, DeliveryItem

PAID: Final = frozenset({Word.SUCCEEDED, Word.SETTLED})
CAME_BACK: Final = frozenset({Word.FAILED, Word.REVERSED})


@dataclass(frozen=True, slots=True)
class Borne:
    """Whether the gateway says the same; None where it did not say anything.

    `said` is what it says of a refund of which the item states nothing but its name.
    """

    out: bool | None
    calls: tuple[CallRecord, ...] = ()
    said: GatewayWord | None = None


def is_proven(item: DeliveryItem, path: ConnectionPath | None) -> bool:
    """Tell whether the item's word counts by itself when nobody can be asked."""
    if not item.hint:
        return True
    return path is not None and path.gateway.capabilities.webhook_signs_body


def must_be_read(item: DeliveryItem, path: ConnectionPath | None) -> bool:
    """Tell whether the item would move an amount that it does not prove."""
    return item.word in PAID | CAME_BACK and not is_proven(item, path)


def awaits_its_end(item: DeliveryItem, path: ConnectionPath | None) -> bool:
    """Tell whether the item says "accepted" where only a read says what came of it.

    One that states no amount must at least name the refund that is to be read.
    """
    told = item.evidence
    if item.word not in {Word.PENDING, None}:
        return False
    return (
        item.hint
        and told is not None
        and (told.amount_minor is not None or told.gateway_reference is not None)
        and path is not None
        and path.gateway.capabilities.polls_pending
    )


async def bear_out(
    exchanges: Exchanges, path: ConnectionPath, item: DeliveryItem
) -> Borne:
    """Read the refund that an item names, and compare what it says.

    An item that says "accepted" is borne out by its success, and by nothing yet while
    the refund is still on its way.
    """
    told = item.evidence
    if told is None or told.gateway_reference is None:
        return Borne(out=False)
    instruction = RefundInstruction(
        account=path.account,
        payment_reference=told.payment_reference or "",
        merchant_reference=told.merchant_reference or "",
        idempotency_key="",
        amount_minor=told.amount_minor or 0,
        currency=told.currency or "",
        reason_code="",
        gateway_reference=told.gateway_reference,
    )

    def read() -> Operation[LookupResult]:
        return path.gateway.read_refund(instruction)

    ran = await exchanges.ask(path, read)
    if not isinstance(ran.result, Found):
        return Borne(out=None, calls=ran.calls)
    on_its_way = any(one.word is Word.PENDING for one in ran.result.matches)
    if item.word in {Word.PENDING, None} and on_its_way:
        return Borne(out=None, calls=ran.calls)
    same = [one for one in ran.result.matches if _same(one, item)]
    if not same or told.amount_minor is not None:
        return Borne(bool(same), ran.calls)
    said = GatewayWord(same[0].word, same[0].evidence, due_at=None)
    return Borne(out=True, calls=ran.calls, said=said)


def _same(heard: Heard, item: DeliveryItem) -> bool:
    said, told = heard.evidence, item.evidence
    if told is None or not _same_word(heard.word, item.word):
        return False
    if told.amount_minor is None:
        return said.gateway_reference == told.gateway_reference
    return (
        said.gateway_reference == told.gateway_reference
        and said.payment_reference == told.payment_reference
        and said.amount_minor == told.amount_minor
        and said.currency == told.currency
    )


def _same_word(said: Word, told: Word | None) -> bool:
    if told in {Word.PENDING, None}:
        return said in PAID
    return any(said in kind and told in kind for kind in (PAID, CAME_BACK))
