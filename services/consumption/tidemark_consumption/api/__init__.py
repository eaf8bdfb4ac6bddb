"""The HTTP API: figures, the worklogs behind them, and a way to publish worklogs without Kafka."""
