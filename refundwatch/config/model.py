"""What the configuration holds, as frozen dataclasses.

Invariant: a secret stands here only as a reference to where it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from refundwatch.config.audit import AuditConfig

MIN_IN_FLIGHT_SECONDS: Final = 120
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is kept: `credential:NAME`, `file:PATH`, `command:ARGV`, `env:`.

    `base` is the folder that a relative path starts from.
    """

    scheme: str
    rest: str
    base: Path

    def __str__(self) -> str:
        """Name the place; a command's arguments might tell too much."""
        if self.scheme != "command":
            return f"{self.scheme}:{self.rest}"
        program, *arguments = self.rest.split(maxsplit=1) or [""]
        return f"command:{program}{' …' if arguments else ''}"

    def __repr__(self) -> str:
        """Show what people may see, and no more."""
        return f"<{self}>"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on; port 0 lets the system choose."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        return self.host in LOOPBACK

    def __str__(self) -> str:
        """Write it as it stands in the file."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """`[store]`."""

    path: Path


@dataclass(frozen=True, slots=True)
class VaultConfig:
    """`[vault]`: the key-encryption key."""

    key: SecretReference


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """`[api]`: the operators' listener.

    `client_certificates` is optional or required, where `client_ca` is given.
    `requests_per_second` and `burst` count for each address and each principal.
    """

    socket: Path
    socket_mode: str = "0660"
    socket_group: str | None = None
    tcp: Address | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    client_certificates: str = "optional"
    requests_per_second: int = 1000
    burst: int = 5000


@dataclass(frozen=True, slots=True)
class WebhooksConfig:
    """`[webhooks]`: the gateways' listener and its limits."""

    listen: Address
    body_limit_bytes: int = 262_144
    header_deadline_seconds: float = 10.0
    body_deadline_seconds: float = 5.0
    connections: int = 1000
    connections_per_peer: int = 100


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`[log]`."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True)
class DispatchConfig:
    """`[dispatch]`: how refunds leave.

    `concurrency` bounds the sends over all connections; None for their own bounds.
    """

    concurrency: int | None = None
    lease_seconds: int = 120
    shutdown_seconds: int = 60


@dataclass(frozen=True, slots=True)
class ResolveConfig:
    """`[resolve]`: how open questions are pursued; seconds.

    `delay_scale` and `longest_delay_seconds` shorten what gateways declare, beside
    look-alikes alone.
    """

    backoff_seconds: tuple[int, ...] = (5, 30, 120, 600, 3600, 21_600, 86_400)
    settle_delay_seconds: int = 300
    in_flight_seconds: int = MIN_IN_FLIGHT_SECONDS
    poll_first_seconds: int = 3600
    poll_repeat_seconds: int = 21_600
    alarm_seconds: tuple[int, ...] = (900, 86_400, 259_200)
    unmatched_keep_seconds: int = 86_400
    delay_scale: float = 1.0
    longest_delay_seconds: int = 2**31


@dataclass(frozen=True, slots=True)
class ApprovalsConfig:
    """`[approvals]`."""

    expiry_seconds: int = 86_400


@dataclass(frozen=True, slots=True)
class OperatorsConfig:
    """`[operators]`: the file of root operators."""

    roots: Path | None = None


@dataclass(frozen=True, slots=True)
class ProbeConfig:
    """`[probe]`: the health probes."""

    interval_seconds: float = 30.0
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class RetentionConfig:
    """`[retention]`: how long rows and sealed bodies are kept."""

    gateway_calls_days: int = 90
    delivery_bodies_days: int = 90
    request_bodies_days: int = 180
    notes_days: int = 730


@dataclass(frozen=True, slots=True)
class AlarmsConfig:
    """`[alarms]`: at most one outlet."""

    command: tuple[str, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class BandConfig:
    """`[[bands]]`: decimal texts in the currency's own units."""

    currency: str
    auto_below: str
    one_approval_below: str


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """`[accounts.NAME.connections.NAME]`.

    `rate_per_second` is how many calls may begin a second, None for no limit, and
    `burst` how many at once; `fee_basis_points` what it costs beyond the cheapest way.
    """

    name: str
    endpoint: str
    credentials: Mapping[str, SecretReference]
    timeout_seconds: float = 60.0
    connect_timeout_seconds: float = 5.0
    concurrency: int = 16
    api_version: str | None = None
    rate_per_second: float | None = None
    burst: int = 1
    fee_basis_points: int = 0


@dataclass(frozen=True, slots=True)
class AccountConfig:
    """`[accounts.NAME]`; `declared_payments` is `send` or `hold`."""

    name: str
    gateway: str
    timezone: str
    connections: tuple[ConnectionConfig, ...]
    webhook_secrets: tuple[SecretReference, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    declared_payments: str = "send"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `digest` (SHA-256, hex) is the policy version."""

    path: Path
    digest: str
    instance: str
    mode: str
    store: StoreConfig
    vault: VaultConfig
    api: ApiConfig
    webhooks: WebhooksConfig
    health: Address
    log: LogConfig
    dispatch: DispatchConfig
    resolve: ResolveConfig
    approvals: ApprovalsConfig
    operators: OperatorsConfig
    probe: ProbeConfig
    retention: RetentionConfig
    alarms: AlarmsConfig
    audit: AuditConfig
    bands: tuple[BandConfig, ...]
    accounts: tuple[AccountConfig, ...]
