"""Paths of violations."""

import pytest

from tidemark_shared.http.problems import json_pointer


@pytest.mark.parametrize(
    ("parts", "expected"),
    [((), ""), (("a",), "/a"), (("a", 0, "b"), "/a/0/b"), (("a/b", "~c"), "/a~1b/~0c"), (("",), "/")],
)
def test_json_pointer_follows_rfc_6901(parts: tuple[object, ...], expected: str) -> None:
    assert json_pointer(*parts) == expected
