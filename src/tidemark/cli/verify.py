"""``tidemark verify``: compare the figures with the facts (SPEC 6)."""

import asyncio
from typing import Any, Literal

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR, AsJson, DataDir, load_settings
from tidemark.cli.output import print_json, print_line, report_errors, show_wait
from tidemark_shared.log import log_only_errors


def verify(data_dir: DataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """Recompute every figure from the facts and compare, while the system runs; exit with status 1 on a difference."""
    with report_errors():
        url = load_settings(data_dir).service_database_url("consumption")
        with show_wait("Recomputing every figure from the facts …"):
            findings = asyncio.run(run_replay(url, "verify"))
    if as_json:
        differences = [difference._asdict() for difference in findings.first]
        print_json({"total": findings.total, "differences": differences})
    elif findings.total:
        print_differences(findings)
        print_line("Run `tidemark rebuild` to repair these rows.", error=True)
    else:
        print_line("All rows match the facts.")
    raise typer.Exit(1 if findings.total else 0)


async def run_replay(url: str, operation: Literal["verify", "rebuild", "rebuild_if_due"]) -> Any:
    """Verify or rebuild the tables of consumption. Returns the findings, or None if no rebuild was due."""
    # Imported here: the code of the services would double the start-up time of every other command.
    from tidemark_consumption import replay  # noqa: PLC0415

    log_only_errors()
    async with replay.open_pool(url) as pool, pool.acquire() as connection:
        return await getattr(replay, operation)(connection)


def print_differences(findings: Any) -> None:
    """Print each difference with its table and key, then the number of those that are not shown."""
    for difference in findings.first:
        actual, expected = difference.actual or {}, difference.expected or {}
        columns = [name for name in (actual or expected) if actual.get(name) != expected.get(name)]
        key = ", ".join(f"{name} {value}" for name, value in difference.key.items())
        if difference.actual is None:
            description = "is missing"
        elif difference.expected is None:
            description = "should not exist"
        else:
            description = "; ".join(f"{name} is {actual[name]}, should be {expected[name]}" for name in columns)
        print_line(f"{difference.relation}: {key}: {description}")
    if findings.total > len(findings.first):
        print_line(f"… and {findings.total - len(findings.first)} more")
