"""Official documents as validators, loaded when a check first asks for them."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS30Validator

from refundwatch.gateways.reading import parse_object

if TYPE_CHECKING:
    from pathlib import Path

    from refundwatch.gateways.contract import HttpRequest


def spec_path(name: str) -> Path:
    """Give an official document, or skip where the shared facts are absent."""
    from tests.shared import SHARED

    return SHARED / "gateways/specs" / name


@cache
def document(name: str) -> dict[str, Any]:
    """Read an official JSON document once."""
    read: dict[str, Any] = json.loads(spec_path(name).read_text("utf-8"))
    return read


def operation(spec: dict[str, Any], request: HttpRequest, base: str = "") -> Any:
    """Find the documented operation of a request; `base` is a path before it."""
    path = urlsplit(request.target).path.removeprefix(base)
    for template, methods in spec["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, path) and request.method.lower() in methods:
            return methods[request.method.lower()]
    raise AssertionError(f"{request.method} {path} is not documented")


def resolved(spec: dict[str, Any], node: Any) -> Any:
    """Follow a local reference."""
    while "$ref" in node:
        found: Any = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        node = found
    return node


def conforms(spec: dict[str, Any], instance: Any, schema: dict[str, Any]) -> None:
    """Fail where an instance is not what a schema of the document describes."""
    whole = schema | {"components": spec.get("components", {})}
    version = str(spec.get("openapi", "3.0"))
    validator = OAS30Validator if version.startswith("3.0") else Draft202012Validator
    errors = list(validator(whole).iter_errors(instance))
    assert not errors, errors


def conforms_to_openapi(name: str, request: HttpRequest, base: str = "") -> None:
    """Check a request's path, query and JSON body against an OpenAPI document."""
    spec = document(name)
    described = operation(spec, request, base)
    stated = [resolved(spec, one) for one in described.get("parameters", ())]
    query = {one["name"]: one["schema"] for one in stated if one["in"] == "query"}
    for key, value in parse_qsl(urlsplit(request.target).query):
        assert key in query, f"{key} is no documented parameter"
        kind = resolved(spec, query[key]).get("type")
        conforms(spec, int(value) if kind == "integer" else value, query[key])
    if not request.body:
        return
    content = resolved(spec, described["requestBody"])["content"]
    media = dict(request.headers)["Content-Type"].partition(";")[0]
    body = parse_object(request.body)
    schema = content[media]["schema"]
    conforms(spec, body, schema)
    known = resolved(spec, schema).get("properties")
    if known is not None and "allOf" not in resolved(spec, schema):
        assert body.keys() <= known.keys(), f"undocumented: {body.keys() - known}"


def absent() -> None:
    """Skip a check of which no official document is known."""
    pytest.skip("there is no official document of these requests")
