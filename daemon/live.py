"""The configuration in force, which a running daemon may exchange for another.

Invariant: it changes whole and in one step, between two turns of the loop: nobody sees
half of one and half of another. What was begun with the old one ends with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refundwatch.flow.ports import NeverSentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.wiring import Prepared
    from refundwatch.config import Config
    from refundwatch.flow.ports import ConnectionPath
    from refundwatch.gateways.contract import Credentials


class Live:
    """What holds now; to the rooms it is `refundwatch.flow.ports.Paths`."""

    def __init__(self, config: Config, prepared: Prepared) -> None:
        """Begin with the configuration of the start."""
        self.config = config
        self.prepared = prepared
        self.endpoints = {path.id: path.endpoint for path in self.all()}
        self._heard: list[Callable[[], None]] = []

    def subscribe(self, heard: Callable[[], None]) -> None:
        """Call this after each change, for what keeps a part of the configuration."""
        self._heard.append(heard)

    def adopt(self, config: Config, prepared: Prepared) -> None:
        """Let another configuration hold from now on."""
        self.config = config
        self.prepared = prepared
        self.endpoints |= {path.id: path.endpoint for path in self.all()}
        for heard in self._heard:
            heard()

    # --- accounts and connections --------------------------------------------------

    def of_account(self, account: str) -> tuple[ConnectionPath, ...]:
        """Return the connections of an account in configured order."""
        return self.prepared.directory.of_account(account)

    def all(self) -> tuple[ConnectionPath, ...]:
        """Return every connection."""
        return self.prepared.directory.all()

    def credentials(self, connection_id: str) -> Credentials:
        """Return the resolved credentials, without a session.

        Raises:
            NeverSentError: the connection went while a job was on its way to it.
        """
        found = self.prepared.directory.secrets.get(connection_id)
        if found is None:
            raise NeverSentError("connection_gone")
        return found

    def webhook_secrets(self, account: str) -> tuple[str, ...]:
        """Return every webhook secret that is valid now."""
        return self.prepared.directory.webhook_secrets(account)
