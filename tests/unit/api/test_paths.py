from __future__ import annotations

import re

import pytest

from refundwatch.api.paths import PREFIX, ROUTES, fill, route


def test_names_and_places_are_unique() -> None:
    assert len({it.name for it in ROUTES}) == len(ROUTES)
    assert len({(it.method, it.path) for it in ROUTES}) == len(ROUTES)


def test_fixed_path_stands_before_one_with_a_part() -> None:
    """Else `/refunds/states` would be the refund named `states`."""
    places = [(it.method, it.path) for it in ROUTES]
    for position, (method, path) in enumerate(places):
        pattern = re.sub(r"{\w+}", "[^/]+", path)
        for later_method, later in places[position + 1 :]:
            hidden = re.fullmatch(pattern, later) and method == later_method
            assert not hidden or "{" in later, (path, later)


def test_part_of_a_path_is_escaped() -> None:
    assert (
        fill("refunds.show", refund="a/b?c#d e")
        == f"{PREFIX}/refunds/a%2Fb%3Fc%23d%20e"
    )
    assert (
        fill("payments.show", payment="../tokens") == f"{PREFIX}/payments/..%2Ftokens"
    )


def test_every_part_can_be_filled() -> None:
    for it in ROUTES:
        parts = dict.fromkeys(re.findall(r"{(\w+)}", it.path), "x")
        assert "{" not in fill(it.name, **parts)


def test_unknown_name_is_a_bug() -> None:
    with pytest.raises(KeyError):
        route("refunds.pay")


def test_reads_change_nothing_and_take_no_body() -> None:
    for it in ROUTES:
        if it.method == "GET":
            assert it.body is None
            assert (
                it.permission is None
                or it.permission.endswith(":read")
                or it.permission in {"token:manage", "key:manage"}
            )
