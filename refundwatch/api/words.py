"""Closed sets of words that the wire knows, without the weight of its models.

Invariant: `refundwatch.api.models` takes these from here; there is no second list.
"""

from __future__ import annotations

from typing import Literal

RoleName = Literal["viewer", "requester", "operator", "approver", "admin"]
ResolutionName = Literal["succeeded", "declined", "reversed", "resend"]
ScopeName = Literal[
    "refund:initiate",
    "refund:read",
    "refund:cancel",
    "payment:create",
    "payment:read",
    "account:read",
    "alarm:read",
    "metric:read",
    "event:read",
    "audit:read",
]
