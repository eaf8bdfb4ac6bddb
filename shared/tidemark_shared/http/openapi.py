"""Completes the OpenAPI document that FastAPI builds. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"


def name_schemas(document: Json) -> Json:
    """Name each schema after its model, and give it that name as its only title.

    A model that requests and responses both use has two schemas: ``Team`` is the one of responses, with every member
    required, and ``TeamInput`` the one of requests. ``Page[Team]`` is ``TeamPage``.
    """
    schemas: Mapping[str, Json] = document["components"]["schemas"]
    names = {key: _model_name(key, schema) for key, schema in schemas.items()}
    for key, schema in schemas.items():
        if key.startswith("Page_"):
            names[key] = names[schema["properties"]["items"]["items"]["$ref"].removeprefix(_SCHEMAS)] + "Page"
    if repeated := [name for name, count in Counter(names.values()).items() if count > 1]:
        raise AssertionError(f"Several models have one name: {', '.join(repeated)}. Rename all but one.")
    renamed: Json = {**_rename(document, names), "info": document["info"]}
    named = {names[key]: schema for key, schema in renamed["components"]["schemas"].items()}
    renamed["components"]["schemas"] = {name: {"title": name, **named[name]} for name in sorted(named)}
    return renamed


def _model_name(key: str, schema: Json) -> str:
    model, _, mode = key.partition("-")
    name: str = schema.get("title", model)
    return f"{name}Input" if mode == "Input" else name


def _rename(node: Any, names: Mapping[str, str]) -> Any:
    """Replace the references, and remove titles: pydantic derives those of members from their names."""
    if isinstance(node, list):
        return [_rename(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _SCHEMAS + names[value.removeprefix(_SCHEMAS)] if key == "$ref" else _rename(value, names)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }
