"""Merges the OpenAPI documents of the services. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from tidemark_shared.http.openapi import CONTACT, LICENSE, SERVERS, VERSION, list_tags

_SCHEMA = "#/components/schemas/"
_DESCRIPTION = """Tidemark watches service contracts. It counts work as it is logged, compares planned with executed
hours at every level, and warns the right people before a limit is reached.

Hours are decimal strings, money is in minor units of a currency, and days are in the time zone of the contract. Each
list has pages: send `next` as `cursor` to get the next one. A change needs the `ETag` that you read, in `If-Match`.
"""


def merge_documents(documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Merge the documents of the services. A schema whose name exists already gets its service's name as prefix."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidemark",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": LICENSE,
            "contact": CONTACT,
        },
        "servers": SERVERS,
        "paths": {},
        "webhooks": {},
        "components": {"schemas": {}, "responses": {}, "securitySchemes": {}},
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
        for member in ("responses", "securitySchemes"):
            merged["components"][member] |= components.get(member, {})
        schemas |= {new_names.get(name, name): schema for name, schema in components.get("schemas", {}).items()}
    return merged | {"tags": list_tags(merged)}
