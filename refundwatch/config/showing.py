"""Every effective value of the configuration and where it came from.

Invariant: a secret is shown only as the place it is kept in.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from refundwatch.config.audit import AuditOutletConfig
from refundwatch.config.model import (
    AccountConfig,
    Address,
    BandConfig,
    Config,
    ConnectionConfig,
    SecretReference,
)
from refundwatch.config.table import nearest_line

# A path that the file does not give is in the folder that this variable names.
_SERVICE_FOLDERS: Final = {
    "store.path": "STATE_DIRECTORY",
    "api.socket": "RUNTIME_DIRECTORY",
}
_PARTS: Final = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective value and where it came from, for `config show`."""

    key: str
    value: str
    source: str


def effective_settings(config: Config) -> tuple[Setting, ...]:
    """List every effective value with its source; secrets only as references."""
    content = config.path.read_text("utf-8")
    given = tomllib.loads(content)
    return tuple(
        Setting(key, value, _source(config.path, content, given, key))
        for key, value in _flat("", config)
    )


def flat_settings(config: Config) -> dict[str, str]:
    """Give every effective value by its dotted key; secrets only as references."""
    return dict(_flat("", config))


def _source(path: Path, text: str, given: dict[str, object], key: str) -> str:
    if _is_given(given, key):
        line = nearest_line(text, key)
        return f"{path.name}:{line}" if line else path.name
    variable = _SERVICE_FOLDERS.get(key)
    return f"${variable}" if variable else "default"


def _is_given(given: dict[str, object], key: str) -> bool:
    node: object = given
    for part, position in _PARTS.findall(key):
        node = node.get(part) if isinstance(node, dict) else None
        if position and isinstance(node, list):
            node = node[int(position)]
    return node is not None


def _flat(prefix: str, value: object) -> list[tuple[str, str]]:
    """Flatten the configuration into dotted keys as they stand in the file."""
    match value:
        case Config():
            names = (
                "instance",
                "mode",
                "store",
                "vault",
                "api",
                "webhooks",
                "health",
                "log",
                "dispatch",
                "resolve",
                "approvals",
                "operators",
                "probe",
                "retention",
                "alarms",
                "audit",
                "bands",
                "accounts",
            )
            return [row for name in names for row in _flat(name, getattr(value, name))]
        case Address() if prefix == "health":
            return [("health.listen", str(value))]
        case Address() | SecretReference() | Path():
            return [(prefix, str(value))]
        case dict():
            return [
                row for name in value for row in _flat(f"{prefix}.{name}", value[name])
            ]
        case tuple() if value and isinstance(
            value[0], AccountConfig | ConnectionConfig
        ):
            return [
                row for part in value for row in _flat(f"{prefix}.{part.name}", part)
            ]
        case tuple() if value and isinstance(value[0], BandConfig | AuditOutletConfig):
            return [
                row
                for position, part in enumerate(value)
                for row in _flat(f"{prefix}[{position}]", part)
            ]
        case tuple():
            return [(prefix, "[" + ", ".join(str(part) for part in value) + "]")]
        case None:
            return [(prefix, "-")]
        case str() | int() | float():
            return [(prefix, str(value))]
        case _:
            names = tuple(name for name in value.__slots__ if name != "name")  # type: ignore[attr-defined]
            return [
                row
                for name in names
                for row in _flat(f"{prefix}.{name}", getattr(value, name))
            ]
