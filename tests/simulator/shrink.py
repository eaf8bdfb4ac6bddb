"""The shortest schedule that still fails in the same way."""


async def shrink(schedule, find_failure, max_runs):
    """Leave out ever smaller parts of the steps while the rest still fails."""
    steps, size, runs = schedule.steps, len(schedule.steps) // 2, 0
    while size and runs < max_runs:
        start = 0
        while start < len(steps) and runs < max_runs:
            candidate = [*steps[:start], *steps[start + size :]]
            runs += 1
            if await find_failure(schedule._replace(steps=candidate)):
                steps = candidate
            else:
                start += size
        size = min(size // 2, len(steps) // 2)
    return schedule._replace(steps=steps)
