"""Whoever is called at night finds the alarm's kind in the manual."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.architecture.repository import ROOT, source_files

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOMS = ("refundwatch/domain", "refundwatch/flow", "refundwatch/store", "daemon")
ARGUMENT = {"RaiseAlarm": 1, "open_alarm": 2}


def test_every_kind_of_alarm_is_in_the_manual() -> None:
    manual = (ROOT / "docs" / "operating.md").read_text("utf-8")
    kinds = {
        kind for path in source_files(*ROOMS) for kind in kinds_in(path.read_text())
    }
    assert {"refund_contradiction", "loop_crashed", "payment_disputed"} <= kinds
    assert sorted(kind for kind in kinds if f"`{kind}`" not in manual) == []


def kinds_in(source: str) -> Iterator[str]:
    tree = ast.parse(source)
    constants = dict(named(tree))
    yield from (kind for name, kind in constants.items() if name.startswith("ALARM_"))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for value in kind_of(call):
                if isinstance(value, ast.Name) and value.id in constants:
                    yield constants[value.id]
                elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def named(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for line in tree.body:
        match line:
            case ast.AnnAssign(
                target=ast.Name(id=name), value=ast.Constant(value=str(text))
            ):
                yield name, text


def kind_of(call: ast.Call) -> Iterator[ast.expr]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    place = ARGUMENT.get(name)
    if place is not None and len(call.args) > place:
        yield call.args[place]
    yield from (word.value for word in call.keywords if word.arg == "alarm")
    if place is not None:
        yield from (word.value for word in call.keywords if word.arg == "kind")
