"""PayPal's webhook API: listed events, resending, and checking signatures.

Invariant: a signature is checked over the original text of the event in the call.
Source: gateways/specs/paypal-refunds.json (Webhooks v1, read 2026-11).
"""

import json

from refundwatch.sandbox.account import LoggedEvent
from refundwatch.sandbox.answers import Json, json_reply, moment
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.paypal.life import PaypalLife
from refundwatch.sandbox.paypal.refusals import Refusal
from refundwatch.sandbox.paypal.signing import ALGORITHM, call_message, member_text

EVENT_TYPES = (
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.RESOLVED",
    "CUSTOMER.DISPUTE.UPDATED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
)

_DEFAULT_SIZE, _MAX_SIZE = 10, 300


def route(account: PaypalLife, request: Request, rest: list[str], now: float) -> Reply:
    """Answer a call below ``/v1/notifications/``.

    Raises: Refusal.
    """
    match (request.method, *rest):
        case ("GET", "webhooks-events"):
            return _list(account, request)
        case ("GET", "webhooks-events", event_id):
            return json_reply(200, json.loads(_event(account, event_id).body))
        case ("POST", "webhooks-events", event_id, "resend"):
            event = _event(account, event_id)
            account.outbox.add(now, event.type, event.id, event.body)
            return json_reply(202, json.loads(event.body))
        case ("POST", "verify-webhook-signature"):
            return _verify(account, request)
        case ("GET", "webhooks-event-types"):
            kinds = [{"name": name, "status": "ENABLED"} for name in EVENT_TYPES]
            return json_reply(200, {"event_types": kinds})
        case ("GET", "webhooks", webhook_id):
            return _webhook(account, webhook_id)
        case _:
            raise Refusal.not_found()


def _event(account: PaypalLife, event_id: str) -> LoggedEvent:
    found = account.events.get(event_id)
    if found is None:
        raise Refusal.not_found()
    return found


def _list(account: PaypalLife, request: Request) -> Reply:
    size_text = request.query_value("page_size") or str(_DEFAULT_SIZE)
    if not size_text.isdecimal() or not 1 <= int(size_text) <= _MAX_SIZE:
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", "page_size", size_text)
    found: list[Json] = []
    for event in reversed(account.events.values()):
        if _wanted(event, request):
            found.append(json.loads(event.body))
        if len(found) == int(size_text):
            break
    return json_reply(200, {"events": found, "count": len(found), "links": []})


def _wanted(event: LoggedEvent, request: Request) -> bool:
    kind = request.query_value("event_type")
    start = _bound(request, "start_time")
    end = _bound(request, "end_time")
    return (
        kind in ("", event.type)
        and (start is None or event.created_at >= start)
        and (end is None or event.created_at <= end)
        and _about(event, request.query_value("transaction_id"))
    )


def _bound(request: Request, name: str) -> float | None:
    text = request.query_value(name)
    # A plus sign that was not escaped arrives as a blank.
    found = moment(text.replace(" ", "+")) if text else None
    if text and found is None:
        raise Refusal.invalid("INVALID_PARAMETER_SYNTAX", name, text)
    return found


def _about(event: LoggedEvent, transaction_id: str) -> bool:
    if not transaction_id:
        return True
    resource = json.loads(event.body)["resource"]
    up = next(
        (link["href"] for link in resource.get("links", ()) if link["rel"] == "up"), ""
    )
    return resource.get("id") == transaction_id or up.endswith("/" + transaction_id)


def _verify(account: PaypalLife, request: Request) -> Reply:
    try:
        text = request.body.decode()
        call: Json = json.loads(text)
        event_text = member_text(text, "webhook_event")
    except ValueError as malformed:
        raise Refusal.invalid("MALFORMED_REQUEST_JSON", "/") from malformed
    if event_text is None:
        raise Refusal.invalid("MISSING_REQUIRED_PARAMETER", "/webhook_event")
    signature = str(call.get("transmission_sig"))
    good = (
        call.get("webhook_id") == account.settings.webhook_id
        and call.get("auth_algo") == ALGORITHM
        and str(call.get("cert_url")).endswith(account.signer.certificate_id)
        and account.signer.verifies(call_message(call, event_text), signature)
    )
    return json_reply(200, {"verification_status": "SUCCESS" if good else "FAILURE"})


def _webhook(account: PaypalLife, webhook_id: str) -> Reply:
    if webhook_id != account.settings.webhook_id:
        raise Refusal.not_found()
    kinds = [{"name": name} for name in EVENT_TYPES]
    return json_reply(
        200, {"id": webhook_id, "url": account.webhook_url, "event_types": kinds}
    )
