"""XML of strangers: nothing is fetched, nothing expanded, nothing endless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refundwatch.errors import MalformedResponse
from refundwatch.gateways.xml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    attribute,
    child,
    parse_xml,
    xml_text,
)

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
