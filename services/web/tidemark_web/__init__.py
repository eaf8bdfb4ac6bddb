"""Web: the public address of Tidemark; it routes /v1 to the services."""
