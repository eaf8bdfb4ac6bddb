"""Seeds of the simulator on Postgres: event stores, fold, figures and notifier with all their SQL."""

from effort import repeat
from simulator.database import Database
from simulator.run import explain, find_first_failure


async def test_no_seed_differs_from_the_reference(database):
    async with Database.connect(database) as connected:
        failing_seed = await find_first_failure(range(repeat(2, long=60)), connected.system)
        assert failing_seed is None, await explain(failing_seed, connected.system)
