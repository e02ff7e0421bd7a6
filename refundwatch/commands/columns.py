"""Which column of a file means what: flags, a small TOML file, or well-known names.

Invariant: a flag wins over the mapping file, that over a name recognised in the
header; a name that is given and is not in the header stops the import before it reads.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from refundwatch.commands.problems import UsageProblem

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from refundwatch.commands.csv_rows import CsvFile
    from refundwatch.commands.flags import Field

NO_COLUMN: Final = "-"
SETTINGS: Final = (
    "account",
    "currency",
    "timezone",
    "reason_code",
    "request_id_template",
    "delimiter",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's columns by what they mean, and the settings that hold for all rows."""

    columns: Mapping[str, str]
    settings: Mapping[str, str]

    def place(self, field: str) -> str:
        """Name where a field stands, for messages: its column, else its flag."""
        return self.columns.get(field) or f"--{field.replace('_', '-')}"

    def place_of(self, name: str | None, names: Mapping[str, str]) -> str | None:
        """Name where a field of a body comes from; `names` gives the file's field."""
        if name is None:
            return None
        return self.place(names.get(name, name))

    def need_somewhere(self, file: CsvFile, *fields: str) -> None:
        """Refuse a file that states something in no column, where no flag does.

        Raises:
            UsageProblem: names what is missing and the flags that give it.
        """
        for field in fields:
            if field not in self.columns and field not in self.settings:
                flag = f"--{field.replace('_', '-')}"
                raise UsageProblem(
                    f"{file.path} has no column for the {field}: give {flag}, or name "
                    f"a column with {flag}-column."
                )


def read_mapping(path: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """Read a mapping file: its columns by field, and its settings.

    Raises:
        UsageProblem: names the file and the key.
    """
    if path is None:
        return {}, {}
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror or error}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageProblem(f"{path}: {error}.") from error
    columns = content.pop("columns", {})
    if not isinstance(columns, dict):
        raise UsageProblem(f"{path}: columns is not a table.")
    for key, value in (*columns.items(), *content.items()):
        if not isinstance(value, str):
            raise UsageProblem(f"{path}: {key} is not a text.")
    for key in content:
        _must_know(path, key, SETTINGS)
    return columns, content


def find_layout(
    file: CsvFile,
    fields: Sequence[Field],
    arguments: Namespace,
    mapping: tuple[dict[str, str], dict[str, str]],
) -> Layout:
    """Decide which column means what.

    Raises:
        UsageProblem: a named column is not in the header, or a required one nowhere.
    """
    named, settings = mapping
    for key in named:
        _must_know(arguments.mapping, key, [field.name for field in fields])
    columns: dict[str, str] = {}
    for field in fields:
        given = getattr(arguments, f"{field.name}_column") or named.get(field.name)
        column = _column(file, field, given)
        if column is not None:
            columns[field.name] = column
        elif field.required:
            raise UsageProblem(
                f"{file.path} has no column for {field.summary}: name one with "
                f"{field.flag}. Its header is: {', '.join(file.header)}."
            )
    flags = {
        name: value
        for name in SETTINGS
        if (value := getattr(arguments, name, None)) is not None
    }
    return Layout(columns, {**settings, **flags})


def _column(file: CsvFile, field: Field, given: str | None) -> str | None:
    if given == NO_COLUMN:
        return None
    if given is None:
        by_folded = {name.casefold().replace(" ", "_"): name for name in file.header}
        found = (by_folded[name] for name in field.names if name in by_folded)
        return next(found, None)
    if given not in file.header:
        near = difflib.get_close_matches(given, file.header, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageProblem(
            f"{file.path} has no column {given!a} ({field.flag}){hint} "
            f"Its header is: {', '.join(file.header)}."
        )
    return given


def _must_know(path: Path, key: str, known: Sequence[str]) -> None:
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}."
        raise UsageProblem(f"{path}: the key {key!a} is not known{hint}")
