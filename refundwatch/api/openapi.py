"""The OpenAPI 3.1 document, made from the models and the route table.

Invariant: what the document promises is what the daemon reads and answers, because
both come from the same two tables.

Source: OpenAPI Specification 3.1.0, https://spec.openapis.org/oas/v3.1.0 (read
2026-11).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from refundwatch.api import models as m
from refundwatch.api.links import links_of
from refundwatch.api.paths import PREFIX, ROUTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

    from refundwatch.api.paths import Parameter, Route

Schema = dict[str, object]
_REFERENCE: Final = "#/components/schemas/{model}"
_PROBLEMS: Final = (400, 401, 403, 404, 409, 422, 429, 500, 503, 507)
_BODY_PROBLEMS: Final = (408, 413, 415)
_UPGRADE_REQUIRED: Final = 426
_PROBLEM_TITLES: Final = {
    400: "The request cannot be read",
    401: "Nobody knows who calls",
    403: "The caller may not do this",
    404: "There is no such thing",
    409: "It does not fit what stands",
    408: "The body came too slowly",
    413: "The body is too large",
    415: "The body is not JSON",
    422: "A field is not acceptable",
    426: "This path is a WebSocket",
    429: "Too many tries",
    500: "The daemon failed",
    503: "Nothing was stored; try again",
    507: "There is no room; nothing was stored",
}


def document(version: str) -> Schema:
    """Return the whole document as plain JSON values."""
    schemas = _schemas()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "refundwatch",
            "version": version,
            "summary": "The operator API of a refund hub.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                str(status): {
                    "description": _PROBLEM_TITLES[status],
                    "content": {
                        "application/problem+json": {
                            "schema": {"$ref": _REFERENCE.format(model="Problem")}
                        }
                    },
                }
                for status in sorted(_PROBLEM_TITLES)
            },
        },
    }


def _schemas() -> Schema:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (m.Problem, "serialization")
    ]
    for route in ROUTES:
        if route.body is not None:
            models.append((route.body, "validation"))
        if route.answer is not None:
            models.append((route.answer, "serialization"))
    _, found = models_json_schema(list(dict.fromkeys(models)), ref_template=_REFERENCE)
    schemas: Schema = dict(found.get("$defs", {}))
    frames = TypeAdapter(m.Frame).json_schema(
        ref_template=_REFERENCE, mode="serialization"
    )
    schemas.update(frames.pop("$defs", {}))
    schemas["Frame"] = frames
    return schemas


def _paths() -> Schema:
    paths: dict[str, dict[str, object]] = {}
    for route in ROUTES:
        operations = paths.setdefault(PREFIX + route.path, {})
        operations[route.method.lower()] = _operation(route)
    return dict(paths)


def _operation(route: Route) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.name.partition(".")[0]],
        "parameters": [
            *_path_parameters(route.path),
            *(_query_parameter(parameter) for parameter in route.query),
        ],
        "responses": _responses(route),
    }
    if route.public:
        operation["security"] = []
    if route.permission is not None:
        operation["description"] = f"Needs the permission `{route.permission}`."
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.body)}},
        }
    return operation


def _responses(route: Route) -> Schema:
    responses: Schema = {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in _problem_statuses(route)
    }
    for status in _good_statuses(route):
        responses[str(status)] = _good_response(route, status)
    if route.name.endswith(".bulk") and route.answer is not None:
        responses["422"] = {
            "description": "Rows were refused; nothing was stored.",
            "content": {
                "application/json": {"schema": _reference(route.answer)},
                "application/problem+json": {
                    "schema": {"$ref": _REFERENCE.format(model="Problem")}
                },
            },
        }
    return responses


def _problem_statuses(route: Route) -> Sequence[int]:
    if route.name == "events":
        return sorted((*_PROBLEMS, _UPGRADE_REQUIRED))
    return _PROBLEMS if route.body is None else sorted(_PROBLEMS + _BODY_PROBLEMS)


def _good_statuses(route: Route) -> Sequence[int]:
    if route.name == "events":
        return (101,)
    creates_again = route.status == 201 and route.name != "tokens.create"  # noqa: PLR2004 - HTTP's own
    return (200, 201) if creates_again else (route.status,)


def _good_response(route: Route, status: int) -> Schema:
    if status == 101:  # noqa: PLR2004 - HTTP's own
        return {"description": "Frames as text messages; each is a `Frame`."}
    schema: Schema = {"type": "object"}
    if route.answer is not None:
        schema = _reference(route.answer)
    again = status != route.status
    response: Schema = {
        "description": "It stood already." if again else route.summary,
        "content": {"application/json": {"schema": schema}},
    }
    links = links_of(route.name)
    return {**response, "links": links} if links else response


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _path_parameters(path: str) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameter(parameter: Parameter) -> Schema:
    schema: Schema = {"type": parameter.kind}
    if parameter.minimum is not None:
        schema["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        schema["maximum"] = parameter.maximum
    if parameter.pattern is not None:
        schema["pattern"] = parameter.pattern
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema,
    }
