"""The Kubernetes manifests, held to the schemas of the API server and of the operators in the examples.

``fixtures/custom_resources.json.xz`` has the schemas of Strimzi (8541da1), CloudNativePG (a95a534), KEDA (8b4f083) and
Prometheus Operator (6adcebc), all under the Apache License 2.0, without their descriptions.
"""

import json
import lzma
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft7Validator

FOLDER = Path(__file__).parents[3] / "deploy/kubernetes"
CUSTOM_RESOURCES = json.loads(
    lzma.decompress((Path(__file__).parent / "fixtures/custom_resources.json.xz").read_bytes())
)
# The oldest and the newest version that the manifests are checked against.
VERSIONS = ("1.32", "1.37")
FILES = [path for path in sorted(FOLDER.rglob("*.yaml")) if path.name != "kustomization.yaml"]


def documents(text: str) -> Iterator[dict[str, Any]]:
    yield from filter(None, yaml.safe_load_all(text))


def closed(schema: Any) -> Any:
    """The API server drops a member that a schema does not name, with a warning; here it is an error."""
    if isinstance(schema, list):
        return [closed(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {name: closed(member) for name, member in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def custom_resource_errors(manifest: dict[str, Any]) -> list[str]:
    schema = closed(CUSTOM_RESOURCES[f"{manifest['apiVersion']}/{manifest['kind']}"])
    schema["properties"]["metadata"] = {"type": "object"}
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(manifest)]


def check(manifest: dict[str, Any]) -> None:
    if f"{manifest['apiVersion']}/{manifest['kind']}" in CUSTOM_RESOURCES:
        assert custom_resource_errors(manifest) == []
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_manifest_follows_the_schema_of_the_server(path: Path) -> None:
    manifests = list(documents(path.read_text()))
    assert manifests
    for manifest in manifests:
        check(manifest)


@pytest.mark.parametrize("manifest", [
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replica": 1}},
    {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {}, "spec": {"maxUnavailable": []}},
])  # fmt: skip
def test_wrong_manifest_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        check(manifest)


@pytest.mark.parametrize("changes", [{"cooldown": 300}, {"maxReplicaCount": "four"}])
def test_wrong_custom_resource_is_refused(changes: dict[str, Any]) -> None:
    (scaled, _) = documents((FOLDER / "examples/keda.yaml").read_text())
    scaled["spec"] |= changes
    assert custom_resource_errors(scaled)


def test_prometheus_reads_the_pods_that_answer_without_a_token() -> None:
    (monitor,) = documents((FOLDER / "examples/prometheus.yaml").read_text())
    selector, (endpoint,) = monitor["spec"]["selector"], monitor["spec"]["podMetricsEndpoints"]
    (excluded,) = selector["matchExpressions"]
    pods = [
        manifest["spec"]["template"]
        for path in FILES
        for manifest in documents(path.read_text())
        if manifest["kind"] in ("Deployment", "Job")
    ]
    read = {
        pod["metadata"]["labels"]["app.kubernetes.io/name"]: [port["name"] for port in container.get("ports", [])]
        for pod in pods
        for container in pod["spec"]["containers"]
        if selector["matchLabels"].items() <= pod["metadata"]["labels"].items()
        and pod["metadata"]["labels"][excluded["key"]] not in excluded["values"]
    }
    assert read == {name: [endpoint["port"]] for name in ("contracts", "consumption", "notifier", "intake")}


def test_patched_whole_follows_the_schema_of_the_server(tmp_path: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    path = tmp_path / "kubernetes/kustomization.yaml"
    path.write_text(json.dumps(yaml.safe_load(path.read_text()) | {"components": ["intake"]}))
    command = ["kubectl", "kustomize", path.parent]
    whole = list(documents(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    for manifest in whole:
        check(manifest)
    deployments = {manifest["metadata"]["name"]: manifest for manifest in whole if manifest["kind"] == "Deployment"}
    assert set(deployments) == {"contracts", "consumption", "notifier", "intake", "web"}
    for manifest in deployments.values():
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
        assert pod["topologySpreadConstraints"]
        assert container["image"].startswith("registry.example/tidemark-")
        # Web asks for a token, which these annotations cannot give.
        annotations = manifest["spec"]["template"]["metadata"].get("annotations")
        is_scraped = annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": "8000"}
        assert is_scraped == (manifest["metadata"]["name"] != "web")
