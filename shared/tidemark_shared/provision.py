"""``python -m tidemark_shared.provision SERVICE``: migrate the service's database and create the missing topics.

For images, which contain a service but not the command line: it does the work of `tidemark migrate` and `tidemark
topics`. You can run it again, and several times at once.
"""

import argparse
import asyncio
from collections.abc import Sequence

from tidemark_shared import log
from tidemark_shared.database import MigrationError, migrate
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import InvalidSettingError, Settings, require_setting


async def provision(service: str, settings: Settings, *, replication: int) -> None:
    """Migrate the database of ``service``, then create the topics that are missing."""
    kafka.use_settings(settings)
    await migrate(settings.service_database_url(service), service)
    bootstrap_servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
    topics = await kafka.create_topics(bootstrap_servers, prefix=settings.topic_prefix, replication=replication)
    log.get_logger().info("provisioned", created_topics=topics)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tidemark_shared.provision")
    parser.add_argument("service", choices=("contracts", "consumption", "notifier", "intake"))
    parser.add_argument("--replication", type=int, default=1, help="number of replicas of each topic that is created")
    options = parser.parse_args(arguments)
    try:
        settings = Settings()
        log.configure(options.service, settings.log_level)
        asyncio.run(provision(options.service, settings, replication=options.replication))
    except (InvalidSettingError, MigrationError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
