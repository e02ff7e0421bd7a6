"""Frozen values as JSON and back, so that a sandbox can stop and go on.

Invariant: ``decode(type(x), encode(x))`` equals ``x`` for every record the look-alikes
keep; bytes travel as Base64.
"""

import base64
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Kept = TypeVar("Kept")


def encode(value: object) -> Any:
    """Turn a record into JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(item) for item in value]
    return value


def decode(kind: type[Kept], value: Any) -> Kept:
    """Turn JSON values into a record of a type.

    Raises: TypeError for a type that no record uses.
    """
    found: Kept = _decode(kind, value)
    return found


def _decode(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        options = [item for item in get_args(kind) if item is not type(None)]
        return None if value is None else _decode(options[0], value)
    if origin is tuple:
        return _tuple(get_args(kind), value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _decode(get_args(kind)[1], item) for key, item in value.items()}
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(
            **{name: _decode(hints[name], item) for name, item in value.items()}
        )  # type: ignore[operator]  # a dataclass type is callable
    if kind is bytes:
        return base64.b64decode(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind in (str, int, float, bool):
        return value
    message = f"{kind} has no form in a snapshot"
    raise TypeError(message)


def _tuple(kinds: tuple[Any, ...], values: list[Any]) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:  # noqa: PLR2004 - tuple[X, ...]
        return tuple(_decode(kinds[0], value) for value in values)
    return tuple(
        _decode(kind, value) for kind, value in zip(kinds, values, strict=True)
    )
