from __future__ import annotations

from hashlib import sha256

from refundwatch.errors import SealBroken


class OpenSealer:
    """Hides nothing, but binds a value to table, row and column like the vault."""

    def seal(self, table: str, primary_key: str, column: str, plain: bytes) -> bytes:
        return _place(table, primary_key, column) + plain

    def open(self, table: str, primary_key: str, column: str, sealed: bytes) -> bytes:
        place = _place(table, primary_key, column)
        if not sealed.startswith(place):
            raise SealBroken(f"{table}.{column}: the value was moved.")
        return sealed[len(place) :]

    def blind_index(self, column: str, value: str) -> bytes:
        return sha256(f"{column}|{value.strip().casefold()}".encode()).digest()[:16]

    def prove(self, kind: str, content: bytes) -> bytes:
        return sha256(kind.encode() + b"|" + content).digest()


def _place(table: str, primary_key: str, column: str) -> bytes:
    return f"sealed|{table}|{primary_key}|{column}|".encode()
