"""Generates the models and the methods of the Python client from the merged OpenAPI document. Pure."""

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from functools import partial
from textwrap import indent, wrap
from typing import Any

Json = dict[str, Any]

_HEADER = '"""{}. Generated from the code (`make docs`)."""\n# fmt: off\n\n'
_MODELS_IMPORTS = "from __future__ import annotations\n\nfrom typing import Any, Literal, NotRequired, TypedDict\n"
_CLIENT_IMPORTS = """from collections.abc import {iterator}, Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from tidemark_client.{base_module} import {base}
from tidemark_client.core import Call, Entity, Reference, path, require_etag
from tidemark_client.generated import models


class {name}({base}):
    \"\"\"{docstring}

    A method that changes something takes the entity that you read, or an id and the ETag (``etag``). Lists are
    iterators over all pages. A change is tried again with the same idempotency key, which you may choose (``key``).
    \"\"\"
"""
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "object": "Json"}
_FORMATS = {"uuid": "UUID | str", "date": "date | str", "date-time": "datetime | str"}
_WIDTH = 108


def generate_client(document: Json) -> dict[str, str]:
    """The generated modules of the client, by file name."""
    return {
        "__init__.py": '"""Models and methods, generated from the OpenAPI document."""\n',
        "models.py": _models(document["components"]["schemas"]),
        "client.py": _client(document, is_async=False),
        "async_client.py": _client(document, is_async=True),
    }


def _models(schemas: Mapping[str, Json]) -> str:
    models = [_model(name, schema) for name, schema in schemas.items() if not name.endswith("Page")]
    header = _HEADER.format("The bodies of requests and responses, as types")
    return header + _MODELS_IMPORTS + "\nJson = dict[str, Any]\n" + "".join(f"\n\n{model}" for model in models)


def _model(name: str, schema: Json) -> str:
    required = set(schema.get("required", ()))
    fields = {
        member: (_annotation(value, "") if member in required else f"NotRequired[{_annotation(value)}]", value)
        for member, value in schema.get("properties", {}).items()
    }
    description = _docstring(schema.get("description", name))
    if any(keyword.iskeyword(member) for member in fields):
        lines = [f'    "{member}": "{annotation}",' for member, (annotation, _) in fields.items()]
        return "\n".join([f'{name} = TypedDict("{name}", {{', *lines, "})", description, ""])
    lines = [line for member, field in fields.items() for line in _field(member, *field)]
    return "\n".join([f"class {name}(TypedDict):", indent(description, "    "), *lines, ""])


def _field(member: str, annotation: str, schema: Json) -> Iterator[str]:
    yield f"    {member}: {annotation}"
    if "description" in schema:
        yield indent(_docstring(schema["description"]), "    ")


def _annotation(schema: Json, prefix: str = "", *, is_parameter: bool = False) -> str:  # noqa: PLR0911 - one for each kind
    """The type of a schema; the names of models get a prefix. A parameter may be a value of Python, such as a date."""
    annotate = partial(_annotation, prefix=prefix, is_parameter=is_parameter)
    match schema:
        case {"$ref": reference}:
            return prefix + str(reference).rpartition("/")[2]
        case {"const": value}:
            return f"Literal[{json.dumps(value)}]"
        case {"enum": values}:
            return f"Literal[{', '.join(map(json.dumps, values))}]"
        case {"anyOf": options} | {"oneOf": options}:
            return " | ".join(dict.fromkeys(map(annotate, options)))
        case {"type": "array", "items": items}:
            return f"{'Sequence' if is_parameter else 'list'}[{annotate(items)}]"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"dict[str, {annotate(values)}]"
        case {"type": list(types)}:
            return " | ".join(_SCALARS[type_] for type_ in types)
        case {"type": "string", "format": format_} if is_parameter and format_ in _FORMATS:
            return _FORMATS[str(format_)]
        case {"type": type_}:
            return _SCALARS[str(type_)]
    return "Any"


def _client(document: Json, *, is_async: bool) -> str:
    header = _HEADER.format(f"The {'asynchronous' if is_async else 'synchronous'} client, with a method per operation")
    names = {
        "iterator": "AsyncIterator" if is_async else "Iterator",
        "base_module": "async_base" if is_async else "base",
        "base": "BaseAsyncClient" if is_async else "BaseClient",
        "name": "AsyncClient" if is_async else "Client",
        "docstring": f"A{'n asynchronous' if is_async else ''} client of Tidemark's HTTP API.",
    }
    methods = [
        _method(path, method, operation, document["components"]["schemas"], is_async=is_async)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return header + _CLIENT_IMPORTS.format(**names) + "".join(f"\n{indent(method, '    ')}" for method in methods)


def _method(path: str, method: str, operation: Json, schemas: Mapping[str, Json], *, is_async: bool) -> str:
    parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
    paths = re.findall("{([^}]*)}", path)
    # A dry run has another result: it is left to `post`.
    query = {
        name: _identifier(name)
        for name, parameter in parameters.items()
        if parameter["in"] == "query" and name not in ("cursor", "limit", "dry_run")
    }
    schema = _success(operation)
    model = schema.get("$ref", "").rpartition("/")[2]
    members = schemas.get(model, {}).get("properties", {})
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    takes_body = body and not body.get("$ref", "").endswith("/EmptyBody")

    arguments = [f"{name}: {_path_annotation(parameters[name]['schema'])}" for name in paths]
    if takes_body:
        arguments.append(f"body: {_annotation(body, 'models.', is_parameter=True)}")
    options = [_option(identifier, parameters[name]) for name, identifier in query.items()]
    options += ["etag: str | None = None"] if "If-Match" in parameters else []
    options += ["key: str | None = None"] if "Idempotency-Key" in parameters else []
    arguments += ["*", *options] if options else []

    target = path.removeprefix("/v1/")
    url = f'path("{re.sub("{[^}]*}", "{}", target)}", {", ".join(paths)})' if paths else f'"{target}"'
    sent = [f'"{method.upper()}"', url]
    limit = ['"limit": ' + str(parameters["limit"]["schema"]["maximum"])] if "limit" in parameters else []
    if values := [*limit, *(f'"{name}": {identifier}' for name, identifier in query.items())]:
        sent.append(f"query={{{', '.join(values)}}}")
    sent += ["body=body"] if takes_body else []
    sent += [f"etag=require_etag({paths[0]}, etag)"] if "If-Match" in parameters else []
    sent += ["key=key"] if "Idempotency-Key" in parameters else []
    call = f"Call({', '.join(sent)})"

    wait = "await " if is_async else ""
    if {"items", "next"} <= members.keys():
        result = f"{'Async' * is_async}Iterator[{_annotation(members['items']['items'], 'models.')}]"
        return _definition("def", operation, arguments, result, f"return self._items({call})")
    definition = "async def" if is_async else "def"
    if not schema:
        return _definition(definition, operation, arguments, "None", f"{wait}self._call({call})")
    if {"id", "version"} <= members.keys():
        result = f"Entity[models.{model}]"
        return _definition(definition, operation, arguments, result, f"return {wait}self._call({call})")
    lines = f"result: models.{model} = ({wait}self._call({call})).body\nreturn result"
    return _definition(definition, operation, arguments, f"models.{model}", lines)


def _definition(kind: str, operation: Json, arguments: list[str], result: str, statements: str) -> str:
    name = operation["operationId"]
    head = f"{kind} {name}({', '.join(['self', *arguments])}) -> {result}:"
    if len(head) > _WIDTH:
        lines = "".join(f"    {argument},\n" for argument in ["self", *arguments])
        head = f"{kind} {name}(\n{lines}) -> {result}:"
    return "\n".join([head, indent(_docstring(operation["description"]), "    "), indent(statements, "    "), ""])


def _success(operation: Json) -> Json:
    """The schema of the response to a request that creates, changes or reads; empty if it has no body."""
    response = max((status, response) for status, response in operation["responses"].items() if status < "3")[1]
    schema: Json = response.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _path_annotation(schema: Json) -> str:
    is_reference = schema["type"] == "string" and "enum" not in schema
    return "Reference" if is_reference else _annotation(schema, is_parameter=True)


def _option(identifier: str, parameter: Json) -> str:
    annotation = _annotation(parameter["schema"], "models.", is_parameter=True)
    return f"{identifier}: {annotation}" + ("" if parameter["required"] else " | None = None")


def _identifier(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name


def _docstring(text: str) -> str:
    """The text as a docstring, wrapped, as short as a line if it fits."""
    paragraphs = ["\n".join(wrap(paragraph, _WIDTH - 8)) for paragraph in text.replace("\\", r"\\").split("\n\n")]
    content = "\n\n".join(paragraphs)
    return f'"""{content}\n"""' if "\n" in content else f'"""{content}"""'
