"""The generated documents, and what the hand-written ones promise about the code."""

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
from tidemark_shared.messaging.topics import NOTIFICATIONS, TOPICS, WORKLOGS, Topic
from tidemark_shared.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
def test_a_topic_is_described_with_every_event_that_it_carries(topic: Topic) -> None:
    whole = build_asyncapi_document(topic)
    assert set(whole["channels"][topic.name]["messages"]) == set(EVENT_TYPES[topic])
    for type_ in EVENT_TYPES[topic]:
        message = whole["components"]["messages"][type_]
        assert message["headers"]["properties"]["ce_type"]["const"] == type_
        assert topic.key in message["bindings"]["kafka"]["key"]["description"]


@topics
def test_every_reference_leads_somewhere(topic: Topic) -> None:
    whole = build_asyncapi_document(topic)
    found = set(references(whole))
    assert found
    for reference in found:
        resolved(whole, reference)


@topics
def test_a_topic_is_described_as_it_is_created(topic: Topic) -> None:
    channels = build_asyncapi_document(topic)["channels"]
    told = {topic.name: topic} | ({} if topic is NOTIFICATIONS else {topic.dead_letter_topic: WORKLOGS})
    assert set(channels) == set(told)
    for name, like in told.items():
        binding = channels[name]["bindings"]["kafka"]
        made = kafka._new(name, like, "", 1)
        said = {
            key: ",".join(value) if isinstance(value, list) else str(value)
            for key, value in binding["topicConfiguration"].items()
        }
        assert said == made.topic_configs
        assert binding["partitions"] == made.num_partitions


def test_the_attributes_are_those_that_are_written() -> None:
    data = WorklogRecorded.model_validate_json(json.dumps(EXAMPLE))
    now = datetime.now(UTC)
    record = outbox_record(WORKLOGS, "10001", WORKLOG_RECORDED, data, source="/x", time=now, correlation_id="y")
    headers = build_asyncapi_document(WORKLOGS)["components"]["messages"][WORKLOG_RECORDED]["headers"]
    written = {name: value.decode() for name, value in record.headers}
    assert set(headers["properties"]) == set(written)
    Draft202012Validator(headers).validate(written)


def test_the_payload_takes_the_example_of_the_specification_and_refuses_a_bad_one() -> None:
    whole = build_asyncapi_document(WORKLOGS)
    payload = whole["components"]["messages"][WORKLOG_RECORDED]["payload"]
    validator = Draft202012Validator({**payload, "components": whole["components"]})
    assert validator.is_valid(EXAMPLE)
    assert not validator.is_valid({**EXAMPLE, "seconds": 0})
    assert not validator.is_valid({name: value for name, value in EXAMPLE.items() if name != "updated_at"})


def test_dead_letters_are_described_with_the_headers_that_the_table_of_refusals_adds() -> None:
    added = set(
        re.findall(r"tidemark_dlq_\w+", (ROOT / "shared/tidemark_shared/database/queries/dead_letters.sql").read_text())
    )
    assert set(build_asyncapi_document(WORKLOGS)["components"]["messages"]["refused"]["headers"]["properties"]) == added


def test_every_topic_and_service_has_its_document_the_same_each_time() -> None:
    files = documents.generated()
    assert files == documents.generated()
    assert set(files) == {f"asyncapi/{topic.name}.json" for topic in TOPICS} | {
        f"openapi/{service}.json" for service in ("contracts", "consumption", "notifier")
    } | {"violations.md"}


def test_every_code_of_a_violation_has_its_row() -> None:
    page = documents.generated()["violations.md"]
    assert re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE) == list(VIOLATION_CODES)
    for code, meaning in VIOLATION_CODES.items():
        assert f"| `{code}` | {' | '.join(meaning)} |\n" in page


def test_what_is_written_by_hand_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "decisions.md").write_text("by hand")
    documents.write(tmp_path, {"violations.md": "made", "openapi/contracts.json": "{}"})
    assert {path.name for path in tmp_path.iterdir()} == {"decisions.md", "violations.md", "openapi"}


def test_a_stale_file_is_named_with_the_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("asyncapi/worklog.events.json", "openapi/contracts.json", "openapi/notifier.json")
    monkeypatch.setattr(documents, "generated", lambda: dict.fromkeys(names, '"what the code says"\n'))

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
    status, said = check()
    assert status == 1
    assert [line.partition(" ")[0] for line in said.splitlines()] == [str(gone), str(changed), str(left_over)]
    assert said.count("make docs") == 3
    assert documents.main(["--docs", str(tmp_path)]) == 0
    assert check() == (0, "")
    assert not left_over.exists()


def direct_dependencies() -> Iterator[str]:
    for path in (ROOT / "pyproject.toml", ROOT / "shared/pyproject.toml", *ROOT.glob("services/*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        groups = [project["dependencies"], *project.get("optional-dependencies", {}).values()]
        for requirement in (one for group in groups for one in group):
            name = re.split(r"[\[<>=!~; ]", requirement)[0]
            if not name.startswith("tidemark-"):
                yield name


def rows(page: Path) -> set[str]:
    """The first cells of a page's tables."""
    return set(re.findall(r"^\| *`([^`]+)`", page.read_text(), re.MULTILINE))


def test_every_direct_dependency_says_why_it_is_there() -> None:
    assert rows(ROOT / "docs/dependencies.md") == set(direct_dependencies())


def test_every_setting_stands_in_the_readme() -> None:
    settings = {f"TIDEMARK_{name.upper()}" for name in Settings.model_fields}
    assert settings <= {name for name in rows(ROOT / "README.md") if name.startswith("TIDEMARK_")}


def test_every_path_of_the_architecture_is_there() -> None:
    folder = ROOT
    cells = re.findall(r"^\| `([^|]+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert cells
    for cell in cells:
        # What is indented lies in the folder above it.
        if not cell.startswith(" "):
            folder = ROOT / cell
        for name in cell.split("`, `") if cell.startswith(" ") else ["."]:
            assert (folder / name.strip()).exists(), f"{folder / name.strip()}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.relative_to(ROOT)}")
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
