"""What may be done to a running sandbox, in this process or through its admin API.

Invariant: whatever changes the world wakes the deliveries.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from refundwatch.sandbox.books import Payment, Refund
from refundwatch.sandbox.clock import SteadyClock
from refundwatch.sandbox.delivery import DeliveryWorker
from refundwatch.sandbox.faults import FaultProfile
from refundwatch.sandbox.ledger import Ledger
from refundwatch.sandbox.server import AccountServer
from refundwatch.sandbox.world import World


class Sandbox:
    """Offer what may be done to a running sandbox; the admin API offers the same."""

    def __init__(self, world: World, clock: SteadyClock) -> None:
        """Take the world; ``running_sandbox`` starts everything around it."""
        self.world = world
        self.clock = clock
        self.worker = DeliveryWorker(world, clock)
        self.servers = {
            name: AccountServer(model, clock, self.worker.wake)
            for name, model in world.models.items()
        }
        self.admin_url = ""

    @property
    def ledger(self) -> Ledger:
        """Return the truth, brought up to now."""
        self._advance()
        return self.world.ledger

    @property
    def ca_pem(self) -> str:
        """Return the CA that signs PayPal's webhook certificate."""
        return self.world.signer.ca_pem

    def base_url(self, account: str) -> str:
        """Return the URL of an account's look-alike."""
        return self.servers[account].base_url

    def _advance(self) -> float:
        now = self.clock.now()
        for model in self.world.models.values():
            model.advance(now)
        return now

    def add_payment(
        self,
        account: str,
        reference: str,
        amount_minor: int,
        currency: str,
        **facts: Any,
    ) -> Payment:
        """Take one payment; ``facts`` are further fields of ``Payment``."""
        created_at = facts.pop("created_at", self.clock.now())
        payment = Payment(
            account=account,
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            created_at=created_at,
            **facts,
        )
        return self.world.add_payments([payment])[0]

    def set_faults(
        self,
        profile_name: str | None = None,
        overrides: Mapping[str, float] | None = None,
        account: str | None = None,
    ) -> FaultProfile:
        """Change the fault profile of all accounts or one."""
        return self.world.set_faults(profile_name, overrides or {}, account)

    def dispute(self, account: str, payment: str, *, chargeback: bool = False) -> None:
        """Open a dispute on a payment."""
        model = self.world.model(account)
        model.dispute(payment, self._advance(), chargeback=chargeback)
        self.worker.wake()

    def bounce(self, account: str, refund_id: str) -> None:
        """Let a paid refund come back."""
        self.world.model(account).bounce(refund_id, self._advance())
        self.worker.wake()

    def external_refund(
        self, account: str, payment: str, amount_minor: int, note: str = ""
    ) -> Refund:
        """Refund in the gateway's own dashboard."""
        model = self.world.model(account)
        refund = model.external_refund(payment, amount_minor, self._advance(), note)
        self.worker.wake()
        return refund

    def plant(self, account: str, payment: str, amount_minor: int) -> Payment:
        """Let the payment's next refund truly execute another amount."""
        return self.world.plant(account, payment, amount_minor)

    def pause_webhooks(self, account: str | None = None) -> None:
        """Hold all deliveries back."""
        for model in self.world.chosen(account):
            model.outbox.paused = True

    def resume_webhooks(self, account: str | None = None) -> None:
        """Let deliveries go on."""
        for model in self.world.chosen(account):
            model.outbox.paused = False
        self.worker.wake()

    def drop_webhooks(self, account: str | None = None) -> int:
        """Lose every delivery that waits. Return how many."""
        return sum(model.outbox.drop() for model in self.world.chosen(account))

    def flush_webhooks(self, account: str | None = None, *, hurry: bool = False) -> int:
        """Deliver now what waits; ``hurry`` also ends every pending refund now."""
        now = self._advance()
        models = self.world.chosen(account)
        if hurry:
            for model in models:
                model.hurry(now)
        waiting = sum(model.outbox.flush(now) for model in models)
        self.worker.wake()
        return waiting

    def outage(self, account: str, seconds: float) -> None:
        """Refuse connections to an account's first port for a while."""
        self.world.model(account)
        self.servers[account].go_down(seconds)

    async def settled(self, timeout_seconds: float = 30.0) -> None:
        """Wait until no effect and no delivery is left.

        Raises: TimeoutError.
        """
        async with asyncio.timeout(timeout_seconds):
            while any(  # noqa: ASYNC110 - see below
                model.effects or len(model.outbox)
                for model in self.world.models.values()
            ):
                # Many models can be what is waited for; none has an event of its own.
                await asyncio.sleep(0.01)
