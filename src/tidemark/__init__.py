"""The command line and the local stack: they compose the services, and none of them imports this."""
