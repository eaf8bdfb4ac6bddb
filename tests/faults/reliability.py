"""The table in docs/reliability.md: what was tried, and what it cost."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
BEGIN, END = "<!-- begin of the table that `make faults` writes -->\n", "<!-- end of the table -->\n"


class Result(NamedTuple):
    """What a fault cost."""

    fault: str
    work: int
    lost: int
    doubled: int
    copies: int
    seconds: float | None
    skipped: str | None = None

    def row(self):
        """A row of the table."""
        day = f"{datetime.now(UTC):%Y-%m-%d}"
        if self.skipped:
            return f"| {self.fault} | {day} | not tried: {self.skipped} | | | | |"
        figures = (self.work, self.lost, self.doubled, self.copies, f"{self.seconds:.0f}")
        return f"| {self.fault} | {day} | {' | '.join(map(str, figures))} |"


def write_result(result):
    """Replace the row of a fault, or add it."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    table, _, after = rest.partition(END)
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("| ")}
    rows.pop("fault", None)
    rows[result.fault] = result.row()
    memory = round(psutil.virtual_memory().total / 2**30)
    lines = [
        "",
        "| fault | tried on | work logged | lost | doubled | second copies of mails | seconds to recover |",
        "|---|---|---:|---:|---:|---:|---:|",
        *rows.values(),
        "",
        f"The machine: {platform.system()}, {platform.machine()}, {os.cpu_count()} cores, {memory} GiB of memory.",
        "",
    ]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)
