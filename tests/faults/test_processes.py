"""Processes, Postgres, Kafka and the mail server are killed, paused, cut off and filled up while work is logged.

`make faults` runs all; TIDEMARK_FAULT_SHORT=1 leaves the short form, which CI runs.
"""

import asyncio
import contextlib
import os
import signal
import time

import asyncpg
import pytest
from polling import wait_until
from system import PROCESSES, RECOVERY_SECONDS

IS_SHORT = os.environ.get("TIDEMARK_FAULT_SHORT") == "1"
# Longer than a lease (15 s), and than the session of a consumer (10 s).
PAUSE_SECONDS = 2 if IS_SHORT else 20
PAUSED = ("consumption-1", "notifier-1")

pytestmark = pytest.mark.timeout(900)
long_form = pytest.mark.skipif(IS_SHORT, reason="the short form")


async def let_pass(seconds):
    """A fault lasts for a while: here time is what is tested."""
    await asyncio.sleep(seconds)


async def is_replaced(system, name, pid):
    process = system.process(name)
    return process.pid != pid and process.poll() is None


async def end_one_after_another(system, story, names, number):
    """Each once work is under way, and as soon as the one before is back."""
    for name in names:
        pid = system.process(name).pid
        await story.work(8)
        system.signal(name, number)
        await wait_until(lambda name=name, pid=pid: is_replaced(system, name, pid), timeout_seconds=RECOVERY_SECONDS)


async def test_every_process_is_killed(system, survive):
    async def inject(story):
        await end_one_after_another(system, story, PROCESSES, signal.SIGKILL)
        await story.amend()
        assert story.version == 3

    await survive("kill -9 of each process, one after another", inject)


@long_form
async def test_every_process_is_restarted(system, survive):
    async def inject(story):
        await end_one_after_another(system, story, PROCESSES, signal.SIGTERM)
        await story.amend()

    await survive("restart (SIGTERM) of each process, one after another", inject)


async def test_processes_are_paused(system, survive):
    async def inject(story):
        for name in PAUSED if IS_SHORT else PROCESSES:
            system.signal(name, signal.SIGSTOP)
            await story.work(8)
            await let_pass(PAUSE_SECONDS)
            system.signal(name, signal.SIGCONT)

    await survive(f"SIGSTOP of each process for {PAUSE_SECONDS} s, then SIGCONT", inject)


@long_form
async def test_everything_is_killed_together(system, survive):
    async def inject(story):
        await story.work(40)
        system.kill_all()
        await story.work(40)
        await story.amend()

    await survive("kill -9 of all processes, Postgres and Kafka together", inject)


# Postgres


async def test_connections_are_terminated(system, survive):
    async def inject(story):
        for _ in range(3):
            await story.work(15)
            await system.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
            )

    await survive("Postgres: all connections terminated, three times", inject)


async def test_postgres_cannot_be_reached(system, survive):
    async def inject(story):
        await system.proxy.close()
        await story.work(40)
        await let_pass(PAUSE_SECONDS)
        await system.proxy.open()
        await story.amend()

    await survive(f"Postgres: its port refuses connections for {PAUSE_SECONDS} s", inject)


@long_form
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["restarted", "killed"])
async def test_postgres_ends(system, survive, number):
    async def inject(story):
        await end_one_after_another(system, story, ["postgres"], number)
        await story.work(40)

    await survive(f"Postgres: {'restarted' if number == signal.SIGINT else 'kill -9 of all its processes'}", inject)


@long_form
async def test_postgres_is_paused(system, survive):
    async def inject(story):
        system.signal("postgres", signal.SIGSTOP)
        await story.work(40)
        await let_pass(PAUSE_SECONDS)
        system.signal("postgres", signal.SIGCONT)

    await survive(f"Postgres: SIGSTOP of all its processes for {PAUSE_SECONDS} s", inject)


@long_form
async def test_tables_are_locked(system, survive):
    async def inject(story):
        connection = await asyncpg.connect(system.postgres_url)
        async with connection.transaction():
            await connection.execute(
                "LOCK TABLE consumption.fact_log, consumption.projection, notifier.contracts, notifier.deliveries, "
                "consumption.consumer_offsets, contracts.outbox IN ACCESS EXCLUSIVE MODE"
            )
            await story.work(60)
            await let_pass(2 * PAUSE_SECONDS)
        await connection.close()

    await survive(f"Postgres: tables locked for {2 * PAUSE_SECONDS} s", inject)


@long_form
async def test_disk_is_full(system, survive):
    if system.disk.reason:
        pytest.skip(f"no disk of its own can be mounted: {system.disk.reason}")

    async def inject(story):
        system.disk.fill()
        await story.work(60)
        for number in range(200):
            await cause_writes(system, number)
        await let_pass(PAUSE_SECONDS)
        system.disk.free()

    await survive("Postgres: the disk is full until room is made", inject)


async def cause_writes(system, number):
    """Fill what Postgres has reserved, so that it really has no room."""
    rows = "SELECT repeat('x', 9000) FROM generate_series(1, 999)"
    with contextlib.suppress(asyncpg.PostgresError, OSError, TimeoutError):
        await system.fetch(f"CREATE TABLE public.ballast_{number} AS {rows}")


# Kafka


@long_form
async def test_broker_is_killed(system, survive):
    async def inject(story):
        await end_one_after_another(system, story, system.broker_names, signal.SIGKILL)
        await story.work(40)

    await survive("Kafka: kill -9 of the only broker", inject)


@long_form
async def test_broker_is_paused(system, survive):
    async def inject(story):
        await story.work(40)
        system.signal(system.broker_names[0], signal.SIGSTOP)
        await let_pass(PAUSE_SECONDS)
        system.signal(system.broker_names[0], signal.SIGCONT)
        await story.work(40)

    await survive(f"Kafka: SIGSTOP of the only broker for {PAUSE_SECONDS} s", inject)


@long_form
async def test_consumers_join_and_leave_all_the_time(system, survive):
    async def inject(story):
        for _ in range(2):
            await end_one_after_another(system, story, ["consumption-1", "notifier-2"], signal.SIGTERM)
            await end_one_after_another(system, story, ["notifier-1", "consumption-2"], signal.SIGKILL)

    await survive("Kafka: two of everything, and a rebalance after every few records", inject)


# Mail


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (["451 4.3.0 later"] * 3, "answers 451 three times"),
        (["drop", "drop"], "accepts twice and closes the connection before it answers"),
        pytest.param(["stall"], "never answers one mail", marks=long_form),
    ],
    ids=["refuses", "drops", "hangs"],
)
async def test_mail_server_fails(system, survive, script, what):
    async def inject(story):
        system.mail_server.script = list(script)
        await story.work(60)

        async def is_over():
            return not system.mail_server.script

        await wait_until(is_over, timeout_seconds=RECOVERY_SECONDS)

    result = await survive(f"SMTP: {what}", inject)
    # Only a mail that was accepted without an answer is sent again.
    assert result.copies == script.count("drop")


@long_form
async def test_mail_server_is_away(system, survive):
    async def inject(story):
        await system.mail_server.stop()
        await story.work(60)
        await let_pass(PAUSE_SECONDS)
        await system.mail_server.start()

    await survive(f"SMTP: the port refuses connections for {PAUSE_SECONDS} s", inject)


async def test_everything_is_ready_in_the_end(system):
    started_at = time.monotonic()
    await system.wait_until_ready()
    print(f"ready after {time.monotonic() - started_at:.0f} s")
