"""PayPal, one app: tokens, routes, request ids.

Invariant: under one PayPal-Request-Id at most one refund is made while its window
lasts; a repeat shows that refund as it now is.
Source: gateways/paypal.md sections 1, 2, 4 and 5 (read 2026-11).
"""

import hashlib
import json
from dataclasses import replace
from urllib.parse import parse_qsl

from refundwatch.sandbox.answers import Json, basic_credentials, json_bytes, json_reply
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.faults import Fault
from refundwatch.sandbox.gateway import Kind
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.model import Reply, Request
from refundwatch.sandbox.money import PAYPAL, decimal_minor, decimal_text, iso_digits
from refundwatch.sandbox.paypal import notifications
from refundwatch.sandbox.paypal.life import PaypalLife
from refundwatch.sandbox.paypal.objects import (
    capture_object,
    minimal_refund,
    order_object,
    refund_object,
)
from refundwatch.sandbox.paypal.orders import asked_minor, read_order
from refundwatch.sandbox.paypal.refusals import Refusal, token_refusal

_MAX_REQUEST_ID = 108
_SCOPE = (
    "https://uri.paypal.com/services/payments/refund "
    "https://uri.paypal.com/services/applications/webhooks"
)
_REFUSALS = (
    "REFUND_FAILED_INSUFFICIENT_FUNDS",
    "REFUND_NOT_ALLOWED",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED",
)
_WEB_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_CERTIFICATES = "/v1/notifications/certs/"


class PaypalModel(PaypalLife):
    """Serve one PayPal app."""

    def kind_of(self, request: Request) -> Kind:
        """Say what a request does."""
        if request.method == "POST" and request.path.endswith("/refund"):
            return Kind.MONEY
        if request.path.startswith(_CERTIFICATES):
            return Kind.QUIET
        return Kind.READ

    def key_of(self, request: Request) -> str:
        """Return the request id."""
        return request.header("paypal-request-id")

    def fingerprint(self, request: Request) -> str:
        """Digest path and body."""
        return hashlib.sha256(request.path.encode() + request.body).hexdigest()

    def serve(self, request: Request, now: float, busy_until: float) -> Reply:
        """Answer one call."""
        debug_id = self.dice.text("0123456789abcdef", 13)
        try:
            reply = self._open_routes(request, now)
            if reply is None:
                reply = self._bad_token(request, now)
            if reply is None:
                reply = self._route(request, now, busy_until)
        except Refusal as refusal:
            reply = refusal.reply(debug_id)
        header = ("Paypal-Debug-Id", debug_id)
        return replace(reply, headers=(*reply.headers, header))

    # Tokens.

    def _open_routes(self, request: Request, now: float) -> Reply | None:
        if request.path.startswith(_CERTIFICATES):
            return self._certificate(request)
        if (request.method, request.path) == ("POST", "/v1/oauth2/token"):
            return self._token(request, now)
        return None

    def _certificate(self, request: Request) -> Reply:
        if not request.path.endswith("/" + self.signer.certificate_id):
            raise Refusal.not_found()
        return Reply(
            status=200,
            headers=(("Content-Type", "application/x-pem-file"),),
            body=self.signer.certificate_pem.encode(),
        )

    def _token(self, request: Request, now: float) -> Reply:
        pair = (self.settings.client_id, self.settings.client_secret)
        if basic_credentials(request.header("authorization")) != pair:
            text = "Client Authentication failed"
            return token_refusal(401, "invalid_client", text)
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            text = "Grant Type is not supported"
            return token_refusal(400, "unsupported_grant_type", text)
        token = "A21AA" + self.dice.text(_WEB_SAFE, 64)
        lifetime = self.settings.token_seconds
        self.tokens[token] = now + lifetime
        return json_reply(
            200,
            {
                "scope": _SCOPE,
                "access_token": token,
                "token_type": "Bearer",
                "app_id": "APP-80W284485P519543T",
                "expires_in": lifetime,
                "nonce": f"{int(now)}{self.dice.text(_WEB_SAFE, 16)}",
            },
        )

    def _bad_token(self, request: Request, now: float) -> Reply | None:
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(status=401, name="AUTHENTICATION_FAILURE")
        if self.tokens.get(token.strip(), 0.0) > now:
            return None
        return _invalid_token()

    # Routes.

    def _route(self, request: Request, now: float, busy_until: float) -> Reply:
        parts = request.path.strip("/").split("/")
        match (request.method, *parts):
            case ("POST", "v2", "payments", "captures", capture_id, "refund"):
                return self._refund(request, capture_id, now, busy_until)
            case ("GET", "v2", "payments", "refunds", refund_id):
                return self._read_refund(refund_id, now)
            case ("GET", "v2", "payments", "captures", capture_id):
                found = self._capture(capture_id)
                return json_reply(200, capture_object(found, self.books, now))
            case ("GET", "v2", "checkout", "orders", order_id):
                if not self.books.payments_of_order(order_id):
                    raise Refusal.not_found()
                return json_reply(200, order_object(order_id, self.books, now))
            case (_, "v1", "notifications", *rest):
                return notifications.route(self, request, rest, now)
            case _:
                raise Refusal.not_found()

    def _capture(self, capture_id: str) -> Payment:
        found = self.books.payments.get(capture_id)
        if found is None:
            raise Refusal.not_found()
        return found

    def _read_refund(self, refund_id: str, now: float) -> Reply:
        found = self.books.refunds.get(refund_id)
        if found is None or found.visible_at > now:
            raise Refusal.not_found()
        return json_reply(200, refund_object(found, self.books))

    # Refunds.

    def _refund(
        self, request: Request, capture_id: str, now: float, busy_until: float
    ) -> Reply:
        key = self.key_of(request)
        if len(key) > _MAX_REQUEST_ID:
            raise Refusal.invalid("INVALID_STRING_LENGTH", "PayPal-Request-Id")
        record = self.keys.find(key, now) if key else None
        if record is not None and (record.busy(now) or record.refund_id):
            return self._repeated(request, record, now)
        refund = self._execute(request, capture_id, now)
        if key:
            self.keys.put(
                KeyRecord(
                    key=key,
                    fingerprint=self.fingerprint(request),
                    first_at=now if record is None else record.first_at,
                    busy_until=busy_until,
                    refund_id=refund.id,
                )
            )
        return json_reply(201, self._shown(request, refund))

    def _repeated(self, request: Request, record: KeyRecord, now: float) -> Reply:
        if record.busy(now):
            raise Refusal.in_progress()
        if record.fingerprint != self.fingerprint(request):
            raise Refusal.invalid("DUPLICATE_REQUEST_ID", "PayPal-Request-Id")
        refund = self.books.refunds[record.refund_id]
        return json_reply(200, self._shown(request, refund))

    def _shown(self, request: Request, refund: Refund) -> Json:
        if "return=representation" in request.header("prefer"):
            return refund_object(refund, self.books)
        return minimal_refund(refund)

    def _execute(self, request: Request, capture_id: str, now: float) -> Refund:
        order = read_order(request)
        _mocked(request)
        payment = self._capture(capture_id)
        limit = self.settings.refund_limit_seconds
        asked = asked_minor(order, payment, self.books, now, limit)
        if self.dice.rolls(Fault.REFUSAL):
            raise Refusal.business(self.dice.rng.choice(_REFUSALS))
        key = self.key_of(request)
        return self.open_refund(
            payment, asked, now, texts=order.texts, idempotency_key=key
        )

    # Faults.

    def trouble(self, fault: Fault, request: Request, now: float) -> Reply | None:
        """Answer with a fault before anything is executed."""
        del now
        retry_after = (("Retry-After", "1"),)
        match fault:
            case Fault.ERROR_BEFORE:
                return self._server_error()
            case Fault.UNAVAILABLE:
                return self._failure(503, "SERVICE_UNAVAILABLE", retry_after)
            case Fault.RATE_LIMITED:
                headers = self.dice.rng.choice((retry_after, ()))
                return self._failure(429, "RATE_LIMIT_REACHED", headers)
            case Fault.TOKEN_EXPIRED:
                token = request.header("authorization").partition(" ")[2].strip()
                self.tokens.pop(token, None)
                return _invalid_token()
            case _:
                return None

    def _failure(
        self, status: int, name: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> Reply:
        refusal = Refusal(status=status, name=name, headers=headers)
        return refusal.reply(self.dice.text("0123456789abcdef", 13))

    def _server_error(self) -> Reply:
        status = self.dice.rng.choice((500, 502, 504))
        if status == 500:  # noqa: PLR2004 - the one with PayPal's own body
            return self._failure(status, "INTERNAL_SERVER_ERROR")
        page = b"<html><body>Gateway error</body></html>"
        return Reply(status=status, headers=(("Content-Type", "text/html"),), body=page)

    def error_after(self, request: Request, reply: Reply, now: float) -> Reply:
        """Answer an error although the refund was made; a repeat will show it."""
        del request, reply, now
        return self._server_error()

    def distorted(self, fault: Fault, reply: Reply) -> Reply:
        """Falsify the answer to a refund call."""
        found = json.loads(reply.body)
        match fault:
            case Fault.WRONG_AMOUNT if "amount" in found:
                found["amount"]["value"] = self._wrong(found["amount"])
            case Fault.UNKNOWN_STATUS:
                found["status"] = "PROCESSING"
            case Fault.SPARSE_ANSWER:
                found.pop("seller_payable_breakdown", None)
                found.pop("custom_id", None)
            case _:
                pass
        return replace(reply, body=json_bytes(found))

    def _wrong(self, amount: Json) -> str:
        currency = amount["currency_code"]
        unit = 10 ** (iso_digits(currency) - PAYPAL.digits_of(currency))
        wrong = decimal_minor(amount["value"], currency) + unit
        return decimal_text(wrong, currency)


def _invalid_token() -> Reply:
    text = "Token signature verification failed"
    return token_refusal(401, "invalid_token", text)


def _mocked(request: Request) -> None:
    mock = request.header("paypal-mock-response")
    if not mock:
        return
    try:
        issue = json.loads(mock)["mock_application_codes"]
    except (ValueError, KeyError, TypeError):
        return
    raise Refusal.business(str(issue))
