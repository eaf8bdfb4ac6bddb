"""Rows as JSON for queries."""

import json
from typing import Any, TypedDict

import pytest

from tidemark_shared.database import json_rows


class TeamsTableRow(TypedDict):
    team_id: Any
    name: Any


def test_json_rows_keeps_rows_with_fewer_columns():
    assert json.loads(json_rows(TeamsTableRow, [{"team_id": 1, "name": "A"}, {"team_id": 2}])) == [
        {"team_id": 1, "name": "A"},
        {"team_id": 2},
    ]


def test_json_rows_rejects_a_key_that_is_not_a_column():
    with pytest.raises(TypeError, match="TeamsTableRow has no column nmae; it has team_id, name"):
        json_rows(TeamsTableRow, [{"team_id": 1, "nmae": "A"}])
