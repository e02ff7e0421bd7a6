"""`refundwatch logout`, where the command line looks for it.

Invariant: it does what `refundwatch.commands.login` says.
"""

from __future__ import annotations

from refundwatch.commands.login import logout as main

__all__ = ["main"]
