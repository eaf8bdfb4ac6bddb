"""Kafka: topics, events, consumers, outbox, dead letters."""
