"""The state of a stack in its data directory, and the lock that keeps a second stack out of it."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, BaseModel, Field, PrivateAttr

from tidemark.stack import ports
from tidemark.stack.processes import ProcessIdentity, StackError


class State(BaseModel):
    """Ports, secrets, running processes, and their settings. The file is readable by its owner only."""

    file: Path = Field(exclude=True)
    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}
    # The settings of embedded components. They differ from those that the user set.
    embedded: dict[str, str] = {}
    environment: dict[str, str] = {}
    supervisor: ProcessIdentity | None = None
    # `parts` in data directories of earlier versions.
    components: dict[str, ProcessIdentity] = Field({}, validation_alias=AliasChoices("components", "parts"))
    _chosen: set[str] = PrivateAttr(default_factory=set)

    @classmethod
    def load(cls, data_dir: Path) -> Self:
        """The state of ``data_dir``; empty if it is new."""
        file = data_dir / "state.json"
        stored = json.loads(file.read_bytes()) if file.exists() else {}
        return cls(file=file, **stored)

    def save(self) -> None:
        """Write the state; a crash leaves either the old or the new file."""
        new = self.file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(self.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.file)

    def port(self, component: str) -> int:
        """The port of a component: the previous one, so that clients find it again, unless another process has it."""
        if component not in self._chosen:
            other_ports = {port for name, port in self.ports.items() if name != component}
            port = self.ports.get(component) or ports.find_free()
            while port in other_ports or not ports.is_free(port):
                port = ports.find_free()
            self.ports[component] = port
            self._chosen.add(component)
        return self.ports[component]

    def secret(self, name: str) -> str:
        """A secret that is created once and then stays the same."""
        return self.secrets.setdefault(name, secrets.token_urlsafe(32))


def make_private(data_dir: Path) -> None:
    """Let only the owner read what is in ``data_dir``: mails, figures, logs. Its parents stay as they are.

    New files are private by the umask, which the components inherit. An earlier version left some that are not.
    """
    os.umask(0o077)
    for name in ("kafka", "logs", "maildir", "imports", "lock", "kafka.properties"):
        path = data_dir / name
        if path.exists() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Lock ``data_dir`` against other stacks. The system releases the lock however this process ends."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_private(data_dir)
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"Tidemark already runs on {data_dir}. Stop it, or use another directory with --data-dir."
            ) from None
        yield


def load_environment(data_dir: Path) -> dict[str, str]:
    """The settings of the stack that runs on ``data_dir``; empty if none runs."""
    state = State.load(data_dir)
    return state.environment if state.supervisor and state.supervisor.find_process() else {}
