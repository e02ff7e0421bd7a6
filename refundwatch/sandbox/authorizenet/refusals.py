"""Authorize.Net's answers that say no: of the request, or of the transaction.

Invariant: every one of them is HTTP 200 and begins with a byte order mark.
Source: gateways/authorizenet.md section 5 (read 2026-11).
"""

from dataclasses import dataclass, field

from refundwatch.sandbox.answers import JSON_TYPE, Json, json_bytes
from refundwatch.sandbox.model import Reply

BOM = b"\xef\xbb\xbf"

_TEXTS = {
    "E00001": "An error occurred during processing. Please try again.",
    "E00003": "The element has invalid child element or an invalid value.",
    "E00007": "User authentication failed due to invalid authentication values.",
    "E00011": "Access denied. You do not have permissions to call the method.",
    "E00013": "The field is invalid.",
    "E00014": "A required field is not present.",
    "E00015": "The field length is invalid.",
    "E00027": "The transaction was unsuccessful.",
    "E00040": "The record cannot be found.",
    "E00045": "The root node does not reference a valid XML namespace.",
    "E00053": "The server is currently too busy, please try again later.",
    "E00104": "The server is in maintenance.",
    "I00001": "Successful.",
    "I00004": "No records found.",
}
_REASONS = {
    "2": "This transaction has been declined.",
    "5": "A valid amount is required.",
    "6": "The credit card number is invalid.",
    "11": "A duplicate transaction has been submitted.",
    "16": "The transaction cannot be found.",
    "33": "A required field cannot be left blank.",
    "54": "The referenced transaction does not meet the criteria for issuing a credit.",
    "55": (
        "The sum of credits against the referenced transaction would exceed the "
        "original debit amount."
    ),
    "128": "This transaction cannot be processed.",
    "155": "This transaction is not allowed.",
    "289": "This processor does not accept zero dollar authorization.",
}


def anet_reply(body: Json, status: int = 200) -> Reply:
    """Build an answer as it comes: JSON behind a byte order mark."""
    return Reply(status=status, headers=(JSON_TYPE,), body=BOM + json_bytes(body))


def good(content: Json, ref_id: str = "", code: str = "I00001") -> Reply:
    """Answer well."""
    return anet_reply({**content, **_tail(ref_id, "Ok", code)})


def _tail(ref_id: str, result: str, code: str) -> Json:
    message = {"code": code, "text": _TEXTS[code]}
    known = {"refId": ref_id} if ref_id else {}
    return {**known, "messages": {"resultCode": result, "message": [message]}}


@dataclass(kw_only=True, eq=False)
class Refusal(Exception):
    """Carry a refusal; without ``reason`` it speaks of the request alone.

    ``twin`` is the id of an earlier transaction, where the answer tells it.
    """

    code: str = "E00027"
    reason: str = ""
    response_code: str = "3"
    sale_id: str = ""
    account_number: str = ""
    ref_id: str = ""
    twin: str = "0"
    errors: bool = field(default=True)

    def reply(self) -> Reply:
        """Build the answer."""
        tail = _tail(self.ref_id, "Error", self.code)
        if not self.reason:
            return anet_reply(tail)
        transaction: Json = {
            "responseCode": self.response_code,
            "authCode": "",
            "avsResultCode": "P",
            "transId": self.twin,
            "refTransID": self.sale_id,
            "testRequest": "0",
            "accountNumber": self.account_number,
            "accountType": "Visa",
        }
        if self.errors:
            text = _REASONS.get(self.reason, "The transaction was refused.")
            transaction["errors"] = [{"errorCode": self.reason, "errorText": text}]
        return anet_reply({"transactionResponse": transaction, **tail})
