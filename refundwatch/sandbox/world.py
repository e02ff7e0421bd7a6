"""The sandbox as a whole: every account's model and one ledger of the truth.

Invariant: no sockets and no clock, so that the server, the tests and a simulation
drive the very same world.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from refundwatch.sandbox import snapshot
from refundwatch.sandbox.account import LoggedEvent, UnknownSubjectError
from refundwatch.sandbox.adyen.model import AdyenModel
from refundwatch.sandbox.authorizenet.model import AuthorizenetModel
from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.braintree.model import BraintreeModel
from refundwatch.sandbox.checkout.model import CheckoutModel
from refundwatch.sandbox.config import SandboxConfig
from refundwatch.sandbox.cybersource.model import CybersourceModel
from refundwatch.sandbox.faults import PROFILES, Dice, FaultProfile
from refundwatch.sandbox.gateway import GatewayModel
from refundwatch.sandbox.keys import KeyRecord
from refundwatch.sandbox.klarna.model import KlarnaModel
from refundwatch.sandbox.ledger import Ledger, LedgerRow
from refundwatch.sandbox.model import Effect
from refundwatch.sandbox.mollie.model import MollieModel
from refundwatch.sandbox.outbox import Entry
from refundwatch.sandbox.paypal.certificates import WebhookSigner
from refundwatch.sandbox.paypal.model import PaypalModel
from refundwatch.sandbox.razorpay.model import RazorpayModel
from refundwatch.sandbox.settings import (
    AdyenSettings,
    AnyAccount,
    AuthorizenetSettings,
    BraintreeSettings,
    CheckoutSettings,
    CybersourceSettings,
    KlarnaSettings,
    MollieSettings,
    RazorpaySettings,
    SquareSettings,
    StripeSettings,
    WorldpaySettings,
)
from refundwatch.sandbox.square.model import SquareModel
from refundwatch.sandbox.stripe.model import StripeModel
from refundwatch.sandbox.worldpay.model import WorldpayModel

VERSION = 1

_WITH_TOKENS = (PaypalModel, CheckoutModel)


class World:
    """Hold the models by account name, and the one ledger."""

    def __init__(self, config: SandboxConfig, signer: WebhookSigner) -> None:
        """Build every account; each draws from its own generator."""
        self.config = config
        self.signer = signer
        self.profile_name = config.profile_name
        self.ledger = Ledger()
        self.models: dict[str, GatewayModel] = {
            settings.name: self._model(settings) for settings in config.accounts
        }

    def _model(self, settings: AnyAccount) -> GatewayModel:  # noqa: C901 - a list
        rng = Random(f"{self.config.seed}/{settings.name}")
        dice = Dice(rng, self.config.faults, self.config.time_scale)
        match settings:
            case StripeSettings():
                return StripeModel(settings, self.ledger, dice)
            case BraintreeSettings():
                return BraintreeModel(settings, self.ledger, dice)
            case SquareSettings():
                return SquareModel(settings, self.ledger, dice)
            case AdyenSettings():
                return AdyenModel(settings, self.ledger, dice)
            case CybersourceSettings():
                return CybersourceModel(settings, self.ledger, dice)
            case AuthorizenetSettings():
                return AuthorizenetModel(settings, self.ledger, dice)
            case KlarnaSettings():
                return KlarnaModel(settings, self.ledger, dice)
            case RazorpaySettings():
                return RazorpayModel(settings, self.ledger, dice)
            case MollieSettings():
                return MollieModel(settings, self.ledger, dice)
            case CheckoutSettings():
                return CheckoutModel(settings, self.ledger, dice)
            case WorldpaySettings():
                return WorldpayModel(settings, self.ledger, dice)
            case _:
                return PaypalModel(settings, self.ledger, dice, self.signer)

    def model(self, account: str) -> GatewayModel:
        """Return an account's model.

        Raises: UnknownSubjectError.
        """
        found = self.models.get(account)
        if found is None:
            message = f"there is no account {account}"
            raise UnknownSubjectError(message)
        return found

    def chosen(self, account: str | None) -> list[GatewayModel]:
        """Return one account's model, or all of them.

        Raises: UnknownSubjectError.
        """
        if account is None:
            return list(self.models.values())
        return [self.model(account)]

    # Payments and refunds.

    def add_payments(self, payments: Iterable[Payment]) -> list[Payment]:
        """Take payments, all or none of them.

        Raises: UnknownSubjectError, AmountRefusedError, ValueError for a payment that
        is there already with other facts.
        """
        wanted = list(payments)
        for payment in wanted:
            _check_payment(self.model(payment.account), payment)
        return [
            self.model(payment.account).books.payments.get(payment.reference)
            or self.model(payment.account).add_payment(payment)
            for payment in wanted
        ]

    def plant(self, account: str, reference: str, amount_minor: int) -> Payment:
        """Let the next refund of a payment truly execute another amount.

        Raises: UnknownSubjectError.
        """
        model = self.model(account)
        planted = replace(model.payment(reference), planted_minor=amount_minor)
        model.books.change_payment(planted)
        return planted

    def set_faults(
        self,
        profile_name: str | None,
        overrides: Mapping[str, float],
        account: str | None = None,
    ) -> FaultProfile:
        """Change the profile of all accounts or one; None keeps the base profile.

        Raises: UnknownSubjectError, ValueError naming what is wrong.
        """
        if profile_name is not None and profile_name not in PROFILES:
            message = f"{profile_name} is none of {', '.join(PROFILES)}"
            raise ValueError(message)
        models = self.chosen(account)
        base = PROFILES[profile_name] if profile_name else models[0].dice.profile
        profile = base.overridden(overrides)
        for model in models:
            model.dice.profile = profile
        if profile_name is not None and account is None:
            self.profile_name = profile_name
        return profile

    # What is seen.

    def next_due(self) -> float | None:
        """Return when any account has something to do."""
        times = [model.next_due() for model in self.models.values()]
        return min((at for at in times if at is not None), default=None)

    def counters(self) -> dict[str, dict[str, int]]:
        """Return how often each fault fired, by account."""
        return {
            name: dict(sorted(model.dice.counts.items()))
            for name, model in self.models.items()
        }

    # Snapshots.

    def dump(self) -> dict[str, Any]:
        """Return the whole state as JSON values."""
        return {
            "version": VERSION,
            "profile_name": self.profile_name,
            "signer": snapshot.encode(self.signer),
            "ledger": snapshot.encode(self.ledger.dump()),
            "accounts": {
                name: _dump_model(model) for name, model in self.models.items()
            },
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a snapshot; accounts that it does not hold stay empty.

        Raises: ValueError for a snapshot of another version.
        """
        if state.get("version") != VERSION:
            message = f"the snapshot has version {state.get('version')}"
            raise ValueError(message)
        self.profile_name = state["profile_name"]
        self.ledger.load(snapshot.decode(LedgerRow, row) for row in state["ledger"])
        for name, part in state["accounts"].items():
            if name in self.models:
                _load_model(self.models[name], part)


def _check_payment(model: GatewayModel, payment: Payment) -> None:
    model.form.to_gateway(payment.amount_minor, payment.currency)
    known = model.books.payments.get(payment.reference)
    same = known is None or (known.amount_minor, known.currency) == (
        payment.amount_minor,
        payment.currency,
    )
    if not same:
        message = f"payment {payment.reference} is there with another amount"
        raise ValueError(message)


def _dump_model(model: GatewayModel) -> dict[str, Any]:
    kind, numbers, gauss = model.dice.rng.getstate()
    return {
        "rng": [kind, list(numbers), gauss],
        "faults": snapshot.encode(model.dice.profile),
        "counts": dict(model.dice.counts),
        "payments": snapshot.encode(list(model.books.payments.values())),
        "refunds": snapshot.encode(list(model.books.refunds.values())),
        "keys": snapshot.encode(model.keys.dump()),
        "outbox": snapshot.encode(model.outbox.dump()),
        "delivered": sorted(model.outbox.delivered_ids),
        "events": snapshot.encode(list(model.events.values())),
        "effects": snapshot.encode(model.effects),
        "last_number": model.last_number,
        "tokens": dict(model.tokens) if isinstance(model, _WITH_TOKENS) else {},
    }


def _load_model(model: GatewayModel, part: Mapping[str, Any]) -> None:
    kind, numbers, gauss = part["rng"]
    model.dice.rng.setstate((kind, tuple(numbers), gauss))
    model.dice.profile = snapshot.decode(FaultProfile, part["faults"])
    model.dice.counts.clear()
    model.dice.counts.update(part["counts"])
    model.books.load(
        [snapshot.decode(Payment, item) for item in part["payments"]],
        [snapshot.decode(Refund, item) for item in part["refunds"]],
    )
    model.keys.load(snapshot.decode(KeyRecord, item) for item in part["keys"])
    model.outbox.load(snapshot.decode(Entry, item) for item in part["outbox"])
    model.outbox.delivered_ids.update(part["delivered"])
    events = [snapshot.decode(LoggedEvent, item) for item in part["events"]]
    model.events.clear()
    model.events.update({event.id: event for event in events})
    # A list in heap order stays one.
    model.effects[:] = [snapshot.decode(Effect, item) for item in part["effects"]]
    model.last_number = part["last_number"]
    if isinstance(model, _WITH_TOKENS):
        model.tokens.clear()
        model.tokens.update(part["tokens"])
