"""Messaging over Kafka: topics, events, consumer, outbox, dead letters."""
