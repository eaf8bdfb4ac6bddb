"""The OpenAPI documents: names, descriptions and examples, for readers and for generated clients."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tidemark_shared.domain.fields import FIELDS
from tidemark_shared.http.openapi import name_schemas

DOCS = Path(__file__).parents[2] / "docs"
# To generate them takes each worker a second. tests/unit/test_documents.py compares them with the code.
DOCUMENTS = {
    path.relative_to(DOCS).as_posix(): json.loads(path.read_text()) for path in sorted(DOCS.glob("*api/*.json"))
}
OPENAPI = {path: document for path, document in DOCUMENTS.items() if path.startswith("openapi/")}
SERVICES = {path: document for path, document in OPENAPI.items() if path != "openapi/tidemark.json"}
FORMATS = Draft202012Validator.FORMAT_CHECKER
each_document = pytest.mark.parametrize("document", OPENAPI.values(), ids=OPENAPI)


def operations(document: dict[str, Any], member: str = "paths") -> list[dict[str, Any]]:
    return [operation for path in document.get(member, {}).values() for operation in path.values()]


def all_descriptions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            yield node["description"]
        for value in node.values():
            yield from all_descriptions(value)
    elif isinstance(node, list):
        for value in node:
            yield from all_descriptions(value)


def test_operation_ids_are_unique_method_names() -> None:
    ids = [operation["operationId"] for operation in operations(OPENAPI["openapi/tidemark.json"])]
    assert [id_ for id_, count in Counter(ids).items() if count > 1] == []
    assert [id_ for id_ in ids if not re.fullmatch("[a-z]+(_[a-z]+)+", id_)] == []
    assert {"create_contract", "list_contracts", "get_contract", "activate_contract", "update_team"} <= set(ids)


@each_document
def test_every_operation_has_a_tag(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations(document):
        assert len(tags & set(operation.get("tags", ()))) == 1, operation["operationId"]


@each_document
def test_schemas_are_named_after_their_models(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert re.fullmatch("[A-Z][A-Za-z]+", name)
        assert schema["title"] == name


def test_two_models_with_one_name_are_rejected() -> None:
    schemas = {"a__Rule": {"title": "Rule"}, "b__Rule": {"title": "Rule"}}
    with pytest.raises(AssertionError, match="Several models have one name: Rule"):
        name_schemas({"info": {}, "components": {"schemas": schemas}})


@each_document
def test_every_field_and_parameter_has_a_description(document: dict[str, Any]) -> None:
    fields = {
        f"{name}.{member}": value.get("description")
        for name, schema in document["components"]["schemas"].items()
        for member, value in schema.get("properties", {}).items()
    }
    parameters = {
        f"Parameter.{parameter['name']}": parameter.get("description")
        for operation in operations(document)
        for parameter in operation["parameters"]
    }
    # Add what is missing to tidemark_shared/domain/fields.py, or as `Field(description=…)`.
    assert [name for name, description in (fields | parameters).items() if not description] == []


@each_document
def test_descriptions_are_markdown_without_references_to_the_code(document: dict[str, Any]) -> None:
    for text in all_descriptions(document):
        assert not re.search(r"``|:\w+:`|SPEC", text), text


@each_document
def test_every_body_has_a_valid_example(document: dict[str, Any]) -> None:
    for operation in operations(document, "paths") + operations(document, "webhooks"):
        responses = [response for response in operation["responses"].values() if "$ref" not in response]
        for body in [operation.get("requestBody", {}), *responses, *document["components"]["responses"].values()]:
            for content in body.get("content", {}).values():
                # Add what is missing to the service's api/examples.py.
                assert "example" in content, operation["operationId"]
                schema = {**content["schema"], "components": document["components"]}
                Draft202012Validator(schema, format_checker=FORMATS).validate(content["example"])


@each_document
def test_changes_require_if_match(document: dict[str, Any]) -> None:
    for operation in operations(document):
        names = {parameter["name"]: parameter for parameter in operation["parameters"]}
        assert ("If-Match" in names) == ("428" in operation["responses"])
        if "If-Match" in names:
            assert names["If-Match"]["required"]


def test_each_description_of_a_field_is_used() -> None:
    used = {
        name
        for document in DOCUMENTS.values()
        for model, schema in document["components"]["schemas"].items()
        for member in schema.get("properties", {})
        for name in (f"{model}.{member}", member)
    }
    assert [name for name in FIELDS if name not in used and not name.startswith("Parameter.")] == []


def test_merged_document_has_everything() -> None:
    merged = OPENAPI["openapi/tidemark.json"]
    assert [name for name in merged["components"]["schemas"] if "_" in name] == [], "services disagree about a model"
    # The routes that every service has are the same in every document.
    for document in SERVICES.values():
        for path, methods in document["paths"].items():
            assert merged["paths"][path] == methods
