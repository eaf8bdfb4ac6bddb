"""The tables of a delivery report and its files: the figures of the API, to the second and the minor unit."""

import csv
import io
import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from tidemark_web.pages.report_files import write_csv, write_xlsx
from tidemark_web.pages.report_pdf import write_pdf
from tidemark_web.pages.report_tables import Figure, Options, Percent, Table, build_tables, show

ROOT = Path(__file__).parents[3]
TEXTS = st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs", "Cc"])


@pytest.fixture(scope="module")
def report():
    """The example of the API, and the same contract once more at a fixed price."""
    document = json.loads((ROOT / "docs/openapi/consumption.json").read_text())
    operation = document["paths"]["/v1/reports/delivery"]["get"]
    report = operation["responses"]["200"]["content"]["application/json"]["example"]
    money = deepcopy(report["contracts"][0]) | {
        "contract_code": "=FIX", "contract_name": "Fixed", "unit": "minor", "currency": "EUR",
        "type": "fixed_price",
    }  # fmt: skip
    money["restatements"][0] |= {"before_amount_minor": 100_001, "after_amount_minor": 99_999}
    internal = deepcopy(report["contracts"][0]["accounts"][0]) | {"name": "Coordination", "billable": False}
    internal["account_id"] = "00000000-0000-4000-8000-000000000001"
    report["contracts"][0]["accounts"].append(internal)
    report["contracts"].append(money)
    return report


def read_csv(content):
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def read_pdf(content):
    return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).replace("\xa0", " ")


def read_sheets(content):
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(content))
    return {name: workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names}


def test_tables_have_the_figures_of_the_api(report):
    tables = build_tables(report, Options())
    contract = report["contracts"][0]
    for period in contract["periods"]:
        row = tables["planned"].of(contract["contract_code"])[0]
        assert [row[name].amount for name in ("planned", "carried", "available", "executed", "left")] == [
            period[name] for name in ("planned", "carried", "available", "consumed", "remaining")
        ]
        assert row["percent"].text == period["percent"]
    assert [row["level"] for row in tables["planned"].of("=FIX")] == ["Contract", "Account", "Team"]
    assert [row["cumulative"] for row in tables["days"].of("=FIX")] == [Figure(259_200, "EUR")]
    assert [row["change"] for row in tables["restatements"].of("=FIX")] == [Figure(-2, "EUR")]


def test_all_formats_have_the_figures_of_the_tables(report):
    tables = build_tables(report, Options())
    records = read_csv(write_csv(tables))
    sheets = read_sheets(write_xlsx(report, tables))
    text = read_pdf(write_pdf(report, tables, {}, "decimal"))
    assert len(records) == sum(len(table.rows) for table in tables.values())
    for table in tables.values():
        of_table = [record for record in records if record["table"] == table.name]
        header, *lines = sheets[table.title]
        assert header == list(table.columns.values())
        for row, record, line in zip(table.rows, of_table, lines, strict=True):
            for (key, cell), value in zip(row.items(), line, strict=True):
                if isinstance(cell, Figure) and cell.amount is not None:
                    unit = "amount_minor" if cell.currency else "seconds"
                    assert int(record[f"{key}_{unit}"]) == cell.amount
                    assert round(Decimal(value) * (100 if cell.currency else 3600)) == cell.amount
                    assert show(cell, "decimal", unit=False).replace("\xa0", " ") in text
                elif isinstance(cell, Percent) and cell.text is not None:
                    assert Decimal(record[key]) == Decimal(cell.text) == round(Decimal(value) * 100, 2)


def test_spreadsheets_get_no_formulas(report):
    tables = build_tables(report, Options())
    records = read_csv(write_csv(tables))
    assert {record["contract"] for record in records} == {"ACME-SUP", "'=FIX", ""}
    sheets = read_sheets(write_xlsx(report, tables))
    assert {row[0] for row in sheets["Contracts"][1:]} == {"ACME-SUP", "=FIX"}


def test_report_for_others_has_no_names_of_persons(report):
    tables = build_tables(report, Options(names=False))
    assert "people" not in tables
    assert not {"Kim", "Olga", "712020:ab"} & {str(cell) for table in tables.values() for row in table.rows
                                               for cell in row.values()}  # fmt: skip
    content = write_csv(tables).decode()
    assert "Kim" not in content
    assert "Olga" not in content
    assert "10087" not in content


def test_report_for_others_has_nothing_internal(report):
    tables = build_tables(report, Options(internal=False))
    assert "unaccounted" not in tables
    assert "Coordination" not in write_csv(tables).decode()
    assert "Coordination" in write_csv(build_tables(report, Options())).decode()
    assert not any("billable" in key for table in tables.values() for key in table.columns)


def test_report_without_contracts_is_a_document_too(report):
    empty = {**report, "contracts": [], "teams": []}
    tables = build_tables(empty, Options())
    assert read_csv(write_csv(tables)) == []
    assert set(read_sheets(write_xlsx(empty, tables))) == {table.title for table in tables.values()}
    assert "No contract runs" in read_pdf(write_pdf(empty, tables, {}, "decimal"))


@given(st.text(TEXTS, max_size=40), st.integers(-(10**11), 10**11), st.sampled_from([None, "EUR", "JPY", "BHD"]))
def test_any_text_and_amount_arrives_as_it_is(text, amount, currency):
    table = Table("one", "One", {"text": "Text", "time": "Time"}, [{"text": text, "time": Figure(amount, currency)}])
    (record,) = read_csv(write_csv({"one": table}))
    assert record["text"].removeprefix("'") == text.removeprefix("'")
    assert not record["text"].startswith(("=", "+", "-", "@"))
    assert int(record["time_amount_minor" if currency else "time_seconds"]) == amount
    report = {"organization_name": text, "from": "2026-01-01", "to": "2026-01-31", "moment": "2026-02-01T00:00:00Z"}
    _, (value, number) = read_sheets(write_xlsx(report, {"one": table}))["One"]
    assert value == text
    scale = {None: 3600, "EUR": 100, "JPY": 1, "BHD": 1000}[currency]
    assert round(Decimal(number) * scale) == amount
