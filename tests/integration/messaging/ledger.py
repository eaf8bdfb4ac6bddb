"""A handler that stores the records of a topic in the table ``processed``."""

from polling import wait_until

from tidemark_shared.messaging.batches import DeadLetter, write_dead_letters


class Ledger:
    """A handler that stores its records in a table, and can be made to fail."""

    def __init__(self):
        self.failures = []
        self.batch_count = 0

    async def __call__(self, connection, batch):
        self.batch_count += 1
        if self.failures:
            raise self.failures.pop()
        dead_letters = [DeadLetter(record, "It says bad.") for record in batch.records if record.value == b"bad"]
        await write_dead_letters(connection, batch, dead_letters)
        values = [record.value.decode() for record in batch.records if record.value != b"bad"]
        await connection.executemany("INSERT INTO processed (value) VALUES ($1)", [(value,) for value in values])


async def load_processed(pool):
    return sorted(row["value"] for row in await pool.fetch("SELECT value FROM processed"))


async def wait_for_processed(pool, *values):
    async def is_processed():
        return await load_processed(pool) == sorted(values)

    await wait_until(is_processed)
