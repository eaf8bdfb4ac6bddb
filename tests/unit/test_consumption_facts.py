"""A record to a fact or to the reason why not, never to another exception; and a fact to a row."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tidemark_consumption.facts import COLUMNS, MAX_RECORD_BYTES, Fact, copy_text, fact, read_all
from tidemark_shared.events import DELETED, LINKED, RECORDED, DecodeError

RECEIVED = datetime(2026, 5, 28, 12, tzinfo=UTC)
RECEIVED_MS = int(RECEIVED.timestamp() * 1000)
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)

WORKLOG: dict[str, Any] = {
    "worklog_id": "10100",
    "issue_id": "10001",
    "author_id": "712020:ab",
    "started_at": "2026-03-02T09:00:00+01:00",
    "seconds": 28800,
    "team_id": "T1",
    "description": "x",
    "updated_at": "2026-03-02T16:05:11.123Z",
}
DELETION = {"worklog_id": "10100", "issue_id": "10001", "deleted_at": "2026-03-03T08:00:00Z"}
LINK = {
    "issue_id": "10001",
    "contract_id": "ACME-SUP",
    "account_id": "Help desk",
    "created_at": "2026-03-01T08:00:00+01:00",
    "updated_at": "2026-03-01T08:00:01Z",
}
VALID: dict[str, tuple[dict[str, Any], str]] = {
    RECORDED: (WORKLOG, "updated_at"),
    DELETED: (DELETION, "deleted_at"),
    LINKED: (LINK, "updated_at"),
}


def record(data: object, type_: str = RECORDED, *, timestamp: int = RECEIVED_MS, headers: Any = None) -> Any:
    """What a fact is made of, of all that the broker gives."""
    value = data if isinstance(data, bytes) or data is None else json.dumps(data).encode()
    own = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/jira"), ("ce_type", type_.encode())]
    return SimpleNamespace(
        offset=7, timestamp=timestamp, value=value, headers=own if headers is None else headers, key=None
    )


def test_a_worklog_becomes_a_row_with_its_times_in_utc() -> None:
    assert fact(record(WORKLOG)) == Fact(
        record_offset=7,
        kind="recorded",
        source="/jira",
        issue_id="10001",
        worklog_id="10100",
        author_id="712020:ab",
        started_at="2026-03-02T08:00:00.000000Z",
        seconds=28800,
        team_ref="T1",
        contract_ref=None,
        account_ref=None,
        created_at=None,
        changed_at="2026-03-02T16:05:11.123000Z",
        content=(
            b'{"author_id":"712020:ab","description":"x","issue_id":"10001","seconds":28800,'
            b'"started_at":"2026-03-02T08:00:00.000000Z","team_id":"T1",'
            b'"updated_at":"2026-03-02T16:05:11.123000Z","worklog_id":"10100"}'
        ),
    )


def test_a_deletion_becomes_a_row() -> None:
    assert fact(record(DELETION, DELETED)) == Fact(
        7, "deleted", "/jira", "10001", "10100", None, None, None, None, None, None, None,
        "2026-03-03T08:00:00.000000Z",
        b'{"deleted_at":"2026-03-03T08:00:00.000000Z","issue_id":"10001","worklog_id":"10100"}',
    )  # fmt: skip


def test_a_link_becomes_a_row() -> None:
    assert fact(record(LINK, LINKED)) == Fact(
        7, "linked", "/jira", "10001", None, None, None, None, None, "ACME-SUP", "Help desk",
        "2026-03-01T07:00:00.000000Z", "2026-03-01T08:00:01.000000Z",
        b'{"account_id":"Help desk","contract_id":"ACME-SUP","created_at":"2026-03-01T07:00:00.000000Z",'
        b'"issue_id":"10001","issue_key":null,"summary":null,"updated_at":"2026-03-01T08:00:01.000000Z"}',
    )  # fmt: skip


@pytest.mark.parametrize("type_", VALID)
def test_a_time_up_to_24_hours_ahead_of_the_record_is_taken(type_: str) -> None:
    data, field = VALID[type_]
    assert fact(record({**data, field: (RECEIVED + DAY).isoformat()}, type_)).changed_at.startswith("2026-05-29T12:00")


@pytest.mark.parametrize("type_", VALID)
def test_a_time_further_ahead_is_refused_for_it_could_never_be_corrected(type_: str) -> None:
    data, field = VALID[type_]
    with pytest.raises(DecodeError) as raised:
        fact(record({**data, field: (RECEIVED + DAY + MICROSECOND).isoformat()}, type_))
    assert str(raised.value) == (
        f"{field} 2026-05-29T12:00:00.000001Z lies more than 24 hours after the record was published "
        "(2026-05-28T12:00:00.000000Z). Check the publisher's clock and time zone, and publish it again."
    )


@pytest.mark.parametrize("timestamp", [-(2**63), -(10**17), 10**17, 2**63 - 1])
def test_a_record_whose_own_timestamp_is_no_time_is_refused(timestamp: int) -> None:
    with pytest.raises(DecodeError, match=rf"^The record's own timestamp, {timestamp} ms since 1970, is no time\."):
        fact(record(WORKLOG, timestamp=timestamp))


def test_a_record_of_one_mebibyte_is_taken_and_a_greater_one_refused() -> None:
    fits = json.dumps(WORKLOG).encode().ljust(MAX_RECORD_BYTES)
    assert fact(record(fits)).worklog_id == "10100"
    with pytest.raises(DecodeError, match=r"^The record has 1048577 bytes\. At most 1 MiB \(1048576\) is taken\.$"):
        fact(record(fits + b" "))


def test_a_batch_is_read_to_its_end_whatever_is_in_it() -> None:
    records = [record(WORKLOG), record(b"{"), record(None), record(DELETION, DELETED), record(LINK, "nonsense")]
    facts, refusals = read_all(records)
    assert [one.kind for one in facts] == ["recorded", "deleted"]
    assert [one.record for one in refusals] == [records[1], records[2], records[4]]


# Whatever comes.


def outcome(one: Any) -> Fact | str:
    try:
        return fact(one)
    except DecodeError as reason:
        return str(reason)


def takes_or_refuses(one: Any) -> None:
    """The fact can be written, or the reason be shown: both hold nothing that Postgres or a person cannot take."""
    found = outcome(one)
    if isinstance(found, str):
        assert found.encode()
        assert len(found) < 2_000
        return
    texts = [value for value in found if isinstance(value, str)]
    assert all("\0" not in text and text.encode() is not None for text in texts)
    assert found.seconds is None or 1 <= found.seconds <= 3_600_000
    ids = [found.issue_id, found.worklog_id, found.author_id, found.contract_ref, found.account_ref]
    assert all(one is None or 1 <= len(one.encode()) <= 255 for one in ids)
    assert copy_text(1, [found]).count(b"\n") == 1


timestamps = st.integers(-(2**63), 2**63 - 1) | st.just(RECEIVED_MS)
any_headers = st.lists(
    st.tuples(
        st.sampled_from(["ce_specversion", "ce_type", "ce_id", "ce_source", "content-type", "CE_ID"]) | st.text(),
        st.none()
        | st.binary(max_size=20)
        | st.sampled_from([b"1.0", b"/s", *(one.encode() for one in VALID), b"application/cloudevents+json"]),
    ),
    max_size=8,
)


@settings(max_examples=200)
@given(any_headers, st.none() | st.binary(max_size=200), timestamps)
def test_any_bytes_are_a_fact_or_a_reason(headers: Any, value: bytes | None, timestamp: int) -> None:
    takes_or_refuses(record(value, headers=headers, timestamp=timestamp))


any_text = st.text() | st.sampled_from(["\0", "\ud800", "a" * 256, "2026-03-02T09:00:00Z", "1772438400", "ACME-SUP"])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.sampled_from([10**400, -(10**400)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data(), timestamps)
def test_a_good_event_with_anything_in_some_places_is_a_fact_or_a_reason(
    type_: str, data: st.DataObject, timestamp: int
) -> None:
    members = {**VALID[type_][0]}
    for name in data.draw(st.lists(st.sampled_from(sorted(members)) | any_text, max_size=2)):
        if data.draw(st.booleans()):
            members[name] = data.draw(any_json)
        else:
            members.pop(name, None)
    attributes: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "/jira", "type": type_}
    for name in data.draw(st.lists(st.sampled_from(sorted(attributes)), max_size=1)):
        attributes[name] = data.draw(any_json)
    takes_or_refuses(record(members, type_, timestamp=timestamp))
    takes_or_refuses(record({**attributes, "data": members}, headers=[], timestamp=timestamp))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_good_event_with_its_bytes_changed_is_a_fact_or_a_reason(type_: str, data: st.DataObject) -> None:
    whole = json.dumps(VALID[type_][0]).encode()
    place = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 5))
    takes_or_refuses(record(whole[:place] + data.draw(st.binary(max_size=5)) + whole[place + length :], type_))


# Rows for COPY.

no_nul = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
awkward = st.lists(st.sampled_from(["\t", "\n", "\r", "\\", "\\N", "\\.", "\\x41", "\b\f\v", "é", "😀", "\u2028", "'"]))
texts = no_nul | awkward.map("".join)
FIRST, LAST = datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2100-12-31")
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC)).map(
    lambda moment: moment.isoformat(timespec="microseconds")[:-6] + "Z"
)
facts_drawn = st.builds(
    Fact,
    record_offset=st.integers(0, 2**63 - 1),
    kind=st.sampled_from(["recorded", "deleted", "linked"]),
    source=texts,
    issue_id=texts,
    worklog_id=st.none() | texts,
    author_id=st.none() | texts,
    started_at=st.none() | moments,
    seconds=st.none() | st.integers(1, 3_600_000),
    team_ref=st.none() | texts,
    contract_ref=st.none() | texts,
    account_ref=st.none() | texts,
    created_at=st.none() | moments,
    changed_at=moments,
    content=st.binary(),
)
TABLE = """
CREATE TEMPORARY TABLE stage (
  batch bigint, record_offset bigint, kind text, source text, issue_id text, worklog_id text, author_id text,
  started_at timestamptz, seconds integer, team_ref text, contract_ref text, account_ref text,
  created_at timestamptz, changed_at timestamptz, content bytea
)
"""


@pytest.fixture
async def stage(database: str) -> Any:
    connection = await asyncpg.connect(database)
    await connection.execute(TABLE)
    yield connection
    await connection.close()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(facts_drawn, max_size=5))
@example([Fact(0, "linked", "\\N", "\\.", "", None, None, None, "\\", "\t", "\n", None, "2026-01-01T00:00:00Z", b"\\")])
async def test_what_is_copied_is_what_is_read_back(stage: Any, facts: list[Fact]) -> None:
    await stage.execute("TRUNCATE stage")
    source = copy_text(3, facts)

    async def pieces() -> Any:
        yield source

    await stage.copy_to_table("stage", source=pieces(), columns=("batch", *COLUMNS), format="text")
    rows = await stage.fetch("SELECT * FROM stage")
    assert Counter(map(tuple, rows)) == Counter((3, *map(moment_or_as_it_is, COLUMNS, one)) for one in facts)


def moment_or_as_it_is(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if value is not None and name.endswith("_at") else value
