"""Who may sign what and when, as files that `ssh-keygen -Y verify` reads.

Invariant: a file says the same as the enrolment it was made from: exact principals, no
patterns, times in UTC. A key that was stolen stands in the revoked list, which counts
for all times; one that was merely retired has an end.

Source: ssh-keygen(1), ALLOWED SIGNERS; OpenSSH 9.2 tried (read 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from refundwatch.security.sshsig import PublicKey

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:-]{0,199}")
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class SignerLine:
    """A key that a principal may sign with in some namespaces.

    It counts from `valid_after` on, and before `valid_before`, which is the first
    moment at which it no longer does.
    """

    principal: str
    key: PublicKey
    namespaces: tuple[str, ...]
    valid_after: datetime | None = None
    valid_before: datetime | None = None


def allowed_signers(lines: Iterable[SignerLine]) -> str:
    """Write the file for `-f`: one line a key, those that never counted left out.

    Raises:
        InvariantBroken: a name could be read as a pattern, or as two.
    """
    return "".join(_line(it) for it in lines if _ever_counts(it))


def revoked_keys(keys: Iterable[PublicKey]) -> str:
    """Write the file for `-r`: keys whose signatures count at no time."""
    return "".join(f"{key.line}\n" for key in keys)


def verify_time(moment: datetime) -> str:
    """Write a moment for `-Overify-time=`."""
    # Without the Z it would be the auditor's local time.
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")


def _ever_counts(it: SignerLine) -> bool:
    """Tell whether there is a second at which it counts: ssh-keygen wants two."""
    if it.valid_after is None or it.valid_before is None:
        return True
    return it.valid_before - _SECOND > it.valid_after


def _line(it: SignerLine) -> str:
    if not it.namespaces or not all(map(_is_plain, (it.principal, *it.namespaces))):
        raise InvariantBroken("A signer has a plain name, and plain namespaces.")
    options = [f'namespaces="{",".join(it.namespaces)}"']
    if it.valid_after is not None:
        options.append(f'valid-after="{verify_time(it.valid_after)}"')
    if it.valid_before is not None:
        # Theirs includes its second, ours does not.
        options.append(f'valid-before="{verify_time(it.valid_before - _SECOND)}"')
    return f"{it.principal} {','.join(options)} {it.key.line}\n"


def _is_plain(name: str) -> bool:
    return _NAME.fullmatch(name) is not None
