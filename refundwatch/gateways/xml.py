"""XML of strangers, read with entities, subsets and the network off.

Invariant: nothing that a document names is ever fetched or expanded; what is deeper,
longer or other than a gateway's answer may be is `MalformedResponse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from refundwatch.errors import MalformedResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 20_000
MAX_TEXT: Final = 4096


class _Reader:
    """Builds a tree while counting what it may hold."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._elements = 0
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = _refuse
        parser.UnparsedEntityDeclHandler = _refuse
        parser.NotationDeclHandler = _refuse
        parser.ElementDeclHandler = _refuse
        parser.AttlistDeclHandler = _refuse
        # With this handler an entity that nobody declared is told, not dropped.
        parser.SkippedEntityHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        self._parser = parser

    def read(self, body: bytes) -> Element:
        try:
            self._parser.Parse(body, True)  # noqa: FBT003 - expat's own signature
            return self._builder.close()
        except (expat.ExpatError, LookupError, ValueError) as error:
            # The last two: an encoding that nobody knows, or that is none of bytes.
            raise MalformedResponse("not_xml") from error

    def _doctype(
        self, name: str, system: str | None, public: str | None, has_subset: int
    ) -> None:
        """Allow a document to name its DTD; it is never read."""
        del name, system, public
        if has_subset:
            raise MalformedResponse("xml_subset")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH:
            raise MalformedResponse("too_deep")
        if self._elements > MAX_ELEMENTS:
            raise MalformedResponse("too_many_elements")
        self._builder.start(name, dict(attributes))

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._builder.end(name)


def parse_xml(body: bytes) -> Element:
    """Read a whole document; names are as written, prefixes included.

    Raises:
        MalformedResponse: no XML, too much of it, or one that declares anything.
    """
    if len(body) > MAX_BYTES:
        raise MalformedResponse("too_large")
    return _Reader().read(body)


def child(source: Element | None, *path: str) -> Element | None:
    """Follow names from an element; None where the way ends or forks.

    A repeated element is no single value: whoever allows several uses `findall`.
    """
    current = source
    for name in path:
        if current is None:
            return None
        found = [one for one in current if one.tag == name]
        if len(found) != 1:
            return None
        current = found[0]
    return current


def xml_text(source: Element | None, *path: str, limit: int = MAX_TEXT) -> str | None:
    """Give an element's text of 1 to `limit` characters, blanks around it removed.

    None for anything else: no element, several, or one that holds elements.
    """
    found = child(source, *path)
    if found is None or len(found):
        return None
    text = (found.text or "").strip()
    return text if 0 < len(text) <= limit else None


def attribute(source: Element | None, name: str, *path: str) -> str | None:
    """Give an attribute of 1 to 4,096 characters of the element at the path."""
    found = child(source, *path)
    value = None if found is None else found.get(name)
    return value if value and len(value) <= MAX_TEXT else None


def _refuse(*_declared: object) -> NoReturn:
    raise MalformedResponse("xml_declares")
