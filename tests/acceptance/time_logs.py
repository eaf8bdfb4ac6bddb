"""Time logs in the format of the CESAW data set, and their totals, computed without any of the importer's code."""

import csv
import lzma
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

COLUMNS = (
    "time_log_fact_key", "organization", "project_key", "person_key", "team_key", "plan_item_key",
    "time_log_start_date", "time_log_delta_minutes", "phase_short_name",
)  # fmt: skip


ACCOUNTS = {
    "Test": {
        "Test", "Int Test", "IT", "Accept Test", "Sys Test", "Test Devel", "Int Test Plan", "Sys Test Plan",
        "Auto-Test Case Dev", "Auto-Test Case Design", "Auto-Test Case Review", "Auto-Test Case Inspect",
        "Man-Test Case Inspect", "Man-Test Case Design", "Man-Test Case Dev", "Man-Test Case Review", "Unit Test Devel",
    },
    "Requirements": {"Reqts", "Reqts Inspect", "Reqts Review", "Ident", "Ident Inspect", "Requirements of tomorrow"},
    "Design": {"Design", "Design Inspect", "Design Review", "HLD", "HLD Inspect", "HLD Review", "dld"},
    "Code": {"Code", "Code Inspect", "Code Review", "Compile"},
    "Management": {"Planning", "Postmortem", "Strategy", "Product Life", "Demo-Plan"},
}  # fmt: skip


ACCOUNT_OF = {phase: account for account, phases in ACCOUNTS.items() for phase in phases}


class Log(NamedTuple):
    """A row that is a worklog."""

    worklog: str
    issue: str
    person: str
    team: str
    contract: str
    account: str
    day: date
    seconds: int


def read(file: Path) -> tuple[list[Log], dict[int, str]]:
    """The worklogs of a file, and the lines that are none with the reason."""
    logs, refused = [], {}
    with lzma.open(file, "rt", newline="") if file.suffix == ".xz" else file.open(newline="") as text:
        for line, record in enumerate(csv.DictReader(text), 2):
            row = {name: "" if value in {"", r"\N", "NULL", "NA"} else value for name, value in record.items()}
            keys = [row[name] for name in ("time_log_fact_key", "plan_item_key", "person_key", "project_key")]
            minutes, start = row["time_log_delta_minutes"], row["time_log_start_date"]
            if not all(keys) or not minutes:
                refused[line] = "missing_value"
            elif not minutes.lstrip("-").replace(".", "").isdigit():
                refused[line] = "unreadable_duration"
            elif float(minutes) == 0:
                refused[line] = "no_time"
            elif float(minutes) < 0:
                refused[line] = "negative_duration"
            elif not start:
                refused[line] = "missing_value"
            else:
                try:
                    day = datetime.strptime(start, "%m/%d/%Y %H:%M").date()  # noqa: DTZ007 - the file has no zone
                except ValueError:
                    refused[line] = "unreadable_date"
                    continue
                team = f"Team {row['team_key']}" if row["team_key"] else ""
                account = ACCOUNT_OF.get(row["phase_short_name"], "Other work")
                seconds = round(float(minutes) * 60)
                contract = f"CESAW-{row['project_key']}"
                logs.append(Log(keys[0], keys[1], keys[2], team, contract, account, day, seconds))
    return logs, refused


def slice_teams(logs: Iterable[Log]) -> dict[tuple[str, str], set[str]]:
    """The teams with slices: the four of an account with most time."""
    logged: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for log in logs:
        if log.team:
            logged[log.contract, log.account][log.team] += log.seconds
    return {
        account: {team for team, _ in sorted(teams.items(), key=lambda item: (-item[1], item[0]))[:4]}
        for account, teams in logged.items()
    }


def by_account(logs: Iterable[Log]) -> dict[tuple[str, str], int]:
    totals = Counter[tuple[str, str]]()
    for log in logs:
        totals[log.contract, log.account] += log.seconds
    return dict(totals)


def by_slice(logs: Iterable[Log], slices: dict[tuple[str, str], set[str]]) -> dict[tuple[str, str, str | None], int]:
    totals = Counter[tuple[str, str, str | None]]()
    for log in logs:
        team = log.team if log.team in slices.get((log.contract, log.account), ()) else None
        totals[log.contract, log.account, team] += log.seconds
    return dict(totals)


def renamed(logs: Iterable[Log], prefix: str) -> list[Log]:
    return [log._replace(contract=log.contract.replace("CESAW", prefix)) for log in logs]


PHASES = ["Code", "dld", "Requirements of tomorrow", "", r"\N", "Telepathy", "3.5", "Test", "Planning"]


DIRT = [r"\N", "", "text", "-3", "1.5", "NULL", "0", "2016-01-11 16:22:26", "13/45/2012 10:00"]


def rows_of_another_part(count: int, *, dirty: bool, seed: int) -> Iterator[dict[str, str]]:
    chance = random.Random(seed)
    items = [(f"{9000 + number}", f"{500 + number % 3}", chance.choice(PHASES)) for number in range(200)]
    for number in range(count):
        item, project, phase = chance.choice(items)
        row = {
            "time_log_fact_key": str(number),
            "organization": chance.choice(["E", "E", "E", "", r"\N"]),
            "project_key": project,
            "person_key": str(chance.randrange(40)),
            "team_key": chance.choice(["901", "902", "903", "904", "905", "906", r"\N"]),
            "plan_item_key": item,
            "time_log_start_date": f"{chance.randint(1, 12)}/{chance.randint(1, 28)}/2015 {chance.randrange(24)}:05",
            "time_log_delta_minutes": str(chance.randint(1, 3000)),
            "phase_short_name": phase,
        }
        if dirty and chance.random() < 0.2:
            column = chance.choice(["time_log_start_date", "time_log_delta_minutes", "person_key"])
            row[column] = chance.choice(DIRT)
        if dirty and chance.random() < 0.05:
            column = chance.choice(["time_log_fact_key", "project_key", "plan_item_key"])
            row[column] = chance.choice([r"\N", "", "NULL"])
        yield row


def write(file: Path, rows: Iterable[dict[str, str]]) -> Path:
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return file
