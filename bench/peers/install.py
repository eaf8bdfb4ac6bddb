"""Peers installed for the benchmark alone: each into a folder of its own in the user's cache, once."""

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

_FILES = Path(__file__).parent
# Those that Flink 2 runs on.
_JAVA_VERSIONS = ("17", "21")
FLINK = ("apache-flink==2.3.0", "apache-flink-libraries==2.3.0")
FLINK_JARS = (
    "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",
    "org.apache.flink:flink-connector-jdbc-core:4.0.0-2.0",
    "org.apache.flink:flink-connector-jdbc-postgres:4.0.0-2.0",
    "org.postgresql:postgresql:42.7.7",
)
KAFKA_STREAMS_JARS = (
    "org.apache.kafka:kafka-streams:4.3.1",
    "org.postgresql:postgresql:42.7.7",
    "org.slf4j:slf4j-simple:1.7.36",
)
PATHWAY = ("pathway==0.33.0",)


class InstallError(Exception):
    """A peer that cannot be had, with the reason."""


def flink() -> list[str]:
    """Flink SQL: the command that runs its job."""
    _java()

    def install(folder: Path) -> None:
        _virtual_environment(folder, FLINK)
        library = next(folder.glob("lib/python*/site-packages/pyflink/lib"))
        _download(FLINK_JARS, library)

    return [str(_installed("flink", (*FLINK, *FLINK_JARS), install) / "bin/python"), str(_FILES / "flink_sql.py")]


def kafka_streams() -> list[str]:
    """Kafka Streams: the command that runs its topology."""
    java, source = _java(), _FILES / "LastWriterSums.java"
    if not (compiler := shutil.which("javac")):
        raise InstallError("There is no javac on the PATH.")

    def install(folder: Path) -> None:
        folder.mkdir()
        _download(_resolve(KAFKA_STREAMS_JARS), folder)

    folder = _installed("kafka-streams", KAFKA_STREAMS_JARS, install)
    _run([compiler, "-cp", f"{folder}/*", "-d", str(folder / "classes"), str(source)])
    return [java, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{folder}/classes:{folder}/*", source.stem]


def pathway() -> list[str]:
    """Pathway: the command that runs its pipeline."""
    folder = _installed("pathway", PATHWAY, lambda folder: _virtual_environment(folder, PATHWAY))
    spawn = [str(folder / "bin/pathway"), "spawn", "--threads", "2"]
    return [*spawn, str(folder / "bin/python"), str(_FILES / "pathway_sums.py")]


def _installed(name: str, packages: Iterable[str], install: Callable[[Path], None]) -> Path:
    """The folder of a peer, installed unless a file beside it says that these packages are there."""
    root, content = _root(), "\n".join(packages)
    folder, complete = root / name, root / f"{name}.complete"
    if not complete.exists() or complete.read_text() != content:
        root.mkdir(parents=True, exist_ok=True)
        complete.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            install(folder)
        except (OSError, RuntimeError) as error:  # what requests raises, and jgo
            raise InstallError(f"{name} could not be installed: {error}") from error
        complete.write_text(content)
    return folder


def _root() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tidemark/bench"


def _virtual_environment(folder: Path, requirements: Iterable[str]) -> None:
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *requirements])


def _run(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the commands are the benchmark's own
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise InstallError(f"{Path(command[0]).name} failed: {' '.join(done.stdout.splitlines()[-3:])}")
    return done.stdout


def _java() -> str:
    java, needed = shutil.which("java"), f"Java {' or '.join(_JAVA_VERSIONS)} is needed"
    if java is None:
        raise InstallError(f"There is no java on the PATH; {needed}.")
    version = _run([java, "-version"]).partition("\n")[0]
    if not any(f'version "{number}' in version for number in _JAVA_VERSIONS):
        raise InstallError(f"{needed}, and the java on the PATH is {version}.")
    return java


def _resolve(roots: Iterable[str]) -> list[str]:
    """The coordinates of these and of all that they need to run."""
    context = _maven()
    coordinates: set[str] = set()
    for root in roots:
        for dependencies in context.resolver.resolve([context.create_dependency(root)]):
            coordinates |= {f"{item.groupId}:{item.artifactId}:{item.version}" for item in dependencies}
    return sorted(coordinates)


def _download(coordinates: Iterable[str], folder: Path) -> None:
    context = _maven()
    for coordinate in coordinates:
        group, artifact, version = coordinate.split(":")
        shutil.copy(context.project(group, artifact).at_version(version).artifact().resolve(), folder)


def _maven():  # noqa: ANN202 - jgo publishes no types
    from jgo.maven import MavenContext  # noqa: PLC0415 - half a second that no other benchmark need spend

    # Some networks have an authority of their own: this machine knows it, and the bundle of `requests` does not.
    if authorities := ssl.get_default_verify_paths().cafile:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)
    return MavenContext(repo_cache=_root() / "maven", timeout=60)
