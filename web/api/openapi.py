"""The OpenAPI document, behind the door like everything else.

Each model carries one example; what an operation answers or takes is shown with those of its models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

DESCRIPTION = """\
Send an API key as `Authorization: Bearer wat_…`, or as the password of basic authentication. A browser session may read
the same addresses. A key has scopes: `read`, `write`, `export`, `send`.

* Instants are ISO 8601 in UTC and mean measured time or platform time, as their names say.
* Quantities bear their unit in the name; null is "no data", never zero.
* Lists answer `{"items": [...], "next": cursor|null}`; hand `next` back as `cursor`, or follow `Link`
  with `rel="next"` (RFC 8288).
* Answers carry an `ETag`; send it back as `If-None-Match` and get 304 while nothing has changed.
* Errors are problems (RFC 9457) that name parameter, value and bound. 429 and 503 say when to ask again.
"""
JSON = "application/json"
REF = "#/components/schemas/"

Schema = Mapping[str, Any]

router = APIRouter(tags=["api"])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """What this API answers, with examples."""
    return JSONResponse(document(request.app.openapi()))


def document(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the door and the examples of its operations."""
    bearer = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "wat_…"}}
    components = {**schema.get("components", {}), "securitySchemes": bearer}
    models = components.get("schemas", {})
    for operations in schema["paths"].values():
        for operation in operations.values():
            answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            for part in [*answers, operation.get("requestBody", {})]:
                _show(part, models)
    return {**schema, "components": components, "security": [{"key": []}]}


def _show(part: dict[str, Any], models: Schema) -> None:
    content = part.get("content", {}).get(JSON)
    if content is not None and "example" not in content and "schema" in content:
        content["example"] = example_of(content["schema"], models)


def example_of(schema: Schema, models: Schema) -> Any:
    """An example of a schema: its own, and what it leaves out put together from its parts; None where nothing tells."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        return example_of(models[schema["$ref"].removeprefix(REF)], models)
    if "properties" in schema:
        own = schema.get("example", {})
        return {
            name: own[name] if name in own else example_of(one, models) for name, one in schema["properties"].items()
        }
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], models)
    if schema.get("type") == "array":
        item = example_of(schema["items"], models)
        return [] if item is None else [item]
    return schema.get("default", schema.get("const"))
