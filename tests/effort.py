"""How often tests with random or repeated steps repeat them: few times in each run, more often in `make test-long`."""

import os

LONG = os.environ.get("TIDEMARK_TEST_LONG") == "1"


def repeat(usually: int, *, long: int) -> int:
    """The number of examples, seeds or rounds of this run."""
    return long if LONG else usually
