"""`tidemark statement check` finds one changed digit, wherever it is, and says where."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tidemark.cli import app
from tidemark.cli.body_file import InputError
from tidemark.cli.statement_check import Change, find_changes, read_statement
from tidemark_shared.domain.examples import PERIOD_RESTATED, STATEMENT, STATEMENT_TODAY
from tidemark_shared.domain.statements import canonical_statement

ACCOUNT = STATEMENT["accounts"][0]
NOW: dict[str, Any] = {
    "statement": STATEMENT,
    "restatements": [PERIOD_RESTATED],
    "restatement_count": 1,
    "today": {**STATEMENT_TODAY, "accounts": [{**ACCOUNT, "consumed": 118800, "seconds": 118800}]},
}
TEXTS = [json.dumps(STATEMENT), json.dumps(STATEMENT, indent=2, sort_keys=True), json.dumps({"data": STATEMENT})]


def test_canonical_statement_is_rfc_8785() -> None:
    names = {**STATEMENT, "contract_name": 'ünïcode "\\ \x01\x7f\u2028\U0001f600'}
    assert canonical_statement(names).encode() == rfc8785.dumps({k: v for k, v in names.items() if k != "sha256"})


@given(st.data())
def test_any_changed_digit_is_found(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    place = data.draw(st.sampled_from([index for index, character in enumerate(text) if character.isdigit()]))
    digit = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != text[place]]))
    try:
        statement = read_statement(text[:place] + digit + text[place + 1 :])
    except InputError:  # such as a number that begins with 0
        return
    assert find_changes(statement, STATEMENT)


def test_format_of_the_file_and_a_missing_digest_change_nothing() -> None:
    bare = json.dumps({name: value for name, value in STATEMENT.items() if name != "sha256"})
    for text in [*TEXTS, json.dumps(NOW), bare]:
        assert find_changes(read_statement(text), STATEMENT) == []


def test_changes_say_where() -> None:
    changed = json.loads(json.dumps({**STATEMENT, "more": 1}))
    changed["accounts"][0]["consumed"] += 1
    changed["accounts"][0]["slices"] = []
    assert find_changes(changed, STATEMENT)[:2] == [
        Change("/accounts/0/consumed", "115201", "115200"),
        Change("/accounts/0/slices/0", None, json.dumps(ACCOUNT["slices"][0])),
    ]
    assert Change("/more", "1", None) in find_changes(changed, STATEMENT)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"contract_id": "x", "figures": 1}', '{"a": 1, "a": 1}'])
def test_file_without_statement_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_statement(text)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    def answer(request: httpx.Request) -> httpx.Response:
        is_known = request.url.path == f"/v1/contracts/{STATEMENT['contract_id']}/statements/2026-03-01"
        return httpx.Response(200, json=NOW) if is_known else httpx.Response(404, json={"title": "No such statement"})

    monkeypatch.setenv("TIDEMARK_API_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _, request: answer(request))
    return lambda text, *options: CliRunner().invoke(
        app, ["statement", "check", "-", "--data-dir", str(tmp_path), *options], text
    )


def test_unchanged_statement_is_shown_with_todays_figures(run: Callable[..., Result]) -> None:
    result = run(TEXTS[0])
    assert result.exit_code == 0, result.output
    assert "Unchanged: this is statement 3 of ACME-SUP, 2026-03-01 to 2026-03-31." in result.output
    assert ["Help", "desk", "32.00", "h", "33.00", "h"] in [line.split() for line in result.output.splitlines()]
    assert "worklog:/jira/example/10087" in result.output
    answer = json.loads(run(TEXTS[0], "--json").stdout)
    assert (answer["known"], answer["unchanged"], answer["changes"]) == (True, True, [])


def test_changed_and_unknown_statements_exit_with_status_1(run: Callable[..., Result]) -> None:
    changed = run(TEXTS[0].replace("115200", "115201", 1))
    assert (changed.exit_code, changed.stdout) == (1, "")
    assert "/figures/consumed: 115201 in the file, 115200 in Tidemark\n" in changed.stderr
    unknown = run(TEXTS[0].replace("2026-03-01", "2026-02-01"), "--json")
    assert (unknown.exit_code, json.loads(unknown.stdout)["known"]) == (1, False)
    assert run(TEXTS[0].replace("2026-03-01", "../..")).exit_code == 1
