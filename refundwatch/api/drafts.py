"""What is about to be signed: what it will say, and having it signed.

Invariant: the fields that a draft shows are those of the bytes that are signed, but for
the time, the lifetime and the nonce, which are taken when the signature is made.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from refundwatch.api.deciding import NONCE_BYTES, Reason, Standing, build_decision
from refundwatch.api.heads import HeadKeeper, LogHead
from refundwatch.api.models import EditBody, ResolveBody, StatusView
from refundwatch.api.models_operators import HeadView
from refundwatch.api.models_proof import ConsistencyView
from refundwatch.domain.audit import SALT_BYTES, salted_commitment
from refundwatch.errors import ClockDiffers
from refundwatch.security.sshsig import namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from refundwatch.api.client import ApiClient
    from refundwatch.api.models import DecisionBody, MeView, RefundView, SignedBody
    from refundwatch.api.signing import Signer

B = TypeVar("B", bound="SignedBody")

# The daemon refuses a statement whose time is further off.
SKEW: Final = timedelta(seconds=60)
_PURPOSE: Final = "decision"
_UNSHOWN: Final = frozenset({"issued_at", "expires_at", "nonce", "v", "type"})


class Statable(Protocol):
    """What a person asks for, and how it is stated."""

    @property
    def reason_text(self) -> str | None:
        """Give the reason in words, to which the statement commits."""
        ...

    def message(
        self, standing: Standing, commitment: str | None, now: datetime, nonce: bytes
    ) -> bytes:
        """Give the bytes to sign."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person decided about a refund as it is displayed.

    `amount_minor` and `refund_reason_code` are an edit's, `evidence` a resolution's.
    """

    view: RefundView
    decision: str
    reason_code: str
    reason_text: str | None = None
    amount_minor: int | None = None
    refund_reason_code: str | None = None
    evidence: Mapping[str, str] | None = None

    def message(
        self, standing: Standing, commitment: str | None, now: datetime, nonce: bytes
    ) -> bytes:
        """Give the bytes of the decision."""
        return build_decision(
            self.view,
            self.decision,
            Reason(self.reason_code, commitment),
            standing,
            now=now,
            nonce=nonce,
            amount_minor=self.amount_minor,
            refund_reason_code=self.refund_reason_code,
            evidence=self.evidence,
        )


def asked_of(action: str, view: RefundView, body: DecisionBody) -> Asked:
    """Give what a request's body asks, as it is signed."""
    edit = body if isinstance(body, EditBody) else None
    evidence = None
    if isinstance(body, ResolveBody):
        evidence = {**body.evidence, "resolution": body.resolution}
    return Asked(
        view,
        action,
        body.reason_code,
        body.reason_text,
        None if edit is None else edit.amount_minor,
        None if edit is None else edit.refund_reason_code,
        evidence,
    )


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """What goes to the daemon beside what is asked; the salt is in hex."""

    statement: str
    signature: str
    reason_salt: str | None

    def put_into(self, body: B) -> B:
        """Give the request's body with the signature in it."""
        return body.model_copy(
            update={
                "statement": self.statement,
                "signature": self.signature,
                "reason_salt": self.reason_salt,
            }
        )


@dataclass(frozen=True, slots=True)
class World:
    """What a draft takes from outside: clock, random bytes, and its own folder."""

    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    state_folder: Path


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked, before it is signed."""

    asked: Statable
    standing: Standing
    signer: Signer
    world: World
    salt: bytes | None

    def fields(self) -> list[tuple[str, str]]:
        """Give what is signed, by name, in the order in which it is signed."""
        stated = json.loads(self._message(bytes(NONCE_BYTES)))
        return [
            (name, _text(value))
            for name, value in stated.items()
            if name not in _UNSHOWN and value is not None
        ]

    async def sign(self) -> SignedDecision:
        """Have it signed now.

        Raises:
            SignerUnavailable, KeyNotHeld, SigningRefused: as `Signer.sign`.
        """
        message = self._message(self.world.entropy(NONCE_BYTES))
        space = namespace(_PURPOSE, self.standing.instance)
        return SignedDecision(
            message.decode("utf-8"),
            await self.signer.sign(message, space),
            None if self.salt is None else self.salt.hex(),
        )

    def _message(self, nonce: bytes) -> bytes:
        it = self.asked
        commitment = None
        if self.salt is not None and it.reason_text is not None:
            commitment = salted_commitment(self.salt, it.reason_text.encode("utf-8"))
        return it.message(self.standing, commitment, self.world.now(), nonce)


def signs(me: MeView) -> bool:
    """Tell whether this caller signs what it decides.

    Persons do, unless the daemon says that it asks for no signature: its word saves
    signing alone, and never makes anybody sign.
    """
    return me.signs and me.principal.startswith("person:")


async def draft(
    client: ApiClient, me: MeView, asked: Statable, signer: Signer, world: World
) -> Draft:
    """Prepare what is signed: who decides, under which policy, after which log.

    Raises:
        ContentDiffers: the daemon's digest is not that of what it showed.
        LogRewritten: its audit log does not continue the one that was seen before.
        ClockDiffers: its clock and this one are too far apart.
        ApiProblem, ApiUnreachable: as `ApiClient.call`.
    """
    status = await client.call("status", StatusView)
    _compare_clocks(status.now, world.now())
    keeper = HeadKeeper(world.state_folder, status.instance)
    standing = Standing(
        actor=me.principal,
        key=signer.fingerprint,
        instance=status.instance,
        policy_version=status.policy_version,
        head=await accepted_head(client, keeper),
    )
    salt = None if asked.reason_text is None else world.entropy(SALT_BYTES)
    made = Draft(asked, standing, signer, world, salt)
    # What cannot be stated or is not what was shown is told before anybody signs.
    made.fields()
    return made


async def accepted_head(client: ApiClient, keeper: HeadKeeper) -> LogHead:
    """Ask for the log's head, and keep it once it continues the one kept before.

    Raises:
        LogRewritten: it does not.
    """
    known = keeper.last()
    shown = await client.call("audit.head", HeadView)
    head = LogHead(shown.size, shown.root)
    if known is None or not 0 < known.size < head.size:
        return keeper.accept(known, head)
    proved = await client.call(
        "audit.consistency",
        ConsistencyView,
        query={"from": known.size, "to": head.size},
    )
    return keeper.accept(known, head, [bytes.fromhex(it) for it in proved.proof])


def _compare_clocks(theirs: datetime, ours: datetime) -> None:
    apart = theirs - ours
    if abs(apart) > SKEW:
        seconds = round(abs(apart).total_seconds())
        word = "behind" if apart > timedelta() else "ahead of"
        raise ClockDiffers(
            f"This machine's clock is {seconds} seconds {word} the daemon's: what is "
            "signed now would not count. Set it right."
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
