"""Web is the one address for people: it routes /v1 to the services."""
