"""``python -m tidemark_shared.provision SERVICE``: a service's tables in their newest form, and the topics it needs.

For images, which hold a service and no command line: what `tidemark migrate` and `tidemark topics` do. Safe to run
again, and beside others.
"""

import argparse
import asyncio
from collections.abc import Sequence

from tidemark_shared import log
from tidemark_shared.database import migrate
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import Settings, require_setting


async def provision(service: str, settings: Settings, *, replication: int) -> None:
    """Migrate the database of ``service``, then make the topics that are missing."""
    await migrate(settings.service_database_url(service), service)
    servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    made = await kafka.create_topics(servers, prefix=settings.topic_prefix, replication=replication)
    log.get_logger().info("prepared", topics=made)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tidemark_shared.provision")
    parser.add_argument("service", choices=("contracts", "consumption", "notifier"))
    parser.add_argument("--replication", type=int, default=1, help="brokers that keep a copy of each topic made")
    given = parser.parse_args(arguments)
    settings = Settings()
    log.configure(given.service, settings.log_level)
    asyncio.run(provision(given.service, settings, replication=given.replication))


if __name__ == "__main__":
    main()
