"""``docker-compose.yml`` as arguments of podman: what a Compose provider does, for what the file uses."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^{}]*))?\}")
# What `run_arguments` and `start_order` read. Anything else would be left out in silence.
_READ = {
    "build", "cap_drop", "command", "depends_on", "env_file", "environment", "healthcheck", "init", "ports", "profiles",
    "read_only", "restart", "security_opt", "tmpfs", "volumes",
}  # fmt: skip


class ComposeError(Exception):
    """The file has something that this module does not know, or a variable is not set."""


@dataclass(frozen=True)
class Service:
    """A service that is built here, with the conditions under which it starts."""

    name: str
    definition: Mapping[str, Any]

    @property
    def dockerfile(self) -> str:
        """Its image definition."""
        return str(self.definition["build"]["dockerfile"])

    @property
    def image(self) -> str:
        """The name of its image: one for each image definition."""
        return f"localhost/tidemark-{Path(self.dockerfile).stem}"

    @property
    def conditions(self) -> dict[str, str]:
        """The condition of each service that it depends on."""
        return {name: value["condition"] for name, value in self.definition.get("depends_on", {}).items()}

    @property
    def ends(self) -> bool:
        """Whether it ends by itself."""
        return bool(self.definition.get("restart") == "no")


def load_services(text: str, environment: Mapping[str, str]) -> list[Service]:
    """The services that are built here, each after those that it depends on; all profiles."""
    services = {
        name: Service(name, _interpolate(definition, environment))
        for name, definition in yaml.safe_load(text)["services"].items()
        if "build" in definition
    }
    for service in services.values():
        if unknown := service.definition.keys() - _READ:
            raise ComposeError(
                f"{service.name} has {sorted(unknown)}, which scripts/images does not know. Add it there."
            )
    return list(_in_order(services))


def run_arguments(service: Service, *, project: Path) -> list[str]:
    """The options of ``podman run`` for a service; relative paths are in the folder ``project``."""
    definition = service.definition
    values = dict(definition.get("environment", {}))
    options = [f"--env={name}={value}" for name, value in values.items()]
    if "env_file" in definition:
        options.append(f"--env-file={project / definition['env_file']}")
    options += [f"--tmpfs={path}" for path in definition.get("tmpfs", [])]
    options += [f"--cap-drop={capability}" for capability in definition.get("cap_drop", [])]
    options += [f"--security-opt={_without_true(option)}" for option in definition.get("security_opt", [])]
    options += [f"--publish={port}" for port in definition.get("ports", [])]
    options += [f"--volume={_absolute(volume, project)}" for volume in definition.get("volumes", [])]
    options += [f"--{name.replace('_', '-')}" for name in ("read_only", "init") if definition.get(name)]
    if "restart" in definition:
        options.append(f"--restart={definition['restart']}")
    if definition.get("healthcheck", {}).get("disable"):
        options.append("--no-healthcheck")
    return options


def _in_order(services: Mapping[str, Service]) -> Iterator[Service]:
    done: set[str] = set()
    while waiting := [service for name, service in services.items() if name not in done]:
        # The parts that are not built here run before all others.
        ready = [service for service in waiting if services.keys() & service.conditions.keys() <= done]
        if not ready:
            raise ComposeError(f"These services depend on each other: {[service.name for service in waiting]}.")
        yield from ready
        done |= {service.name for service in ready}


def _interpolate(value: Any, environment: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {name: _interpolate(member, environment) for name, member in value.items()}
        case list():
            return [_interpolate(member, environment) for member in value]
        case str():
            return _fill_in(value, environment)
        case _:
            return value


def _fill_in(text: str, environment: Mapping[str, str]) -> str:
    """The innermost variables first: a default may have variables itself."""
    while (filled := _VARIABLE.sub(lambda match: _value(match, environment), text)) != text:
        text = filled
    return text


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    value = environment.get(match["name"], "")
    if not value and match["kind"] == "?":
        raise ComposeError(f"{match['name']} {match['text']}")
    return value or match["text"] or ""


def _without_true(option: str) -> str:
    # Podman 4.3 knows the option, but not its value.
    return option.removesuffix(":true")


def _absolute(volume: str, project: Path) -> str:
    return str(project / volume) if volume.startswith("./") else volume
