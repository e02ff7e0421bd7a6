"""The scopes and limits of a machine's token, as flags and as lines.

Invariant: an amount becomes minor units exactly or not at all.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from refundwatch.api.amounts import amount_text, parse_amount
from refundwatch.api.models_tokens import CeilingBody, GrantBody
from refundwatch.api.words import ScopeName
from refundwatch.commands.bodies import checked
from refundwatch.commands.output import when_exactly
from refundwatch.commands.problems import UsageProblem
from refundwatch.errors import RefundwatchError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from refundwatch.api.models_tokens import TokenView

_DAYS: Final = re.compile(r"([0-9]{1,4})d?")
_CEILING: Final = re.compile(r"([A-Z]{3})=([0-9.]+)")


def grant_flags(parser: ArgumentParser) -> None:
    """Add the flags of scopes and limits; each may be given again for more."""
    group = parser.add_argument_group(
        "machines", "scopes in a role's place, and limits; each again for more"
    )
    group.add_argument(
        "--scope", action="append", default=[], choices=get_args(ScopeName)
    )
    group.add_argument(
        "--gateway", action="append", default=[], metavar="GATEWAY", help="stripe"
    )
    group.add_argument(
        "--currency", action="append", default=[], metavar="CODE", help="EUR"
    )
    group.add_argument(
        "--ceiling",
        action="append",
        default=[],
        type=ceiling,
        metavar="CODE=AMOUNT",
        help="EUR=5000.00: initiated within one UTC day; none in other currencies",
    )
    group.add_argument(
        "--from",
        dest="networks",
        action="append",
        default=[],
        metavar="RANGE",
        help="10.0.0.0/8: addresses it may come from over TCP",
    )
    group.add_argument(
        "--certificate",
        type=Path,
        metavar="PEM",
        help="a client certificate that must come with it",
    )


def days(text: str) -> int:
    """Read a lifetime such as `30d` or `30`."""
    found = _DAYS.fullmatch(text)
    if found is None:
        raise ArgumentTypeError("a number of days such as 30d")
    return int(found[1])


def ceiling(text: str) -> CeilingBody:
    """Read a ceiling such as `EUR=5000.00`."""
    found = _CEILING.fullmatch(text)
    if found is None:
        raise ArgumentTypeError("a currency and an amount such as EUR=5000.00")
    try:
        amount_minor = parse_amount(found[2], found[1], "ceiling")
        return checked(CeilingBody, currency=found[1], amount_minor=amount_minor)
    except (RefundwatchError, UsageProblem) as error:
        raise ArgumentTypeError(str(error)) from error


def grant_of(arguments: Namespace) -> GrantBody | None:
    """Make the body's part; None where no flag was given.

    Raises:
        UsageProblem: a part cannot be sent, or the certificate cannot be read.
    """
    digest = None
    if arguments.certificate is not None:
        digest = certificate_digest(arguments.certificate)
    grant = checked(
        GrantBody,
        scopes=arguments.scope,
        gateways=arguments.gateway,
        currencies=arguments.currency,
        ceilings=arguments.ceiling,
        networks=arguments.networks,
        certificate_sha256=digest,
    )
    return None if grant == GrantBody() else grant


def certificate_digest(path: Path) -> str:
    """Digest the public key (SPKI) of a certificate's file, in hex.

    Raises:
        UsageProblem: it cannot be read, or holds no certificate.
    """
    # Not for every command that is only typed: it takes longer to load than the rest.
    from refundwatch.api.certificates import pem_sha256  # noqa: PLC0415

    try:
        return pem_sha256(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageProblem(f"{path}: no certificate can be read there.") from error


def token_lines(view: TokenView) -> Iterator[tuple[str, str]]:
    """Give what people are told of one token."""
    yield "token", view.id
    yield "principal", view.principal
    if view.roles:
        yield "roles", ", ".join(view.roles)
    if view.grant is not None:
        yield "scopes", ", ".join(view.grant.scopes) or "by its roles"
        yield "gateways", ", ".join(view.grant.gateways) or "all"
        yield "currencies", ", ".join(view.grant.currencies) or "all"
        ceilings = ", ".join(amount_text(it) for it in view.grant.ceilings)
        yield "a day", ceilings or "no ceiling"
        yield "from", ", ".join(view.grant.networks) or "anywhere"
        yield "certificate", view.grant.certificate_sha256 or "none asked"
    yield "made", f"{when_exactly(view.created_at)} by {view.created_by}"
    if view.replaces is not None:
        yield "replaces", view.replaces
    yield "last used", when_exactly(view.last_used_at)
    yield "expires", when_exactly(view.expires_at)
    if view.revoked_at is not None:
        yield "revoked", when_exactly(view.revoked_at)
