"""What an import remembers, so that a killed one goes on and a later one sends only what changed: a SQLite file."""

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

from tidemark_shared.messaging.events import format_timestamp

_TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS import (fingerprint TEXT NOT NULL, started_at TEXT NOT NULL, finished INTEGER NOT NULL);
-- Only ever appended to, which is what makes it quick: of several rows of a key the last one holds.
CREATE TABLE IF NOT EXISTS sent (key TEXT NOT NULL, digest BLOB NOT NULL, updated_at TEXT NOT NULL);
"""
_INSTANT = timedelta(microseconds=1)


class Sent(NamedTuple):
    """What Kafka has acknowledged under a key: what it said, and as of when."""

    key: str
    digest: bytes
    updated_at: str


class Memory:
    """The memory of all imports of one source into one topic of one cluster."""

    def __init__(self, folder: Path, *target: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(target).encode()).hexdigest()[:16]
        self._connection = sqlite3.connect(folder / f"{name}.sqlite", timeout=30)
        self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def begin(self, fingerprint: str, now: datetime) -> datetime:
        """The import's first start: that of the unfinished import of the same file and mapping, else ``now``."""
        last = self._connection.execute("SELECT fingerprint, started_at, finished FROM import").fetchone()
        if last and last[0] == fingerprint and not last[2]:
            return datetime.fromisoformat(last[1])
        if last:
            # A clock set back must not make the later import the earlier one.
            now = max(now, datetime.fromisoformat(last[1]) + _INSTANT)
        with self._connection as connection:
            connection.execute("DELETE FROM import")
            connection.execute("INSERT INTO import VALUES (?, ?, 0)", (fingerprint, format_timestamp(now)))
        return now

    def finish(self) -> None:
        """Everything of the import has been acknowledged."""
        with self._connection as connection:
            connection.execute("UPDATE import SET finished = 1")

    def sent(self) -> dict[str, Sent]:
        """All that has been acknowledged, by key."""
        rows = self._connection.execute("SELECT key, digest, updated_at FROM sent ORDER BY rowid")
        return {row[0]: Sent(*row) for row in rows}

    def remember(self, sent: Sequence[Sent]) -> None:
        """Kafka has acknowledged these."""
        with self._connection as connection:
            connection.executemany("INSERT INTO sent VALUES (?, ?, ?)", sent)


def later(known: str, own: datetime, *, stated: bool) -> str:
    """The ``updated_at`` of a row that is not what was sent before as of ``known``.

    It must be later to count, unless the source itself ``stated`` an earlier time: then it is the older truth.
    """
    if own > (before := datetime.fromisoformat(known)) or (stated and own < before):
        return format_timestamp(own)
    return format_timestamp(before + _INSTANT)
