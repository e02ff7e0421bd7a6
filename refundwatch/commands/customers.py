"""`refundwatch customers`: show, unmask, erase.

Invariant: what `show` prints is masked; `erase` counts first, asks, and then erases
what it counted or more, never another person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.api.models import CustomerView, PaymentView
from refundwatch.api.models_customers import EraseBody, ErasedView, UnmaskBody
from refundwatch.commands import confirm
from refundwatch.commands.bodies import checked
from refundwatch.commands.command_line import Noun
from refundwatch.commands.output import emit, emit_json, say, when_exactly
from refundwatch.commands.problems import UsageProblem

if TYPE_CHECKING:
    from argparse import Namespace

    from refundwatch.api.client import ApiClient


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    noun = Noun("customers", "Personal fields of customers: show, unmask, erase.")
    shows = noun.verb("show", show, "Show a payment's customer, masked")
    unmasks = noun.verb("unmask", unmask, "Show a payment's customer whole; audited")
    for verb in (shows, unmasks):
        verb.add_argument("payment", metavar="PAYMENT")
        verb.add_argument(
            "--account", metavar="NAME", help="with a gateway's reference"
        )
    unmasks.add_argument(
        "--reason-code", required=True, metavar="CODE", help="why; it is audited"
    )
    erases = noun.verb("erase", erase, "Erase a customer's personal fields", asks=True)
    erases.add_argument("--account", metavar="NUMBER", help="the customer's number")
    erases.add_argument("--email", metavar="ADDRESS")
    erases.add_argument("--name", metavar="NAME")
    erases.add_argument("--reason-code", default="erasure_request", metavar="CODE")
    return noun.run(argv)


async def show(client: ApiClient, arguments: Namespace) -> int:
    """Show a masked customer."""
    view = await client.call(
        "payments.show",
        PaymentView,
        parts={"payment": arguments.payment},
        query={"account": arguments.account},
    )
    if view.customer is None:
        say("Nothing is known of this payment's customer.")
        return 0
    _show(view.customer, arguments)
    return 0


async def unmask(client: ApiClient, arguments: Namespace) -> int:
    """Show a customer whole."""
    view = await client.call(
        "customers.unmask",
        CustomerView,
        parts={"payment": arguments.payment},
        query={"account": arguments.account},
        body=checked(UnmaskBody, reason_code=arguments.reason_code),
    )
    _show(view, arguments)
    return 0


def _show(view: CustomerView, arguments: Namespace) -> None:
    if arguments.json:
        emit_json(view)
        return
    for name, text in (
        ("name", view.name),
        ("email", view.email),
        ("account", view.account),
        ("last four", view.last_four),
        ("erased", when_exactly(view.erased_at) if view.erased_at else None),
    ):
        if text is not None:
            emit(f"{name:<10} {text}")


async def erase(client: ApiClient, arguments: Namespace) -> int:
    """Count, ask, erase."""
    confirm.need_consent(given=arguments.yes)
    if not (arguments.account or arguments.email or arguments.name):
        raise UsageProblem("Say whom: --account, --email or --name.")
    body = checked(
        EraseBody,
        account=arguments.account,
        email=arguments.email,
        name=arguments.name,
        reason_code=arguments.reason_code,
        dry_run=True,
    )
    counted = await client.call("customers.erase", ErasedView, body=body)
    if not counted.payments:
        _report(counted, arguments)
        return 0
    confirm.ask(
        f"Erase the customer of {counted.payments} payments ({_counts(counted)})? "
        "This cannot be undone.",
        given=arguments.yes,
    )
    erased = await client.call(
        "customers.erase", ErasedView, body=body.model_copy(update={"dry_run": False})
    )
    _report(erased, arguments)
    return 0


def _counts(view: ErasedView) -> str:
    return (
        f"{view.fields} fields, {view.texts} free texts, {view.deliveries} raw webhooks"
    )


def _report(view: ErasedView, arguments: Namespace) -> None:
    if arguments.json:
        emit_json(view)
        return
    if not view.payments:
        emit("No payment names this customer: nothing to erase.")
        return
    emit(f"Erased from {view.payments} payments: {_counts(view)}.")
    emit("What stays, and why:")
    for it in view.kept:
        emit(f"  {it.what}: {it.why}")
