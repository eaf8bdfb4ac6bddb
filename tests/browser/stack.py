"""Tidemark as a process, with the contracts of the showcase."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
from showcase import Showcase

from tidemark.stack import ports

_START_TIMEOUT_SECONDS, _COUNT_TIMEOUT_SECONDS = 240, 60


class Stack(NamedTuple):
    """A running system: its address, and its Kafka."""

    address: str
    kafka: str


@contextmanager
def running_stack(*, open_: bool = True) -> Iterator[Stack]:
    """Start everything in a new data directory, and create the showcase."""
    with tempfile.TemporaryDirectory(prefix="tidemark-browser-") as folder:
        port = ports.find_free()
        address = f"http://127.0.0.1:{port}"
        log = Path(folder) / "up.log"
        command = [Path(sys.executable).parent / "tidemark", "up", "--data-dir", f"{folder}/data", "--port", str(port)]
        environment = {**os.environ, "TIDEMARK_OPEN": "1" if open_ else "0"}
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            try:
                with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
                    _wait(lambda: _is_ready(client, process, log), _START_TIMEOUT_SECONDS, log)
                    Showcase(client, datetime.now(UTC).date()).create()
                    _wait(lambda: _is_counted(client), _COUNT_TIMEOUT_SECONDS, log)
                yield Stack(address, _read_setting(f"{folder}/data", "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS"))
            finally:
                process.terminate()
                process.wait(60)


def _read_setting(folder: str, name: str) -> str:
    command = [Path(sys.executable).parent / "tidemark", "env", "--data-dir", folder]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)[name]


def _is_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def _is_counted(client: httpx.Client) -> bool:
    """Whether the list shows the work: one contract is over its hours."""
    response = client.get("/v1/balances", params={"attention": "over"})
    return response.is_success and bool(response.json()["items"])


def _wait(condition, timeout_seconds: float, log: Path) -> None:
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
