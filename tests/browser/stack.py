"""Tidemark as a process, with the contracts of the demo."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from tidemark.stack import ports

_START_TIMEOUT_SECONDS, _COUNT_TIMEOUT_SECONDS = 400, 60


class Stack(NamedTuple):
    """A running system: its address, and the data directory that has its settings."""

    address: str
    data_dir: Path


@contextmanager
def running_stack(*, open_: bool = True) -> Iterator[Stack]:
    """Start everything in a new data directory, and load the demo."""
    with tempfile.TemporaryDirectory(prefix="tidemark-browser-") as folder:
        data_dir, log, port = Path(folder, "data"), Path(folder, "up.log"), ports.find_free()
        address = f"http://127.0.0.1:{port}"
        tidemark = Path(sys.executable).parent / "tidemark"
        command = [tidemark, "up", "--demo", "--data-dir", data_dir, "--port", str(port)]
        environment = {**os.environ, "TIDEMARK_OPEN": "1" if open_ else "0"}
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            try:
                _wait(lambda: _has_demo(data_dir, process, log), _START_TIMEOUT_SECONDS, log)
                with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
                    _wait(lambda: _is_counted(client), _COUNT_TIMEOUT_SECONDS, log)
                yield Stack(address, data_dir)
            finally:
                process.terminate()
                process.wait(60)


def _has_demo(data_dir: Path, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return (data_dir / "demonstration-told").exists()


def _is_counted(client: httpx.Client) -> bool:
    """Whether the demo's work is counted: a contract is over its hours, and the closed one has its statement."""
    addresses = ("/v1/balances?attention=over", "/v1/contracts/BLUE-SUP/statements")
    responses = [client.get(address) for address in addresses]
    return all(response.is_success and response.json()["items"] for response in responses)


def _wait(condition, timeout_seconds: float, log: Path) -> None:
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
