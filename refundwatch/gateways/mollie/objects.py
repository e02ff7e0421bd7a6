"""What Mollie's objects say: refunds and payments.

Invariant: an object without its id is no object; an amount is read from decimal text
exactly or becomes a doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.domain.refund import Evidence, Word
from refundwatch.errors import MalformedResponse
from refundwatch.gateways import reading
from refundwatch.gateways.amounts import Stated, heard
from refundwatch.gateways.contract import Heard, PaymentRead, PaymentUnreadable
from refundwatch.gateways.decimals import stated_decimal
from refundwatch.gateways.mollie import facts

if TYPE_CHECKING:
    from refundwatch.gateways.contract import AccountView
    from refundwatch.gateways.reading import Json

# --- refunds ----------------------------------------------------------------------


def read_refund_object(refund: Json, source: str, ours: str | None = None) -> Heard:
    """Read a refund object; `ours` is our reference where it is known.

    Raises:
        MalformedResponse: it is no refund object, or has no id.
    """
    if reading.text(refund, "resource") != "refund":
        raise MalformedResponse("no_refund_object")
    word, raw_status = word_of(reading.at(refund, "status"))
    evidence = Evidence(
        source=source,
        raw_status=raw_status,
        gateway_reference=reading.required_text(refund, "id"),
        merchant_reference=reference_of(refund, ours),
        payment_reference=reading.text(refund, "paymentId"),
        failure_code=raw_status if word is Word.FAILED else None,
    )
    return heard(word, evidence, stated_amount(reading.at(refund, "amount")))


def word_of(status: Json) -> tuple[Word, str]:
    """Give the word of a status, and the status for people."""
    raw = reading.shown(status)
    if not isinstance(status, str):
        return Word.UNSEEN, raw
    return facts.WORDS.get(status, Word.UNSEEN), raw


def reference_of(refund: Json, ours: str | None = None) -> str | None:
    """Read our reference from the metadata, which comes back as it was stored.

    A text is ours where it is our reference itself, or an object written as text.
    """
    limit = facts.REFERENCE_LIMIT
    direct = reading.text(refund, "metadata", facts.REFERENCE_KEY, limit=limit)
    if direct is not None:
        return direct
    written = reading.text(refund, "metadata", limit=1024)
    if written is None or written == ours:
        return written
    inside = reading.object_or_none(written.encode("utf-8", "surrogatepass"))
    return reading.text(inside, facts.REFERENCE_KEY, limit=limit)


def stated_amount(amount: Json) -> Stated:
    """Read an amount object; a missing one states nothing."""
    if amount is None:
        return Stated()
    return stated_decimal(
        facts.CAPABILITIES,
        reading.at(amount, "value"),
        reading.at(amount, "currency"),
    )


def fits_mode(source: Json, account: AccountView) -> bool:
    """Tell whether `mode`, where it is stated, is the account's."""
    stated = reading.at(source, "mode")
    return stated is None or stated == ("live" if account.mode == "live" else "test")


# --- payments ---------------------------------------------------------------------


def read_payment_object(
    body: bytes, reference: str, account: AccountView
) -> PaymentRead | PaymentUnreadable:
    """Read what was captured of a payment, and what was given back of it."""
    payment = reading.object_or_none(body)
    if reading.text(payment, "resource") != "payment":
        return PaymentUnreadable("no_payment_object")
    if reading.text(payment, "id") != reference:
        return PaymentUnreadable("another_payment")
    if not fits_mode(payment, account):
        return PaymentUnreadable("mode")
    return _amounts(payment)


def _amounts(payment: Json) -> PaymentRead | PaymentUnreadable:
    whole = stated_amount(reading.at(payment, "amount"))
    captured = stated_amount(reading.at(payment, "amountCaptured"))
    refunded = stated_amount(reading.at(payment, "amountRefunded"))
    back = stated_amount(reading.at(payment, "amountChargedBack"))
    for stated in (whole, captured, refunded, back):
        if stated.doubt is not None:
            return PaymentUnreadable(stated.doubt)
        if stated.currency not in {None, whole.currency}:
            return PaymentUnreadable("two_currencies")
    if whole.amount_minor is None or whole.currency is None:
        return PaymentUnreadable("no_amount")
    status = reading.text(payment, "status")
    if status != facts.PAID and status not in facts.NOT_CAPTURED:
        return PaymentUnreadable(f"payment_status:{reading.shown(status)}")
    taken = whole.amount_minor if status == facts.PAID else 0
    if captured.amount_minor is not None:
        taken = captured.amount_minor
    if taken < 0 or (refunded.amount_minor or 0) < 0:
        return PaymentUnreadable("negative_amount")
    return PaymentRead(
        captured_minor=taken,
        currency=whole.currency,
        refunded_minor=refunded.amount_minor,
        disputed=bool(back.amount_minor),
    )
