"""What a data directory remembers from one life of the stack to the next, and that only one lives on it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, PrivateAttr

from tidemark.stack import ports
from tidemark.stack.processes import Mark, StackError


class State(BaseModel):
    """Ports, secrets, what runs, and the settings that reach it; in a file that its owner alone reads."""

    file: Path = Field(exclude=True)
    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}
    # The settings that name the stack's own parts, to tell them from those that a person set.
    embedded: dict[str, str] = {}
    environment: dict[str, str] = {}
    supervisor: Mark | None = None
    parts: dict[str, Mark] = {}
    _settled: set[str] = PrivateAttr(default_factory=set)

    @classmethod
    def load(cls, data_dir: Path) -> Self:
        """What ``data_dir`` remembers; nothing where it is new."""
        file = data_dir / "state.json"
        known = json.loads(file.read_bytes()) if file.exists() else {}
        return cls(file=file, **known)

    def save(self) -> None:
        """Write it all, so that a crash leaves either the old or the new."""
        new = self.file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.file)

    def port(self, part: str) -> int:
        """The port of a part: the one it had, so that clients find it again, unless another has taken that."""
        if part not in self._settled:
            others = {port for name, port in self.ports.items() if name != part}
            port = self.ports.get(part) or ports.free()
            while port in others or not ports.is_free(port):
                port = ports.free()
            self.ports[part] = port
            self._settled.add(part)
        return self.ports[part]

    def secret(self, name: str) -> str:
        """A secret that stays the same."""
        return self.secrets.setdefault(name, secrets.token_urlsafe(32))


@contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Keep other stacks from ``data_dir``. The system lets go of it, however this process ends."""
    # Mails and figures are for the owner alone.
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Tidemark already runs on {data_dir}; stop that one, or give this one another --data-dir."
            ) from None
        yield


def environment(data_dir: Path) -> dict[str, str]:
    """The settings of the stack that runs on ``data_dir``; nothing where none does."""
    state = State.load(data_dir)
    return state.environment if state.supervisor and state.supervisor.process() else {}
