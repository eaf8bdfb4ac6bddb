"""What the OpenAPI and AsyncAPI documents do with the JSON Schemas of models. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from tidemark_shared.domain.fields import describe_field

LICENSE_NAME = "Apache 2.0"
_SPECIFICATION = re.compile(r" \(SPEC [^)]*\)")
_ROLE = re.compile(r":\w+:`~?\.?([^`]*)`")


def describe_members(schemas: Mapping[str, dict[str, Any]]) -> None:
    """Describe the members that have no description of their own; ``schemas`` are by the names of their models."""
    for name, schema in schemas.items():
        for member, value in schema.get("properties", {}).items():
            if description := describe_field(name, member):
                value.setdefault("description", description)


def clean_descriptions(node: Any) -> Any:
    """Turn docstrings into Markdown: code in single backticks, no references to the specification or to classes."""
    if isinstance(node, list):
        return [clean_descriptions(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _to_markdown(value) if key == "description" and isinstance(value, str) else clean_descriptions(value)
        for key, value in node.items()
    }


def without_titles(node: Any) -> Any:
    """A schema without titles: pydantic derives those of members from their names."""
    if isinstance(node, list):
        return [without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: without_titles(value) for key, value in node.items() if not (key == "title" and isinstance(value, str))
    }


def _to_markdown(docstring: str) -> str:
    return _ROLE.sub(r"`\1`", _SPECIFICATION.sub("", docstring)).replace("``", "`")
