"""Merges the OpenAPI documents of the services. Pure."""

import json
from collections.abc import Mapping
from typing import Any

_SCHEMA = "#/components/schemas/"


def merge_documents(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Merge paths, webhooks and schemas. A schema whose name exists already gets its service's name as prefix."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Tidemark", "version": "1"},
        "paths": {},
        "webhooks": {},
        "components": {"schemas": {}, "securitySchemes": {}},
    }
    schemas = merged["components"]["schemas"]
    for service, document in documents.items():
        service_schemas = document.get("components", {}).get("schemas", {})
        new_names = {
            name: f"{service}_{name}" for name, schema in service_schemas.items() if schemas.get(name, schema) != schema
        }
        text = json.dumps(document)
        for name, new_name in new_names.items():
            text = text.replace(f'"{_SCHEMA}{name}"', f'"{_SCHEMA}{new_name}"')
        renamed = json.loads(text)
        components = renamed.get("components", {})
        for member in ("paths", "webhooks"):
            merged[member] |= renamed.get(member, {})
        merged["components"]["securitySchemes"] |= components.get("securitySchemes", {})
        schemas |= {new_names.get(name, name): schema for name, schema in components.get("schemas", {}).items()}
    return merged
