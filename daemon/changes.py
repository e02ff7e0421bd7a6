"""What differs between two configurations, and what of it takes a restart.

Invariant: a secret is told only as the place it is kept in, and as renewed where
another one is kept there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from daemon.blame import at_fault
from daemon.directory import plain_setting
from refundwatch.config import flat_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.directory import Directory
    from daemon.live import Live
    from daemon.wiring import Prepared
    from refundwatch.config import AccountConfig, Config
    from refundwatch.errors import ConfigError

_FIXED: Final = re.compile(
    r"instance|mode|store\..+|vault\..+|api\.(socket.*|tcp|requests_per_second|burst)"
    r"|audit\..+|audit|api\.client_certificates|webhooks\.listen|health\.listen"
    r"|accounts\.[^.]+\.(gateway|settings\..+)"
)
"""Keys of what is opened, derived or promised once; also whose account it is."""

_DERIVED: Final = "audit.checkpoint"
"""Beside the database, unless it is given."""

_CONNECTION: Final = re.compile(r"(accounts\.[^.]+)\.connections\.[^.]+")
_ACCOUNT: Final = re.compile(r"accounts\.[^.]+")
What = Literal["added", "gone", "changed", "renewed"]
_RESTART: Final = "changes only by a restart"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `what` is added, gone, changed, or renewed (another secret)."""

    key: str
    what: What
    before: str | None = None
    after: str | None = None


def changes_between(
    live: Live, config: Config, prepared: Prepared
) -> tuple[Change, ...]:
    """List what another configuration would change; accounts and connections whole."""
    old, new = flat_settings(live.config), flat_settings(config)
    told: dict[str, Change] = {}
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if after is None:
            change = _of_one_side(key, "gone", new) or Change(key, "gone", before)
        elif before is None:
            change = _of_one_side(key, "added", old) or Change(
                key, "added", None, after
            )
        else:
            change = Change(key, "changed", before, after)
        told[change.key] = change
    for key in _renewed(live, config, prepared):
        told.setdefault(key, Change(key, "renewed"))
    return tuple(told[key] for key in sorted(told))


def must_not_wait_for_a_restart(
    live: Live, config: Config, prepared: Prepared, changes: tuple[Change, ...]
) -> None:
    """Refuse what a running daemon cannot take up.

    Raises:
        ConfigError: it names the first such key.
    """
    # What follows from another key is told last: the other is what was written.
    for change in sorted(changes, key=lambda it: it.key == _DERIVED):
        if change.what != "renewed" and _FIXED.fullmatch(change.key):
            raise at_fault(config, change.key, _RESTART)
    for path in prepared.directory.all():
        if live.endpoints.get(path.id, path.endpoint) != path.endpoint:
            key = f"{_connection_key(path.id)}.endpoint"
            message = f"{_RESTART}; add a connection of another name"
            raise at_fault(config, key, message)
    _must_keep_its_way(live, config, prepared)


def _must_keep_its_way(live: Live, config: Config, prepared: Prepared) -> None:
    """Refuse a listener with TLS instead of without, or that asks for more."""
    old, new = live.prepared.tls, prepared.tls
    if (old is None) != (new is None):
        message = f"whether the API has TLS {_RESTART}"
        raise at_fault(config, "api.tls_certificate", message)
    if old is not None and new is not None and old.verify_mode != new.verify_mode:
        raise _asks_for_more(config)


def _asks_for_more(config: Config) -> ConfigError:
    message = f"whether clients must show a certificate {_RESTART}"
    return at_fault(config, "api.tls_certificate", message)


def _renewed(live: Live, config: Config, prepared: Prepared) -> Iterator[str]:
    """Give the keys whose text is the same and whose secret is another one."""
    old, new = live.prepared.directory, prepared.directory
    for connection, credentials in new.secrets.items():
        known = old.secrets.get(connection, credentials).values
        for name, secret in credentials.values.items():
            if known.get(name, secret) != secret:
                yield f"{_connection_key(connection)}.credentials.{name}"
    for account in config.accounts:
        if old.of_account(account.name):
            yield from _renewed_of(account, old, new)
    if live.prepared.certificate != prepared.certificate:
        yield "api.tls_certificate"


def _renewed_of(
    account: AccountConfig, old: Directory, new: Directory
) -> Iterator[str]:
    """Give those of an account's own secrets and of files that its settings name."""
    name = account.name
    if old.webhook_secrets(name) != new.webhook_secrets(name):
        yield f"accounts.{name}.webhook_secrets"
    before = old.of_account(name)[0].account.settings
    after = new.of_account(name)[0].account.settings
    for setting in account.settings:
        plain = plain_setting(setting)
        if before.get(plain) != after.get(plain):
            yield f"accounts.{name}.settings.{setting}"


def _connection_key(connection_id: str) -> str:
    account, _, name = connection_id.partition("/")
    return f"accounts.{account}.connections.{name}"


def _of_one_side(key: str, what: What, other: dict[str, str]) -> Change | None:
    """Tell of the whole account or connection that the other side has nothing of."""
    for pattern in (_ACCOUNT, _CONNECTION):
        found = pattern.match(key)
        if found and not any(name.startswith(found[0] + ".") for name in other):
            return Change(found[0], what)
    return None
