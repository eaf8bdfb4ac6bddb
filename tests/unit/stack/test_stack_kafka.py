import hashlib
from pathlib import Path

import pytest

from tidemark.stack import kafka
from tidemark.stack.processes import StackError

_JARS = {"org.a:one:1.0": b"first jar", "org.b:two:2.0": b"second jar"}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache's folder, with a lock of two jars."""
    lock = tmp_path / "kafka.lock"
    lines = (f"{coordinate} {hashlib.sha256(jar).hexdigest()}\n" for coordinate, jar in _JARS.items())
    lock.write_text("# a comment\n" + "".join(lines))
    monkeypatch.setattr(kafka, "_LOCK", lock)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tidemark"


def _registry(monkeypatch: pytest.MonkeyPatch, jars: dict[str, bytes], *, breaks_after: int | None = None) -> list[str]:
    """A registry that serves ``jars``. Returns the requested coordinates."""
    requested: list[str] = []

    def download(coordinates: list[str], folder: Path) -> Path:
        for coordinate in coordinates:
            if len(requested) == breaks_after:
                raise KeyboardInterrupt
            requested.append(coordinate)
            _, artifact, version = coordinate.split(":")
            (folder / f"{artifact}-{version}.jar").write_bytes(jars[coordinate])
        return folder

    monkeypatch.setattr(kafka, "_download", download)
    return requested


def _jars(cache: Path) -> dict[str, bytes]:
    return {jar.name: jar.read_bytes() for jar in cache.glob("*/*.jar")}


def test_jars_are_downloaded_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested = _registry(monkeypatch, _JARS)
    kafka.fetch_jars()
    kafka.fetch_jars()
    assert requested == list(_JARS)
    assert _jars(cache) == {"one-1.0.jar": b"first jar", "two-2.0.jar": b"second jar"}


def test_interrupted_download_is_repeated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _registry(monkeypatch, _JARS, breaks_after=1)
    with pytest.raises(KeyboardInterrupt):
        kafka.fetch_jars()
    assert list(cache.iterdir()) == []
    _registry(monkeypatch, _JARS)
    kafka.fetch_jars()
    assert len(_jars(cache)) == 2


def test_jar_with_a_wrong_checksum_raises_stack_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _registry(monkeypatch, {**_JARS, "org.b:two:2.0": b"another jar"})
    with pytest.raises(StackError, match=r"checksum of org\.b:two:2\.0 differs from kafka\.lock"):
        kafka.fetch_jars()
    assert _jars(cache) == {}


def test_damaged_cache_is_downloaded_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _registry(monkeypatch, _JARS)
    kafka.fetch_jars()
    (jar,) = cache.glob("*/one-1.0.jar")
    jar.write_bytes(b"first")
    kafka.fetch_jars()
    assert jar.read_bytes() == b"first jar"


@pytest.mark.usefixtures("cache")
def test_unreachable_registry_raises_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(_: list[str], __: Path) -> Path:
        raise ConnectionError("no route")

    monkeypatch.setattr(kafka, "_download", download)
    with pytest.raises(StackError, match=r"could not be downloaded \(no route\)\. Check that .* can be reached"):
        kafka.fetch_jars()


def test_lock_has_one_version_of_each_jar() -> None:
    lock = kafka._read_lock()
    assert f"org.apache.kafka:kafka_2.13:{kafka.VERSION}" in lock
    assert {c.split(":")[2] for c in lock if c.startswith("org.apache.kafka:")} == {kafka.VERSION}
    assert len({c.rpartition(":")[0] for c in lock}) == len(lock)
    assert all(len(sha256) == 64 for sha256 in lock.values())


def test_cluster_id_never_looks_like_an_option() -> None:
    assert {kafka._new_cluster_id()[0] for _ in range(100)} == {"V"}
