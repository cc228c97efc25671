"""The page /docs: the server's OpenAPI document as HTML, without scripts from another host."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dogbreed.serving.http.page import rendered

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A row of a table: a parameter, or a key of a JSON object (`predictions[].classes`)."""

    name: str
    kind: str
    required: bool
    description: str


def docs_page(openapi: Schema) -> bytes:
    """The page of an OpenAPI 3.1 document, as HTML."""
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "description": operation.get("description", ""),
            "samples": operation.get("x-codeSamples", []),
            "parameters": list(_parameters(operation.get("parameters", []))),
            "body": operation.get("requestBody", {}).get("description", ""),
            "contents": _contents(openapi, operation.get("requestBody", {})),
            "responses": _responses(openapi, operation["responses"]),
        }
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    return rendered(
        "docs.html.j2",
        info=openapi["info"],
        operations=operations,
        token="security" in openapi,
    ).encode()


def _responses(openapi: Schema, responses: Schema) -> list[dict[str, Any]]:
    """The responses, grouped where consecutive ones have the same body."""
    groups: list[dict[str, Any]] = []
    for status, response in responses.items():
        contents = _contents(openapi, response)
        if not groups or groups[-1]["contents"] != contents:
            groups.append({"responses": [], "contents": contents})
        groups[-1]["responses"].append({"status": status, "description": response["description"]})
    return groups


def _parameters(parameters: list[Schema]) -> Iterator[Field]:
    for each in parameters:
        kind = _kind(each["schema"])
        yield Field(each["name"], kind, each.get("required", False), each.get("description", ""))


def _contents(openapi: Schema, message: Schema) -> list[dict[str, Any]]:
    """The media types of a body, grouped where consecutive ones have the same schema."""
    contents: list[dict[str, Any]] = []
    for media_type, content in message.get("content", {}).items():
        schema = _resolved(openapi, content.get("schema", {}))
        if contents and contents[-1]["schema"] == schema:
            contents[-1]["types"].append(media_type)
            continue
        contents.append(
            {
                "types": [media_type],
                "schema": schema,
                "kind": _kind(schema),
                "description": schema.get("description", ""),
                "fields": list(_fields(openapi, schema)),
            }
        )
    return contents


def _resolved(openapi: Schema, schema: Schema) -> Schema:
    """The schema of a reference; of an optional schema, the one that isn't null."""
    if "$ref" in schema:
        _, *names = schema["$ref"].split("/")
        found: Any = openapi
        for name in names:
            found = found[name]
        return _resolved(openapi, found)
    if "anyOf" in schema:
        choices = [each for each in schema["anyOf"] if each.get("type") != "null"]
        described = {key: schema[key] for key in ("description",) if key in schema}
        return {**_resolved(openapi, choices[0]), **described}
    return schema


def _fields(openapi: Schema, schema: Schema, prefix: str = "") -> Iterator[Field]:
    """An object's keys, with those of nested objects."""
    required = schema.get("required", [])
    for name, value in schema.get("properties", {}).items():
        inner = _resolved(openapi, value)
        yield Field(f"{prefix}{name}", _kind(inner), name in required, inner.get("description", ""))
        if inner.get("type") == "array":
            items = _resolved(openapi, inner["items"])
            yield from _fields(openapi, items, f"{prefix}{name}[].")
        else:
            yield from _fields(openapi, inner, f"{prefix}{name}.")


def _kind(schema: Schema) -> str:
    """A schema's type in words, with its bounds and its default."""
    kind = schema.get("type", "any")
    if kind == "string" and schema.get("format") == "binary":
        kind = "bytes"
    if kind == "array":
        kind = (
            f"{schema.get('minItems', 0)} to {schema['maxItems']}" if "maxItems" in schema else ""
        )
        kind = f"list of {kind}".removesuffix(" of ")
    if "minimum" in schema and "maximum" in schema:
        kind += f", {schema['minimum']:g} to {schema['maximum']:g}"
    if "default" in schema and schema["default"] is not None:
        kind += f"; {str(schema['default']).lower()} by default"
    return str(kind)
