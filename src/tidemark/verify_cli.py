"""``tidemark verify`` and ``tidemark rebuild``: tables held against what they follow from (SPEC 6)."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tidemark.importing.cli import DataDir, settings
from tidemark.sentences import sentences
from tidemark_shared.database import connect_pool
from tidemark_shared.log import log_only_errors

_HERE = Path(".tidemark")


def verify(
    data_dir: DataDir = _HERE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print for programs.")] = False,
) -> None:
    """Recompute everything from the facts and compare, while the system runs; status 1 where something differs."""
    with sentences():
        findings = asyncio.run(replayed(settings(data_dir).service_database_url("consumption"), "verify"))
    if as_json:
        typer.echo(
            json.dumps(
                {"total": findings.total, "differences": [difference._asdict() for difference in findings.first]}
            )
        )
    elif findings.total:
        _print_differences(findings)
        typer.echo("`tidemark rebuild` makes them what the facts say.", err=True)
    else:
        typer.echo("Every row is what the facts say.")
    raise typer.Exit(1 if findings.total else 0)


def rebuild(
    service: Annotated[Literal["consumption", "contracts"], typer.Argument(help="Whose tables.")] = "consumption",
    data_dir: DataDir = _HERE,
) -> None:
    """Make the tables that follow from facts or events anew, and switch to them at once, while the system runs."""
    with sentences():
        url = settings(data_dir).service_database_url(service)
        if service == "consumption":
            findings = asyncio.run(replayed(url, "rebuild"))
            _print_differences(findings)
            typer.echo(f"Rows repaired: {findings.total}")
            return
        from tidemark_contracts.contract.rebuild import rebuild as contracts  # noqa: PLC0415 - as below

        typer.echo(f"Contracts rebuilt: {asyncio.run(contracts(url))}")


async def replayed(url: str, what: Literal["verify", "rebuild", "rebuild_if_due"]) -> Any:
    """Verify or rebuild consumption's tables; the findings, or None where no rebuild was due."""
    # Loaded here: the code of the services would double the time that every other command takes to start.
    from tidemark_consumption import replay  # noqa: PLC0415

    log_only_errors()
    async with (
        await connect_pool(url, "consumption", size=1, init=replay.prepare) as pool,
        pool.acquire() as connection,
    ):
        return await getattr(replay, what)(connection)


def _print_differences(findings: Any) -> None:
    for difference in findings.first:
        actual, expected = difference.actual or {}, difference.expected or {}
        columns = [name for name in (actual or expected) if actual.get(name) != expected.get(name)]
        key = ", ".join(f"{name} {value}" for name, value in difference.key.items())
        if difference.actual is None:
            typer.echo(f"{difference.relation}: {key}: is missing")
        elif difference.expected is None:
            typer.echo(f"{difference.relation}: {key}: should not be there")
        else:
            changes = "; ".join(f"{name} is {actual[name]}, should be {expected[name]}" for name in columns)
            typer.echo(f"{difference.relation}: {key}: {changes}")
    if findings.total > len(findings.first):
        typer.echo(f"… and {findings.total - len(findings.first)} more")
