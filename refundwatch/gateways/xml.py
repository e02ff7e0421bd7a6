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
    from collections.abc import Iterable, Iterator, Mapping

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 20_000
MAX_TEXT: Final = 4096
MAX_PIECE: Final = 64 * 1024
"""Elements and characters of one piece of a streamed document."""


def _careful_parser() -> expat.XMLParserType:
    """Give a parser that fetches nothing and refuses what a document declares."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _refuse
    parser.UnparsedEntityDeclHandler = _refuse
    parser.NotationDeclHandler = _refuse
    parser.ElementDeclHandler = _refuse
    parser.AttlistDeclHandler = _refuse
    # With this handler an entity that nobody declared is told, not dropped.
    parser.SkippedEntityHandler = _refuse
    return parser


def _doctype(
    name: str, system: str | None, public: str | None, has_subset: object
) -> None:
    """Allow a document to name its DTD; it is never read."""
    del name, system, public
    if has_subset:
        raise MalformedResponse("xml_subset")


class _Reader:
    """Builds a tree while counting what it may hold."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0
        self._elements = 0
        parser = _careful_parser()
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


class _Stream:
    """Builds the wanted elements one by one, and forgets what was taken."""

    def __init__(self, wanted: frozenset[str], heads: frozenset[str]) -> None:
        self.ready: list[Element] = []
        self._wanted = wanted
        self._heads = heads
        self._depth = 0
        self._builder: TreeBuilder | None = None
        self._opened_at = 0
        self._size = 0
        parser = _careful_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        self._parser = parser

    def feed(self, piece: bytes, *, last: bool = False) -> None:
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError as error:
            raise MalformedResponse("not_xml") from error

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedResponse("too_deep")
        if self._builder is None and name in self._wanted:
            self._builder = TreeBuilder()
            self._opened_at = self._depth
            self._size = 0
        if self._builder is not None:
            self._grow(1)
            self._builder.start(name, dict(attributes))
        elif name in self._heads:
            self.ready.append(Element(name, dict(attributes)))

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._grow(len(text))
            self._builder.data(text)

    def _grow(self, more: int) -> None:
        self._size += more
        if self._size > MAX_PIECE:
            raise MalformedResponse("too_many_elements")

    def _end(self, name: str) -> None:
        if self._builder is not None:
            self._builder.end(name)
            if self._depth == self._opened_at:
                self.ready.append(self._builder.close())
                self._builder = None
        self._depth -= 1


def stream_xml(
    content: Iterable[bytes], wanted: frozenset[str], heads: frozenset[str]
) -> Iterator[Element]:
    """Give the `wanted` elements of a long document as they end, none inside another.

    Of `heads` only the attributes are given, where they begin. No more than one wanted
    element is held, and it is bounded.

    Raises:
        MalformedResponse: no XML, a piece that is too large, or one that declares
            anything; what was given before that stands.
    """
    stream = _Stream(wanted, heads)
    for piece in content:
        stream.feed(piece)
        yield from stream.ready
        stream.ready.clear()
    stream.feed(b"", last=True)
    yield from stream.ready


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
