from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest

from refundwatch.store.contract import Command
from refundwatch.store.sqlite.line import (
    MAX_BATCH,
    PATIENT_AFTER,
    PATIENT_BATCH,
    Job,
    Line,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Urgent(Command[None]):
    number: int = 0


@dataclass(frozen=True, slots=True)
class Patient(Command[None]):
    patient: ClassVar[bool] = True

    number: int = 0


class Turn:
    """An event loop whose turns are called by hand."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def end(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def put(line: Line, *commands: Command[None]) -> None:
    for command in commands:
        line.put(Job(command, asyncio.Future(), placed=False))


def numbers(jobs: list[Job], kind: type[Command[None]]) -> list[int]:
    found = [job.command for job in jobs if isinstance(job.command, kind)]
    return [one.number for one in found]  # type: ignore[attr-defined]


@pytest.fixture
async def turn() -> Turn:
    return Turn()


@pytest.fixture
async def line(turn: Turn) -> Line:
    return Line(turn)  # type: ignore[arg-type]


async def test_what_one_turn_brings_is_handed_over_at_once(
    line: Line, turn: Turn
) -> None:
    put(line, *(Urgent(n) for n in range(5)))
    assert len(turn.due) == 1
    turn.end()
    assert numbers(line.take(), Urgent) == [0, 1, 2, 3, 4]


async def test_patient_units_let_others_go_first(line: Line, turn: Turn) -> None:
    put(line, Patient(1), Urgent(2), Patient(3), Urgent(4))
    turn.end()
    assert numbers(line.take(), Command) == [2, 4]
    assert numbers(line.take(), Command) == [1, 3]


async def test_patient_units_go_along_in_a_flood(line: Line, turn: Turn) -> None:
    put(line, *(Patient(n) for n in range(3)))
    went: list[int] = []
    for _ in range(3 * PATIENT_AFTER):
        put(line, Urgent())
        turn.end()
        jobs = line.take()
        assert isinstance(jobs[0].command, Urgent)
        went += numbers(jobs, Patient)
    assert went == [0, 1, 2]


async def test_a_batch_has_an_end(line: Line, turn: Turn) -> None:
    put(line, *(Urgent(n) for n in range(MAX_BATCH + 1)))
    put(line, *(Patient(n) for n in range(MAX_BATCH)))
    turn.end()
    first = line.take()
    assert len(numbers(first, Urgent)) == MAX_BATCH
    assert len(numbers(first, Patient)) == MAX_BATCH // PATIENT_AFTER
    assert numbers(line.take(), Urgent) == [MAX_BATCH]
    assert len(numbers(line.take(), Patient)) == PATIENT_BATCH


async def test_who_waits_when_it_closes_is_served(line: Line, turn: Turn) -> None:
    put(line, Urgent(1), *(Patient(n) for n in range(PATIENT_BATCH + 1)))
    line.close()
    turn.end()
    assert [len(line.take()) for _ in range(4)] == [1, PATIENT_BATCH, 1, 0]
