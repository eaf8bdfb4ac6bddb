"""Demo data for `make run`: the story of an agreement, and a portfolio of other customers.

Loaded once for each data directory. Every entity is looked up before it is created, so an interrupted demo continues.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError

from tidemark.api import open_api
from tidemark.cli.output import SafeConsole
from tidemark.demo import acme, portfolio, story
from tidemark.program import command_line
from tidemark_client import TidemarkError
from tidemark_shared.settings import Settings


def run(settings: Settings, data_dir: Path, *, maildir: Path | None = None, now: datetime | None = None) -> None:
    """Load the demo data, unless ``data_dir`` has it. Mails are read from ``maildir``, if there is one."""
    marker = data_dir / "demonstration-told"
    if marker.exists():
        return
    now = now or datetime.now(UTC)
    if maildir is None and (path := os.environ.get("TIDEMARK_MAILDIR")):
        maildir = Path(path)
    console = SafeConsole(soft_wrap=True)
    try:
        with open_api(settings) as api:
            asyncio.run(story.tell(api, settings, console, maildir=maildir, now=now))
            console.print("Loading five other customers and their last months …")
            portfolio.load(api, now)
    except (
        story.StoryError,
        TidemarkError,
        KafkaError,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as error:
        reason = str(error).removesuffix(".")
        console.print(f"The demo stopped: {reason}. The next start with --demo continues it.")
        return
    command = command_line(data_dir, "status", acme.CODE)
    console.print(f"To see more, open {settings.public_url} or run, in another terminal:\n  {command}")
    data_dir.mkdir(parents=True, exist_ok=True)
    marker.touch()
