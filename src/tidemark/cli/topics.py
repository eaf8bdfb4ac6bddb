"""``tidemark topics``: create the Kafka topics."""

import asyncio
from typing import Annotated

import typer

from tidemark.cli.options import DEFAULT_DATA_DIR, DataDir, load_settings
from tidemark.cli.output import print_line, report_errors
from tidemark_shared.messaging import kafka
from tidemark_shared.settings import require_setting


def topics(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    replication: Annotated[int, typer.Option(min=1, help="The number of brokers that keep a copy of each topic.")] = 1,
) -> None:
    """Create the missing Kafka topics, and print their names."""
    with report_errors():
        settings = load_settings(data_dir)
        servers = require_setting(settings.kafka_bootstrap_servers, "kafka_bootstrap_servers")
        created = kafka.create_topics(servers, prefix=settings.topic_prefix, replication=replication)
        for topic in asyncio.run(created):
            print_line(topic)
