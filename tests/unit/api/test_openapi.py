from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS31Validator

from refundwatch.api.models import (
    ChangeFrame,
    HealthFrame,
    ResetFrame,
    SnapshotFrame,
)
from refundwatch.api.openapi import document
from refundwatch.api.paths import PREFIX, ROUTES, Route

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document("1.2.3")))
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
EVERY = pytest.mark.parametrize("route", ROUTES, ids=[one.name for one in ROUTES])


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def operation(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]
    return found


def test_document_says_what_it_is() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert DOCUMENT["info"]["license"]["identifier"] == "Apache-2.0"


def test_every_schema_is_one() -> None:
    for name, schema in SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        OAS31Validator.check_schema(schema)
        anything = name == "JsonValue"
        assert anything or schema.get("title") == name or "oneOf" in schema, name


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_schema_is_used() -> None:
    used = {it.rpartition("/")[2] for it in references(DOCUMENT)}
    assert set(SCHEMAS) - used == {"Frame"}


def test_every_operation_is_a_route_and_every_route_an_operation() -> None:
    described = {
        (path, method.upper(), one["operationId"])
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
    }
    assert described == {(PREFIX + it.path, it.method, it.name) for it in ROUTES}


@EVERY
def test_parameters_of_the_path_and_the_query_are_described(route: Route) -> None:
    found = {(it["name"], it["in"]) for it in operation(route)["parameters"]}
    expected = {(name, "path") for name in re.findall(r"{(\w+)}", route.path)}
    assert found == expected | {(it.name, "query") for it in route.query}


@EVERY
def test_body_and_answers_are_those_of_the_route(route: Route) -> None:
    found = operation(route)
    if route.body is None:
        assert "requestBody" not in found
    else:
        content = found["requestBody"]["content"]["application/json"]
        assert content["schema"]["$ref"].endswith("/" + route.body.__name__)
    responses = found["responses"]
    assert {"401", "403", "404", "500", "503"} <= set(responses)
    assert ({"408", "413", "415"} <= set(responses)) is (route.body is not None)
    if route.answer is not None:
        schema = responses[str(route.status)]["content"]["application/json"]["schema"]
        assert schema["$ref"].endswith("/" + route.answer.__name__)


@EVERY
def test_needed_permission_is_told(route: Route) -> None:
    text = operation(route).get("description", "")
    assert (route.permission is None) or f"`{route.permission}`" in text


def pointed(schema: Any, pointer: str) -> Any:
    """The schema of what a pointer leads to in an answer of this schema."""
    for part in pointer.strip("/").split("/"):
        while "$ref" in schema:
            schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
        schema = schema["items"] if part.isdigit() else schema["properties"][part]
    return schema


@EVERY
def test_links_lead_from_what_is_answered_to_what_is_asked(route: Route) -> None:
    """A renamed field or operation would leave a link that leads nowhere."""
    every = {
        one["operationId"]: one
        for it in DOCUMENT["paths"].values()
        for one in it.values()
    }
    for response in operation(route)["responses"].values():
        for link in response.get("links", {}).values():
            target = every[link["operationId"]]
            schema = response["content"]["application/json"]["schema"]
            values = link.get("parameters", {}) | link.get("requestBody", {})
            for expression in values.values():
                assert pointed(schema, expression.removeprefix("$response.body#"))
            names = {one["name"] for one in target["parameters"] if one["in"] == "path"}
            assert set(link.get("parameters", {})) == names
            if "requestBody" in link:
                body = target["requestBody"]["content"]["application/json"]["schema"]
                for name in link["requestBody"]:
                    assert pointed(body, name)


def test_amounts_are_whole_numbers_everywhere() -> None:
    """No property that holds money may be a JSON number with a fraction."""
    for name, schema in SCHEMAS.items():
        for key, value in schema.get("properties", {}).items():
            if key == "minor" or key.endswith("_minor"):
                kinds = {
                    value.get("type"),
                    *(it.get("type") for it in value.get("anyOf", [])),
                }
                assert kinds - {None} <= {"integer", "null"}, (name, key)


@pytest.mark.parametrize("model", [SnapshotFrame, ChangeFrame, HealthFrame, ResetFrame])
def test_frames_are_told_apart_by_their_word(model: Any) -> None:
    mapping = SCHEMAS["Frame"]["discriminator"]["mapping"]
    word = model.model_fields["frame"].default
    assert mapping[word].endswith("/" + model.__name__)


def test_bodies_are_closed() -> None:
    for route in ROUTES:
        if route.body is not None:
            schema = SCHEMAS[route.body.__name__]
            assert schema["additionalProperties"] is False
            for name, value in schema["properties"].items():
                if value.get("type") == "object":
                    assert value["additionalProperties"] is False, name


def test_who_is_not_logged_in_yet_needs_no_token() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]
        assert (operation.get("security") == []) is route.public, route.name
