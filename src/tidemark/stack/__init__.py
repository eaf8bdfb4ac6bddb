"""The local stack: Postgres, Apache Kafka, a mail sink and the services, as processes of one data directory."""
