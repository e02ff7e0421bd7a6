"""What came signed with a request, in the store's form.

Invariant: the statement is passed on as the very text that came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.store import contract as c

if TYPE_CHECKING:
    from daemon.routes.call import Call
    from refundwatch.api.models import SignedBody


def signed_text(body: SignedBody) -> c.SignedText | None:
    """Give the statement that came with a request, with its signature."""
    if body.statement is None or body.signature is None:
        return None
    return c.SignedText(body.statement.encode("utf-8"), body.signature)


def reason_salt(body: SignedBody) -> bytes | None:
    """Give the salt of the statement's commitment."""
    return None if body.reason_salt is None else bytes.fromhex(body.reason_salt)


def signing_of(call: Call, body: SignedBody) -> c.Signing:
    """Give what an order brings along, beside the policy that is in force."""
    return c.Signing(call.hub.policy.version, signed_text(body), reason_salt(body))
