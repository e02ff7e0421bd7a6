"""Customers on the wire: unmasked on the record, and erased.

Invariant: as `refundwatch.api.models` says.
"""

from __future__ import annotations

from refundwatch.api.models import Body, Code, Text, View


class UnmaskBody(Body):
    """Why somebody needs to know; a code that stands in the log."""

    reason_code: Code


class EraseBody(Body):
    """Whom to erase: every payment that all given values name."""

    account: Text | None = None
    email: Text | None = None
    name: Text | None = None
    reason_code: Code = "erasure_request"
    dry_run: bool = False


class KeptView(View):
    """What stays, and why."""

    what: str
    why: str


class ErasedView(View):
    """What was emptied (with `dry_run`: would be), and what stays."""

    payments: int
    fields: int
    texts: int
    deliveries: int
    kept: list[KeptView]
    dry_run: bool
