"""The query language of the transaction search, as far as anybody uses it.

Source: gateways/cybersource.md section 1 (Transaction Search, read 2026-11).
"""

import re
from collections.abc import Mapping

from refundwatch.sandbox.answers import moment

_DAY = 86_400.0
_TERM = re.compile(r'([A-Za-z.]+):(\[.*?[\]}]|"[^"]*"|[^\s"]+)')
_RANGE = re.compile(r"\[(\S+) TO (\S+)([\]}])")
_FROM_TODAY = re.compile(r"NOW(?:/DAY)?(?:([+-])(\d+)DAYS?)?")


def read_query(query: str) -> Mapping[str, str] | None:
    """Read terms joined by AND; None where it is no such query."""
    terms = query.split(" AND ")
    found = [_TERM.fullmatch(term.strip()) for term in terms]
    if not all(found):
        return None
    return {term[1]: term[2].strip('"') for term in found if term is not None}


def in_range(written: str, at: float, now: float) -> bool | None:
    """Tell whether a moment lies in a range; None where it is no range."""
    found = _RANGE.fullmatch(written)
    if found is None:
        return None
    first, last = (_bound(found[index], now) for index in (1, 2))
    if first is None or last is None:
        return None
    return first <= at and (at < last if found[3] == "}" else at <= last)


def _bound(written: str, now: float) -> float | None:
    found = _FROM_TODAY.fullmatch(written)
    if found is None:
        return moment(written)
    start = now - now % _DAY if "/DAY" in written else now
    days = int(found[2] or 0)
    return start + (days if found[1] == "+" else -days) * _DAY


def names(code: str, wanted: str) -> bool:
    """Tell whether a search for ``wanted`` finds a reference.

    It is split at hyphens, so that a longer one that begins alike is found too.
    """
    return code == wanted or code.startswith(f"{wanted}-")
