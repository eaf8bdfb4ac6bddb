"""A system to inject faults into, and what each one cost: `make faults` writes it into docs/reliability.md."""

import os
import time

import pytest
from reliability import Result, write_result
from story import Story
from system import System


def note(result):
    """Print what a fault cost; `make faults` writes it into the table too."""
    print(f"\n{result.row()}")
    if os.environ.get("TIDEMARK_FAULT_REPORT") == "1":
        write_result(result)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """What was not tried is in the table too, with the reason."""
    report = yield
    if report.skipped:
        fault = item.name.removeprefix("test_").replace("_", " ")
        note(Result(fault, 0, 0, 0, 0, 0, report.longrepr[2].removeprefix("Skipped: ")))
    return report


@pytest.fixture(scope="module")
async def system(request, tmp_path_factory):
    """A system for the faults of one file, which may say how many brokers it has."""
    folder = tmp_path_factory.mktemp("system")
    folder.chmod(0o711)
    system = System(folder, **getattr(request.module, "SYSTEM", {}))
    try:
        await system.start()
        yield system
    finally:
        await system.stop()


@pytest.fixture
def survive(system):
    """Inject a fault while work is logged, wait until everything is as the reference says, and note what it cost."""

    async def survive(fault, inject, *, story=None):
        if story is None:
            story = Story(system)
            await story.begin()
        await story.work(10)
        try:
            await inject(story)
        finally:
            system.resume_all()
        healed_at = time.monotonic()
        await story.settle()
        seconds = time.monotonic() - healed_at
        lost, doubled, copies = await story.count_differences()
        findings = await story.verify()
        result = Result(fault, story.work_count, lost, doubled, copies, seconds)
        note(result)
        assert (lost, doubled, findings.total) == (0, 0, 0), (result, findings)
        return result

    return survive
