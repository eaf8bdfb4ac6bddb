"""The local stack: Postgres, Apache Kafka, a mail sink and the services, as processes of one directory."""

from tidemark.stack.state import environment

__all__ = ["environment"]
