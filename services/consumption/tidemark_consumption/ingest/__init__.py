"""From Kafka to the logs: what is read is decoded and appended, and nothing else."""
