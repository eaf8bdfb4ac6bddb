"""``tidemark verify`` and ``tidemark rebuild``: tables held against what they follow from (SPEC 6)."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tidemark.importing.cli import DataDir, settings
from tidemark.sentences import sentences
from tidemark_shared.database import connect_pool
from tidemark_shared.log import only_errors

_HERE = Path(".tidemark")


def verify(
    data_dir: DataDir = _HERE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """Work everything out anew from the facts and compare, while the system runs; status 1 where something differs."""
    with sentences():
        found = asyncio.run(_recalled(settings(data_dir).database("consumption"), "verify"))
    if as_json:
        typer.echo(json.dumps({"total": found.total, "differences": [one._asdict() for one in found.first]}))
    elif found.total:
        _tell(found)
        typer.echo("`tidemark rebuild` makes them what the facts say.", err=True)
    else:
        typer.echo("Every row is what the facts say.")
    raise typer.Exit(1 if found.total else 0)


def rebuild(
    service: Annotated[Literal["consumption", "contracts"], typer.Argument(help="Whose tables.")] = "consumption",
    data_dir: DataDir = _HERE,
) -> None:
    """Make the tables that follow from facts or events anew, and switch to them at once, while the system runs."""
    with sentences():
        url = settings(data_dir).database(service)
        if service == "consumption":
            found = asyncio.run(_recalled(url, "rebuild"))
            _tell(found)
            typer.echo(f"Rows mended: {found.total}")
            return
        from tidemark_contracts.rebuild import rebuild as contracts  # noqa: PLC0415 - as below

        typer.echo(f"Contracts rebuilt: {asyncio.run(contracts(url))}")


async def _recalled(url: str, what: Literal["verify", "rebuild"]) -> Any:
    # Loaded here: the code of the services would double the time that every other command takes to start.
    from tidemark_consumption import recall  # noqa: PLC0415

    only_errors()
    async with (
        await connect_pool(url, "consumption", size=1, init=recall.prepare) as pool,
        pool.acquire() as connection,
    ):
        return await getattr(recall, what)(connection)


def _tell(found: Any) -> None:
    for one in found.first:
        kept, right = one.kept or {}, one.right or {}
        columns = [name for name in (kept or right) if kept.get(name) != right.get(name)]
        place = ", ".join(f"{name} {value}" for name, value in one.key.items())
        if one.kept is None:
            typer.echo(f"{one.relation}: {place}: is missing")
        elif one.right is None:
            typer.echo(f"{one.relation}: {place}: should not be there")
        else:
            differ = "; ".join(f"{name} is {kept[name]}, should be {right[name]}" for name in columns)
            typer.echo(f"{one.relation}: {place}: {differ}")
    if found.total > len(found.first):
        typer.echo(f"… and {found.total - len(found.first)} more")
