"""The wire of orders about no single refund: circuits by hand, lifted freezes.

Invariant: as `refundwatch.api.models`; a person's order carries the text it signed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from refundwatch.api.models import Code, SignedBody, Text


class UnfreezeBody(SignedBody):
    """Lift a payment's freeze."""

    reason_code: Code
    reason_text: Text | None = None


class CircuitBody(SignedBody):
    """Open or close a circuit by hand; `seconds` None keeps it open until closed."""

    part: Literal["orders", "reads"] = "orders"
    standing: Literal["closed", "open"]
    seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    reason_code: Code
    reason_text: Text | None = None
