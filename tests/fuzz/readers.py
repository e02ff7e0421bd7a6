"""Everything that reads bytes from outside, in one list: a new parser is one line.

Each reader gives a value of its contract or raises one of its refusals, whatever the
bytes are. `test_readers.py` draws them, `atheris_readers.py` lets coverage lead.
"""

from __future__ import annotations

import json
import tempfile
from argparse import Namespace
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from daemon.problems import BadRequest, InvalidField
from daemon.reading import parse_body, parse_json
from refundwatch.api.amounts import parse_amount
from refundwatch.api.paths import ROUTES
from refundwatch.commands.cells import BadCell
from refundwatch.commands.csv_rows import CsvFile, Fault
from refundwatch.commands.payment_import import payment_plan
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.refund_import import refund_plan
from refundwatch.domain.filter import RefundFilter, parse_filter, suggest
from refundwatch.errors import (
    AmountInvalid,
    CurrencyUnknown,
    CursorInvalid,
    FilterInvalid,
    MalformedResponse,
    PublicKeyInvalid,
    SettlementUnreadable,
    SignatureRefused,
)
from refundwatch.gateways import reading
from refundwatch.gateways.adyen.adapter import Adyen
from refundwatch.gateways.authorizenet.adapter import AuthorizeNet
from refundwatch.gateways.braintree.adapter import Braintree
from refundwatch.gateways.checkout.adapter import Checkout
from refundwatch.gateways.contract import (
    Absent,
    Credentials,
    Forged,
    Found,
    Heard,
    HttpResponse,
    LookupFailed,
    NotProcessed,
    NotShown,
    PaymentRead,
    PaymentUnreadable,
    ProbeResult,
    RawDelivery,
    Received,
    RefusedByGateway,
    Session,
    Unauthorized,
    Unsure,
    Unverifiable,
)
from refundwatch.gateways.cybersource.adapter import Cybersource
from refundwatch.gateways.klarna.adapter import Klarna
from refundwatch.gateways.paypal import events as paypal_events
from refundwatch.gateways.paypal.adapter import PayPal
from refundwatch.gateways.razorpay.adapter import Razorpay
from refundwatch.gateways.settlement import BadLine, SettlementLine
from refundwatch.gateways.square.adapter import Square
from refundwatch.gateways.stripe.adapter import Stripe
from refundwatch.security.sshsig import (
    PublicKey,
    Sshsig,
    parse_armored,
    parse_public_key,
)
from refundwatch.store.sqlite.queries_paging import Place, read_cursor, write_cursor
from tests.unit.gateways import (
    braintree_talk,
    checkout,
    cybersource_making,
    klarna,
    mollie_hand,
    razorpay,
    square,
    test_adyen_events,
    test_authorizenet_events,
    test_braintree_events,
    test_braintree_settlement,
    test_checkout_events,
    test_checkout_settlement,
    test_cybersource_settlement,
    test_klarna_events,
    test_mollie_settlement,
    test_razorpay_events,
    test_square_events,
    test_square_settlement,
    test_stripe_events,
    test_worldpay_settlement,
    worldpay_talk,
)
from tests.unit.gateways.anet import ANET, KNOWN
from tests.unit.gateways.driving import (
    ADYEN,
    ADYEN_REFUND,
    NOW,
    PAYPAL,
    PAYPAL_REFUND,
    STRIPE,
    STRIPE_REFUND,
    VECTORS,
)
from tui import format  # noqa: A004 - the module's own name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from refundwatch.api.paths import Route
    from refundwatch.gateways.contract import AccountView, Gateway, Operation

SIGNATURES = json.loads((VECTORS / "operator_keys.json").read_text("utf-8"))
OUTCOMES = (Heard, RefusedByGateway, NotProcessed, Unauthorized, Unsure)
LOOKUPS = (Found, Absent, NotShown, LookupFailed)
# Long enough for every page that an adapter may ask for.
MOST_REQUESTS = 200
STATUSES = (200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 409, 422, 429, 500, 503)


@dataclass(frozen=True, slots=True)
class Reader:
    """One parser: what it may give, what it may raise, and good bytes to start from."""

    name: str
    read: Callable[[bytes], object]
    gives: tuple[type, ...]
    refuses: tuple[type[Exception], ...] = ()
    good: tuple[bytes, ...] = (b"",)

    def check(self, content: bytes) -> object:
        """Read; fail unless it gives or refuses as promised."""
        try:
            found = self.read(content)
        except self.refuses:
            return None
        assert isinstance(found, self.gives), (self.name, found)
        return found


# --- what gateways send unasked ---------------------------------------------------


def vectors(gateway: str) -> tuple[bytes, ...]:
    file = VECTORS / f"webhooks_{gateway}.json"
    rows = json.loads(file.read_text("utf-8"))["vectors"]
    return tuple(row["body_utf8"].encode() for row in rows if "body_utf8" in row)


def stripe_signed(body: bytes) -> object:
    """Past the signature, which any bytes can have."""
    headers = {"stripe-signature": test_stripe_events.signed(body)}
    secrets = (test_stripe_events.SECRET,)
    return done(Stripe().receive(STRIPE, RawDelivery(headers, body), secrets, NOW), ())


def adyen_signed(body: bytes) -> object:
    """Each item that can be signed is signed anew, so that meaning is reached."""
    found = reading.object_or_none(body)
    for one in reading.items(found, "notificationItems") or []:
        item: Any = reading.member(one, "NotificationRequestItem")
        if item is not None:
            more = reading.member(item, "additionalData") or {}
            item["additionalData"] = {**more, "hmacSignature": resigned(item)}
    if found is not None:
        body = json.dumps(found).encode()
    secrets = (test_adyen_events.SECRET,)
    return done(Adyen().receive(ADYEN, RawDelivery({}, body), secrets, NOW), ())


def authorizenet_signed(body: bytes) -> object:
    """Past the signature; whatever it asks for is not known there."""
    headers = {"x-anet-signature": test_authorizenet_events.signature(body)}
    secrets = (test_authorizenet_events.SECRET,)
    operation = AuthorizeNet().receive(ANET, RawDelivery(headers, body), secrets, NOW)
    return done(operation, [HttpResponse(404)] * MOST_REQUESTS)


def resigned(item: Any) -> str:
    try:
        return test_adyen_events.signature(item)
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError):
        return "none"


def mollie_signed(body: bytes) -> object:
    headers = {"x-mollie-signature": mollie_hand.signature(body)}
    delivery, secrets = RawDelivery(headers, body), (mollie_hand.SECRET,)
    return done(
        mollie_hand.GATEWAY.receive(mollie_hand.MOLLIE, delivery, secrets, NOW), ()
    )


def mollie_named(body: bytes) -> object:
    """What bears no signature, and the payment that it makes us read."""
    read = HttpResponse(200, {}, json.dumps(mollie_hand.payment()).encode())
    return done(
        mollie_hand.GATEWAY.receive(mollie_hand.MOLLIE, RawDelivery({}, body), (), NOW),
        (read,),
    )


def checkout_signed(body: bytes) -> object:
    headers = {"cko-signature": test_checkout_events.signed(body)}
    delivery, secrets = RawDelivery(headers, body), (test_checkout_events.SECRET,)
    return done(Checkout().receive(checkout.CHECKOUT, delivery, secrets, NOW), ())


def worldpay_told(body: bytes) -> object:
    """At the right address."""
    raw, secrets = worldpay_talk.delivery(body), (worldpay_talk.SECRET,)
    account = worldpay_talk.WORLDPAY
    return done(worldpay_talk.GATEWAY.receive(account, raw, secrets, NOW), ())


def klarna_signed(body: bytes) -> object:
    headers = {"klarna-signature": test_klarna_events.signature(body)}
    delivery = RawDelivery(headers, body)
    secrets = (test_klarna_events.KEY,)
    return done(Klarna().receive(klarna.KLARNA, delivery, secrets, NOW), ())


def cybersource_signed(body: bytes) -> object:
    """Past the signature; whatever it asks for is not known there."""
    secrets = (cybersource_making.HOOK_SECRET, cybersource_making.private_pem())
    sent, at = cybersource_making.signed(body), cybersource_making.AT
    account = cybersource_making.ACCOUNT
    operation = Cybersource().receive(account, sent, secrets, at)
    return done(operation, [HttpResponse(404)] * MOST_REQUESTS)


def razorpay_signed(body: bytes) -> object:
    headers = {"x-razorpay-signature": test_razorpay_events.signature(body)}
    delivery = RawDelivery(headers, body)
    secrets = (test_razorpay_events.SECRET,)
    return done(Razorpay().receive(razorpay.RAZORPAY, delivery, secrets, NOW), ())


def square_signed(body: bytes) -> object:
    """Past the signature, which any bytes can have."""
    headers = {test_square_events.HEADER: test_square_events.signed(body)}
    secrets = (test_square_events.SECRET,)
    delivery = RawDelivery(headers, body)
    return done(Square().receive(square.SQUARE, delivery, secrets, NOW), ())


def square_payout(content: bytes) -> object:
    return list(Square().read_settlement(square.SQUARE, "page", (content,)))


def paypal_verified(body: bytes) -> object:
    return Received(paypal_events.read(body))


# --- what gateways answer ---------------------------------------------------------


def done(operation: Operation[Any], responses: Iterable[HttpResponse]) -> object:
    """Answer until the operation ends; whoever asks for ever has failed."""
    waiting = iter(responses)
    try:
        next(operation)
        for _ in range(MOST_REQUESTS):
            operation.send(next(waiting))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("an operation that never ends")


def answered(start: Callable[[], Operation[Any]]) -> Callable[[bytes], object]:
    """The first byte chooses the status; the same answer comes every time."""

    def read(content: bytes) -> object:
        status = STATUSES[content[0] % len(STATUSES)] if content else 200
        headers = {"retry-after": content[1:9].decode("latin-1")}
        response = HttpResponse(status, headers, content[1:])
        return done(start(), (response for _ in range(MOST_REQUESTS + 1)))

    return read


def answers(gateway: str) -> tuple[bytes, ...]:
    """The recorded answers of a gateway, each under its own status."""
    if gateway == "worldpay":
        return tuple(b"\0" + one.body for one in worldpay_talk.ANSWERS)
    rows = json.loads((VECTORS / f"{gateway}_answers.json").read_text("utf-8"))
    found = []
    for row in rows["answers"]:
        status = row.get("status", 200)
        number = STATUSES.index(status) if status in STATUSES else 0
        found.append(bytes([number]) + json.dumps(row["body"]).encode())
    return tuple(found)


def settlement_of(gateway: Gateway, account: AccountView) -> Callable[[bytes], object]:
    """A report in two pieces: every line is read or told."""

    def read(content: bytes) -> object:
        half = len(content) // 2
        pieces = (content[:half], content[half:])
        found = list(gateway.read_settlement(account, "report", pieces))
        assert all(isinstance(line, SettlementLine | BadLine) for line in found)
        return found

    return read


CLIENT = Credentials(
    {
        "client_id": "client",
        "client_secret": "secret",
        "access_key_id": "client",
        "access_key_secret": "secret",
    }
)


def braintree_signed(document: bytes) -> object:
    """Past the signature and the Base64, which any document can have."""
    delivery = RawDelivery({}, test_braintree_events.signed(document))
    secrets = (braintree_talk.PAIR,)
    account = braintree_talk.BRAINTREE
    return done(Braintree().receive(account, delivery, secrets, NOW), ())


def braintree_form(body: bytes) -> object:
    """The form itself, whose signature no stranger has."""
    secrets = (braintree_talk.PAIR,)
    account = braintree_talk.BRAINTREE
    delivery = RawDelivery({}, body)
    return done(Braintree().receive(account, delivery, secrets, NOW), ())


_PARTIES = {
    "square": (Square(), square.SQUARE, square.SQUARE_REFUND, "RFD7"),
    "checkout": (
        Checkout(),
        checkout.CHECKOUT,
        checkout.CHECKOUT_REFUND,
        checkout.ACTION_ID,
    ),
    "cybersource": (
        Cybersource(),
        cybersource_making.ACCOUNT,
        cybersource_making.ORDER,
        cybersource_making.REFUND,
    ),
    "braintree": (
        Braintree(),
        braintree_talk.BRAINTREE,
        braintree_talk.REFUND,
        "rwrefund01",
    ),
    "klarna": (Klarna(), klarna.KLARNA, klarna.KLARNA_REFUND, klarna.REFUND_ID),
    "razorpay": (
        Razorpay(),
        razorpay.RAZORPAY,
        razorpay.RAZORPAY_REFUND,
        razorpay.REFUND_ID,
    ),
    "mollie": (
        mollie_hand.GATEWAY,
        mollie_hand.MOLLIE,
        mollie_hand.MOLLIE_REFUND,
        mollie_hand.REFUND_ID,
    ),
    "worldpay": (
        worldpay_talk.GATEWAY,
        worldpay_talk.WORLDPAY,
        worldpay_talk.REFUND,
        "rw-000123-1",
    ),
    "stripe": (Stripe(), STRIPE, STRIPE_REFUND, "re_7"),
    "adyen": (Adyen(), ADYEN, ADYEN_REFUND, "993617894903480A"),
    "authorizenet": (AuthorizeNet(), ANET, KNOWN, "60190000123"),
    "paypal": (PayPal(), PAYPAL, PAYPAL_REFUND, "1JU08902781691411"),
}


def of_gateway(name: str) -> tuple[Reader, ...]:
    """Every operation of one adapter, as readers of whatever it is answered."""
    gateway, account, order, known = _PARTIES[name]
    read = replace(order, gateway_reference=known)
    payment = order.payment_reference
    started: dict[str, tuple[Callable[[], Operation[Any]], tuple[type, ...]]] = {
        "refund": (lambda: gateway.refund(order), OUTCOMES),
        "look_up": (lambda: gateway.look_up(order), LOOKUPS),
        "read_refund": (lambda: gateway.read_refund(read), LOOKUPS),
        "read_payment": (
            lambda: gateway.read_payment(account, payment, "EUR"),
            (PaymentRead, PaymentUnreadable),
        ),
        "probe": (lambda: gateway.probe(account), (ProbeResult,)),
    }
    if gateway.capabilities.needs_session:
        started["open_session"] = (
            lambda: gateway.open_session(account, CLIENT, NOW),
            (Session, Unauthorized, Unsure),
        )
    return tuple(
        Reader(f"{name}.{what}", answered(start), gives, good=answers(name))
        for what, (start, gives) in started.items()
    )


# --- what people and programs send ------------------------------------------------


def text_of(content: bytes) -> str:
    """Any text at all: lone surrogates too, which JSON and terminals can bring."""
    return content.decode("utf-8", "surrogatepass" if is_wobbly(content) else "replace")


def is_wobbly(content: bytes) -> bool:
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def filter_line(content: bytes) -> object:
    """The list's filter strictly, and leniently as it is typed, with completion."""
    text = text_of(content)
    lenient = parse_filter(text, lenient=True)
    # Completion offers whole words, each of which is read again: on short lines only.
    for cursor in (0, len(text) // 2, len(text))[: 3 if len(text) < 200 else 0]:
        for word in suggest(text, cursor, {"gateway": ("adyen", 'o"d,d')}):
            parse_filter(word, lenient=True)
    strict = parse_filter(text)
    assert strict == lenient
    return strict


def cursor(content: bytes) -> object:
    place = read_cursor(text_of(content))
    assert read_cursor(write_cursor(place)) == place
    return place


def amount(content: bytes) -> object:
    currency, _, text = text_of(content).partition(" ")
    return parse_amount(text, currency)


def typed_amount(content: bytes) -> object:
    """What the dashboard reads is what was typed, or a sentence."""
    text = text_of(content)
    found = format.parse_amount(text, 2)
    if isinstance(found, int):
        assert Decimal(found) == Decimal(text.strip().replace(" ", "")) * 100
    return found


def retry_after(content: bytes) -> object:
    written, _, date = text_of(content).partition("\n")
    seconds = reading.retry_after_seconds({"retry-after": written, "date": date})
    assert seconds is None or 0 <= seconds <= reading.MAX_RETRY_AFTER_SECONDS
    return seconds


def moment(content: bytes) -> object:
    return reading.utc_text(text_of(content))


def body_of(route: Route) -> Callable[[bytes], object]:
    return lambda content: parse_body(route, content, "application/json")


def csv_file(plan_of: Callable[[Namespace], Any]) -> Callable[[bytes], object]:
    """An import's file, from its bytes to the bodies that would be sent."""

    def read(content: bytes) -> object:
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            file.write(content)
            file.flush()
            said = Said(file=file.name, account="stripe-uk", currency="GBP")
            plan = plan_of(said)
            return [taken(plan, row) for row in plan.file.rows()]

    return read


class Said(Namespace):
    """A command line on which nothing else was said."""

    def __getattr__(self, name: str) -> None:
        return None


def taken(plan: Any, row: Any) -> object:
    if isinstance(row, Fault):
        return row
    try:
        return plan.read(row)
    except BadCell as bad:
        return bad.fault


def plain_rows(content: bytes) -> object:
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(content)
        file.flush()
        return list(CsvFile(Path(file.name)).rows())


JSON = (b'{"a":[1,2.5,null,"\\u00e9"],"b":{"c":true}}',)
ADYEN_SIGNED = test_adyen_events.envelope(test_adyen_events.signed())
_CSV = (
    b"invoice_no,amount,currency,captured_at\nR1,1.50,GBP,2026-01-02T03:04:05Z\n",
    b'\xef\xbb\xbfinvoice_no,amount,customer_name\r\n"R,1",0.10,"A ""B"""\r\n',
)
_REFUND_CSV = (
    b"request_id,payment,amount,currency,reason\nq1,pi_1,1.50,GBP,late\n",
    b"request_id,payment,amount\nq1,pay_1,12\nq1,pay_1,-3\n",
)
_BODIES = tuple(
    Reader(
        f"body.{route.name}",
        body_of(route),
        (BaseModel,),
        (BadRequest, InvalidField),
        (b'{"request_id":"r-1","payment":"pay_1","amount_minor":1,"currency":"GBP"}',),
    )
    for route in ROUTES
    if route.body is not None
)

READERS: tuple[Reader, ...] = (
    Reader("stripe.webhook", stripe_signed, (Received, Forged), good=vectors("stripe")),
    Reader(
        "adyen.webhook",
        adyen_signed,
        (Received, Forged, Unverifiable),
        good=(*vectors("adyen"), ADYEN_SIGNED),
    ),
    Reader(
        "authorizenet.webhook",
        authorizenet_signed,
        (Received, Unverifiable),
        good=vectors("authorizenet"),
    ),
    Reader(
        "authorizenet.settlement",
        settlement_of(AuthorizeNet(), ANET),
        (list,),
        (SettlementUnreadable,),
        tuple(answer[1:] for answer in answers("authorizenet")),
    ),
    Reader("square.webhook", square_signed, (Received,), good=vectors("square")),
    Reader(
        "square.payout",
        square_payout,
        (list,),
        (SettlementUnreadable,),
        (test_square_settlement.page(test_square_settlement.ENTRY),),
    ),
    Reader("paypal.webhook", paypal_verified, (Received,), good=vectors("paypal")),
    Reader("mollie.webhook", mollie_signed, (Received, Forged), good=vectors("mollie")),
    Reader(
        "mollie.named",
        mollie_named,
        (Received, Forged, Unverifiable),
        good=(b"id=tr_rw0001wxyz", b"id=ord_abcd1234"),
    ),
    Reader(
        "mollie.settlement",
        settlement_of(mollie_hand.GATEWAY, mollie_hand.MOLLIE),
        (list,),
        (SettlementUnreadable,),
        (
            json.dumps(test_mollie_settlement.BOOKINGS).encode(),
            json.dumps(test_mollie_settlement.SETTLED).encode(),
        ),
    ),
    Reader(
        "checkout.webhook",
        checkout_signed,
        (Received,),
        good=vectors("checkout"),
    ),
    Reader(
        "checkout.settlement",
        settlement_of(Checkout(), checkout.CHECKOUT),
        (list,),
        (SettlementUnreadable,),
        ((test_checkout_settlement.HEADER + test_checkout_settlement.SAMPLE).encode(),),
    ),
    Reader(
        "braintree.webhook",
        braintree_signed,
        (Received,),
        good=tuple(one["xml"].encode() for one in braintree_talk.SIGNED["vectors"]),
    ),
    Reader(
        "braintree.form",
        braintree_form,
        (Received, Forged),
        good=tuple(
            one["form_body"].encode() for one in braintree_talk.SIGNED["vectors"]
        ),
    ),
    Reader(
        "braintree.settlement",
        settlement_of(Braintree(), braintree_talk.BRAINTREE),
        (list,),
        (SettlementUnreadable,),
        (
            (
                test_braintree_settlement.FLAT + test_braintree_settlement.CREDIT
            ).encode(),
            test_braintree_settlement.PLUS.encode(),
        ),
    ),
    *of_gateway("braintree"),
    Reader("klarna.webhook", klarna_signed, (Received, Forged), good=vectors("klarna")),
    Reader(
        "klarna.settlement",
        settlement_of(Klarna(), klarna.KLARNA),
        (list,),
        (SettlementUnreadable,),
        (json.dumps(klarna.RECORDED["transactions"]["body"]).encode(),),
    ),
    Reader(
        "cybersource.webhook",
        cybersource_signed,
        (Received, Forged),
        good=(
            *vectors("cybersource"),
            json.dumps({"encData": cybersource_making.sealed(b"{}")}).encode(),
        ),
    ),
    Reader(
        "cybersource.settlement",
        settlement_of(Cybersource(), cybersource_making.ACCOUNT),
        (list,),
        (SettlementUnreadable,),
        (json.dumps(test_cybersource_settlement.PAGE).encode(),),
    ),
    *of_gateway("checkout"),
    Reader(
        "worldpay.webhook",
        worldpay_told,
        (Received,),
        good=(worldpay_talk.SENT, worldpay_talk.FAILED),
    ),
    Reader(
        "worldpay.settlement",
        settlement_of(worldpay_talk.GATEWAY, worldpay_talk.WORLDPAY),
        (list,),
        (SettlementUnreadable,),
        (test_worldpay_settlement.report(worldpay_talk.notification()),),
    ),
    *of_gateway("worldpay"),
    *of_gateway("cybersource"),
    *of_gateway("klarna"),
    Reader(
        "razorpay.webhook",
        razorpay_signed,
        (Received, Forged),
        good=vectors("razorpay"),
    ),
    Reader(
        "razorpay.settlement",
        settlement_of(Razorpay(), razorpay.RAZORPAY),
        (list,),
        (SettlementUnreadable,),
        (json.dumps(razorpay.RECORDED["settled"]["body"]).encode(),),
    ),
    *of_gateway("razorpay"),
    *of_gateway("mollie"),
    *of_gateway("square"),
    *of_gateway("stripe"),
    *of_gateway("adyen"),
    *of_gateway("authorizenet"),
    *of_gateway("paypal"),
    Reader("json.gateway", reading.parse, (object,), (MalformedResponse,), JSON),
    Reader("json.api", parse_json, (object,), (BadRequest,), JSON),
    *_BODIES,
    Reader(
        "filter",
        filter_line,
        (RefundFilter,),
        (FilterInvalid,),
        (b"state:unknown gateway:adyen amount>100 age>2h text !text",),
    ),
    Reader(
        "sshsig.armored",
        parse_armored,
        (Sshsig,),
        (SignatureRefused,),
        tuple(row["armored"].encode() for row in SIGNATURES["accept"]),
    ),
    Reader(
        "sshsig.key",
        lambda content: parse_public_key(text_of(content)),
        (PublicKey,),
        (PublicKeyInvalid,),
        tuple(row["public"].encode() for row in SIGNATURES["accept"]),
    ),
    Reader("cursor", cursor, (Place,), (CursorInvalid,), (b"MTcwMDAwMDphYmM",)),
    Reader(
        "amount",
        amount,
        (int,),
        (AmountInvalid, CurrencyUnknown),
        (b"GBP 12.50", b"JPY 3", b"BHD 0.001"),
    ),
    Reader("dashboard.amount", typed_amount, (int, str), good=(b"1 200.50", b"3")),
    Reader(
        "header.retry_after",
        retry_after,
        (int, type(None)),
        good=(b"120", b"Wed, 21 Oct 2026 07:28:00 GMT\nWed, 21 Oct 2026 07:27:00 GMT"),
    ),
    Reader("time", moment, (str, type(None)), good=(b"2026-11-20T11:59:00.5+02:00",)),
    Reader("csv", plain_rows, (list,), (UsageProblem,), _CSV),
    Reader("csv.payments", csv_file(payment_plan), (list,), (UsageProblem,), _CSV),
    Reader("csv.refunds", csv_file(refund_plan), (list,), (UsageProblem,), _REFUND_CSV),
)
