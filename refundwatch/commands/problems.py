"""What a command refuses by itself, before or instead of asking the daemon.

Invariant: each says what to do about it, and nothing was changed.
"""

from __future__ import annotations

from refundwatch.errors import RefundwatchError


class UsageProblem(RefundwatchError):
    """The command was called in a way that cannot be meant."""

    code = "command.usage"
    exit_code = 2


class Unconfirmed(RefundwatchError):
    """Nobody said yes."""

    code = "command.unconfirmed"
    exit_code = 1


class ImportFailed(RefundwatchError):
    """An import ended before its end; the message says what was stored."""

    code = "command.import_failed"
    exit_code = 1

    def __init__(self, message: str, exit_code: int = 1) -> None:
        """Take the exit code of what ended it."""
        super().__init__(message)
        self.exit_code = exit_code
