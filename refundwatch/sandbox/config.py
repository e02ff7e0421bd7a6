"""The sandbox's TOML file as frozen values.

Invariant: an unknown key or a wrong value is an error that names file and key; nothing
is read from the environment.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from refundwatch.errors import ConfigError
from refundwatch.sandbox.faults import PROFILES, FaultProfile
from refundwatch.sandbox.settings import (
    AdyenSettings,
    AnyAccount,
    AuthorizenetSettings,
    BraintreeSettings,
    CheckoutSettings,
    CybersourceSettings,
    KlarnaSettings,
    MollieSettings,
    PaypalSettings,
    RazorpaySettings,
    SquareSettings,
    StripeSettings,
    WorldpaySettings,
)

_KINDS: Mapping[str, type[AnyAccount]] = {
    "square": SquareSettings,
    "stripe": StripeSettings,
    "adyen": AdyenSettings,
    "cybersource": CybersourceSettings,
    "braintree": BraintreeSettings,
    "authorizenet": AuthorizenetSettings,
    "paypal": PaypalSettings,
    "klarna": KlarnaSettings,
    "razorpay": RazorpaySettings,
    "mollie": MollieSettings,
    "checkout": CheckoutSettings,
    "worldpay": WorldpaySettings,
}
_SERVER_KEYS = {"host": str, "seed": int, "time_scale": float, "ca_file": str}
_ADMIN_KEYS = {"port": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Hold what a sandbox needs to start; ``host`` is a loopback address."""

    accounts: tuple[AnyAccount, ...]
    host: str = "127.0.0.1"
    admin_port: int = 0
    seed: int = 7
    time_scale: float = 1.0
    profile_name: str = "none"
    faults: FaultProfile = PROFILES["none"]
    ca_file: Path | None = None
    state_file: Path | None = None


def load_config(path: Path) -> SandboxConfig:
    """Read a configuration file.

    Raises: ConfigError naming file and key.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ConfigError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from error
    return read_config(document, str(path), path.parent)


def read_config(document: Mapping[str, Any], name: str, base: Path) -> SandboxConfig:
    """Check a parsed document; ``base`` is where its relative paths start.

    Raises: ConfigError naming file and key.
    """
    unknown = sorted(set(document) - {"server", "admin", "faults", "accounts"})
    if unknown:
        _fail(name, unknown[0], "is not a table of a sandbox configuration")
    server = _table(document, "server", _SERVER_KEYS, name)
    admin = _table(document, "admin", _ADMIN_KEYS, name)
    host = str(server.get("host", "127.0.0.1"))
    if not _is_loopback(host):
        _fail(name, "server.host", "must be a loopback address")
    profile_name, profile = _faults(document.get("faults", {}), name)
    ca_file = server.get("ca_file")
    return SandboxConfig(
        accounts=_accounts(document.get("accounts", {}), name),
        host=host,
        admin_port=int(admin.get("port", 0)),
        seed=int(server.get("seed", 7)),
        time_scale=checked_scale(float(server.get("time_scale", 1.0)), name),
        profile_name=profile_name,
        faults=profile,
        ca_file=base / str(ca_file) if ca_file else None,
    )


def with_profile(config: SandboxConfig, profile_name: str) -> SandboxConfig:
    """Return the configuration with another fault profile, as it stands.

    Raises: ConfigError when there is no such profile.
    """
    if profile_name not in PROFILES:
        _fail("--faults", profile_name, f"is none of {', '.join(PROFILES)}")
    profile = PROFILES[profile_name]
    return replace(config, profile_name=profile_name, faults=profile)


def checked_scale(scale: float, name: str) -> float:
    """Return a time scale.

    Raises: ConfigError unless it is above 0 and at most 100.
    """
    if not 0 < scale <= 100:  # noqa: PLR2004 - the text below says it
        _fail(name, "time_scale", "must be above 0 and at most 100")
    return scale


def _fail(name: str, key: str, problem: str) -> NoReturn:
    message = f"{name}: {key} {problem}"
    raise ConfigError(message)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _table(
    document: Mapping[str, Any], key: str, known: Mapping[str, type], name: str
) -> Mapping[str, Any]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        _fail(name, key, "must be a table")
    for entry, value in table.items():
        if entry not in known:
            _fail(name, f"{key}.{entry}", "is unknown")
        _check_kind(value, known[entry], name, f"{key}.{entry}")
    return dict(table)


def _check_kind(value: object, kind: type, name: str, key: str) -> None:
    number = kind is float and isinstance(value, int | float)
    if isinstance(value, bool) or not (number or isinstance(value, kind)):
        _fail(name, key, f"must be {kind.__name__}")


def _faults(table: object, name: str) -> tuple[str, FaultProfile]:
    if not isinstance(table, dict):
        _fail(name, "faults", "must be a table")
    profile_name = table.get("profile", "none")
    if profile_name not in PROFILES:
        _fail(name, "faults.profile", f"is none of {', '.join(PROFILES)}")
    values = {key: value for key, value in table.items() if key != "profile"}
    try:
        return profile_name, PROFILES[profile_name].overridden(values)
    except ValueError as error:
        message = f"{name}: faults: {error}"
        raise ConfigError(message) from error


def _accounts(table: object, name: str) -> tuple[AnyAccount, ...]:
    if not isinstance(table, dict) or not table:
        _fail(name, "accounts", "needs at least one account")
    return tuple(_account(key, entry, name) for key, entry in table.items())


def _account(account: str, table: object, name: str) -> AnyAccount:
    where = f"accounts.{account}"
    if not isinstance(table, dict) or table.get("gateway") not in _KINDS:
        _fail(name, f"{where}.gateway", f"must be one of {', '.join(_KINDS)}")
    kind = _KINDS[table["gateway"]]
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.name != "name"}
    values: dict[str, Any] = {"name": account}
    for key, value in table.items():
        if key == "gateway":
            continue
        if key not in known:
            _fail(name, f"{where}.{key}", "is unknown")
        values[key] = _account_value(hints[key], value, name, f"{where}.{key}")
    missing = [
        key
        for key, field in known.items()
        if field.default is MISSING and key not in values
    ]
    if missing:
        _fail(name, f"{where}.{missing[0]}", "is missing")
    return kind(**values)


def _account_value(hint: Any, value: object, name: str, key: str) -> Any:
    if hint in (str, int, float):
        _check_kind(value, hint, name, key)
        return hint(value)
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not isinstance(value, list) or not texts or not value:
        _fail(name, key, "must be a list of texts")
    return tuple(value)
