"""Stripe's list answers: filters, cursors, pages.

Invariant: newest first; a cursor that names nothing is refused, not ignored.
"""

import re
from collections.abc import Iterable
from itertools import dropwhile, islice, takewhile

from refundwatch.sandbox.answers import Json
from refundwatch.sandbox.stripe.form import Form
from refundwatch.sandbox.stripe.refunds import check_names
from refundwatch.sandbox.stripe.refusals import Refusal, invalid_integer

_INTEGER = re.compile(r"^\d{1,12}$", re.ASCII)
_MAX_LIMIT, _DEFAULT_LIMIT = 100, 10
PAGING = frozenset({"created", "ending_before", "expand", "limit", "starting_after"})


def page(
    url: str, form: Form, newest_first: Iterable[Json], extra: frozenset[str]
) -> Json:
    """Cut one page out of objects that have ``id`` and ``created``.

    Raises: Refusal for an unknown parameter, a bad limit or an unknown cursor.
    """
    check_names(form, PAGING | extra)
    limit = _limit(form.values.get("limit"))
    within = _created_filter(form)
    objects = [item for item in newest_first if within(item["created"])]
    window = list(islice(_after_cursor(objects, form), limit + 1))
    if form.values.get("ending_before"):
        window = _before_cursor(objects, form.values["ending_before"], limit)
    return {
        "object": "list",
        "data": window[:limit],
        "has_more": len(window) > limit,
        "url": url,
    }


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_LIMIT
    if not _INTEGER.match(text) or not 1 <= int(text) <= _MAX_LIMIT:
        raise invalid_integer("limit", text)
    return int(text)


def _after_cursor(objects: list[Json], form: Form) -> Iterable[Json]:
    cursor = form.values.get("starting_after")
    if not cursor:
        return objects
    _must_exist(objects, cursor, "starting_after")
    return islice(dropwhile(lambda item: item["id"] != cursor, objects), 1, None)


def _before_cursor(objects: list[Json], cursor: str, limit: int) -> list[Json]:
    _must_exist(objects, cursor, "ending_before")
    newer = list(takewhile(lambda item: item["id"] != cursor, objects))
    # One more than a page stays in the list to say that there are more.
    near = newer[-limit:]
    return near + [{}] * (len(newer) > limit)


def _must_exist(objects: list[Json], cursor: str, param: str) -> None:
    if all(item["id"] != cursor for item in objects):
        raise Refusal(
            status=400,
            code="resource_missing",
            param=param,
            message=f"No such object: '{cursor}'",
        )


class _Created:
    """Test a creation time against ``created`` or its bounds."""

    def __init__(self, exact: int | None, bounds: dict[str, int]) -> None:
        self.exact = exact
        self.bounds = bounds

    def __call__(self, created: int) -> bool:
        if self.exact is not None:
            return created == self.exact
        tests = {
            "gt": created.__gt__,
            "gte": created.__ge__,
            "lt": created.__lt__,
            "lte": created.__le__,
        }
        return all(tests[name](bound) for name, bound in self.bounds.items())


def _created_filter(form: Form) -> _Created:
    bounds = form.maps.get("created", {})
    exact = form.values.get("created")
    for name, text in {**bounds, **({"": exact} if exact else {})}.items():
        if name not in ("", "gt", "gte", "lt", "lte") or not _INTEGER.match(text):
            raise invalid_integer("created", text)
    return _Created(
        int(exact) if exact else None,
        {name: int(text) for name, text in bounds.items()},
    )
