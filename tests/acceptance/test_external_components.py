"""``tidemark up`` with the Postgres, Kafka and mail server of somebody else. Without them: faults/test_stack.py."""

from pathlib import Path

from local_stack import Stack, running_stack


async def test_external_components_replace_the_embedded_ones(
    tmp_path: Path, database: str, kafka_bootstrap_servers: str, topic_prefix: str
) -> None:
    settings = {
        "TIDEMARK_DATABASE_URL": database,
        "TIDEMARK_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "TIDEMARK_TOPIC_PREFIX": topic_prefix,
        "TIDEMARK_SMTP_URL": "smtp://127.0.0.1:1",
    }
    async with running_stack(Stack(tmp_path, **settings)) as stack:
        assert set(stack.components()) == {"contracts", "consumption", "notifier", "web"}
        env = await stack.env()
        assert env.items() >= settings.items()
        assert "TIDEMARK_MAILDIR" not in env
