"""From Kafka to the logs: decode records and append them."""
