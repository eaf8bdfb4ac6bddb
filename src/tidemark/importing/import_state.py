"""The state of imports in a SQLite file: a crashed import resumes, and a later one sends only what changed."""

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
-- Append-only, for speed: the last row of a key is the current one.
CREATE TABLE IF NOT EXISTS sent (key TEXT NOT NULL, digest BLOB NOT NULL, updated_at TEXT NOT NULL);
-- Contracts that imports have created. An import changes no other contract.
CREATE TABLE IF NOT EXISTS contract (id TEXT PRIMARY KEY);
"""
DELETED = b""
"""The digest of a worklog that was deleted."""
_TICK = timedelta(microseconds=1)


class Checkpoint(NamedTuple):
    """A record that Kafka has acknowledged: its key, the digest of its content, and its ``updated_at``."""

    key: str
    digest: bytes
    updated_at: str


class ImportState:
    """The state of all imports from one source into one topic of one cluster."""

    def __init__(self, folder: Path, *target: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256("\n".join(target).encode()).hexdigest()[:16]
        self._connection = sqlite3.connect(folder / f"{name}.sqlite", timeout=30)
        self._connection.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def start(self, fingerprint: str, now: datetime) -> datetime:
        """Start an import. Returns the start of the unfinished import of the same file and mapping, else ``now``."""
        last = self._connection.execute("SELECT fingerprint, started_at, finished FROM import").fetchone()
        if last and last[0] == fingerprint and not last[2]:
            return datetime.fromisoformat(last[1])
        if last:
            # A later import must have a later start, even if the clock was set back.
            now = max(now, datetime.fromisoformat(last[1]) + _TICK)
        with self._connection as connection:
            connection.execute("DELETE FROM import")
            connection.execute(
                "INSERT INTO import (fingerprint, started_at, finished) VALUES (?, ?, 0)",
                (fingerprint, format_timestamp(now)),
            )
        return now

    def finish(self) -> None:
        """Mark the import as finished: Kafka has acknowledged every record."""
        with self._connection as connection:
            connection.execute("UPDATE import SET finished = 1")

    def load_contracts(self) -> set[str]:
        """The ids of the contracts that imports have created."""
        return {contract_id for (contract_id,) in self._connection.execute("SELECT id FROM contract")}

    def save_contract(self, contract_id: str) -> None:
        """Save that an import has created a contract."""
        with self._connection as connection:
            connection.execute("INSERT OR IGNORE INTO contract (id) VALUES (?)", (contract_id,))

    def load_checkpoints(self) -> dict[str, Checkpoint]:
        """The current checkpoint of each key."""
        rows = self._connection.execute("SELECT key, digest, updated_at FROM sent ORDER BY rowid")
        return {row[0]: Checkpoint(*row) for row in rows}

    def save_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Save the checkpoints of records that Kafka has acknowledged."""
        with self._connection as connection:
            connection.executemany("INSERT INTO sent (key, digest, updated_at) VALUES (?, ?, ?)", checkpoints)


def next_updated_at(previous: str, updated_at: datetime, *, stated: bool) -> str:
    """The ``updated_at`` for a row that has changed since it was sent with ``previous``.

    It must be later to win. The exception is an earlier time that the source itself ``stated``: that row is older.
    """
    previous_time = datetime.fromisoformat(previous)
    if updated_at > previous_time or (stated and updated_at < previous_time):
        return format_timestamp(updated_at)
    return format_timestamp(previous_time + _TICK)
