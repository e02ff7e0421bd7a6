"""Form bodies with brackets, read as Stripe reads them.

Invariant: every pair of the body is in the result or the body is refused.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")


class MalformedFormError(ValueError):
    """Say that a body is no form Stripe would read."""


@dataclass(frozen=True, slots=True)
class Form:
    """Hold plain values, lists (``expand[]``) and maps (``metadata[a]``) by name."""

    values: dict[str, str]
    lists: dict[str, list[str]]
    maps: dict[str, dict[str, str]]

    def names(self) -> set[str]:
        """Return every top-level parameter name."""
        return {*self.values, *self.lists, *self.maps}


def read_form(text: str) -> Form:
    """Read a body or a query string.

    Raises: MalformedFormError.
    """
    return form_of(parse_qsl(text, keep_blank_values=True))


def form_of(pairs: list[tuple[str, str]]) -> Form:
    """Sort decoded pairs into values, lists and maps.

    Raises: MalformedFormError.
    """
    form = Form({}, {}, {})
    for name, value in pairs:
        found = _NAME.match(name)
        if found is None:
            message = f"Invalid parameter name: {name}"
            raise MalformedFormError(message)
        _put(form, found[1], _PART.findall(found[2]), value)
    return form


def _put(form: Form, name: str, path: list[str], value: str) -> None:
    match path:
        case []:
            form.values[name] = value
        case [part] if not part or part.isdecimal():
            form.lists.setdefault(name, []).append(value)
        case [part]:
            form.maps.setdefault(name, {})[part] = value
        case _:
            message = f"Invalid nesting of parameter: {name}"
            raise MalformedFormError(message)
