"""Completes the OpenAPI document that FastAPI builds: names, descriptions, examples and problems. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from tidemark_shared.domain.fields import describe_field
from tidemark_shared.domain.schemas import LICENSE_NAME, clean_descriptions, describe_members, without_titles
from tidemark_shared.http.admission import body_limit

Json = dict[str, Any]

VERSION = "1"
LICENSE = {"name": LICENSE_NAME, "identifier": "Apache-2.0"}
CONTACT = {"name": "Tidemark"}
# The address of the document is the address of the API, so a reader needs no configuration.
SERVERS = [{"url": "/", "description": "The server that this document comes from."}]
TAGS = {
    "organizations": "Customers and their contacts.",
    "teams": "Teams, and who is a member of them when.",
    "rate-cards": "What an hour of a person costs, from a day on.",
    "customer-links": "Links that show a customer its own contracts, and nothing internal.",
    "contracts": "Contracts, and their way from draft to closed.",
    "people": "Persons who were forgotten: a pseudonym takes their place.",
    "offers": "Proposed adjustments of contracts, and the customer's answers.",
    "figures": "Planned against executed, and the worklogs behind each figure.",
    "customer": "What a customer may see of its own contracts.",
    "worklogs": "Publish worklogs without Kafka.",
    "rules": "Rules that decide who is notified of a contract, when and how.",
    "saved reports": "Delivery reports under a name, which can be mailed on a schedule.",
    "notifications": "Notifications that were raised, and their deliveries.",
    "operations": "What each service has done and what waits, and its dead letters.",
}
MEDIA_TYPE = "application/json"
PROBLEM_MEDIA_TYPE = "application/problem+json"
_SCHEMAS = "#/components/schemas/"
_METHODS_WITH_CONFLICTS = {"post", "put", "delete"}
_INVALID = 422
# FastAPI's own problems, which create_api replaces.
_UNUSED_SCHEMAS = ("HTTPValidationError", "ValidationError")
_WEBHOOK_RESPONSES = {"2XX": {"description": "The receiver has the event."}}

_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": 'The ETag that you read, such as `"3"`, or `*` for any version.',
    "schema": {"type": "string"},
    "example": '"3"',
}
_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A text of your own, such as a UUID. Send it again with the same request to get the same response.",
    "schema": {"type": "string", "maxLength": 255},
    "example": "6f1c2c5e-0d7a-4a53-9d57-6b0f7f9f2c11",
}
_PARAMETERS = {"if-match": _IF_MATCH, "idempotency-key": _IDEMPOTENCY_KEY}
_ETAG: Json = {
    "description": "The version. Send it as `If-Match` to change what you read.",
    "schema": {"type": "string"},
    "example": '"3"',
}
_LOCATION: Json = {"description": "The path of what was created.", "schema": {"type": "string"}}

# The name, title and description of each problem.
_PROBLEMS = {
    400: ("Rejected", "Bad request", "The request cannot be read, or is not one of this API."),
    401: ("TokenRequired", "Token required", "The request has no valid token."),
    403: ("RoleNotSufficient", "Role not sufficient", "The token's role does not allow this request."),
    404: ("NotFound", "Contract not found", "There is nothing with this id or code."),
    409: ("Conflict", "The contract cannot be activated", "The request does not fit the current state."),
    410: ("LinkNotGood", "The link is no longer good", "The offer was withdrawn, or its time is over."),
    412: ("VersionConflict", "The resource has changed", "Another request has changed it: read it again."),
    413: ("BodyTooLarge", "Body too large", "The body is larger than this route takes."),
    422: ("Invalid", "Invalid request", "`violations` has every error and its location."),
    428: ("VersionRequired", "If-Match is required", "Send the ETag that you read in `If-Match`."),
    429: ("TooManyRequests", "Too many requests", "Wait a minute, then try again."),
    503: ("Unavailable", "Database unavailable", "Try again, with the same `Idempotency-Key` if you sent one."),
}
_VIOLATION = {"code": "unknown_field", "path": "/nmae", "message": "Unknown field 'nmae'. Did you mean 'name'?"}


def complete_document(document: Json, examples: Mapping[str, Any]) -> Json:
    """Complete the document of a service. ``examples`` has an example for each schema of a body, by its name."""
    document = name_schemas(_hoist_request_schemas(document))
    for name in _UNUSED_SCHEMAS:
        document["components"]["schemas"].pop(name, None)
    document |= {
        "info": {**document["info"], "license": LICENSE, "contact": CONTACT},
        "servers": SERVERS,
        "tags": list_tags(document),
    }
    describe_members(document["components"]["schemas"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _complete_operation(method, operation, document["components"]["schemas"])
            if "requestBody" in operation:
                operation["requestBody"]["description"] = f"At most {body_limit(path):,} bytes."
    for _, operation in operations(document, "webhooks"):
        operation |= {"summary": "A notification", "security": [], "responses": _WEBHOOK_RESPONSES}
    for _, operation in [*operations(document), *operations(document, "webhooks")]:
        _add_examples(operation, examples)
    used = {
        response.get("$ref") for _, operation in operations(document) for response in operation["responses"].values()
    }
    document["components"]["responses"] = {
        problem[0]: _problem(status, problem)
        for status, problem in _PROBLEMS.items()
        if f"#/components/responses/{problem[0]}" in used
    }
    cleaned: Json = clean_descriptions(document)
    return cleaned


def operations(document: Json, member: str = "paths") -> Iterator[tuple[str, Json]]:
    """Each operation with its method."""
    for methods in document.get(member, {}).values():
        yield from methods.items()


def list_tags(document: Json) -> list[Json]:
    """The tags of the document's operations, each with its description."""
    used = {tag for _, operation in operations(document) for tag in operation.get("tags", ())}
    return [{"name": name, "description": description} for name, description in TAGS.items() if name in used]


def name_schemas(document: Json) -> Json:
    """Name each schema after its model, and give it that name as its only title.

    A model that requests and responses both use has two schemas: ``Team`` is the one of responses, with every member
    required, and ``TeamInput`` the one of requests. ``Page[Team]`` is ``TeamPage``.
    """
    schemas: Json = dict(document["components"]["schemas"])
    names = {key: _model_name(key, schema) for key, schema in schemas.items()}
    for key in [key for key, schema in schemas.items() if key.endswith("-Output") and "properties" not in schema]:
        # Its serializer leaves out absent members, which the schema of requests describes.
        names[key.replace("-Output", "-Input")] = names[key]
        del schemas[key]
    for key, schema in schemas.items():
        if key.startswith("Page_"):
            names[key] = names[schema["properties"]["items"]["items"]["$ref"].removeprefix(_SCHEMAS)] + "Page"
    if repeated := [name for name, count in Counter(names[key] for key in schemas).items() if count > 1]:
        raise AssertionError(f"Several models have one name: {', '.join(repeated)}. Rename all but one.")
    renamed: Json = {**without_titles(_rename(document, names)), "info": document["info"]}
    named = {names[key]: without_titles(_rename(schema, names)) for key, schema in schemas.items()}
    renamed["components"]["schemas"] = {name: {"title": name, **named[name]} for name in sorted(named)}
    return renamed


def _model_name(key: str, schema: Json) -> str:
    model, _, mode = key.partition("-")
    name: str = schema.get("title", model)
    return f"{name}Input" if mode == "Input" else name


def _rename(node: Any, names: Mapping[str, str]) -> Any:
    """Replace the references to schemas."""
    if isinstance(node, list):
        return [_rename(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _SCHEMAS + names[value.removeprefix(_SCHEMAS)] if key == "$ref" else _rename(value, names)
        for key, value in node.items()
    }


def _hoist_request_schemas(document: Json) -> Json:
    """Give the models that a route declares inside of its request a name among the schemas."""
    document = deepcopy(document)
    schemas = document["components"]["schemas"]

    def hoist(node: Any) -> Any:
        if isinstance(node, list):
            return [hoist(item) for item in node]
        if not isinstance(node, dict):
            return node
        hoisted = {key: hoist(value) for key, value in node.items()}
        if node.get("type") == "object" and "title" in node:
            schemas[node["title"]] = hoisted
            return {"$ref": _SCHEMAS + node["title"]}
        return hoisted

    for _, operation in operations(document):
        if "requestBody" in operation:
            operation["requestBody"] = hoist(operation["requestBody"])
    return document


def _complete_operation(method: str, operation: Json, schemas: Json) -> None:
    operation["summary"] = operation["operationId"].replace("_", " ").capitalize()
    requirements = operation.get("security", ())
    roles = [role for requirement in requirements for scopes in requirement.values() for role in scopes]
    needs = [f"Needs the role `{role}`." for role in roles]
    operation["description"] = "\n\n".join([operation.get("description", ""), *needs])
    operation["security"] = [{name: [] for name in requirement} for requirement in requirements]
    operation["parameters"] = [
        _PARAMETERS.get(parameter["name"]) or _describe_parameter(parameter)
        for parameter in operation.get("parameters", ())
    ]
    for body in list(operation.get("requestBody", {}).get("content", {}).values()):
        # A body that may be left out is described without null.
        body["schema"] = next(iter(body["schema"].get("anyOf", ())), body["schema"])
    successes = {status: response for status, response in operation["responses"].items() if status.startswith("2")}
    for status, response in successes.items():
        response["description"] = HTTPStatus(int(status)).phrase
        schema = schemas.get(_schema_name(response), {})
        headers = {"ETag": _ETAG} if {"id", "version"} <= schema.get("properties", {}).keys() else {}
        if status == "201":
            headers["Location"] = _LOCATION
        if headers:
            response["headers"] = headers
    problems = {
        str(status): {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
        for status in _problem_statuses(method, operation)
    }
    # What the server may answer to any request, such as 414.
    problems["4XX"] = {"$ref": f"#/components/responses/{_PROBLEMS[400][0]}"}
    operation["responses"] = successes | problems


def _schema_name(body: Json) -> str:
    """The name of the schema of a request's or response's body; empty if it has none."""
    reference: str = body.get("content", {}).get(MEDIA_TYPE, {}).get("schema", {}).get("$ref", "")
    return reference.removeprefix(_SCHEMAS)


def _problem_statuses(method: str, operation: Json) -> Iterator[int]:
    """The status codes of the problems that an operation can respond with."""
    names = {parameter["name"]: parameter["in"] for parameter in operation["parameters"]}
    yield from (401, 403)
    if "path" in names.values() or "requestBody" in operation:
        yield 404
    if method in _METHODS_WITH_CONFLICTS:
        yield 409
    if "If-Match" in names:
        yield 412
    if "requestBody" in operation:
        yield 413
    yield 422
    if "If-Match" in names:
        yield 428
    if not operation["security"]:
        # A signed link in the body takes the place of the token.
        yield from (410, 429)
    yield 503


def _describe_parameter(parameter: Json) -> Json:
    """Describe a parameter. One that is left out is absent, so its schema does not allow null."""
    schema = {name: value for name, value in parameter["schema"].items() if name != "description"}
    if "anyOf" in schema:
        options = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
        schema |= options[0] if len(options) == 1 else {"anyOf": options}
    description = parameter.get("description") or describe_field("Parameter", parameter["name"])
    return {**parameter, "schema": schema} | ({"description": description} if description else {})


def _add_examples(operation: Json, examples: Mapping[str, Any]) -> None:
    """Add an example to each body: the one of its schema, of its items for a page, or else of the operation."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for body in bodies:
        if content := body.get("content", {}).get(MEDIA_TYPE):
            name = _schema_name(body) or operation["operationId"]
            item = name.removesuffix("Page")
            if name in examples:
                content["example"] = examples[name]
            elif item in examples:
                content["example"] = {"items": [examples[item]], "next": None}


def _problem(status: int, problem: tuple[str, str, str]) -> Json:
    _, title, description = problem
    violations = [_VIOLATION] if status == _INVALID else []
    example = {"type": "about:blank", "title": title, "status": status, "detail": description, "violations": violations}
    content = {"schema": {"$ref": f"{_SCHEMAS}ProblemBody"}, "example": example}
    return {"description": description, "content": {PROBLEM_MEDIA_TYPE: content}}
