"""Seeds of the simulator without a database, and what a failing seed says. `make simulate` runs thousands."""

import tomllib
from pathlib import Path

import pytest
from effort import repeat
from simulator import life
from simulator.pure import PureSystem
from simulator.run import explain, find_first_failure

ROOT = Path(__file__).parents[2]
FAULTS = tomllib.loads((ROOT / "tests/simulator/faults.toml").read_text())["fault"]


async def test_no_seed_differs_from_the_reference():
    failing_seed = await find_first_failure(range(repeat(40, long=3000)), PureSystem)
    assert failing_seed is None, await explain(failing_seed, PureSystem)


async def test_failing_seed_prints_its_shortest_history(monkeypatch):
    # As if the specification did not know that a contract can be suspended.
    monkeypatch.delitem(life.NEXT, ("ACTIVE", "suspended"))
    seed = await find_first_failure(range(60), PureSystem)
    history = await explain(seed, PureSystem)
    assert history.startswith(f"Seed {seed} fails.")
    assert "2 are enough" in history
    assert "command type=activated" in history
    assert "now                  command type=suspended" in history


async def test_seed_that_does_not_fail_has_no_explanation():
    assert await explain(0, PureSystem) is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["name"])
def test_planted_fault_is_in_the_code_once(fault):
    assert (ROOT / fault["file"]).read_text().count(fault["find"]) == 1
