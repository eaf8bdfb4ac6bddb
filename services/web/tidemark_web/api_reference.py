"""Turns the OpenAPI and AsyncAPI documents into what the pages at ``/docs`` show. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Type = tuple[tuple[str, str], ...]
"""A type as text in parts, each with the name of the schema that it links to, or an empty text."""

_MEDIA_TYPE = "application/json"
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
    "pattern": "pattern {}",
    "default": "default {}",
}


@dataclass(frozen=True)
class Field:
    """A member of a schema or a parameter. ``location`` is where a parameter is sent."""

    name: str
    type: Type
    required: bool
    description: str
    location: str = ""


@dataclass(frozen=True)
class Body:
    """The body of a request, a response or a message. ``label`` is the status of a response."""

    type: Type
    description: str = ""
    example: str = ""
    label: str = ""
    headers: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Operation:
    """What a program can send: a request, or an event of a topic."""

    id: str
    title: str
    description: str
    method: str = ""
    path: str = ""
    parameters: tuple[Field, ...] = ()
    request: Body | None = None
    responses: tuple[Body, ...] = ()


@dataclass(frozen=True)
class Group:
    """Operations that belong together. ``notes`` are facts about a topic."""

    name: str
    description: str
    operations: tuple[Operation, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """A type with members."""

    name: str
    description: str
    fields: tuple[Field, ...]


def describe_api(document: Json) -> list[Group]:
    """The operations of an OpenAPI document by tag, and its webhooks."""
    operations = [
        (operation.get("tags", [""])[0], _describe_operation(document, method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [
        Group(
            tag["name"], tag["description"], tuple(operation for name, operation in operations if name == tag["name"])
        )
        for tag in document["tags"]
    ]
    webhooks = tuple(
        _describe_operation(document, "post", "your address", {**methods["post"], "operationId": f"webhook_{name}"})
        for name, methods in document["webhooks"].items()
    )
    return [*groups, Group("webhooks", "Requests that Tidemark sends to your program.", webhooks)]


def describe_topics(documents: Iterable[Json]) -> list[Group]:
    """The topics of AsyncAPI documents with their events. Dead-letter topics are left out: they hold the same."""
    return [_describe_topic(document) for document in documents]


def describe_schemas(schemas: Mapping[str, Json]) -> list[Schema]:
    """The schemas by name."""
    return [
        Schema(name, schema.get("description", ""), tuple(_describe_fields(schema)))
        for name, schema in sorted(schemas.items())
    ]


def _describe_operation(document: Json, method: str, path: str, operation: Json) -> Operation:
    request = operation.get("requestBody")
    responses = [(status, _resolve(document, response)) for status, response in operation["responses"].items()]
    return Operation(
        id=operation["operationId"],
        title=operation["summary"],
        description=operation.get("description", ""),
        method=method.upper(),
        path=path,
        parameters=tuple(
            Field(
                parameter["name"], describe_type(parameter["schema"]), parameter["required"],
                parameter.get("description", ""), parameter["in"],
            )
            for parameter in operation.get("parameters", ())
        ),
        request=_describe_content(request) if request else None,
        responses=tuple(_describe_content(response, status) for status, response in responses),
    )  # fmt: skip


def _describe_content(body: Json, label: str = "") -> Body:
    content: Json = next(iter(body.get("content", {}).values()), {})
    headers = tuple(
        Field(name, describe_type(header["schema"]), required=False, description=header.get("description", ""))
        for name, header in body.get("headers", {}).items()
    )
    is_problem = _MEDIA_TYPE not in body.get("content", {_MEDIA_TYPE: ()})
    example = "" if is_problem else _to_json(content.get("example"))
    return Body(describe_type(content.get("schema", {})), body.get("description", ""), example, label, headers)


def _describe_topic(document: Json) -> Group:
    name, channel = next(iter(document["channels"].items()))
    binding = channel["bindings"]["kafka"]
    action = document["operations"][name]["action"]
    messages = [document["components"]["messages"][message] for message in channel["messages"]]
    key = messages[0]["bindings"]["kafka"]["key"]["description"]
    notes = (
        "Tidemark reads this topic." if action == "receive" else "Tidemark writes this topic.",
        f"{binding['partitions']} partitions; {binding['topicConfiguration']['cleanup.policy'][0]} policy.",
        f"Key: {key}",
    )
    operations = tuple(
        Operation(
            id=message["name"],
            title=message["name"],
            description=message["description"],
            request=Body(describe_type(message["payload"]), example=_to_json(_example(message))),
        )
        for message in messages
    )
    return Group(name, channel["description"], operations, notes)


def _example(message: Json) -> Json:
    return {part: message["examples"][0][part] for part in ("headers", "payload")}


def _describe_fields(schema: Json) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Field(name, describe_type(member), name in required, member.get("description", ""))


def describe_type(schema: Json) -> Type:
    """The type of a schema as text, with its limits."""
    limits = [text.format(json.dumps(schema[name])) for name, text in _LIMITS.items() if name in schema]
    return (*_name_type(schema), *(((f" ({', '.join(limits)})", ""),) if limits else ()))


def _name_type(schema: Json) -> Type:  # noqa: PLR0911 - one for each kind of schema
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return ((name, name),)
        case {"const": value}:
            return ((json.dumps(value), ""),)
        case {"enum": values}:
            return ((" or ".join(map(json.dumps, values)), ""),)
        case {"anyOf": options} | {"oneOf": options}:
            joined = [part for option in options for part in ((" or ", ""), *describe_type(option))]
            return tuple(joined[1:])
        case {"type": "array", "items": items}:
            return (("list of ", ""), *describe_type(items))
        case {"type": list(types)}:
            return ((" or ".join(types), ""),)
        case {"type": type_}:
            return ((str(schema.get("format", type_)), ""),)
    return (("any value", ""),) if schema else ()


def _resolve(document: Json, node: Json) -> Json:
    reference = node.get("$ref")
    if reference is None:
        return node
    resolved: Any = document
    for part in reference.removeprefix("#/").split("/"):
        resolved = resolved[part]
    result: Json = resolved
    return result


def _to_json(example: Any) -> str:
    return "" if example is None else json.dumps(example, indent=2, ensure_ascii=False)
