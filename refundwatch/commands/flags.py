"""Flags that several commands share.

Invariant: nothing heavy is imported here, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence


class Field(NamedTuple):
    """Something that a row states, and the names under which it is recognised.

    No dataclass: their module alone costs a third of what `--help` takes.
    """

    name: str
    summary: str
    names: tuple[str, ...] = ()
    required: bool = False

    @property
    def flag(self) -> str:
        """Give the flag that names its column."""
        return f"--{self.name.replace('_', '-')}-column"


def add_column_flags(parser: ArgumentParser, fields: Sequence[Field]) -> None:
    """Add the flags that say how a file is read."""
    group = parser.add_argument_group("how the file is read")
    group.add_argument(
        "--mapping",
        type=Path,
        metavar="FILE.toml",
        help="a [columns] table and settings, instead of the flags below",
    )
    group.add_argument(
        "--delimiter", metavar="CHAR", help="between cells: a comma, or tab"
    )
    for field in fields:
        known = f"; recognised: {', '.join(field.names)}" if field.names else ""
        group.add_argument(
            field.flag,
            metavar="NAME",
            dest=f"{field.name}_column",
            help=f"{field.summary}{known}",
        )


def add_import_flags(parser: ArgumentParser) -> None:
    """Add what every import takes."""
    parser.add_argument("file", metavar="FILE", help="a CSV file with a header line")
    parser.add_argument(
        "--dry-run", action="store_true", help="check every row and store nothing"
    )


def add_decision_flags(parser: ArgumentParser, reason_code: str | None = None) -> None:
    """Add what every decision takes; without a default the code must be given."""
    parser.add_argument("refund", metavar="REFUND", help="its id: rf_…")
    add_reason_flags(parser, reason_code)
    add_sign_flags(parser)


def add_sign_flags(parser: ArgumentParser, key_flag: str = "--key") -> None:
    """Add what everything takes that a person signs."""
    parser.add_argument(
        "--sign",
        choices=("agent", "keygen", "paste"),
        help="who signs: ssh-agent (or what client.toml says), ssh-keygen, or you, "
        "elsewhere, by copy and paste",
    )
    parser.add_argument(
        key_flag,
        dest="signing_key",
        metavar="KEY",
        help="which key signs: FILE.pub or SHA256:… (else client.toml, else the "
        "agent's only one)",
    )


def add_reason_flags(parser: ArgumentParser, reason_code: str | None = None) -> None:
    """Add a reason's code and text; without a default the code must be given."""
    parser.add_argument(
        "--reason-code",
        required=reason_code is None,
        default=reason_code,
        metavar="CODE",
        help="stands in the audit log" + (f"; {reason_code}" if reason_code else ""),
    )
    parser.add_argument(
        "--reason", metavar="TEXT", help="for people; kept sealed, not in the log"
    )


def add_watch_flags(parser: ArgumentParser) -> None:
    """Add what watching takes."""
    parser.add_argument(
        "refund", nargs="*", metavar="REFUND", help="only these; else every one"
    )
    parser.add_argument(
        "--plain",
        action="store_true",
        help="sentences instead of columns: for pipes and screen readers",
    )
    parser.add_argument(
        "--since",
        type=int,
        metavar="SEQUENCE",
        help="begin with what happened after this place in the log",
    )
