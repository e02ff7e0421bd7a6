"""Cybersource's JSON objects, made from the books.

Invariant: amounts are decimal strings; ids are strings of digits, longer than a double
can hold.
Source: gateways/specs/cybersource-refunds.json and cybersource.md section 8.
"""

import hashlib
from collections.abc import Sequence

from refundwatch.sandbox.answers import Json, utc_text
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.money import iso_digits

API = "https://apitest.cybersource.com"
CHECK = "check"
SALE = "sale"
VOIDED = "VOIDED"
EARLIER = "0000"
DECLINED = "DECLINED"
_ID_DIGITS = 21

# What the books call dead, in the words of the search.
_SEEN = {"CANCELLED": VOIDED}


def derived_id(*parts: str) -> str:
    """Return an id of 22 digits that depends on what it is of."""
    number = int(hashlib.sha256("/".join(parts).encode()).hexdigest(), 16)
    return "7" + str(number % 10**_ID_DIGITS).zfill(_ID_DIGITS)


def earlier_id(payment: Payment) -> str:
    """Return the id of what was refunded before the sandbox began: a longer one."""
    return payment.reference + EARLIER


def is_separate(payment: Payment) -> bool:
    """Tell whether a payment was authorised first and captured by itself."""
    return payment.captured and payment.method not in (CHECK, SALE)


def amount_text(amount_minor: int, currency: str) -> str:
    """Write ISO minor units as decimal text."""
    digits = iso_digits(currency)
    written = str(amount_minor).zfill(digits + 1)
    return f"{written[:-digits]}.{written[-digits:]}" if digits else written


def accepted(refund: Refund, currency: str) -> Json:
    """Describe a refund as the call that made it does."""
    path = f"/pts/v2/refunds/{refund.id}"
    return {
        "_links": {
            "self": {"href": path, "method": "GET"},
            "void": {"href": f"{path}/voids", "method": "POST"},
        },
        "clientReferenceInformation": {"code": refund.merchant_reference},
        "id": refund.id,
        "orderInformation": {"amountDetails": {"currency": currency}},
        "reconciliationId": refund.details["reconciliation"],
        "refundAmountDetails": {
            "currency": currency,
            "refundAmount": amount_text(refund.amount_minor, refund.currency),
        },
        "status": "PENDING",
        "submitTimeUtc": utc_text(refund.created_at),
    }


def declined(refund: Refund) -> Json:
    """Describe a refund that was refused, in an answer of 201."""
    return {
        "clientReferenceInformation": {"code": refund.merchant_reference},
        "id": refund.id,
        "status": refund.details["verdict"],
        "errorInformation": {
            "reason": refund.details["reason"],
            "message": "The request was declined",
        },
        "submitTimeUtc": utc_text(refund.created_at),
    }


def voided(refund: Refund, now: float) -> Json:
    """Describe the cancellation of a refund."""
    amount = amount_text(refund.amount_minor, refund.currency)
    return {
        "_links": {
            "self": {"href": f"/pts/v2/voids/{refund.details['void']}", "method": "GET"}
        },
        "id": refund.details["void"],
        "clientReferenceInformation": {"code": refund.details["void_code"]},
        "status": VOIDED,
        "submitTimeUtc": utc_text(now),
        "voidAmountDetails": {
            "voidAmount": amount,
            "originalTransactionAmount": amount,
            "currency": refund.currency,
        },
    }


# Transactions as the search service tells them.


def _transaction(
    transaction_id: str,
    at: float,
    code: str,
    applications: Sequence[str],
    status: str,
    *,
    amount: str,
    currency: str,
    done: bool = True,
) -> Json:
    r_code, flag = ("1", "SOK") if done else ("0", "DCARDREFUSED")
    reason = "100" if done else "203"
    return {
        "id": transaction_id,
        "submitTimeUTC": utc_text(at),
        "applicationInformation": {
            "status": status,
            "reasonCode": reason,
            "rCode": r_code,
            "rFlag": flag,
            "applications": [
                {"name": name, "reasonCode": reason, "rCode": r_code, "rFlag": flag}
                for name in applications
            ],
        },
        "clientReferenceInformation": {"code": code},
        "orderInformation": {
            "amountDetails": {"totalAmount": amount, "currency": currency}
        },
    }


def linked(transaction: Json, root: str, merchant: str, others: Sequence[str]) -> Json:
    """Add what only the whole transaction tells."""
    path = f"{API}/tss/v2/transactions"
    own = transaction["id"]
    return {
        **transaction,
        "rootId": root,
        "merchantId": merchant,
        "_links": {
            "self": {"href": f"{path}/{own}", "method": "GET"},
            "relatedTransactions": [
                {"href": f"{path}/{other}", "method": "GET"}
                for other in others
                if other != own
            ],
        },
    }


def summed_up(transaction: Json, merchant: str) -> Json:
    """Describe a transaction as a search does: without its status."""
    told = dict(transaction["applicationInformation"])
    del told["status"]
    summary = {**transaction, "merchantId": merchant, "applicationInformation": told}
    summary["submitTimeUtc"] = summary.pop("submitTimeUTC")
    href = f"{API}/tss/v2/transactions/{transaction['id']}"
    summary["_links"] = {"transactionDetail": {"href": href, "method": "GET"}}
    return summary


def payment_transaction(payment: Payment) -> Json:
    """Describe the transaction that took a payment's money, or only reserved it."""
    applications: tuple[str, ...] = ("ics_bill",)
    status = "TRANSMITTED"
    if not payment.captured:
        applications, status = ("ics_auth",), "AUTHORIZED"
    elif payment.method == CHECK:
        applications = ("ics_ecp_debit",)
    elif payment.method == SALE:
        applications = ("ics_auth", "ics_bill")
    return _transaction(
        payment.reference,
        payment.created_at,
        payment.merchant_reference,
        applications,
        status,
        amount=amount_text(payment.amount_minor, payment.currency),
        currency=payment.currency,
    )


def authorization(payment: Payment) -> Json:
    """Describe the authorisation before a separate capture."""
    return _transaction(
        payment.order_id,
        payment.created_at,
        payment.merchant_reference,
        ("ics_auth",),
        "AUTHORIZED",
        amount=amount_text(payment.amount_minor, payment.currency),
        currency=payment.currency,
    )


def earlier_refund(payment: Payment) -> Json:
    """Describe what was refunded before the sandbox began, as one refund."""
    return _transaction(
        earlier_id(payment),
        payment.created_at,
        payment.merchant_reference,
        ("ics_credit",),
        "TRANSMITTED",
        amount=amount_text(payment.already_refunded_minor, payment.currency),
        currency=payment.currency,
    )


def refund_transaction(refund: Refund) -> Json:
    """Describe a refund."""
    name = "ics_ecp_credit" if refund.details["kind"] == CHECK else "ics_credit"
    done = not refund.details["verdict"]
    return _transaction(
        refund.id,
        refund.created_at,
        refund.merchant_reference,
        (name,),
        _SEEN.get(refund.status, refund.status) if done else DECLINED,
        amount=amount_text(refund.amount_minor, refund.currency),
        currency=refund.currency,
        done=done,
    )


def void_transaction(refund: Refund) -> Json:
    """Describe the cancellation of a refund as a transaction of its own."""
    return _transaction(
        refund.details["void"],
        refund.updated_at,
        refund.details["void_code"],
        ("ics_void",),
        VOIDED,
        amount=amount_text(refund.amount_minor, refund.currency),
        currency=refund.currency,
    )


# Reports.


def report_page(refunds: Sequence[Refund], offset: int, limit: int) -> Json:
    """Describe transmitted refunds as the purchase and refund details do."""
    page = refunds[offset : offset + limit]
    return {
        "offset": offset,
        "limit": limit,
        "pageResults": len(page),
        "requestDetails": [
            {
                "requestId": one.id,
                "merchantReferenceNumber": one.merchant_reference,
                "transactionReferenceNumber": one.details["reconciliation"],
            }
            for one in page
        ],
        "settlements": [_settlement(one) for one in page],
        "settlementStatuses": [_settlement_status(one) for one in page],
        "feeAndFundingDetails": [],
    }


def _settlement(refund: Refund) -> Json:
    return {
        "requestId": refund.id,
        "transactionType": "Refunds",
        "submissionTime": utc_text(refund.updated_at),
        "amount": amount_text(refund.amount_minor, refund.currency),
        "currencyCode": refund.currency,
        "cybersourceBatchTime": utc_text(refund.updated_at),
        "cybersourceBatchId": str(int(refund.updated_at) // 86_400),
    }


def _settlement_status(refund: Refund) -> Json:
    came_back = bool(refund.details.get("came_back"))
    return {
        "requestId": refund.id,
        "status": "Failed" if came_back else "Settled",
        "settlementTime": utc_text(refund.updated_at),
        "reasonCode": "R02" if came_back else "",
        "errorText": "Account closed" if came_back else "",
    }
