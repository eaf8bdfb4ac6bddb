"""``tidemark api``: one request to the HTTP API, with the token."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tidemark.api import open_api
from tidemark.cli.connection import MAX_BODY_SIZE
from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, MaxSize, load_settings
from tidemark.cli.output import print_json, print_line, report_errors
from tidemark.importing.files import FileError, read_text
from tidemark_client import Client, TidemarkError

_ROOT = "/v1/"
_METHODS = ("GET", "POST", "PUT", "DELETE")


class RequestError(Exception):
    """The request cannot be sent."""


def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="The path with its query, such as /v1/contracts/ACME-SUP/balance.")],
    *,
    data: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="The body: JSON, or @ and a file; @- is standard input.")
    ] = None,
    header: Annotated[list[str] | None, typer.Option(metavar="NAME:VALUE", help="A header; can be repeated.")] = None,
    if_match: Annotated[
        str | None,
        typer.Option(
            metavar="ETAG|current",
            help="The version that is changed. 'current' asks for it first, and overwrites what others have changed.",
        ),
    ] = None,
    max_size: MaxSize = MAX_BODY_SIZE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Send a request to the HTTP API with the token, and print the answer as JSON.

    The exit code is 1 if the API refuses the request; its reasons are printed as the answer.
    """
    with report_errors(TidemarkError, RequestError, FileError):
        method = method.upper()
        if method not in _METHODS:
            raise typer.BadParameter(f"{method!r} is not one of {', '.join(_METHODS)}.")
        if not path.startswith(_ROOT):
            raise typer.BadParameter(f"{path!r} does not start with {_ROOT}.")
        headers = dict(map(_parse_header, header or []))
        content = None if data is None else _read_data(data, max_size)
        if content is not None:
            headers.setdefault("content-type", "application/json")
        with open_api(load_settings(data_dir)) as client:
            if if_match:
                headers["if-match"] = _load_etag(client, method, path) if if_match == "current" else if_match
            response = client.request(method, path.removeprefix(_ROOT), content=content, headers=headers)
    if response.content:
        try:
            print_json(response.json(), indent=2)
        except ValueError:
            print_line(response.text)
    if not response.is_success:
        print_line(f"{method} {path}: {response.status_code} {response.reason_phrase}", error=True)
        raise typer.Exit(1)


def _parse_header(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not (separator and name.strip()):
        raise typer.BadParameter(f"{text!r} is not NAME:VALUE.")
    return name.strip().lower(), value.strip()


def _read_data(data: str, max_size: int) -> bytes:
    """The body as it is sent; it has to be JSON, so that a misspelt file name is not sent."""
    text = read_text(Path(data[1:]), max_size=max_size) if data.startswith("@") else data
    try:
        json.loads(text)
    except ValueError as error:
        raise RequestError(f"The body is not JSON: {error}. To send a file, write @ before its name.") from None
    return text.encode()


def _load_etag(client: Client, method: str, path: str) -> str:
    """The current version of what a request changes: of the path, or for an action of the path above it."""
    target = path.partition("?")[0].removeprefix(_ROOT)
    entity = client.get(target.rpartition("/")[0] if method == "POST" else target)
    if entity is None or not entity.etag:
        raise RequestError(f"{path} has no current version. Check the path, or leave --if-match out.")
    return entity.etag
