"""Shows of an object what a GraphQL document asks for, and nothing else.

Invariant: a field that an object does not have is an error, never null; objects are
made only as deep as somebody asks.
"""

from collections.abc import Iterator

from refundwatch.sandbox.braintree.documents import (
    Document,
    Field,
    Inline,
    MalformedDocumentError,
    Selection,
    Spread,
)

_DEEPEST = 24
# What an object is besides its own type.
_INTERFACES = {
    "Refund": {"Node", "Payment", "TransactionReversal"},
    "Transaction": {"Node", "Payment", "TransactionReversal"},
}


def kinds_of(typename: str) -> set[str]:
    """Return every type condition that an object of a type meets."""
    if typename.endswith("Event"):
        return {typename, "PaymentStatusEvent"}
    return {typename, *_INTERFACES.get(typename, ())}


def fields_of(
    document: Document, selections: tuple[Selection, ...], typename: str
) -> Iterator[Field]:
    """Give the fields asked of an object, joined where one is asked for twice.

    Raises: MalformedDocumentError.
    """
    joined: dict[str, Field] = {}
    for one in _flat(document, selections, typename, 0):
        known = joined.get(one.shown_as)
        if known is not None:
            both = (*known.selections, *one.selections)
            one = Field(one.name, one.shown_as, one.arguments, both)  # noqa: PLW2901
        joined[one.shown_as] = one
    return iter(joined.values())


def _flat(
    document: Document, selections: tuple[Selection, ...], typename: str, depth: int
) -> Iterator[Field]:
    if depth > _DEEPEST:
        raise MalformedDocumentError("Fragments spread into themselves.")
    for one in selections:
        match one:
            case Field():
                yield one
            case Inline(of=of, selections=inner):
                if of in ("", *kinds_of(typename)):
                    yield from _flat(document, inner, typename, depth + 1)
            case Spread(name=name):
                if name not in document.fragments:
                    raise MalformedDocumentError(f"Unknown fragment {name}")
                spread = (document.fragments[name],)
                yield from _flat(document, spread, typename, depth + 1)


def shown(
    document: Document, selections: tuple[Selection, ...], value: object, path: str
) -> object:
    """Return what a document asks of a value.

    A member may be a function that makes it. Raises: MalformedDocumentError.
    """
    if callable(value):
        value = value()
    if isinstance(value, list):
        return [shown(document, selections, one, path) for one in value]
    if not isinstance(value, dict):
        return value
    if not selections:
        message = f"Sub selection required for {path}"
        raise MalformedDocumentError(message)
    typename = str(value.get("__typename", ""))
    found: dict[str, object] = {}
    for one in fields_of(document, selections, typename):
        if one.name not in value:
            message = f"Field '{one.name}' in type '{typename}' is undefined"
            raise MalformedDocumentError(message)
        below = f"{path}/{one.name}"
        member = value[one.name]
        found[one.shown_as] = shown(document, one.selections, member, below)
    return found
