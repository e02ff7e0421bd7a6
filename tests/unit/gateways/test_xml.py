"""XML of strangers: nothing is fetched, nothing expanded, nothing endless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import MalformedResponse
from refundwatch.gateways.xml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_PIECE,
    attribute,
    child,
    parse_xml,
    stream_xml,
    xml_text,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PUBLIC = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<!DOCTYPE paymentService PUBLIC "-//Example//DTD v1//EN" '
    b'"http://dtd.example.com/v1.dtd">\n'
)


def test_a_document_may_name_a_dtd_that_is_never_read() -> None:
    root = parse_xml(PUBLIC + b'<a b="1"><c> text </c></a>')
    assert (root.tag, xml_text(root, "c")) == ("a", "text")
    assert attribute(root, "b") == "1"


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;]><a/>',
        b"<!DOCTYPE a [<!ELEMENT a ANY>]><a/>",
        b"<!DOCTYPE a []><a/>",
        PUBLIC + b"<a>&undeclared;</a>",
        b"<a>&undeclared;</a>",
        b'<!DOCTYPE lolz [<!ENTITY l "l"><!ENTITY m "&l;&l;&l;&l;">]><lolz>&m;</lolz>',
    ],
)
def test_whatever_declares_or_asks_for_something_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        parse_xml(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"\xff\xfe",
        b"<a>\x00</a>",
        b'{"not": "xml"}',
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a>" + b" " * MAX_BYTES + b"</a>",
        b'<?xml version="1.0" encoding="nowhere"?><a/>',
    ],
)
def test_what_is_no_document_or_too_much_of_one_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        parse_xml(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_malformed(body: bytes) -> None:
    try:
        parse_xml(b"<a>" + body + b"</a>")
    except MalformedResponse:
        return


def test_predefined_entities_and_sections_are_text() -> None:
    root = parse_xml(b"<a><b>x &amp; &#233;</b><c><![CDATA[<d>]]></c></a>")
    assert (xml_text(root, "b"), xml_text(root, "c")) == ("x & é", "<d>")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"<a/>", ("b",)),
        (b"<a><b/></a>", ("b",)),
        (b"<a><b>  </b></a>", ("b",)),
        (b"<a><b>1</b><b>2</b></a>", ("b",)),
        (b"<a><b>x<c/></b></a>", ("b",)),
        (b"<a><b>" + b"x" * 5000 + b"</b></a>", ("b",)),
        (b"<a><b><c>1</c></b><b/></a>", ("b", "c")),
    ],
)
def test_what_is_no_single_text_is_none(body: bytes, path: tuple[str, ...]) -> None:
    assert xml_text(parse_xml(body), *path) is None


def test_a_missing_way_has_no_child_and_no_attribute() -> None:
    root = parse_xml(b'<a><b c=""/></a>')
    assert child(root, "x", "y") is None
    assert child(None) is None
    assert attribute(root, "c", "b") is None
    assert attribute(root, "c", "x") is None


# --- a long document, piece by piece ----------------------------------------------

WANTED, HEADS = frozenset({"b"}), frozenset({"a"})


def pieces_of(body: bytes, size: int = 3) -> list[Element]:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return list(stream_xml(parts, WANTED, HEADS))


def test_wanted_elements_come_whole_as_they_end_and_heads_bare() -> None:
    found = pieces_of(PUBLIC + b'<a n="1"><x><b><c>1</c><b/></b></x><b>2</b></a>')
    assert [one.tag for one in found] == ["a", "b", "b"]
    assert found[0].attrib == {"n": "1"}
    assert len(found[0]) == 0
    assert xml_text(found[1], "c") == "1"
    assert found[2].text == "2"


def test_nothing_is_held_of_what_was_given() -> None:
    many = (b"<a>", *[b"<b>x</b>"] * (MAX_ELEMENTS + 1), b"</a>")
    assert sum(1 for _ in stream_xml(many, WANTED, HEADS)) == MAX_ELEMENTS + 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a><b>",
        b"<a><b></a></b>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a><b>&x;</b></a>',
        b"<a><b>&undeclared;</b></a>",
        b"<a>" * (MAX_DEPTH + 1),
        b"<a><b>" + b"x" * (MAX_PIECE + 1) + b"</b></a>",
        b"<a><b>" + b"<c/>" * (MAX_PIECE + 1) + b"</b></a>",
    ],
)
def test_a_long_document_is_held_to_the_same_rules(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        pieces_of(body, 4096)


@given(st.binary(max_size=200))
def test_any_pieces_are_elements_or_malformed(body: bytes) -> None:
    try:
        found = pieces_of(b"<a><b>" + body + b"</b></a>")
    except MalformedResponse:
        return
    assert {one.tag for one in found} <= {"a", "b"}
