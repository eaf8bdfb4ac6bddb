"""Contracts by the thousand: from files to requests of ``POST /v1/contracts/batch``."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from tidemark.cli.body_file import InputError
from tidemark.cli.connection import read_body
from tidemark.cli.references import replace_account_names, replace_names
from tidemark.importing.files import read_text
from tidemark_client import Client, Json

MAX_BATCH_FILE_SIZE = 256 << 20
_MAX_CONTRACTS = 1_000
# Of a body of at most 2 MiB.
_MAX_REQUEST_BYTES = 1_900_000
_SUFFIXES = (".jsonl", ".json", ".yaml", ".yml")


class Source(NamedTuple):
    """A contract, and where it is written."""

    name: str
    body: Json


class BatchOutcome(NamedTuple):
    """How many contracts were created, and those that were refused with their violations."""

    created: int
    refused: list[Json]


def read_batch(paths: Iterable[Path], max_size: int) -> list[Source]:
    """The contracts in files, and in the files of folders in the order of their names. Raises :class:`InputError`."""
    sources = [source for path in paths for file in _list_files(path) for source in _read_file(file, max_size)]
    if not sources:
        raise InputError(f"There is no contract. Files of contracts end in {', '.join(_SUFFIXES)}.")
    return sources


def create_batch(api: Client, sources: Sequence[Source], *, activate: bool, dry_run: bool = False) -> BatchOutcome:
    """Send contracts in as few requests as possible. Names become ids with one look-up each."""
    bodies = replace_names(api, {"contracts": [replace_account_names(source.body) for source in sources]})["contracts"]
    created, refused = 0, list[Json]()
    for start, end in _split(bodies):
        request = {"contracts": bodies[start:end], "activate": activate}
        path = f"contracts/batch{'?dry_run=true' if dry_run else ''}"
        result = api.post(path, request, key=None if dry_run else uuid4().hex).body
        created += result["created"]
        refused += [
            {"source": source.name, "code": item["code"], "violations": _relative(item["violations"])}
            for source, item in zip(sources[start:end], result["items"], strict=True)
            if item["violations"]
        ]
    return BatchOutcome(created, refused)


def _relative(violations: Iterable[Json]) -> list[Json]:
    """The violations with paths in the contract, without ``/contracts/INDEX``."""
    return [
        violation | {"path": "".join(f"/{part}" for part in violation["path"].split("/")[3:])}
        for violation in violations
    ]


def _list_files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)
    return [path]


def _read_file(file: Path, max_size: int) -> Iterator[Source]:
    if file.suffix != ".jsonl":
        yield Source(str(file), read_body(file))
        return
    for number, line in enumerate(read_text(file, max_size=max_size).splitlines(), start=1):
        if line.strip():
            name = f"{file}:{number}"
            try:
                body = json.loads(line)
            except ValueError as error:
                raise InputError(f"{name}: The line is not JSON: {error}.") from None
            if not isinstance(body, dict):
                raise InputError(f"{name}: The line is not a contract. Write one object on each line.")
            yield Source(name, body)


def _split(bodies: Sequence[Json]) -> Iterator[tuple[int, int]]:
    """The ranges of bodies that fit in one request each."""
    start = size = 0
    for index, body in enumerate(bodies):
        body_size = len(json.dumps(body)) + 2
        if index > start and (index - start == _MAX_CONTRACTS or size + body_size > _MAX_REQUEST_BYTES):
            yield start, index
            start, size = index, 0
        size += body_size
    if start < len(bodies):
        yield start, len(bodies)
