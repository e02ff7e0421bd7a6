"""The root file: whose keys may say who the operators are.

Invariant: a root file that somebody else than root (in a sandbox: the daemon's own
user) could have written stops the start.

A line is `person:NAME [roles="a,b"] [valid-before="YYYYMMDDZ"] TYPE BASE64 [comment]`;
empty lines and lines that begin with `#` say nothing.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from refundwatch.domain.policy import Role, check_principal_id
from refundwatch.domain.roster import RootLine
from refundwatch.errors import ConfigError, RefundwatchError
from refundwatch.security.sshsig import parse_public_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEAST_LIVE: Final = 2
ROOT_ROLES: Final = frozenset({Role.ADMIN})
"""What a root operator is without words about it."""

_LINE: Final = re.compile(
    r"(?P<person>person:\S+)"
    r'(?: roles="(?P<roles>[a-z,]+)")?'
    r'(?: valid-before="(?P<until>[0-9]{8}Z)")?'
    r" (?P<key>[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: .*)?)"
)


def read_roots(path: Path, *, live: bool) -> tuple[RootLine, ...]:
    """Read the root operators.

    Raises:
        ConfigError: the file is not safe, not readable, or names too few persons.
    """
    try:
        with path.open("rb") as file:
            _check_owner(path, os.fstat(file.fileno()), live=live)
            text = file.read().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file; `refundwatch operators enrol-root --key "
            "FILE.pub` makes it.",
            "operators.roots",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}", "operators.roots") from error
    lines = parse_roots(text, str(path))
    persons = {line.person for line in lines}
    if not persons or (live and len(persons) < LEAST_LIVE):
        need = "two root operators in live mode" if live else "one root operator"
        raise ConfigError(f"{path}: it must name at least {need}.", "operators.roots")
    return lines


def parse_roots(text: str, name: str) -> tuple[RootLine, ...]:
    """Read the lines of a root file.

    Raises:
        ConfigError: names the file and the line.
    """
    found: list[RootLine] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        where = f"{name}:{number}"
        root = _line(stripped, where)
        if any(it.fingerprint == root.fingerprint for it in found):
            raise ConfigError(
                f"{where}: this key stands here twice.", "operators.roots"
            )
        found.append(root)
    return tuple(found)


def _line(text: str, where: str) -> RootLine:
    match = _LINE.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{where}: a line is person:NAME, a key type and its base64.",
            "operators.roots",
        )
    try:
        person = check_principal_id(match["person"])
        key = parse_public_key(match["key"])
        words = (match["roles"] or "").split(",") if match["roles"] else []
        roles = frozenset(Role(word) for word in words) or ROOT_ROLES
        until = _day(match["until"])
    except RefundwatchError as error:
        raise ConfigError(f"{where}: {error.message}", "operators.roots") from error
    except ValueError as error:
        raise ConfigError(f"{where}: {error}.", "operators.roots") from error
    return RootLine(person, key.fingerprint, key.line, roles, until)


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    return datetime.strptime(text, "%Y%m%dZ").replace(tzinfo=UTC)


def _check_owner(path: Path, found: os.stat_result, *, live: bool) -> None:
    owners: Sequence[int] = (0,) if live else (0, os.geteuid())
    if found.st_uid not in owners:
        who = "root" if live else "root or the daemon's own user"
        raise ConfigError(f"{path}: it must belong to {who}.", "operators.roots")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{path}: others may write to it; chmod go-w.", "operators.roots"
        )
