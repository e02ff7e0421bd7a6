"""The skeleton of a new adapter: its module, its contract case, its test.

Invariant: every file is new, or nothing is written at all.
"""

from __future__ import annotations

import re
from importlib import resources
from keyword import iskeyword
from string import Template
from typing import TYPE_CHECKING, Final

from refundwatch.errors import SkeletonRefused

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[a-z]{2,16}")
_CHECKOUT: Final = ("refundwatch/gateways/registry.py", "tests/contract/case.py")
_FILES: Final = {
    "refundwatch/gateways/$name/__init__.py": "package.txt",
    "refundwatch/gateways/$name/adapter.py": "adapter.txt",
    "tests/contract/examples/$name.py": "case.txt",
    "tests/unit/gateways/test_${name}_total.py": "test.txt",
}


def write_skeleton(root: Path, name: str) -> tuple[Path, ...]:
    """Write the files of a new gateway into a checkout; return where they stand.

    Raises:
        SkeletonRefused: the name cannot be used or is taken, or this is no checkout.
    """
    if not _NAME.fullmatch(name) or iskeyword(name):
        raise SkeletonRefused(f"{name[:64]!a}: a name is 2 to 16 small letters.")
    if not all((root / place).is_file() for place in _CHECKOUT):
        raise SkeletonRefused(f"{root} is not the root of a checkout of refundwatch.")
    names = {"name": name, "title": name.capitalize(), "cls": name.capitalize()}
    texts = {
        root / Template(place).substitute(names): _template(file).substitute(names)
        for place, file in _FILES.items()
    }
    _check_free(root, name, tuple(texts))
    _write(texts)
    return tuple(texts)


def _check_free(root: Path, name: str, places: tuple[Path, ...]) -> None:
    gateways = root / "refundwatch/gateways"
    cases = root / "tests/contract/cases"
    others = (gateways / name, gateways / f"{name}.py", cases / f"{name}.py")
    for place in (*others, *places):
        if place.exists() or place.is_symlink():
            where = place.relative_to(root)
            raise SkeletonRefused(f"{where} exists already; nothing was written.")


def _write(texts: dict[Path, str]) -> None:
    written: list[Path] = []
    folder = next(iter(texts)).parent
    try:
        folder.mkdir()
        for place, text in texts.items():
            with place.open("x", encoding="utf-8") as file:
                written.append(place)
                file.write(text)
    except OSError as error:
        for place in written:
            place.unlink(missing_ok=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise SkeletonRefused(f"Nothing was written: {error.strerror}.") from error


def _template(file: str) -> Template:
    place = resources.files("refundwatch.catalog") / "skeleton" / file
    return Template(place.read_text("utf-8"))
