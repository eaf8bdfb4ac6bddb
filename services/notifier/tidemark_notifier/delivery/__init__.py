"""Deliveries: leased from the database, sent by mail or webhook, retried, and recorded."""
