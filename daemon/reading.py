"""Reading a request strictly: JSON without surprises, models, query parameters.

Invariant: what is read is what was written; a duplicate key, NaN, an unknown field or
parameter, a float for an amount is refused, naming where.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import BaseModel, ValidationError

from daemon.cards import refuse_card_name, refuse_cards, refuse_cards_of
from daemon.problems import BadRequest, InvalidField, UnsupportedMedia, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from refundwatch.api.paths import Parameter, Route

_MAX_DEPTH: Final = 20
QueryValue = str | int | bool


def parse_json(content: bytes) -> object:
    """Parse a body.

    Raises:
        BadRequest: no UTF-8, no JSON, a duplicate key, NaN or Infinity, half a
            character, too deep.
    """
    try:
        value: object = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constants,
        )
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"The body is not JSON: {error.msg} at {where}.") from error
    except RecursionError as error:
        raise BadRequest("The body is nested too deeply.") from error
    except ValueError as error:
        raise BadRequest("The body holds a number beyond any amount.") from error
    if _depth(value) > _MAX_DEPTH:
        raise BadRequest("The body is nested too deeply.")
    if b"\\u" in content and _has_half_character(value):
        raise BadRequest("The body holds half a character, which is no Unicode.")
    return value


def parse_body(route: Route, content: bytes, content_type: str) -> BaseModel | None:
    """Read the body that a route asks for; None for a route without one.

    Raises:
        BadRequest, UnsupportedMedia, InvalidField, CardNumberRefused: nothing was
            done.
    """
    if route.body is None:
        if content:
            raise BadRequest("This operation takes no body.")
        return None
    if content_type != "application/json":
        raise UnsupportedMedia(
            "The body must be application/json.", field="Content-Type"
        )
    value = parse_json(content)
    # First of all: what a model refuses is named by its fields.
    refuse_cards(value)
    try:
        return route.body.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from None


def parse_query(route: Route, query: Mapping[str, str]) -> dict[str, QueryValue]:
    """Read the parameters that a route knows.

    Raises:
        InvalidField: a parameter is unknown, or not of its kind.
        CardNumberRefused: one is a card number.
    """
    refuse_cards_of(query)
    known = {parameter.name: parameter for parameter in route.query}
    values: dict[str, QueryValue] = {}
    for name, text in query.items():
        if name not in known:
            raise InvalidField(f"{name} is not known here.", field=name)
        if name in values:
            raise InvalidField(f"{name} is given twice.", field=name)
        values[name] = _value(known[name], text)
    return values


def _value(parameter: Parameter, text: str) -> QueryValue:
    match parameter.kind:
        case "boolean":
            if text not in {"true", "false"}:
                raise InvalidField(
                    f"{parameter.name} must be true or false.", field=parameter.name
                )
            return text == "true"
        case "integer":
            return _integer(parameter, text)
        case _:
            return text


def _integer(parameter: Parameter, text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 16:  # noqa: PLR2004 - 2^53
        raise InvalidField(
            f"{parameter.name} must be a whole number.", field=parameter.name
        )
    value = int(text)
    low, high = parameter.minimum, parameter.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidField(
            f"{parameter.name} must be from {low} to {high}.", field=parameter.name
        )
    return value


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        refuse_card_name(key)
        if key in found:
            raise BadRequest(f"The key {key[:64]!r} stands twice.")
        found[key] = value
    return found


def _no_constants(name: str) -> NoReturn:
    raise BadRequest(f"{name} is no JSON.")


def _has_half_character(value: object) -> bool:
    """Tell whether a lone surrogate was written: no text that leaves may hold one."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(part) for part in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(part) for part in value), default=0)
    return 0
