"""Event data: limits of the fields, and canonical content."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from cloudevent_records import (
    ATTRIBUTES,
    LINK,
    VALID,
    WORKLOG,
    WORKLOG_STRATEGY,
    Record,
    binary_record,
    rejection_reason,
    structured_record,
    without,
    worklog,
)
from hypothesis import given
from hypothesis import strategies as st

from tidemark_shared.messaging.cloudevents import decode_event
from tidemark_shared.messaging.events import (
    ISSUE_LINKED,
    WORKLOG_DELETED,
    WORKLOG_RECORDED,
    IssueLinked,
    canonical_content,
)
from tidemark_shared.messaging.topics import WORKLOGS


@pytest.mark.parametrize("seconds", [1, 60, 3_600_000])
def test_seconds_from_1_to_3600000_are_accepted(seconds: int) -> None:
    assert decode_event(WORKLOGS, *binary_record(worklog(seconds=seconds))).data.seconds == seconds


@pytest.mark.parametrize("mode", [binary_record, structured_record])
@pytest.mark.parametrize(
    "seconds",
    [0, -1, 3_600_001, 10**400, 1.0, 1.5, 1e3, float("nan"), float("inf"), True, False, "60", "", None, [60], {}],
    ids=str,
)
def test_invalid_seconds_are_rejected(mode: Callable[..., Record], seconds: object) -> None:
    assert rejection_reason(mode(worklog(seconds=seconds))).startswith(f"{WORKLOG_RECORDED}: seconds: Input should be ")


@pytest.mark.parametrize("id_", ["a", "a" * 255, "é" * 127, "日" * 85, "😀" * 63, "\x01", " ", "\\N", "\t\n\r"])
def test_ids_of_1_to_255_bytes_are_accepted_unchanged(id_: str) -> None:
    data = decode_event(WORKLOGS, *binary_record(worklog(worklog_id=id_, issue_id=id_, author_id=id_))).data
    assert (data.worklog_id, data.issue_id, data.author_id) == (id_, id_, id_)


ID_FIELDS = [
    (WORKLOG_RECORDED, "worklog_id"),
    (WORKLOG_RECORDED, "issue_id"),
    (WORKLOG_RECORDED, "author_id"),
    (WORKLOG_DELETED, "worklog_id"),
    (WORKLOG_DELETED, "issue_id"),
    (ISSUE_LINKED, "issue_id"),
    (ISSUE_LINKED, "contract_id"),
    (ISSUE_LINKED, "account_id"),
]


@pytest.mark.parametrize(("type_", "field"), ID_FIELDS)
@pytest.mark.parametrize(
    "value", ["", "a" * 256, "é" * 128, "日" * 86, "😀" * 64, "\0", "a\0b", 7, True, ["a"]], ids=repr
)
def test_invalid_ids_are_rejected_with_the_field_name(type_: str, field: str, value: object) -> None:
    reason = rejection_reason(binary_record({**VALID[type_], field: value}, {**ATTRIBUTES, "type": type_}))
    assert reason.startswith(f"{type_}: {field}: ")
    assert reason.removeprefix(f"{type_}: {field}: ") in {
        "String should have at least 1 character",
        "An id has at most 255 bytes.",
        "The text contains a NUL character.",
        "Input should be a valid string",
    }


@pytest.mark.parametrize(
    ("type_", "field"),
    [(type_, field) for type_, data in VALID.items() for field in data if field not in {"team_id", "description"}],
)
def test_missing_fields_are_rejected_or_null(type_: str, field: str) -> None:
    record = binary_record(without(VALID[type_], field), {**ATTRIBUTES, "type": type_})
    if (type_, field) in {
        (ISSUE_LINKED, name) for name in ("issue_key", "summary", "contract_id", "account_id", "created_at")
    }:
        assert getattr(decode_event(WORKLOGS, *record).data, field) is None
    else:
        assert rejection_reason(record) == f"{type_}: {field}: Field required"


def test_all_errors_of_a_record_are_reported_together() -> None:
    reason = rejection_reason(binary_record(worklog(seconds=0, author_id="", started_at="yesterday")))
    assert [part.split(":")[0] for part in reason.removeprefix(f"{WORKLOG_RECORDED}: ").split("; ")] == [
        "author_id",
        "started_at",
        "seconds",
    ]


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01T00:00:00Z",
        "2100-12-31T23:59:59.999999Z",
        "2100-12-31T23:59:59.999999999Z",
        "2101-01-01T13:59:59+14:00",
        "1969-12-31T12:00:00-12:00",
        "2024-02-29T00:00:00Z",
        "2026-03-02T09:00:00.123+0100",
    ],
)
def test_times_from_1970_to_2100_are_accepted(moment: str) -> None:
    decode_event(WORKLOGS, *binary_record(worklog(started_at=moment)))


@pytest.mark.parametrize("mode", [binary_record, structured_record])
@pytest.mark.parametrize("field", ["started_at", "updated_at"])
@pytest.mark.parametrize(
    "moment",
    [
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:59:59+01:00",
        "2101-01-01T00:00:00Z",
        "2100-12-31T23:00:00-01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-03-02T09:00:00",
        "2026-03-02",
        "2026-02-29T00:00:00Z",
        "2026-03-02T25:00:00Z",
        "2026-03-02T09:00:00+25:00",
        "2026-03-02T09:00:00 Europe/Berlin",
        "yesterday",
        "",
        "1772438400",
        "1772438400000",
        "1772438400.5",
        1772438400,
        1772438400.5,
        True,
        None,
        [],
    ],
    ids=repr,
)
def test_invalid_times_are_rejected_with_the_field_name(
    mode: Callable[..., Record], field: str, moment: object
) -> None:
    assert rejection_reason(mode(worklog(**{field: moment}))).startswith(f"{WORKLOG_RECORDED}: {field}: ")


@pytest.mark.parametrize("field", ["team_id", "description"])
@pytest.mark.parametrize("value", ["\0", 7, {}], ids=repr)
def test_optional_texts_reject_nul_and_other_types(field: str, value: object) -> None:
    assert rejection_reason(binary_record(worklog(**{field: value}))).startswith(f"{WORKLOG_RECORDED}: {field}: ")


@given(WORKLOG_STRATEGY)
def test_canonical_content_is_rfc_8785_json(data: dict[str, Any]) -> None:
    moments = {
        name: datetime.fromisoformat(data[name]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for name in ("started_at", "updated_at")
    }
    members = {**dict.fromkeys(WORKLOG), **data, **moments}
    members.pop("unknown_field", None)
    assert canonical_content(decode_event(WORKLOGS, *binary_record(data)).data) == rfc8785.dumps(members)


@given(
    st.text(st.characters(max_codepoint=0x2FF, exclude_characters="\0") | st.sampled_from('"\\/\u2028\u2029\ufeff😀'))
)
def test_canonical_content_escapes_exactly_as_rfc_8785(summary: str) -> None:
    link = IssueLinked(issue_id="1", summary=summary, updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    members = {**dict.fromkeys(LINK), "issue_id": "1", "summary": summary, "updated_at": "2026-01-01T00:00:00.000000Z"}
    assert canonical_content(link) == rfc8785.dumps(members)


OPTIONAL = [
    *((WORKLOG_RECORDED, name) for name in ("team_id", "description")),
    *((ISSUE_LINKED, name) for name in ("issue_key", "summary", "contract_id", "account_id", "created_at")),
]


@pytest.mark.parametrize(("type_", "field"), OPTIONAL)
def test_absent_optional_member_equals_null(type_: str, field: str) -> None:
    attributes = {**ATTRIBUTES, "type": type_}
    absent = decode_event(WORKLOGS, *binary_record(without(VALID[type_], field), attributes))
    null = decode_event(WORKLOGS, *binary_record({**VALID[type_], field: None}, attributes))
    assert absent == null
    assert canonical_content(absent.data) == canonical_content(null.data)


def test_same_instant_in_other_notations_has_the_same_canonical_content() -> None:
    notations = [
        "2026-03-02T09:00:00+01:00",
        "2026-03-02T08:00:00Z",
        "2026-03-02T08:00:00.0000009Z",
        "2026-03-02 08:00Z",
    ]
    assert (
        len(
            {
                canonical_content(decode_event(WORKLOGS, *binary_record(worklog(started_at=notation))).data)
                for notation in notations
            }
        )
        == 1
    )
