"""`[audit]`: the log's key, how often it is signed, and where checkpoints go.

Invariant: a place that checkpoints are sent to is one of four kinds, each with its own
one key, and no address carries a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from refundwatch.config.model import SecretReference
    from refundwatch.config.table import Table

LEAST_SECONDS: Final = 1.0
MOST_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class AuditOutletConfig:
    """`[[audit.outlets]]`: one of `file`, `command`, `syslog` and `url`.

    `syslog` is a socket's path or `host:port` (UDP); `every_seconds` is the least time
    between two checkpoints.
    """

    file: Path | None = None
    command: tuple[str, ...] = ()
    syslog: str | None = None
    url: str | None = None
    every_seconds: float = 60.0

    @property
    def name(self) -> str:
        """Name the outlet for alarms and the log."""
        if self.file is not None:
            return f"file:{self.file}"
        if self.command:
            return f"command:{self.command[0]}"
        return f"syslog:{self.syslog}" if self.syslog else f"url:{self.url}"


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """`[audit]`; without a key nothing is signed.

    `checkpoint` is the file of the last checkpoint, outside of the database.
    """

    checkpoint: Path
    key: SecretReference | None = None
    seal_seconds: float = 10.0
    seal_entries: int = 500
    outlets: tuple[AuditOutletConfig, ...] = ()


def load_audit(
    table: Table,
    store: Path,
    secret: Callable[[Table, str], SecretReference],
    is_guarded: Callable[[str], bool],
) -> AuditConfig:
    """Read the table; the checkpoint's file stands beside the database by default.

    Raises:
        ConfigError: names the file, the line and the key.
    """
    defaults = AuditConfig(store.with_name(store.name + ".checkpoint"))
    key = secret(table, "key") if "key" in table.content else None
    table.seen.add("key")
    audit = AuditConfig(
        checkpoint=table.optional_file("checkpoint") or defaults.checkpoint,
        key=key,
        seal_seconds=table.seconds("seal_seconds", defaults.seal_seconds, 1.0),
        seal_entries=table.integer("seal_entries", defaults.seal_entries, 1),
        outlets=tuple(_outlet(it, is_guarded) for it in table.tables("outlets")),
    )
    table.finish()
    if audit.seal_seconds > MOST_SECONDS:
        raise table.error("seal_seconds", "must be at most an hour")
    if audit.outlets and key is None:
        raise table.error("outlets", "need a key: without one nothing is signed")
    return audit


def _outlet(table: Table, is_guarded: Callable[[str], bool]) -> AuditOutletConfig:
    outlet = AuditOutletConfig(
        file=table.optional_file("file"),
        command=table.texts("command"),
        syslog=table.optional_text("syslog"),
        url=table.optional_text("url"),
        every_seconds=table.seconds("every_seconds", 60.0, LEAST_SECONDS),
    )
    table.finish()
    given = (outlet.file, outlet.command, outlet.syslog, outlet.url)
    if sum(bool(one) for one in given) != 1:
        raise table.error("", "an outlet has one of file, command, syslog and url")
    if not all(outlet.command):
        raise table.error("command", "must hold no empty text")
    if outlet.url and not is_guarded(outlet.url):
        raise table.error("url", "must be https:// (http:// only on loopback)")
    if outlet.syslog and not _is_syslog(outlet.syslog):
        raise table.error("syslog", "must be a socket's path or host:port")
    return outlet


def _is_syslog(place: str) -> bool:
    if place.startswith("/"):
        return True
    host, colon, port = place.rpartition(":")
    return bool(host and colon) and port.isascii() and port.isdigit()
