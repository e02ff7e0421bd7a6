"""`refundwatch gateways`: table, list, show, new; the daemon is asked for `versions`.

Invariant: it reads what the adapters declare, and neither configuration nor daemon;
only `new` writes, and only files that were not there.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from refundwatch.catalog.facts import facts
from refundwatch.catalog.new import write_skeleton
from refundwatch.catalog.table import page
from refundwatch.gateways import registry

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from refundwatch.gateways.contract import Capabilities


VERSIONS: Final = "refundwatch.commands.gateways"
"""Loaded by name: what speaks to the daemon is a client, and knows no adapter."""

NEXT_STEPS: Final = """\
docs/adding-a-gateway.md says how to fill it in and make it known. The checks that fail
say what is missing: python -m pytest tests/contract"""


def main(argv: list[str]) -> int:
    """Run one command; return its exit code."""
    if argv[:1] == ["versions"]:
        return int(import_module(VERSIONS).main(argv))
    parser = ArgumentParser(
        prog="refundwatch gateways",
        description="What the gateways can do, and how they answer.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    def verb(
        name: str, work: Callable[[Namespace], int], summary: str
    ) -> ArgumentParser:
        added = verbs.add_parser(
            name, help=summary, description=summary + ".", allow_abbrev=False
        )
        added.set_defaults(work=work)
        return added

    verbs.add_parser("versions", help="List API versions, as the daemon knows them")
    verb("table", table, "Write the page that docs/gateways.md holds")
    for added in (
        verb("list", list_all, "List the gateways"),
        verb("show", show, "Show what one gateway can and cannot do"),
    ):
        added.add_argument("--json", action="store_true", help="print JSON")
    added.add_argument("name", metavar="NAME")
    news = verb("new", new, "Write the skeleton of an adapter into this checkout")
    news.add_argument("name", metavar="NAME", help="small letters: acme")
    arguments = parser.parse_args(argv)
    code: int = arguments.work(arguments)
    return code


def table(arguments: Namespace) -> int:
    """Write the page about all of them."""
    del arguments
    print(page([_declared(name) for name in registry.NAMES]), end="")
    return 0


def list_all(arguments: Namespace) -> int:
    """List every gateway by name and title."""
    titles = {name: _declared(name).title for name in registry.NAMES}
    if arguments.json:
        items = [{"name": name, "title": title} for name, title in titles.items()]
        print(json.dumps({"items": items}))
        return 0
    width = max(map(len, titles))
    for name, title in titles.items():
        print(f"{name:<{width}}  {title}")
    return 0


def show(arguments: Namespace) -> int:
    """Show one gateway: every fact, then what it cannot do.

    Raises:
        GatewayUnknown: there is none of that name.
    """
    declared = _declared(arguments.name)
    if arguments.json:
        told = {one.name: getattr(declared, one.name) for one in fields(declared)}
        print(json.dumps(told, default=_plain))
        return 0
    lines = {"name": declared.name, "title": declared.title} | facts(declared)
    width = max(map(len, lines))
    for question, fact in lines.items():
        print(f"{question:<{width}}  {fact}")
    print()
    for limit in declared.limits:
        print(f"- {limit}")
    return 0


def new(arguments: Namespace) -> int:
    """Write a skeleton and say where; what is left to do is told beside the data.

    Raises:
        SkeletonRefused: the name cannot be used or is taken, or this is no checkout.
    """
    root = Path.cwd()
    for place in write_skeleton(root, arguments.name):
        print(place.relative_to(root))
    print(f"{NEXT_STEPS} -k {arguments.name}", file=sys.stderr)
    return 0


def _declared(name: str) -> Capabilities:
    return registry.gateway(name).capabilities


def _plain(value: object) -> object:
    """Give JSON's form of what it does not know: bytes, sets and read-only maps."""
    match value:
        case bytes():
            return value.decode("ascii")
        case frozenset():
            return sorted(value)
        case Mapping():
            return dict(value)
        case _:
            return str(value)
