"""The generated documents, and the statements about the code in the others."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tidemark import documents
from tidemark_shared.domain.violations import VIOLATION_CODES
from tidemark_shared.messaging import kafka
from tidemark_shared.messaging.asyncapi import build_asyncapi_document
from tidemark_shared.messaging.cloudevents import outbox_record
from tidemark_shared.messaging.events import EVENT_TYPES, WORKLOG_RECORDED, WorklogRecorded
from tidemark_shared.messaging.topics import TOPICS, WORKLOGS, Topic
from tidemark_shared.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
topics = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.name}")

# SPEC 2's own example.
EXAMPLE = {
    "worklog_id": "10100",
    "issue_id": "10001",
    "author_id": "712020:ab",
    "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 28800,
    "team_id": None,
    "description": "…",
    "updated_at": "2026-03-02T16:05:11.123Z",
}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(whole: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        whole = whole[part]
    return whole


@topics
def test_topic_document_has_every_event(topic: Topic) -> None:
    whole = build_asyncapi_document(topic)
    assert set(whole["channels"][topic.name]["messages"]) == set(EVENT_TYPES[topic])
    for type_ in EVENT_TYPES[topic]:
        message = whole["components"]["messages"][type_]
        assert message["headers"]["properties"]["ce_type"]["const"] == type_
        assert topic.key in message["bindings"]["kafka"]["key"]["description"]


@topics
def test_every_schema_reference_resolves(topic: Topic) -> None:
    whole = build_asyncapi_document(topic)
    schema_references = set(references(whole))
    assert schema_references
    for reference in schema_references:
        resolved(whole, reference)


@topics
def test_every_message_has_a_valid_example(topic: Topic) -> None:
    whole = build_asyncapi_document(topic)
    for name, message in whole["components"]["messages"].items():
        for example in message["examples"]:
            for part in ("headers", "payload"):
                schema = {**message[part], "components": whole["components"]}
                formats = Draft202012Validator.FORMAT_CHECKER
                Draft202012Validator(schema, format_checker=formats).validate(example[part])
            if name in EVENT_TYPES[topic]:
                EVENT_TYPES[topic][name].model_validate_json(json.dumps(example["payload"]))


@topics
def test_every_member_of_an_event_has_a_description(topic: Topic) -> None:
    for name, schema in build_asyncapi_document(topic)["components"]["schemas"].items():
        for member, value in schema.get("properties", {}).items():
            assert value.get("description"), f"{name}.{member}: add it to tidemark_shared/domain/fields.py"


@topics
def test_topic_document_matches_the_created_topic(topic: Topic) -> None:
    channels = build_asyncapi_document(topic)["channels"]
    models = {topic.name: topic, topic.dead_letter_topic: WORKLOGS}
    assert set(channels) == set(models)
    for name, model in models.items():
        binding = channels[name]["bindings"]["kafka"]
        created = kafka._new_topic(name, model, "", 1)
        documented = {
            key: ",".join(value) if isinstance(value, list) else str(value)
            for key, value in binding["topicConfiguration"].items()
        }
        assert documented == created.topic_configs
        assert binding["partitions"] == created.num_partitions


def test_documented_attributes_are_those_written() -> None:
    data = WorklogRecorded.model_validate_json(json.dumps(EXAMPLE))
    now = datetime.now(UTC)
    record = outbox_record(WORKLOGS, "10001", WORKLOG_RECORDED, data, source="/x", time=now, correlation_id="y")
    headers = build_asyncapi_document(WORKLOGS)["components"]["messages"][WORKLOG_RECORDED]["headers"]
    written = {name: value.decode() for name, value in record.headers}
    assert set(headers["properties"]) == set(written)
    Draft202012Validator(headers).validate(written)


def test_payload_schema_accepts_the_example_and_rejects_invalid_data() -> None:
    whole = build_asyncapi_document(WORKLOGS)
    payload = whole["components"]["messages"][WORKLOG_RECORDED]["payload"]
    validator = Draft202012Validator({**payload, "components": whole["components"]})
    assert validator.is_valid(EXAMPLE)
    assert not validator.is_valid({**EXAMPLE, "seconds": 0})
    assert not validator.is_valid({name: value for name, value in EXAMPLE.items() if name != "updated_at"})


def test_dead_letter_document_has_the_added_headers() -> None:
    added = set(
        re.findall(r"tidemark_dlq_\w+", (ROOT / "shared/tidemark_shared/database/queries/dead_letters.sql").read_text())
    )
    assert (
        set(build_asyncapi_document(WORKLOGS)["components"]["messages"]["dead_letter"]["headers"]["properties"])
        == added
    )


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return documents.generate()


def test_documents_are_complete_and_current(generated: dict[str, str]) -> None:
    # Those in `docs` come from another run, so this detects an order that changes, too.
    assert list(documents.find_stale(ROOT / "docs", generated)) == []
    assert set(generated) == {f"asyncapi/{topic.name}.json" for topic in TOPICS} | {
        f"openapi/{service}.json" for service in ("contracts", "consumption", "notifier", "tidemark")
    } | {"cli.md", "metrics.md", "violations.md"}


def test_every_violation_code_has_a_row(generated: dict[str, str]) -> None:
    page = generated["violations.md"]
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(VIOLATION_CODES)
    for code, meaning in VIOLATION_CODES.items():
        assert f"| `{code}` | {' | '.join(meaning)} |\n" in page


def test_every_command_is_on_the_page_of_the_command_line(generated: dict[str, str]) -> None:
    page = generated["cli.md"]
    for command in ("contract adjust", "organization create", "rate-card list", "rule preview", "notification resend"):
        assert f"\n### `tidemark {command}`\n" in page
    assert "$ tidemark rule test [OPTIONS] {RULE}" in page


def test_handwritten_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "decisions.md").write_text("by hand")
    documents.write(tmp_path, {"violations.md": "generated", "openapi/contracts.json": "{}"})
    assert {path.name for path in tmp_path.iterdir()} == {"decisions.md", "violations.md", "openapi"}


def test_stale_document_is_reported_with_the_command_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("asyncapi/worklog.events.json", "openapi/contracts.json", "openapi/notifier.json")
    monkeypatch.setattr(documents, "generate", lambda: dict.fromkeys(names, '"what the code says"\n'))
    monkeypatch.setattr(documents, "generate_client_code", dict)

    def check() -> tuple[int, str]:
        return documents.main(["--check", "--docs", str(tmp_path)]), capsys.readouterr().err

    assert documents.main(["--docs", str(tmp_path)]) == 0
    assert check() == (0, "")
    changed, gone, left_over = (
        tmp_path / name for name in ("openapi/notifier.json", "openapi/contracts.json", "asyncapi/old.json")
    )
    changed.write_text("{}")
    gone.unlink()
    left_over.write_text("{}")
    status, errors = check()
    assert status == 1
    assert [line.partition(" ")[0] for line in errors.splitlines()] == [str(gone), str(changed), str(left_over)]
    assert errors.count("make docs") == 3
    assert documents.main(["--docs", str(tmp_path)]) == 0
    assert check() == (0, "")
    assert not left_over.exists()


def direct_dependencies() -> Iterator[str]:
    for path in (
        ROOT / "pyproject.toml",
        ROOT / "shared/pyproject.toml",
        *(ROOT / "clients").glob("*/pyproject.toml"),
        *(ROOT / "services").glob("*/pyproject.toml"),
    ):
        project = tomllib.loads(path.read_text())["project"]
        groups = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
        for requirement in (requirement for group in groups for requirement in group):
            name = re.split(r"[\[<>=!~; ]", requirement)[0]
            if not name.startswith("tidemark-"):
                yield name


def rows(page: Path) -> set[str]:
    """The first cells of a page's tables."""
    return set(re.findall(r"^\| *`([^`]+)`", page.read_text(), re.MULTILINE))


def test_every_direct_dependency_is_explained() -> None:
    assert rows(ROOT / "docs/dependencies.md") == set(direct_dependencies())


def test_every_setting_is_in_the_readme() -> None:
    settings = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}
    assert settings <= {name for name in rows(ROOT / "README.md") if name.startswith("TIDEMARK_")}


def test_every_path_of_the_architecture_exists() -> None:
    folder = ROOT
    cells = re.findall(r"^\| `([^|]+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert cells
    for cell in cells:
        # What is indented lies in the folder above it.
        if not cell.startswith(" "):
            folder = ROOT / cell
        for name in cell.split("`, `") if cell.startswith(" ") else ["."]:
            assert (folder / name.strip()).exists(), f"{folder / name.strip()}"


def test_security_page_names_code_and_tests_that_exist() -> None:
    page = (ROOT / "docs/security.md").read_text()
    tests = re.findall(r"`([\w/]+\.py)::(\w+)`", page)
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert tests
    for file, name in tests:
        assert re.search(rf"def {name}\(", (ROOT / "tests" / file).read_text()), f"{file}::{name}"
    for file in (file for line in lines for file in re.findall(r"`([^` ]+)`", line[-2])):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.relative_to(ROOT)}")
def test_links_between_pages_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_names_of_test_files_are_unique() -> None:
    """Pytest imports a test file by its name alone."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_each_test_file_is_run_by_a_target() -> None:
    targets = {*re.findall(r"tests/(\w+)", (ROOT / "Makefile").read_text())}
    files = [
        path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py") if "test" in path.stem.split("_")
    ]
    assert len(files) > 200
    assert [path for path in files if not path.name.startswith("test_") or path.parts[0] not in targets] == []


def test_no_service_imports_another_by_its_name() -> None:
    """The linter of imports sees only import statements, not the name of a module in a text."""
    services = sorted(path.name for path in (ROOT / "services").iterdir())
    texts = {
        (path.name, module)
        for service in services
        for path in (ROOT / "services" / service).rglob("*.py")
        for module in re.findall(r"\btidemark_(\w+)", path.read_text())
        if module in services and module != service
    }
    # The name of a cookie.
    assert texts == {("contracts.py", "contracts")}
