"""Authorize.Net's JSON objects, made from the books.

Invariant: amounts are written as the gateway mixes them, as numbers and as text, and
always in the one currency of the account, which no object names.
Source: gateways/specs/AnetApiSchema.xsd; gateways/authorizenet.md section 8.
"""

import hashlib

from refundwatch.sandbox.answers import Json, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.money import AUTHORIZENET, decimal_text

BANK = "echeck"
_OFFSET_SECONDS = 8 * 3600
_LARGEST_NUMBER = 10**13


def number(amount_minor: int, currency: str) -> float | str:
    """Write an amount as a JSON number where one holds it, with as few digits."""
    text = decimal_text(amount_minor, currency, AUTHORIZENET)
    return float(text) if abs(amount_minor) <= _LARGEST_NUMBER else text


def last_four(payment: Payment) -> str:
    """Give the last digits of the card, or of the account, of a sale."""
    digest = hashlib.sha256(payment.reference.encode()).hexdigest()
    return f"{int(digest[:8], 16) % 10_000:04d}"


def masked(payment: Payment) -> Json:
    """Describe how a sale was paid, masked."""
    digits = f"XXXX{last_four(payment)}"
    if payment.method == BANK:
        return {
            "bankAccount": {
                "accountType": "checking",
                "routingNumber": "XXXX0210",
                "accountNumber": digits,
                "nameOnAccount": "A Holder",
                "echeckType": "WEB",
            }
        }
    return {"creditCard": {"cardNumber": digits, "expirationDate": "XXXX"}}


def local_text(at: float) -> str:
    """Write a moment in the merchant's own time, without a zone."""
    return utc_text(at - _OFFSET_SECONDS).removesuffix("Z")


def batch_object(batch_id: str, at: float) -> Json:
    """Describe a settled batch."""
    return {
        "batchId": batch_id,
        "settlementTimeUTC": utc_text(at),
        "settlementTimeLocal": local_text(at),
        "settlementState": "settledSuccessfully",
        "paymentMethod": "creditCard",
        "marketType": "eCommerce",
        "product": "Card Not Present",
    }


def sale_details(payment: Payment, status: str, batch: Json | None) -> Json:
    """Describe a sale."""
    whole = number(payment.amount_minor, payment.currency)
    voided = status == "voided"
    kind = "authCaptureTransaction" if payment.captured else "authOnlyTransaction"
    return {
        "transId": payment.reference,
        **_times(payment.created_at),
        "transactionType": kind,
        "transactionStatus": status,
        **_response("Approval"),
        **({"batch": batch} if batch else {}),
        **_order(payment.merchant_reference),
        "authAmount": whole,
        "settleAmount": 0.0 if voided else whole,
        "payment": masked(payment),
    }


def refund_details(refund: Refund, payment: Payment, batch: Json | None) -> Json:
    """Describe a refund; it names its sale."""
    text = decimal_text(refund.amount_minor, refund.currency, AUTHORIZENET)
    return {
        "transId": refund.id,
        "refTransId": refund.payment,
        **_times(refund.created_at),
        "transactionType": "refundTransaction",
        "transactionStatus": refund.status,
        **_response("Approval"),
        **({"batch": batch} if batch else {}),
        **_order(refund.details.get("invoice", "")),
        "authAmount": text,
        "settleAmount": number(refund.amount_minor, refund.currency),
        "payment": masked(payment),
    }


def _times(at: float) -> Json:
    return {"submitTimeUTC": utc_text(at), "submitTimeLocal": local_text(at)}


def _response(text: str) -> Json:
    return {
        "responseCode": 1,
        "responseReasonCode": 1,
        "responseReasonDescription": text,
    }


def _order(invoice: str) -> Json:
    return {"order": {"invoiceNumber": invoice}} if invoice else {}


def summary(details: Json) -> Json:
    """Describe a transaction as lists do: without its sale and without our refId."""
    paid = details["payment"]
    account = paid.get("creditCard") or paid["bankAccount"]
    number_ = account.get("cardNumber") or account["accountNumber"]
    invoice = details.get("order", {}).get("invoiceNumber", "")
    return {
        "transId": details["transId"],
        "submitTimeUTC": details["submitTimeUTC"],
        "submitTimeLocal": details["submitTimeLocal"],
        "transactionStatus": details["transactionStatus"],
        **({"invoiceNumber": invoice} if invoice else {}),
        "accountType": "Visa" if "creditCard" in paid else "eCheck",
        "accountNumber": number_,
        "settleAmount": details["settleAmount"],
        "marketType": "eCommerce",
        "product": "Card Not Present",
    }


def notice(
    notification_id: str,
    event: str,
    at: str,
    *,
    amount: float | str,
    transaction_id: str,
    invoice: str,
    ref_id: str,
) -> Json:
    """Describe a webhook; it does not name the refunded sale."""
    return {
        "notificationId": notification_id,
        "eventType": event,
        "eventDate": at.removesuffix("Z") + ".7722007Z",
        "webhookId": "849e0000-078a-4169-a34b-c0bded501901",
        "payload": {
            "responseCode": 1,
            "avsResponse": "P",
            "authAmount": amount,
            **({"merchantReferenceId": ref_id} if ref_id else {}),
            **({"invoiceNumber": invoice} if invoice else {}),
            "entityName": "transaction",
            "id": transaction_id,
        },
    }
