"""``docker-compose.yml`` as arguments of podman (``make images``)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
DATABASE_USERS = ("POSTGRES", "CONTRACTS", "CONSUMPTION", "NOTIFIER", "INTAKE")
SECRETS = {"TIDEMARK_SECRET": "s3cret", **{f"{user}_PASSWORD": "pass" for user in DATABASE_USERS}}


def load_compose() -> ModuleType:
    spec = importlib.util.spec_from_file_location("images_compose", ROOT / "scripts/images/compose.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


compose = load_compose()


def services(text: str = TEXT, **environment: str) -> list[str]:
    return [service.name for service in compose.load_services(text, SECRETS | environment)]


def options(name: str, **environment: str) -> list[str]:
    found = compose.load_services(TEXT, SECRETS | environment)
    (service,) = (service for service in found if service.name == name)
    return compose.run_arguments(service, project=Path("/project"))


def test_services_start_after_those_that_they_depend_on() -> None:
    order = services()
    assert set(order) == {
        *(
            f"{name}{suffix}"
            for name in ("contracts", "consumption", "notifier", "intake")
            for suffix in ("", "-migrate")
        ),
        "web",
    }
    for name in ("contracts", "consumption", "notifier", "intake"):
        assert order.index(f"{name}-migrate") < order.index(name)
    assert order.index("web") > max(order.index(name) for name in ("contracts", "consumption", "notifier"))


def test_options_are_those_of_the_file() -> None:
    web = options("web", TIDEMARK_PORT="8123")
    assert {
        "--read-only", "--init", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp",
        "--restart=unless-stopped", "--publish=127.0.0.1:8123:8000", "--env=TIDEMARK_SECRET=s3cret",
        "--env=TIDEMARK_PUBLIC_URL=http://127.0.0.1:8123", "--env=TIDEMARK_CONTRACTS_URL=http://contracts:8000",
    } <= {*web}  # fmt: skip
    intake = options("intake")
    assert {"--env-file=/project/intake.env", "--volume=/project/intake.toml:/intake.toml:ro"} <= {*intake}
    migrate = options("contracts-migrate")
    assert "--no-healthcheck" in migrate
    assert "--env=TIDEMARK_DATABASE_URL=postgresql://tidemark:pass@postgres:5432/tidemark" in migrate


def test_variable_that_must_be_set_is_named() -> None:
    with pytest.raises(compose.ComposeError, match=r"^TIDEMARK_SECRET is not set"):
        services(TIDEMARK_SECRET="")


def test_member_that_would_be_left_out_is_refused() -> None:
    with pytest.raises(compose.ComposeError, match="mem_limit"):
        services(
            TEXT.replace(
                "    build: *contracts\n    environment", "    build: *contracts\n    mem_limit: 1g\n    environment"
            )
        )


def test_circle_is_refused() -> None:
    text = (
        "services: {a: {build: {}, depends_on: {b: {condition: x}}}, b: {build: {}, depends_on: {a: {condition: x}}}}"
    )
    with pytest.raises(compose.ComposeError, match=r"\['a', 'b'\]"):
        services(text)
