"""The SQL of every dialect: numbered migrations, and named queries in files.

Invariant: a name stands once in its file, and both dialects define the same names.
A query begins with the line `-- name: its_name` and ends where the next begins.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from refundwatch.errors import InvariantBroken

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"^-- name: ([a-z0-9_]+)$", re.MULTILINE)
_MIGRATION: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@cache
def named_queries(dialect: str, topic: str) -> Mapping[str, str]:
    """Read the queries of `sql/<dialect>/<topic>.sql` by name.

    Raises:
        InvariantBroken: a name stands twice, or text stands before the first name.
    """
    text = files(__package__).joinpath(dialect, f"{topic}.sql").read_text("utf-8")
    head, *rest = _NAME.split(text)
    names, bodies = rest[::2], rest[1::2]
    comments = all(line.startswith("--") for line in head.split("\n") if line.strip())
    if len(set(names)) != len(names) or not comments:
        raise InvariantBroken(f"{dialect}/{topic}.sql does not name each query once.")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}


def migrations(dialect: str) -> tuple[tuple[int, str], ...]:
    """Read the dialect's migrations in order: number and script.

    Raises:
        InvariantBroken: the numbers have a gap, or a file has another name.
    """
    folder = files(__package__).joinpath(dialect, "migrations")
    found = sorted(folder.iterdir(), key=lambda file: file.name)
    scripts = []
    for number, file in enumerate(found, start=1):
        match = _MIGRATION.fullmatch(file.name)
        if match is None or int(match[1]) != number:
            raise InvariantBroken(f"{file.name} is not migration {number:04}.")
        scripts.append((number, file.read_text("utf-8")))
    return tuple(scripts)
