"""Reports by rows: streamed, none lost, none guessed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import SettlementUnreadable
from refundwatch.gateways import registry
from refundwatch.gateways.settlement import MAX_LINE, BadLine, csv_rows, decoded_lines
from tests.contract.cases import cases

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = cases()


def rows(*pieces: bytes, **how: Any) -> list[tuple[int, object]]:
    return list(csv_rows(pieces, ("id", "amount"), **how))


def test_names_are_found_in_any_case_where_a_report_spells_them_freely() -> None:
    assert rows(b"ID, Amount\n", b"A,1", fold_case=True) == [
        (2, {"id": "A", "amount": "1"})
    ]


def test_rows_are_given_by_name_with_their_number() -> None:
    assert rows(b"\xef\xbb\xbfid, amount\r\n", b"a,1\r", b'\n\n"b,c",2') == [
        (2, {"id": "a", "amount": "1"}),
        (4, {"id": "b,c", "amount": "2"}),
    ]


def test_a_row_with_other_fields_is_told_and_the_next_is_read() -> None:
    assert rows(b"id,amount\na\nb,2,3\nc,3\n") == [
        (2, BadLine(2, "fields")),
        (3, BadLine(3, "fields")),
        (4, {"id": "c", "amount": "3"}),
    ]


def test_a_row_that_is_no_csv_is_told_and_the_next_is_read() -> None:
    found = rows(b'id,amount\n"a"x,1\nc,3\n')
    assert found == [(2, BadLine(2, "not_csv")), (3, {"id": "c", "amount": "3"})]


@pytest.mark.parametrize(
    "content", [b"", b"id\n", b"ident,amount\n", b"\xff\xfe", b'"id,amount\n']
)
def test_what_has_not_the_header_is_no_report(content: bytes) -> None:
    with pytest.raises(SettlementUnreadable):
        rows(content)


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        yield b"id,amount\n"
        while True:
            asked += 1
            yield b"x" * 4096

    with pytest.raises(SettlementUnreadable):
        list(csv_rows(endless(), ("id",)))
    assert asked * 4096 < MAX_LINE + 3 * 4096


@given(st.text(alphabet="ab\né", max_size=40), st.integers(1, 5))
def test_however_a_text_is_cut_its_lines_are_the_same(text: str, size: int) -> None:
    raw = text.encode()
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert "".join(decoded_lines(pieces)) == text
    assert all("\n" not in line[:-1] for line in decoded_lines(pieces))


@pytest.mark.parametrize("name", registry.NAMES)
def test_a_report_that_is_none_is_refused_or_told_line_by_line(name: str) -> None:
    account = CASES[name].instruction.account
    found: list[object] = []
    with contextlib.suppress(SettlementUnreadable):
        read = registry.gateway(name).read_settlement
        found += read(account, "x.csv", [b"\x00\x01 nonsense"])
    assert all(isinstance(line, BadLine) for line in found)
