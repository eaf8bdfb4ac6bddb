"""Exports of products: each is known by its columns, and read with its exact total."""

from pathlib import Path

import pytest
from importing_files import HOUR, TWO, read, total

from tidemark.importing.detection import detect_preset, is_event_file, read_sample
from tidemark.importing.explain import propose_mapping
from tidemark.importing.files import DEFAULT_MAX_SIZE
from tidemark.importing.mapping import MappingError, parse_mapping, validate_mapping
from tidemark.importing.presets import list_presets

EXPORTS = {path.stem: path for path in (Path(__file__).parent / "exports").iterdir()}
TOTALS = {
    "toggl": 9000,
    "toggl-report": 5460,
    "toggl-entries": 3600,
    "clockify": 5400,
    "clockify-report": 3600,
    "harvest": 7500,
    "kimai": 5400,
    "kimai-user": 5400,
    "kimai-api": 3600,
    "kimai-api-full": 3600,
    "solidtime": 5400,
    "tempo": 5400,
    "tempo-account": 5400,
    "tempo-api": 3600,
    "jira": 5400,
    "jira-api": 3600,
    "redmine": 5400,
    "redmine-api": 5400,
    "timewarrior": 5400,
}


@pytest.mark.parametrize("name", [preset.name for preset in list_presets()])
def test_export_is_known_by_its_columns(name: str) -> None:
    path = EXPORTS[name]
    detected = detect_preset(path, None, DEFAULT_MAX_SIZE)
    assert detected
    assert detected.preset.name == name
    rows, refused = read(path, validate_mapping(detected.mapping, {}))
    assert total(rows) == TOTALS[name]
    assert [row.reason for row in refused] == (["running"] if name == "timewarrior" else [])


def test_order_of_day_and_month_that_cannot_be_told_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(EXPORTS["clockify"].read_text().replace("03/14/2026", "03/04/2026"))
    with pytest.raises(MappingError, match="can be read in several ways"):
        detect_preset(path, None, DEFAULT_MAX_SIZE)
    chosen = detect_preset(path, None, DEFAULT_MAX_SIZE, date_formats=["%d/%m/%Y %I:%M:%S %p"])
    assert chosen


def test_events_are_known(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text('{"specversion":"1.0","id":"1"}\n')
    assert is_event_file(path, DEFAULT_MAX_SIZE)
    path.write_text(TWO)
    assert not is_event_file(path, DEFAULT_MAX_SIZE)


def test_mapping_that_is_proposed_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "zeiten.csv"
    path.write_bytes(
        "Mitarbeiter;Kunde;Projekt;Datum;Stunden;Notiz\nJörg;Acme;Site;14.03.2026;1,5;x\n".encode("cp1252")
    )
    text = propose_mapping(read_sample(path, None, DEFAULT_MAX_SIZE), "zeiten")
    rows, refused = read(path, parse_mapping(text))
    assert (total(rows), refused) == (1.5 * HOUR, [])
    assert (rows[0].author, rows[0].contract, rows[0].organization) == ("Jörg", "Site", "Acme")


def test_mapping_that_is_proposed_joins_a_day_with_the_times_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text(
        "Employee,Date,From,To,Project\nAnn,03/14/2026,9:00 AM,11:30 AM,P\nAnn,03/14/2026,11:00 PM,1:00 AM,P\n"
    )
    rows, refused = read(path, parse_mapping(propose_mapping(read_sample(path, None, DEFAULT_MAX_SIZE), "sheet")))
    assert (total(rows), refused) == (4.5 * HOUR, [])


def test_mapping_that_is_not_completed_is_refused(tmp_path: Path) -> None:
    """Given a proposal whose contract nobody filled in, then no work belongs to an issue or contract TODO."""
    path = tmp_path / "sheet.csv"
    path.write_text("Employee,Date,Hours\nAnn,2026-03-14,2\n")
    with pytest.raises(MappingError, match=r"issue\.id: Replace TODO"):
        parse_mapping(propose_mapping(read_sample(path, None, DEFAULT_MAX_SIZE), "sheet"))
