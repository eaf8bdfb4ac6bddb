"""Play a seed; where it fails, shrink its schedule and tell its history."""

import logging

import structlog

from simulator.shrink import shrink
from simulator.steps import draw_schedule
from simulator.world import World


async def find_failure(schedule, make_system, report=lambda _: None):
    """Why a schedule fails: a difference, or an error of the system; None if it does not."""
    # The services log each fault and each command.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        await World(make_system(), schedule).play(schedule.steps, report)
    except Exception as error:  # noqa: BLE001 - any error is a failure of the seed
        return f"{type(error).__name__}: {error}"
    finally:
        structlog.reset_defaults()
    return None


async def find_first_failure(seeds, make_system):
    """The first seed that fails; None if none does."""
    for seed in seeds:
        if await find_failure(draw_schedule(seed), make_system):
            return seed
    return None


async def explain(seed, make_system, *, max_runs=400):
    """The shortest history of a seed that fails, for people; None if it does not fail.

    It is the shortest that ``max_runs`` attempts find.
    """
    schedule = draw_schedule(seed)
    if not await find_failure(schedule, make_system):
        return None
    shortest = await shrink(schedule, lambda candidate: find_failure(candidate, make_system), max_runs)
    lines = []
    failure = await find_failure(shortest, make_system, lines.append)
    failed = shortest.steps[len(lines)] if len(lines) < len(shortest.steps) else "the end"
    return "\n".join(
        [
            f"Seed {seed} fails. Of its {len(schedule.steps)} steps {len(shortest.steps)} are enough, with {shortest}:",
            *lines,
            f"{'now':21}{failed}",
            failure,
        ]
    )
