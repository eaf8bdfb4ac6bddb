"""The services of the Compose file as podman's containers, each with an address of its own in one network."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import httpx
from build import ENGINE, LIMITS, attempt, run
from compose import Service, run_arguments
from host import GATEWAY, NAMES, NETWORK

_NETWORK_NAME = "tidemark-images"
_READY_SECONDS, _POLL_SECONDS = 300.0, 0.5
_STOP_SECONDS = "20"
# After its own shutdown, uvicorn ends by the signal that it got: 128 + SIGTERM.
_CLEAN_ENDS = ("0", "143")
_FIRST_ADDRESS, _FIRST_SPARE_ADDRESS = 10, 110


class Containers:
    """What runs. A release that replaces another runs beside it at spare addresses, until it has its names."""

    def __init__(self, project: Path, services: Sequence[Service]) -> None:
        self._project = project
        self._names = [service.name for service in services]
        self._started: list[str] = []

    def start(self, services: Iterable[Service], tag: str, *, spare: bool = False) -> None:
        """Start services in order, each once its conditions hold; those that end by themselves must end well."""
        for service in services:
            container = self._name(service, tag, spare=spare)
            print(f"  {container} …", flush=True)  # noqa: T201
            detach = [] if service.ends else ["--detach"]
            self._started.append(container)
            options = [
                option
                for option in run_arguments(service, project=self._project)
                if self._is_wanted(option, spare=spare)
            ]
            run(
                [
                    "podman", *ENGINE, "run", *LIMITS, *detach, f"--name={container}", f"--network={_NETWORK_NAME}",
                    f"--ip={self._address(service, spare=spare)}", *self._hosts(), *options,
                    f"{service.image}:{tag}", *map(str, service.definition.get("command", [])),
                ]
            )  # fmt: skip
            if not service.ends:
                self._wait_until_healthy(container)

    def stop(self, services: Iterable[Service], tag: str, *, spare: bool = False) -> None:
        """Stop services, and fail unless each ends by itself: one that had to be killed has status 137."""
        for service in services:
            if service.ends:
                continue
            container = self._name(service, tag, spare=spare)
            run(["podman", *ENGINE, "stop", "--time", _STOP_SECONDS, container])
            status = run(["podman", "inspect", "--format={{.State.ExitCode}}", container])
            if status not in _CLEAN_ENDS:
                sys.exit(f"{container} ended with status {status}.\n{self._log(container)}")

    def ready(self, services: Iterable[Service]) -> dict[str, bool]:
        """The answer of each service's ``/readyz``."""
        running = [service for service in services if not service.ends]
        return {service.name: self._is_ready(self._address(service)) for service in running}

    def remove(self) -> None:
        """Remove everything that was started."""
        for container in self._started:
            attempt(["podman", *ENGINE, "rm", "--force", "--ignore", container])

    def _wait_until_healthy(self, container: str) -> None:
        """Wait until the health check of the image succeeds: no system daemon is here that would run it."""
        deadline = time.monotonic() + _READY_SECONDS
        check = ["podman", *ENGINE, "healthcheck", "run", container]
        while attempt(check).returncode:
            if time.monotonic() > deadline:
                sys.exit(f"{container} was not healthy within {_READY_SECONDS:.0f} s.\n{self._log(container)}")
            time.sleep(_POLL_SECONDS)

    @staticmethod
    def _is_ready(address: str) -> bool:
        # The pages answer only to names of theirs; this is the one that the health check of the image uses.
        headers = {"host": "127.0.0.1:8000"}
        try:
            return httpx.get(f"http://{address}:8000/readyz", headers=headers, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _hosts(self) -> list[str]:
        addresses = dict.fromkeys(NAMES, GATEWAY)
        addresses |= {name: _address(_FIRST_ADDRESS + number) for number, name in enumerate(self._names)}
        return [f"--add-host={name}:{address}" for name, address in addresses.items()]

    def _address(self, service: Service, *, spare: bool = False) -> str:
        return _address((_FIRST_SPARE_ADDRESS if spare else _FIRST_ADDRESS) + self._names.index(service.name))

    @staticmethod
    def _name(service: Service, tag: str, *, spare: bool) -> str:
        return f"tidemark-{tag}{'-beside' if spare else ''}-{service.name}"

    @staticmethod
    def _is_wanted(option: str, *, spare: bool) -> bool:
        """A port of the host belongs to one container."""
        return not (spare and option.startswith("--publish"))

    @staticmethod
    def _log(container: str) -> str:
        output = attempt(["podman", "logs", "--tail=30", container])
        return output.stdout + output.stderr


def _address(number: int) -> str:
    return f"{NETWORK.rpartition('.')[0]}.{number}"


@contextlib.contextmanager
def network() -> Iterator[None]:
    """The network of the containers."""
    attempt(["podman", "network", "rm", "--force", _NETWORK_NAME])
    run(["podman", "network", "create", f"--subnet={NETWORK}", f"--gateway={GATEWAY}", _NETWORK_NAME])
    try:
        yield
    finally:
        attempt(["podman", "network", "rm", "--force", _NETWORK_NAME])
