"""HTTP: the application, authentication, idempotency, pagination, problems."""
