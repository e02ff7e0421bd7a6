"""What a gateway remembers under an idempotency key.

Invariant: a record is forgotten only when its window has passed; while a first call
runs, ``busy_until`` lies ahead of now.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from refundwatch.sandbox.model import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """Hold the first call under a key: its request's digest, answer and refund."""

    key: str
    fingerprint: str
    first_at: float
    busy_until: float = 0.0
    reply: Reply | None = None
    refund_id: str = ""

    def busy(self, now: float) -> bool:
        """Tell whether the first call still runs."""
        return now < self.busy_until


class KeyStore:
    """Keep records for a window of seconds."""

    def __init__(self, window_seconds: float) -> None:
        """Start empty."""
        self.window_seconds = window_seconds
        self._records: dict[str, KeyRecord] = {}

    def find(self, key: str, now: float) -> KeyRecord | None:
        """Return the record of a key that has not lapsed."""
        record = self._records.get(key)
        if record is not None and now - record.first_at >= self.window_seconds:
            del self._records[key]
            return None
        return record

    def put(self, record: KeyRecord) -> None:
        """Remember a record in place of an earlier one."""
        self._records[record.key] = record

    def forget(self, key: str) -> None:
        """Drop a key, so that its next use is a first use."""
        self._records.pop(key, None)

    def dump(self) -> list[KeyRecord]:
        """Return every record, for a snapshot."""
        return list(self._records.values())

    def load(self, records: Iterable[KeyRecord]) -> None:
        """Replace everything by the records of a snapshot."""
        self._records = {record.key: record for record in records}
