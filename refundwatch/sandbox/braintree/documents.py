"""GraphQL documents, as far as clients that move money write them.

Invariant: a document is read whole or refused; of its variables only the values that
the call gives are used.
Source: GraphQL specification, October 2021, section 2 (read 2026-11).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from refundwatch.sandbox.answers import Json

_TOKEN = re.compile(
    r"(?:[\s,\ufeff]|\#[^\n\r]*)*"
    r'(?P<token>\.\.\.|[{}()\[\]:!=|@$&]|[_A-Za-z][_0-9A-Za-z]*|"(?:[^"\\\n]|\\.)*"'
    r"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|$)"
)
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_CONSTANTS = {"true": True, "false": False, "null": None}
_OPERATIONS = ("query", "mutation")
_DEEPEST = 24


class MalformedDocumentError(ValueError):
    """Say that a text is no document of the kind that is read here."""


@dataclass(frozen=True, slots=True)
class Variable:
    """Stand for a value that the call gives beside the document."""

    name: str


# A variable, a constant, or lists and objects of them.
Value = object


@dataclass(frozen=True, slots=True)
class Field:
    """Ask for one field, under its own name or another."""

    name: str
    shown_as: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    selections: tuple["Selection", ...] = ()


@dataclass(frozen=True, slots=True)
class Inline:
    """Ask for fields of objects of one type; of any where ``of`` is empty."""

    of: str
    selections: tuple["Selection", ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Ask for the fields of a named fragment."""

    name: str


Selection = Field | Inline | Spread


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold one query or mutation."""

    kind: str
    name: str
    selections: tuple[Selection, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Hold the operations of a document, and its fragments by name."""

    operations: tuple[Operation, ...]
    fragments: Mapping[str, Inline]

    def chosen(self, name: str) -> Operation:
        """Return the operation of a name, or the only one.

        Raises: MalformedDocumentError.
        """
        found = [one for one in self.operations if name in ("", one.name)]
        if len(found) != 1:
            message = "Must provide operation name if query contains several."
            raise MalformedDocumentError(message)
        return found[0]


@lru_cache(maxsize=64)
def read_document(text: str) -> Document:
    """Read a document.

    Raises: MalformedDocumentError.
    """
    reader = _Reader(text)
    operations: list[Operation] = []
    fragments: dict[str, Inline] = {}
    while reader.at:
        if reader.at == "{":
            operations.append(Operation("query", "", reader.selections()))
        elif reader.at in _OPERATIONS:
            operations.append(reader.operation())
        elif reader.at == "fragment":
            name, found = reader.fragment()
            fragments[name] = found
        else:
            raise reader.unexpected()
    return Document(tuple(operations), fragments)


def given(value: Value, variables: Json) -> Value:
    """Return a value with its variables replaced; one not given is None."""
    if isinstance(value, Variable):
        found: Value = variables.get(value.name)
        return found
    if isinstance(value, list):
        return [given(one, variables) for one in value]
    if isinstance(value, dict):
        return {name: given(one, variables) for name, one in value.items()}
    return value


class _Reader:
    """Walks over the tokens of a document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self._depth = 0
        self.at = ""
        self._step()

    def unexpected(self) -> MalformedDocumentError:
        shown = self.at or "(end)"
        return MalformedDocumentError(f"Invalid syntax: unexpected {shown}")

    def _step(self) -> str:
        """Go on by one token and return the one that was passed."""
        passed = self.at
        found = _TOKEN.match(self._text, self._end)
        if found is None:
            raise MalformedDocumentError("Invalid syntax: unexpected character")
        self._end, self.at = found.end(), found["token"]
        return passed

    def _take(self, wanted: str) -> None:
        if self.at != wanted:
            raise self.unexpected()
        self._step()

    def _takes(self, wanted: str) -> bool:
        if self.at != wanted:
            return False
        self._step()
        return True

    def _name(self) -> str:
        if not _NAME.fullmatch(self.at):
            raise self.unexpected()
        return self._step()

    def operation(self) -> Operation:
        kind = self._step()
        name = self._name() if _NAME.fullmatch(self.at) else ""
        if self._takes("("):
            while not self._takes(")"):
                self._variable_definition()
        return Operation(kind, name, self.selections())

    def _variable_definition(self) -> None:
        """Pass over a definition: the values are checked where they are used."""
        self._take("$")
        self._name()
        self._take(":")
        while self._takes("["):
            pass
        self._name()
        while self.at in ("]", "!"):
            self._step()
        if self._takes("="):
            self._value()

    def fragment(self) -> tuple[str, Inline]:
        self._take("fragment")
        name = self._name()
        self._take("on")
        return name, Inline(self._name(), self.selections())

    def selections(self) -> tuple[Selection, ...]:
        self._take("{")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise MalformedDocumentError("The query is too deep.")
        found: list[Selection] = []
        while not self._takes("}"):
            found.append(self._spread() if self._takes("...") else self._field())
        self._depth -= 1
        return tuple(found)

    def _spread(self) -> Selection:
        if self._takes("on"):
            return Inline(self._name(), self.selections())
        if self.at == "{":
            return Inline("", self.selections())
        return Spread(self._name())

    def _field(self) -> Field:
        shown_as = name = self._name()
        if self._takes(":"):
            name = self._name()
        arguments: dict[str, Value] = {}
        if self._takes("("):
            while not self._takes(")"):
                argument = self._name()
                self._take(":")
                arguments[argument] = self._value()
        selections = self.selections() if self.at == "{" else ()
        return Field(name, shown_as, arguments, selections)

    def _value(self) -> Value:
        if self._takes("$"):
            return Variable(self._name())
        if self._takes("["):
            listed: list[Value] = []
            while not self._takes("]"):
                listed.append(self._value())
            return listed
        if self._takes("{"):
            members: dict[str, Value] = {}
            while not self._takes("}"):
                name = self._name()
                self._take(":")
                members[name] = self._value()
            return members
        return self._constant()

    def _constant(self) -> Value:
        token = self._step()
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if _NAME.fullmatch(token):
            return token
        try:
            found: Value = json.loads(token)
        except ValueError:
            raise self.unexpected() from None
        return found
