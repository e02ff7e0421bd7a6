"""The audit log's heads that this client has accepted, one file for each instance.

Invariant: a head is kept only after it was shown to continue the one that was kept
before. A daemon that shows a shorter or another log is told apart from one that grew,
so that each signed decision is a witness of all history before it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.domain.proofs import verify_consistency
from refundwatch.errors import ConfigError, LogRewritten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INSTANCE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_ROOT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LogHead:
    """How many entries a log had, and its root in lower-case hex."""

    size: int
    root: str


class HeadKeeper:
    """Keeps the newest head of one instance's log in a file of its own."""

    def __init__(self, folder: Path, instance: str) -> None:
        """Keep it in `folder`, which is made when there is something to keep.

        Raises:
            LogRewritten: the daemon calls itself something that is no instance.
        """
        if not _INSTANCE.fullmatch(instance):
            raise LogRewritten("The daemon calls itself by what is no instance's name.")
        self._instance = instance
        self._path = folder / f"{instance}.head.json"

    def last(self) -> LogHead | None:
        """Give the head that was accepted last; None before the first.

        Raises:
            ConfigError: the file holds something else.
        """
        try:
            found = json.loads(self._path.read_text("utf-8"))
            head = LogHead(int(found["size"]), str(found["root"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(f"{self._path} holds no head of a log.") from error
        if head.size < 0 or not _ROOT.fullmatch(head.root):
            raise ConfigError(f"{self._path} holds no head of a log.")
        return head

    def accept(
        self, known: LogHead | None, head: LogHead, proof: Sequence[bytes] = ()
    ) -> LogHead:
        """Keep `head` if it continues `known`, as `proof` shows; give it back.

        Raises:
            LogRewritten: it does not; what was kept stays.
        """
        self._demand_growth(known, head, proof)
        newest = self.last()
        if newest is None or newest.size < head.size:
            self._write(head)
        return head

    def _demand_growth(
        self, known: LogHead | None, head: LogHead, proof: Sequence[bytes]
    ) -> None:
        if head.size < 0 or not _ROOT.fullmatch(head.root):
            raise LogRewritten("The daemon shows something that is no head of a log.")
        if known is None or known.size == 0:
            return
        old, new = bytes.fromhex(known.root), bytes.fromhex(head.root)
        if not verify_consistency(known.size, head.size, old, new, proof):
            raise LogRewritten(
                f"The audit log of {self._instance} does not continue the one of "
                f"{known.size} entries that was seen here before: it shows "
                f"{head.size}. Nothing was signed. Keep {self._path}: it is evidence."
            )

    def _write(self, head: LogHead) -> None:
        """Replace the file whole, so that no reader sees half of it."""
        beside = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_text(json.dumps({"size": head.size, "root": head.root}))
            beside.replace(self._path)
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from error
