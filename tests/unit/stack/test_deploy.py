"""The compose file, the images and the manifests, checked without running them."""

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
from tidemark.stack.up import USED_SETTINGS
from tidemark_intake.configuration import load_sources, secret_names
from tidemark_shared.settings import Settings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = ("contracts", "consumption", "notifier", "intake", "web")
WITH_A_DATABASE = SERVICES[:4]
MANIFESTS = [
    manifest
    for folder in ("", "intake")
    for path in sorted((ROOT / "deploy/kubernetes" / folder).glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text())
    if manifest["kind"] not in ("Kustomization", "Component")
]
KNOWN = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}


def dockerfile(service: str) -> str:
    return (ROOT / f"deploy/{service}.Dockerfile").read_text()


def of_kind(kind: str) -> dict[str, Any]:
    return {manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] == kind}


def containers() -> Iterator[dict[str, Any]]:
    for manifest in chain(of_kind("Deployment").values(), of_kind("Job").values()):
        yield from manifest["spec"]["template"]["spec"]["containers"]


def test_compose_file_is_valid() -> None:
    vendored = files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(COMPOSE)] == []


def test_compose_file_has_the_supported_kafka_and_postgres_versions() -> None:
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{kafka.VERSION}"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


def test_dependencies_of_compose_services_exist_and_report_readiness() -> None:
    services = COMPOSE["services"]
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            assert name in services
            if dependency["condition"] == "service_completed_successfully":
                assert services[name]["restart"] == "no"
            elif "build" in services[name]:
                assert "HEALTHCHECK" in (ROOT / services[name]["build"]["dockerfile"]).read_text()
            else:
                assert services[name]["healthcheck"]["test"]


def test_compose_services_restart_except_migrations() -> None:
    restarts = {name: service["restart"] for name, service in COMPOSE["services"].items()}
    once = {f"{service}-migrate" for service in WITH_A_DATABASE}
    assert restarts == {name: "no" if name in once else "unless-stopped" for name in restarts}


def test_compose_ports_are_bound_to_loopback() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", WITH_A_DATABASE)
def test_service_image_migrates_its_own_tables(service: str) -> None:
    once = COMPOSE["services"][f"{service}-migrate"]
    assert once["build"] == COMPOSE["services"][service]["build"]
    assert once["command"] == ["python", "-m", "tidemark_shared.provision", service]
    job = [container for job in of_kind("Job").values() for container in job["spec"]["template"]["spec"]["containers"]]
    assert [container["command"][:4] for container in job if container["image"] == f"tidemark-{service}"] == [
        once["command"]
    ]


def test_lock_for_running_has_the_same_packages_without_the_tools_of_tests() -> None:
    run_lock, dev_lock = (
        set(re.findall(r"^[a-z].*==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert run_lock < dev_lock
    tools = {"pytest", "mypy", "hypothesis", "playwright", "ruff", "uv"}
    assert not tools & {requirement.partition("==")[0] for requirement in run_lock}


@pytest.mark.parametrize("service", SERVICES)
def test_image_contains_only_its_service_and_shared(service: str) -> None:
    text = dockerfile(service)
    copied = {words[1] for words in map(str.split, re.findall(r"^COPY (?!--from=).*", text, re.MULTILINE))}
    assert copied == {"requirements.lock", "shared", f"services/{service}"}
    assert set(re.findall(r"tidemark_\w+", text)) == {f"tidemark_{service}"}
    assert (ROOT / f"services/{service}/tidemark_{service}/__main__.py").is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_image_is_built_from_the_lock_and_runs_without_root(service: str) -> None:
    text = dockerfile(service)
    locked = re.search(r"^uv==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    assert locked
    assert f"uv=={locked[1]}" in text
    assert "-c requirements.lock -b requirements.lock" in text
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*readyz", text.replace("\\\n", " "), re.MULTILINE)


def test_images_differ_only_by_their_service() -> None:
    same = {
        re.sub(r"^# .*\n", "", dockerfile(service), flags=re.MULTILINE).replace(service, "it") for service in SERVICES
    }
    assert len(same) == 1


def named_variables() -> Iterator[tuple[str, str]]:
    for name, service in COMPOSE["services"].items():
        if "build" in service:
            yield from ((name, variable) for variable in service["environment"])
    for service in SERVICES:
        yield from ((service, variable) for variable in re.findall(r"TIDEMARK_\w+", dockerfile(service)))
    for config in of_kind("ConfigMap").values():
        if config["metadata"]["name"] in SERVICES:
            yield from (("config.yaml", variable) for variable in config["data"])
    for container in containers():
        yield from ((container["name"], variable["name"]) for variable in container.get("env", []))


def test_every_deployed_variable_is_a_setting() -> None:
    assert [(where, name) for where, name in named_variables() if name not in KNOWN] == []


@pytest.mark.parametrize("process", SERVICES)
def test_process_gets_only_the_settings_that_it_reads(process: str) -> None:
    compose = {*COMPOSE["services"][process]["environment"], *re.findall(r"TIDEMARK_\w+", dockerfile(process))}
    kubernetes = {*of_kind("ConfigMap")[process]["data"]}
    for container in containers():
        if container["image"] == f"tidemark-{process}":
            assert container["envFrom"][0] == {"configMapRef": {"name": process}}
            # Only intake has secrets whose names are not ours: those of the trackers.
            more = (
                [{"secretRef": {"name": "trackers"}}] if container["name"] == "intake" and "ports" in container else []
            )
            assert container["envFrom"][1:] == more
            kubernetes |= {variable["name"] for variable in container["env"]}
    assert compose <= USED_SETTINGS[process]
    assert kubernetes <= USED_SETTINGS[process]


@pytest.mark.parametrize("service", WITH_A_DATABASE)
def test_migration_gets_no_token_secret(service: str) -> None:
    environment = COMPOSE["services"][f"{service}-migrate"]["environment"]
    assert {*environment} - {"TIDEMARK_DATABASE_URL"} < USED_SETTINGS[service]
    assert "TIDEMARK_SECRET" not in environment


def test_compose_services_have_database_users_and_passwords_of_their_own() -> None:
    """Only migrations get the user that owns the database, and with it the tables of all services."""
    users, passwords = {}, set()
    for name, service in COMPOSE["services"].items():
        for variable, url in service.get("environment", {}).items():
            if variable.endswith("DATABASE_URL"):
                users[name], _, password = url.removeprefix("postgresql://").partition(":")
                passwords.add((users[name], password.partition(":")[0]))
    assert users == {
        **{service: f"tidemark_{service}" for service in (*WITH_A_DATABASE, "intake")},
        **{f"{service}-migrate": "tidemark" for service in (*WITH_A_DATABASE, "intake")},
    }
    assert len(passwords) == len({password for _, password in passwords}) == 5
    created = COMPOSE["configs"]["postgres-role"]["content"]
    assert all(f"CREATE ROLE {user} LOGIN" in created for user in users.values())


def test_database_users_of_kubernetes_differ() -> None:
    secret = of_kind("Secret")["tidemark"]["stringData"]
    urls = [url for name, url in secret.items() if name.endswith("DATABASE_URL")]
    assert len(urls) == len({url.partition(":…@")[0] for url in urls}) == len(WITH_A_DATABASE)


def test_database_user_of_compose_is_no_superuser() -> None:
    postgres = COMPOSE["services"]["postgres"]
    assert "POSTGRES_USER" not in postgres["environment"]
    assert "SUPERUSER" not in COMPOSE["configs"]["postgres-role"]["content"]
    assert any(volume.startswith("./src/tidemark/stack/restrict_public.sql:") for volume in postgres["volumes"])
    assert (ROOT / "src/tidemark/stack/restrict_public.sql").is_file()


def test_network_policies_deny_what_they_do_not_name() -> None:
    policies = {name: manifest["spec"] for name, manifest in of_kind("NetworkPolicy").items()}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    scraped = policies.pop("metrics")
    assert scraped["policyTypes"] == ["Ingress"]
    assert scraped["ingress"][0]["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert set(policies) == {*SERVICES, "migrate"}
    callers = {
        name: {
            caller["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
            for rule in policy.get("ingress", [])
            for caller in rule.get("from", [])
        }
        for name, policy in policies.items()
    }
    assert callers == {
        "web": set(), "contracts": {"web"}, "consumption": {"web", "notifier"}, "notifier": {"web"}, "intake": {"web"},
        "migrate": set(),
    }  # fmt: skip
    for name, policy in policies.items():
        assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        ports = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
        assert (5432 in ports) == (name != "web")


def test_secret_has_every_key_that_containers_use() -> None:
    available = of_kind("Secret")["tidemark"]["stringData"]
    references = [
        variable["valueFrom"]["secretKeyRef"] for container in containers() for variable in container.get("env", [])
    ]
    assert references
    assert all(key["name"] == "tidemark" and key["key"] in available for key in references)


def test_every_service_has_a_deployment_and_a_service() -> None:
    assert set(of_kind("Deployment")) == set(of_kind("Service")) == set(SERVICES)
    for name, manifest in of_kind("Service").items():
        template = of_kind("Deployment")[name]["spec"]["template"]
        assert manifest["spec"]["selector"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("container", list(containers()), ids=lambda container: f"{container['name']}")
def test_containers_have_minimal_privileges(container: dict[str, Any]) -> None:
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"]
    assert not limits["allowPrivilegeEscalation"]
    assert limits["capabilities"] == {"drop": ["ALL"]}


def test_deployments_have_liveness_and_readiness_probes() -> None:
    for name, manifest in of_kind("Deployment").items():
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        # The web process is ready to route whatever is behind it.
        assert container["readinessProbe"]["httpGet"]["path"] == ("/healthz" if name == "web" else "/readyz")


def test_kustomization_lists_every_manifest_except_the_secret_template() -> None:
    folder = ROOT / "deploy/kubernetes"
    whole = yaml.safe_load((folder / "kustomization.yaml").read_text())
    available = {path.name for path in folder.glob("*.yaml")}
    assert set(whole["resources"]) == available - {"kustomization.yaml", "secret.example.yaml"}
    intake = yaml.safe_load((folder / "intake/kustomization.yaml").read_text())
    assert intake["resources"] == ["intake.yaml"]
    images = [image["name"] for image in (*whole["images"], *intake["images"])]
    assert sorted(images) == sorted(f"tidemark-{service}" for service in SERVICES)


def test_every_deployment_has_a_budget_that_lets_a_node_be_drained() -> None:
    budgets = {name: manifest["spec"] for name, manifest in of_kind("PodDisruptionBudget").items()}
    assert budgets == {
        name: {"maxUnavailable": 1, "selector": of_kind("Deployment")[name]["spec"]["selector"]} for name in SERVICES
    }


def test_example_of_intake_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "intake.toml"
    file.write_text(of_kind("ConfigMap")["intake-sources"]["data"]["intake.toml"])
    names = secret_names(load_sources(str(file)))
    assert names <= {*of_kind("Secret")["trackers"]["stringData"]}
