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
    max_size: MaxSize = DEFAULT_MAX_SIZE,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check worklog events, and publish them unchanged to `worklog.events`."""
    is_typed = str(file) == "-"
    with (
        report_errors(FileError, hint="Then run the command again."),
        open_text(file, max_size=max_size) as lines,
        nullcontext() if is_typed else show_wait("Publishing …"),
    ):
        published, refused = publish_events(lines, load_settings(data_dir), datetime.now(UTC))
    print_line(f"{published:,} published, {len(refused):,} refused.")
    for row in refused:
        print_line(f"line {row.line}: {row.message}", error=True)
    if refused:
        raise typer.Exit(1)
