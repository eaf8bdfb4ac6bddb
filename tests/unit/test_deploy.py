"""The composition and the images, as far as they can be checked without an engine that runs them."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tidemark.stack import kafka
from tidemark_shared.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = ("contracts", "consumption", "notifier", "web")
WITH_A_DATABASE = SERVICES[:3]
MANIFESTS = [
    one
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for one in yaml.safe_load_all(path.read_text())
    if one["kind"] != "Kustomization"
]
KNOWN = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}


def dockerfile(service: str) -> str:
    return (ROOT / f"deploy/{service}.Dockerfile").read_text()


def of_kind(kind: str) -> dict[str, Any]:
    return {one["metadata"]["name"]: one for one in MANIFESTS if one["kind"] == kind}


def containers() -> Iterator[dict[str, Any]]:
    for one in chain(of_kind("Deployment").values(), of_kind("Job").values()):
        yield from one["spec"]["template"]["spec"]["containers"]


def test_the_composition_is_what_the_compose_specification_allows() -> None:
    vendored = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []


def test_the_composition_runs_the_broker_of_make_run_and_a_postgres_that_the_migrations_need() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


def test_what_a_part_waits_for_is_there_and_can_say_that_it_is_ready() -> None:
    parts = COMPOSE["services"]
    for part in parts.values():
        for name, wanted in part.get("depends_on", {}).items():
            assert name in parts
            if wanted["condition"] == "service_completed_successfully":
                assert parts[name]["restart"] == "no"
            elif "build" in parts[name]:
                assert "HEALTHCHECK" in (ROOT / parts[name]["build"]["dockerfile"]).read_text()
            else:
                assert parts[name]["healthcheck"]["test"]


def test_every_part_but_those_that_end_by_themselves_is_started_again() -> None:
    restarts = {name: part["restart"] for name, part in COMPOSE["services"].items()}
    once = {f"{service}-migrate" for service in WITH_A_DATABASE}
    assert restarts == {name: "no" if name in once else "unless-stopped" for name in restarts}


def test_every_port_is_open_to_this_machine_alone() -> None:
    ports = [port for part in COMPOSE["services"].values() for port in part.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", WITH_A_DATABASE)
def test_a_service_starts_on_tables_that_its_own_image_has_made(service: str) -> None:
    once = COMPOSE["services"][f"{service}-migrate"]
    assert once["build"] == COMPOSE["services"][service]["build"]
    assert once["command"] == ["python", "-m", "tidemark_shared.provision", service]
    job = of_kind("Job")["migrate"]["spec"]["template"]["spec"]["containers"]
    assert [one["command"][:4] for one in job if one["image"] == f"tidemark-{service}"] == [once["command"]]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_its_service_and_shared_alone(service: str) -> None:
    text = dockerfile(service)
    copied = {words[1] for words in map(str.split, re.findall(r"^COPY (?!--from=).*", text, re.MULTILINE))}
    assert copied == {"requirements.lock", "shared", f"services/{service}"}
    assert set(re.findall(r"tidemark_\w+", text)) == {f"tidemark_{service}"}
    assert (ROOT / f"services/{service}/tidemark_{service}/__main__.py").is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_is_built_from_the_lock_and_runs_as_nobody_in_particular(service: str) -> None:
    text = dockerfile(service)
    locked = re.search(r"^uv==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked
    assert f"uv=={locked[1]}" in text
    assert "-c requirements.lock -b requirements.lock" in text
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*readyz", text.replace("\\\n", " "), re.MULTILINE)


def test_images_differ_by_their_service_alone() -> None:
    same = {
        re.sub(r"^# .*\n", "", dockerfile(service), flags=re.MULTILINE).replace(service, "it") for service in SERVICES
    }
    assert len(same) == 1


def named_variables() -> Iterator[tuple[str, str]]:
    for name, part in COMPOSE["services"].items():
        if "build" in part:
            yield from ((name, variable) for variable in part["environment"])
    for service in SERVICES:
        yield from ((service, variable) for variable in re.findall(r"TIDEMARK_\w+", dockerfile(service)))
    yield from (("config.yaml", variable) for variable in of_kind("ConfigMap")["tidemark"]["data"])
    yield from (("secret.example.yaml", variable) for variable in of_kind("Secret")["tidemark"]["stringData"])
    for one in containers():
        yield from ((one["name"], variable["name"]) for variable in one.get("env", []))


def test_every_variable_is_a_setting() -> None:
    assert [(where, name) for where, name in named_variables() if name not in KNOWN] == []


def test_the_secret_has_every_key_that_a_container_asks_for() -> None:
    there = of_kind("Secret")["tidemark"]["stringData"]
    asked = [one["valueFrom"]["secretKeyRef"] for container in containers() for one in container.get("env", [])]
    assert asked
    assert all(one["name"] == "tidemark" and one["key"] in there for one in asked)


def test_every_service_has_its_deployment_and_address() -> None:
    assert set(of_kind("Deployment")) == set(of_kind("Service")) == set(SERVICES)
    for name, one in of_kind("Service").items():
        template = of_kind("Deployment")[name]["spec"]["template"]
        assert one["spec"]["selector"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("container", list(containers()), ids=lambda one: f"{one['name']}")
def test_a_container_may_not_do_more_than_it_must(container: dict[str, Any]) -> None:
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"]
    assert not limits["allowPrivilegeEscalation"]
    assert limits["capabilities"] == {"drop": ["ALL"]}


def test_a_deployment_is_started_again_when_it_is_dead_and_asked_only_when_it_is_ready() -> None:
    for name, one in of_kind("Deployment").items():
        pod = one["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        # The web process is ready to route whatever is behind it.
        assert container["readinessProbe"]["httpGet"]["path"] == ("/healthz" if name == "web" else "/readyz")


def test_the_kustomization_names_every_manifest_but_the_template_of_the_secret() -> None:
    folder = ROOT / "deploy/kubernetes"
    whole = yaml.safe_load((folder / "kustomization.yaml").read_text())
    there = {path.name for path in folder.glob("*.yaml")}
    assert set(whole["resources"]) == there - {"kustomization.yaml", "secret.example.yaml"}
    assert {image["name"] for image in whole["images"]} == {f"tidemark-{service}" for service in SERVICES}
