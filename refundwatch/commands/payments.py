"""`refundwatch payments`: import, add, show, unfreeze.

Invariant: as `refundwatch.commands` says; a payment told twice is one payment.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from refundwatch.api.amounts import amount_text, parse_amount
from refundwatch.api.models import InvoiceShareBody, PaymentBody, PaymentView
from refundwatch.api.models_orders import UnfreezeBody
from refundwatch.api.ordering import send_unfreeze, unfreeze_order
from refundwatch.commands.bodies import checked
from refundwatch.commands.cells import find_zone
from refundwatch.commands.command_line import Noun
from refundwatch.commands.confirm import ask, need_consent
from refundwatch.commands.flags import (
    add_column_flags,
    add_import_flags,
    add_reason_flags,
    add_sign_flags,
)
from refundwatch.commands.import_command import run_import
from refundwatch.commands.output import emit, emit_json, say, when_exactly
from refundwatch.commands.payment_import import PAYMENT_FIELDS, payment_plan
from refundwatch.commands.problems import UsageProblem
from refundwatch.commands.signing import drafted

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from refundwatch.api.client import ApiClient


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("payments", "Payments: import, add, show, unfreeze.")
    _import_flags(noun.verb("import", import_file, "Store the payments of a CSV file"))
    _add_flags(noun.verb("add", add, "Store one payment"))
    show_one = noun.verb("show", show, "Show a payment and what may be refunded of it")
    show_one.add_argument(
        "payment", metavar="PAYMENT", help="our id, or with --account the gateway's"
    )
    show_one.add_argument("--account", metavar="NAME")
    lifts = noun.verb("unfreeze", unfreeze, "Lift a payment's freeze", asks=True)
    lifts.add_argument("payment", metavar="PAYMENT", help="our id: pay_…")
    add_reason_flags(lifts)
    add_sign_flags(lifts)
    return noun.run(argv)


async def import_file(client: ApiClient, arguments: Namespace) -> int:
    """Store the payments of a file, all or nothing."""
    return await run_import(client, payment_plan(arguments), arguments)


async def add(client: ApiClient, arguments: Namespace) -> int:
    """Store one payment."""
    currency = arguments.currency
    captured_minor = parse_amount(arguments.amount, currency)
    body = checked(
        PaymentBody,
        account=arguments.account,
        gateway_reference=arguments.reference,
        captured_minor=captured_minor,
        currency=currency,
        captured_at=_moment(arguments.captured_at, arguments.timezone),
        order_reference=arguments.order,
        invoices=[_share(text, currency, captured_minor) for text in arguments.invoice],
    )
    _print(await client.call("payments.create", PaymentView, body=body), arguments)
    return 0


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show one payment."""
    view = await client.call(
        "payments.show",
        PaymentView,
        parts={"payment": arguments.payment},
        query={"account": arguments.account},
    )
    _print(view, arguments)
    return 0


async def unfreeze(client: ApiClient, arguments: Namespace) -> int:
    """Lift a freeze, once it was shown and, where people sign, signed."""
    need_consent(given=arguments.yes)
    parts = {"payment": arguments.payment}
    shown = await client.call("payments.show", PaymentView, parts=parts)
    body = checked(
        UnfreezeBody,
        reason_code=arguments.reason_code,
        reason_text=arguments.reason,
    )
    asked = unfreeze_order(shown, body)
    say(
        f"payment {shown.id} at {shown.account}, frozen: {shown.frozen}; captured "
        f"{amount_text(shown.captured)}, refunded {amount_text(shown.refunded)}, "
        f"reserved {amount_text(shown.reserved)}"
    )
    draft = await drafted(client, arguments, asked)
    ask(f"Lift the freeze of payment {shown.id}?", given=arguments.yes)
    signed = None if draft is None else await draft.sign()
    _print(await send_unfreeze(client, asked, signed), arguments)
    return 0


def _import_flags(parser: ArgumentParser) -> None:
    add_import_flags(parser)
    parser.add_argument("--account", metavar="NAME", help="the account of all rows")
    parser.add_argument("--currency", metavar="CODE", help="where no column names it")
    parser.add_argument(
        "--timezone", metavar="ZONE", help="of times without one: Europe/London"
    )
    add_column_flags(parser, PAYMENT_FIELDS)


def _add_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--account", required=True, metavar="NAME")
    parser.add_argument(
        "--reference", required=True, metavar="TEXT", help="the gateway's own"
    )
    parser.add_argument(
        "--amount", required=True, metavar="DECIMAL", help="captured: 12.50"
    )
    parser.add_argument("--currency", required=True, metavar="CODE")
    parser.add_argument("--captured-at", metavar="TIME", help="2026-11-02T09:30:00Z")
    parser.add_argument("--timezone", metavar="ZONE", help="of a time without one")
    parser.add_argument("--order", metavar="TEXT", help="the shop's own reference")
    parser.add_argument(
        "--invoice",
        action="append",
        default=[],
        metavar="NUMBER[=DECIMAL]",
        help="an invoice that it pays, whole or in part; again for more",
    )


def _share(text: str, currency: str, captured_minor: int) -> InvoiceShareBody:
    number, equals, amount = text.rpartition("=")
    if not equals:
        number, minor = text, captured_minor
    else:
        minor = parse_amount(amount, currency, "invoice")
    return checked(InvoiceShareBody, number=number, amount_minor=minor)


def _moment(text: str | None, zone_name: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem(f"--captured-at: {text[:40]!a} is no time.") from None
    if moment.tzinfo is not None:
        return moment
    zone = find_zone(zone_name)
    if zone is None:
        raise UsageProblem("--captured-at: the time has no zone; give --timezone.")
    return moment.replace(tzinfo=zone)


def _print(view: PaymentView, arguments: Namespace) -> None:
    if arguments.json:
        emit_json(view)
        return
    invoices = [f"{it.number} ({amount_text(it.amount)})" for it in view.invoices]
    for name, text in (
        ("payment", view.id),
        ("account", f"{view.account} ({view.gateway})"),
        ("reference", view.gateway_reference),
        ("captured", f"{amount_text(view.captured)}, {view.knowledge}"),
        ("captured at", when_exactly(view.captured_at)),
        ("refunded", amount_text(view.refunded)),
        ("reserved", amount_text(view.reserved)),
        ("elsewhere", amount_text(view.external)),
        ("refundable", amount_text(view.refundable)),
        ("frozen", view.frozen or "no"),
        ("order", view.order_reference or "-"),
        ("invoices", ", ".join(invoices) or "-"),
    ):
        emit(f"{name:<12} {text}")
