"""Holds every answer against the document that the daemon serves."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from refundwatch.api.openapi import document
from refundwatch.api.paths import PREFIX, ROUTES

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document("test")))
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of a schema that refers to the document's components."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def check_answer(
    method: str, path: str, status: int, content_type: str, content: bytes
) -> None:
    """Fail unless the document promises an answer like this one."""
    name = _route_of(method, path.partition("?")[0])
    if name is None:
        assert content_type == "application/problem+json"
        assert not list(
            _promise(None, status, content_type).iter_errors(json.loads(content))
        )
        return
    errors = list(_promise(name, status, content_type).iter_errors(json.loads(content)))
    assert not errors, (name, status, [error.message for error in errors])


@cache
def _promise(name: str | None, status: int, content_type: str) -> Draft202012Validator:
    if name is None:
        return validator(PROBLEM)
    operation = next(
        one
        for methods in DOCUMENT["paths"].values()
        for one in methods.values()
        if one["operationId"] == name
    )
    assert str(status) in operation["responses"], f"{name} never promised {status}"
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][str(status)]
    assert content_type in response["content"], (name, status, content_type)
    return validator(response["content"][content_type]["schema"])


@cache
def _route_of(method: str, path: str) -> str | None:
    plain = [route for route in ROUTES if PREFIX + route.path == path]
    for route in plain or ROUTES:
        pattern = re.sub(
            r"{\w+}",
            "[^/]+",
            re.escape(PREFIX + route.path).replace(r"\{", "{").replace(r"\}", "}"),
        )
        if route.method == method and re.fullmatch(pattern, path):
            return route.name
    return None
