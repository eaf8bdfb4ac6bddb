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
        if self.skipped:
            return f"| {self.fault} | not tried: {self.skipped} | | | | |"
        return f"| {self.fault} | {self.work} | {self.lost} | {self.doubled} | {self.copies} | {self.seconds:.0f} |"


def write_results(results):
    """Replace the table."""
    memory = round(psutil.virtual_memory().total / 2**30)
    machine = f"{platform.system()}, {platform.machine()}, {os.cpu_count()} cores, {memory} GiB of memory"
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [
        "",
        f"Run on {datetime.now(UTC):%d %B %Y} on {machine}.",
        "",
        "| fault | work logged | lost | doubled | second copies of mails | seconds to recover |",
        "|---|---:|---:|---:|---:|---:|",
        *(result.row() for result in results),
        "",
    ]
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)
