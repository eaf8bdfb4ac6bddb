"""Work that waits in a topic, for tests in which consumers come and go."""

import asyncio

from event_builders import deletion, link, worklog

from tidemark_shared.messaging.kafka import create_producer

ISSUES, PARTITIONS = 12, 4


def backlog(draw, count):
    """Work on many issues, corrected, moved and deleted; published under any key, so in any order."""
    links = [link(f"I{number}", contract=draw.choice(["C1", "C2"])) for number in range(ISSUES)]
    work = [
        worklog(
            str(draw.randrange(count // 4)),
            issue=f"I{draw.randrange(ISSUES)}",
            author=draw.choice(["ann", "bob"]),
            started=f"2026-03-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:00:00Z",
            seconds=draw.randrange(1, 20_000),
            updated=f"2026-04-{draw.randrange(1, 29):02}T00:00:00Z",
        )
        for _ in range(count)
    ]
    deletions = [
        deletion(str(draw.randrange(count // 4)), deleted=f"2026-04-{draw.randrange(1, 29):02}T12:00:00Z")
        for _ in range(count // 100)
    ]
    records = [*links, *work, *deletions]
    draw.shuffle(records)
    return records


async def publish(bootstrap, topic, records, draw):
    producer = create_producer(bootstrap)
    await producer.start()
    try:
        sent = [
            await producer.send(
                topic, record.value, key=record.key, headers=record.headers, partition=draw.randrange(PARTITIONS),
                timestamp_ms=record.timestamp,
            )
            for record in records
        ]  # fmt: skip
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
