"""The bearer of every request: the secret key itself, or a token fetched with a key.

Invariant: the client's secret leaves only for Checkout.com's own token host, or for
the endpoint where that is no host of Checkout.com; a secret key is sent to nobody
here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from refundwatch.errors import InvariantBroken
from refundwatch.gateways import reading
from refundwatch.gateways.checkout import facts
from refundwatch.gateways.contract import HttpRequest, Session, Unauthorized, Unsure

if TYPE_CHECKING:
    from datetime import datetime

    from refundwatch.gateways.contract import (
        AccountView,
        Credentials,
        HttpResponse,
        Operation,
    )

SESSION: Final = "session"

_PATH: Final = "/connect/token"
_KEY_LIFE: Final = timedelta(hours=1)
"""Taking the key costs nothing, and a changed one must not wait."""

_LONGEST_SESSION: Final = timedelta(days=1)
_MAX_TOKEN: Final = 16 * 1024
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
_HOST: Final = re.compile(
    r"https://((?:pl-)?[a-z0-9]+\.)?api\.(sandbox\.)?checkout\.com"
)


def open_session(
    account: AccountView, credentials: Credentials, now: datetime
) -> Operation[Session | Unauthorized | Unsure]:
    """Take the secret key as it is, or fetch a token with the access key.

    A key that is refused looks like a token that ended: it is tried once more.

    Raises:
        InvariantBroken: on the call itself: the connection has neither.
    """
    key = credentials.values.get(facts.SECRET_KEY)
    if key:
        return reading.without_request(Session(key, now + _KEY_LIFE))
    return _fetch(_token_request(account, credentials), now)


def _fetch(
    request: HttpRequest, now: datetime
) -> Operation[Session | Unauthorized | Unsure]:
    response = yield request
    return session_of(response, now)


def _token_request(account: AccountView, credentials: Credentials) -> HttpRequest:
    values = [credentials.values.get(name) for name in facts.ACCESS_KEY]
    if not all(values):
        message = "The connection to Checkout.com has neither a key nor an access key."
        raise InvariantBroken(message)
    pair = ":".join(value for value in values if value).encode("utf-8")
    scope = account.settings.get(facts.SCOPE) or facts.DEFAULT_SCOPE
    form = [("grant_type", "client_credentials"), ("scope", scope)]
    return HttpRequest(
        operation=SESSION,
        method="POST",
        target=token_host(account.endpoint) + _PATH,
        headers=(
            ("Authorization", "Basic " + b64encode(pair).decode("ascii")),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ),
        body=urlencode(form).encode("ascii"),
    )


def token_host(endpoint: str) -> str:
    """Give the host of tokens that belongs to an endpoint; empty for the same one."""
    found = _HOST.fullmatch(endpoint.rstrip("/"))
    if found is None:
        return ""
    return f"https://{found[1] or ''}access.{found[2] or ''}checkout.com"


def session_of(
    response: HttpResponse, now: datetime
) -> Session | Unauthorized | Unsure:
    """Read a token and its life."""
    body = reading.object_or_none(response.body)
    if response.status != 200:  # noqa: PLR2004 - success
        return _no_session(response, reading.text(body, "error"))
    token = reading.text(body, "access_token", limit=_MAX_TOKEN)
    seconds = reading.whole(body, "expires_in")
    if token is None or not _TOKEN.fullmatch(token):
        return Unsure("no_access_token")
    if seconds is None or seconds <= 0:
        return Unsure("expires_in")
    life = min(timedelta(seconds=min(seconds, 2**31)), _LONGEST_SESSION)
    return Session(token, now + life)


def _no_session(response: HttpResponse, error: str | None) -> Unauthorized | Unsure:
    base = f"http_{response.status}"
    why = f"{base}:{reading.shown(error)}" if error else base
    if error in facts.CLIENT_ERRORS or response.status in {401, 403}:
        return Unauthorized(why)
    return Unsure(why, reading.retry_after_seconds(response.headers))
