"""``tidemark publish``: publish worklog events as they are."""

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, MaxSize, load_settings
from tidemark.cli.output import print_line, report_errors, show_wait
from tidemark.importing.files import DEFAULT_MAX_SIZE, FileError, open_text
from tidemark.importing.run import publish_events


def publish(
    file: Annotated[
        Path, typer.Argument(help="One structured CloudEvent on each line; - reads standard input.")
    ] = Path("-"),
    wait: Annotated[
        float, typer.Option(help="Seconds to wait until the work is counted, to say what does not; 0 does not wait.")
    ] = 10,
    max_size: MaxSize = DEFAULT_MAX_SIZE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check worklog events, publish them unchanged to `worklog.events`, and say which do not count."""
    is_typed = str(file) == "-"
    with (
        report_errors(FileError, hint="Then run the command again."),
        open_text(file, max_size=max_size) as lines,
        nullcontext() if is_typed else show_wait("Publishing …"),
    ):
        delivery, refused_rows = publish_events(lines, load_settings(data_dir), datetime.now(UTC), wait_seconds=wait)
    print_line(f"{delivery.sent:,} published, {len(refused_rows):,} refused.")
    for row in refused_rows:
        print_line(f"line {row.line}: {row.message}", error=True)
    if delivery.problem:
        print_line(delivery.problem, error=True)
    if delivery.reconciliation:
        for reason, count in delivery.reconciliation.unaccounted.items():
            print_line(f"  {count:,} do not count: {reason}")
    if refused_rows:
        raise typer.Exit(1)
