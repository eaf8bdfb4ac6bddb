"""The OpenAPI documents: names for clients that are generated from them."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from tidemark import documents
from tidemark_shared.http.openapi import name_schemas

OPENAPI = {path: json.loads(content) for path, content in documents.generate().items() if path.startswith("openapi/")}
each_document = pytest.mark.parametrize("document", OPENAPI.values(), ids=OPENAPI)


def operations() -> list[dict[str, Any]]:
    return [
        operation for document in OPENAPI.values() for path in document["paths"].values() for operation in path.values()
    ]


def test_operation_ids_are_unique_method_names() -> None:
    ids = [operation["operationId"] for operation in operations()]
    assert [id_ for id_, count in Counter(ids).items() if count > 1] == []
    assert [id_ for id_ in ids if not re.fullmatch("[a-z]+(_[a-z]+)+", id_)] == []
    assert {"create_contract", "list_contracts", "get_contract", "activate_contract", "update_team"} <= set(ids)


def test_every_operation_has_a_tag() -> None:
    assert [operation["operationId"] for operation in operations() if len(operation["tags"]) != 1] == []


@each_document
def test_schemas_are_named_after_their_models(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch("[A-Z][A-Za-z]+", name)
        assert schema["title"] == name


def test_two_models_with_one_name_are_rejected() -> None:
    schemas = {"a__Rule": {"title": "Rule"}, "b__Rule": {"title": "Rule"}}
    with pytest.raises(AssertionError, match="Several models have one name: Rule"):
        name_schemas({"info": {}, "components": {"schemas": schemas}})
