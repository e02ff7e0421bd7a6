"""A renewed certificate is taken without a restart, and an old one is told in time.

Invariant: what cannot be used changes nothing: the listener shows the certificate that
it had, and an alarm is open until a good one came.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography import x509

from daemon.tls import load_pair, server_context
from refundwatch.errors import ConfigError
from refundwatch.flow.calendar import Job
from refundwatch.store.contract import CloseAlarm, RaiseAlarm

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from refundwatch.config import ApiConfig
    from refundwatch.flow.ports import Log
    from refundwatch.store.contract import Store

LOOK_SECONDS: Final = 30
WARN: Final = timedelta(days=14)
EXPIRING: Final = "tls_certificate_expiring"
UNUSABLE: Final = "tls_certificate_unusable"


class Renewal:
    """Watches the files of the API's certificate."""

    def __init__(
        self,
        config: ApiConfig,
        current: Callable[[], ssl.SSLContext | None],
        store: Store,
        log: Log,
    ) -> None:
        """Take the files as they are now for those that `current` was made from."""
        self._config = config
        self._current = current
        self._store = store
        self._log = log
        self._taken = _digest(config)

    def use(self, config: ApiConfig) -> None:
        """Watch the files of a configuration that was just loaded, as they are now."""
        self._config = config
        self._taken = _digest(config)

    @property
    def job(self) -> Job:
        """Give the calendar's job."""
        return Job(LOOK_SECONDS, self.look)

    async def look(self, now: datetime) -> None:
        """Take a changed certificate, and see how long the one in use lasts."""
        certificate, context = self._config.tls_certificate, self._current()
        if certificate is None or context is None:
            return
        found = _digest(self._config)
        if found != self._taken:
            await self._take(certificate, context, found, now)
        if found == self._taken:
            await self._warn(certificate, now)

    async def _take(
        self,
        certificate: Path,
        context: ssl.SSLContext,
        found: bytes | None,
        now: datetime,
    ) -> None:
        subject = certificate.name
        try:
            # Into a context that nobody uses first: half a pair would spoil this one.
            server_context(certificate, self._config.tls_key)
            if _digest(self._config) != found:
                return
            load_pair(context, certificate, self._config.tls_key)
        except ConfigError as error:
            self._log.problem("tls:not_renewed", detail=error.message)
            detail = {"why": error.message[:200]}
            await self._store.execute(
                RaiseAlarm(now, UNUSABLE, "critical", subject, detail)
            )
            return
        self._taken = found
        self._log.event("tls:renewed", certificate=subject)
        await self._store.execute(CloseAlarm(now, UNUSABLE, subject))

    async def _warn(self, certificate: Path, now: datetime) -> None:
        try:
            ends = expires_at(certificate)
        except (OSError, ValueError):
            return
        subject = certificate.name
        if ends - now > WARN:
            await self._store.execute(CloseAlarm(now, EXPIRING, subject))
            return
        severity = "critical" if ends <= now else "warning"
        detail = {"expires_at": ends.isoformat()}
        await self._store.execute(RaiseAlarm(now, EXPIRING, severity, subject, detail))


def expires_at(certificate: Path) -> datetime:
    """Give the end of a PEM file's first certificate.

    Raises:
        OSError, ValueError: it cannot be read, or holds none.
    """
    loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
    return loaded.not_valid_after_utc


def _digest(config: ApiConfig) -> bytes | None:
    """Tell one pair of files from another; None while one cannot be read."""
    try:
        parts = [
            sha256(path.read_bytes()).digest()
            for path in (config.tls_certificate, config.tls_key)
            if path is not None
        ]
    except OSError:
        return None
    return b"".join(parts)
