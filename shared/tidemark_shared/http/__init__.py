"""The HTTP side of a service: application, authentication, idempotency, pages, problems."""
