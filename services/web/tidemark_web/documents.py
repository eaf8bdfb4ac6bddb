"""One OpenAPI document of several: pure."""

import json
from collections.abc import Mapping
from typing import Any

_SCHEMA = "#/components/schemas/"


def merged(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The paths, webhooks and schemas of all; a schema whose name another has takes its service's name as well."""
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Tidemark", "version": "1"},
        "paths": {},
        "webhooks": {},
        "components": {"schemas": {}, "securitySchemes": {}},
    }
    schemas = whole["components"]["schemas"]
    for service, document in documents.items():
        own = document.get("components", {}).get("schemas", {})
        names = {name: f"{service}_{name}" for name, schema in own.items() if schemas.get(name, schema) != schema}
        text = json.dumps(document)
        for name, other in names.items():
            text = text.replace(f'"{_SCHEMA}{name}"', f'"{_SCHEMA}{other}"')
        found = json.loads(text)
        components = found.get("components", {})
        for name in ("paths", "webhooks"):
            whole[name] |= found.get(name, {})
        whole["components"]["securitySchemes"] |= components.get("securitySchemes", {})
        schemas |= {names.get(name, name): schema for name, schema in components.get("schemas", {}).items()}
    return whole
