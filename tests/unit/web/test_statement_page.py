"""A statement as PDF: tagged, and every figure of the JSON to the second and minor unit."""

import io
from typing import Any

import pypdf

from tidemark_shared.domain.examples import PERIOD_RESTATED, STATEMENT, STATEMENT_TODAY
from tidemark_web.pages.report_pdf import write_statement_pdf
from tidemark_web.pages.report_tables import Figure
from tidemark_web.pages.statement_tables import build_tables, list_facts

ACCOUNT = STATEMENT["accounts"][0]
INTERNAL = {**ACCOUNT, "account_id": "4c6e8b1f-2a4d-4d7c-8e9f-7a1b3c5d6e07", "name": "Internal", "billable": False}


def answer(**changes: Any) -> dict[str, Any]:
    account = {**ACCOUNT, "consumed": 115261, "seconds": 115261}
    statement = {**STATEMENT, "accounts": [account, {**INTERNAL, "consumed": 7322}], **changes}
    today = {**STATEMENT_TODAY, "accounts": [{**account, "consumed": 118861}]}
    return {"statement": statement, "restatements": [PERIOD_RESTATED], "restatement_count": 1, "today": today}


def read(content: bytes) -> tuple[pypdf.PdfReader, str]:
    document = pypdf.PdfReader(io.BytesIO(content))
    return document, "".join(page.extract_text() for page in document.pages).replace("\xa0", " ")


def test_pdf_has_the_figures_to_the_second_and_is_tagged() -> None:
    correction = {
        "period_start": "2026-02-01", "account_id": ACCOUNT["account_id"], "account_name": "Help desk",
        "before_seconds": 3661, "after_seconds": 0, "before_amount_minor": None, "after_amount_minor": None,
        "restatements": 2,
    }  # fmt: skip
    adjustment = {
        "account_id": ACCOUNT["account_id"], "period_start": "2026-03-01", "hours": "20", "value_minor": None,
        "reason": "extra package",
    }  # fmt: skip
    document, text = read(
        write_statement_pdf(answer(restatements=[correction], adjustments=[adjustment]), internal=True)
    )
    for figure in (
        "32:01:01",
        "33:01:01",
        "1:01:01",
        "Internal (not billable)",
        "2:02:02",
        "20 h",
        STATEMENT["sha256"],
    ):
        assert figure in text, figure
    assert "Statement 3" in text
    assert "10087" not in text  # a cause can name a person
    root: Any = document.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "Internal" not in read(write_statement_pdf(answer(), internal=False))[1]


def test_amounts_are_those_of_the_json() -> None:
    money = {"planned": 360000, "consumed": 259201, "remaining": 100799, "percent": "72.00", "worklogs": 17}
    body = answer(unit="minor", currency="EUR", accounts=[{**ACCOUNT, **money}])
    [row] = [row for row in build_tables(body)[0].rows if row["name"] == "Help desk"]
    assert (row["planned"], row["executed"]) == (Figure(360000, "EUR"), Figure(259201, "EUR"))
    assert "2,592.01 EUR" in read(write_statement_pdf(body, internal=True))[1]


def test_period_that_the_contract_no_longer_has_comes_to_nothing_today() -> None:
    body = {**answer(), "today": None}
    assert [row["today"] for row in build_tables(body)[0].rows if row["today"]] == [Figure(0), Figure(0)]
    assert "Executed, today" not in dict(list_facts(body))
