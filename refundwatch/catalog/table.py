"""The page about all gateways, `docs/gateways.md`, made from what they declare.

Invariant: the same adapters give the same bytes, so a test can compare the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from refundwatch.catalog.facts import NO, NONE, facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from refundwatch.gateways.contract import Capabilities

_HEAD: Final = """\
# Gateways

Made by `refundwatch gateways table`; a test compares this file with its output. What
is bold a gateway does not do, or does not say. `refundwatch gateways show NAME` tells
one of them; [adding-a-gateway.md](adding-a-gateway.md) adds another.
"""
_LIMITS: Final = """\
## What they cannot do

Beside the table, each gateway has rules that the hub keeps and people should know.
"""


def page(declared: Sequence[Capabilities]) -> str:
    """Write the whole page."""
    parts = [_HEAD, "\n".join(_rows(declared)) + "\n", _LIMITS]
    parts += [_limits(one) for one in declared]
    return "\n".join(parts)


def _rows(declared: Sequence[Capabilities]) -> Iterator[str]:
    told = [facts(one) for one in declared]
    yield _row(["", *(one.title for one in declared)])
    yield _row(["---"] * (len(declared) + 1))
    for question in told[0]:
        yield _row([question, *(_cell(one[question]) for one in told)])


def _cell(fact: str) -> str:
    return f"**{fact}**" if fact in {NO, NONE} else fact


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _limits(declared: Capabilities) -> str:
    lines = [f"### {declared.title}", "", *(f"- {one}" for one in declared.limits)]
    return "\n".join(lines) + "\n"
