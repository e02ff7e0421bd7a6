"""Ports as tests need them: configured paths, a log that remembers, settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from refundwatch.domain.refund import Refund, RefundState
from refundwatch.flow.ports import ConnectionPath, FlowSettings
from refundwatch.gateways.contract import AccountView, Credentials
from tests.flow.simloop import START
from tests.flow.toy import DAY, Toy

if TYPE_CHECKING:
    from collections.abc import Callable

    from refundwatch.gateways.contract import Gateway
    from refundwatch.store.contract import Command, Committed, Query

BACKOFF = (5, 30, 120, 600, 3600, 21600, 86400)


def settings(**changes: Any) -> FlowSettings:
    base = FlowSettings(
        instance="test",
        dispatch_concurrency=16,
        lease_seconds=60,
        backoff_seconds=BACKOFF,
        settle_delay_seconds=300,
        in_flight_seconds=120,
        poll_first_seconds=3600,
        poll_repeat_seconds=6 * 3600,
        doubt_alarm_seconds=(900, DAY, 3 * DAY),
        unmatched_keep_seconds=DAY,
        probe_timeout_seconds=5,
        hold_declared={},
        longest_sleep_seconds=12 * 3600,
    )
    return replace(base, **changes)


def a_path(
    account: str = "toy-eu",
    name: str = "main",
    gateway: Gateway | None = None,
    **changes: Any,
) -> ConnectionPath:
    view = AccountView(
        name=account, mode="sandbox", endpoint="https://toy.test", settings={}
    )
    base = ConnectionPath(
        id=f"{account}/{name}",
        account=view,
        gateway=gateway or Toy(),
        endpoint="https://toy.test",
        timeout_seconds=20.0,
        connect_timeout_seconds=5.0,
        concurrency=4,
    )
    return replace(base, **changes)


def a_refund(**changes: Any) -> Refund:
    base = Refund(
        id="rf_1",
        request_id="r-1",
        account="toy-eu",
        payment_id="pay_1",
        payment_reference="pi_1",
        amount_minor=500,
        currency="EUR",
        reason_code="returned",
        merchant_reference="rw1",
        idempotency_key="k" * 32,
        created_at=START,
        state=RefundState.UNKNOWN,
        attempts=1,
        first_sent_at=START,
        last_sent_at=START,
    )
    return replace(base, **changes)


@dataclass
class FakePaths:
    """The configuration; `denied` names connections whose key is wrong."""

    paths: tuple[ConnectionPath, ...]
    secrets: tuple[str, ...] = ("whsec",)

    def of_account(self, account: str) -> tuple[ConnectionPath, ...]:
        return tuple(path for path in self.paths if path.account.name == account)

    def all(self) -> tuple[ConnectionPath, ...]:
        return self.paths

    def credentials(self, connection_id: str) -> Credentials:
        return Credentials({"key": f"key of {connection_id}"})

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        return self.secrets


@dataclass
class LogBook:
    """A log that tests can read."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def event(self, name: str, **fields: Any) -> None:
        self.events.append((name, fields))

    def problem(self, name: str, **fields: Any) -> None:
        self.problems.append((name, fields))

    def check_quiet(self) -> None:
        assert not self.problems, self.problems


@dataclass
class FakeStore:
    """Remembers commands and answers what it was told to, by the command's name."""

    replies: dict[str, Any] = field(default_factory=dict)
    commands: list[Any] = field(default_factory=list)

    async def execute(self, command: Command[Any]) -> Any:
        self.commands.append(command)
        return self._reply(command)

    async def read(self, query: Query[Any]) -> Any:
        return self._reply(query)

    def subscribe(self, listener: Callable[[Committed], None]) -> Callable[[], None]:
        return lambda: None

    async def close(self) -> None:
        return None

    def _reply(self, asked: object) -> Any:
        reply = self.replies.get(type(asked).__name__)
        if isinstance(reply, Exception):
            raise reply
        return reply(asked) if callable(reply) else reply

    def of(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]
