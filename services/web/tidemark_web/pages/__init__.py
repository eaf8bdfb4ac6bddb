"""The pages for people (SPEC 7): drawn on the server, from the public API alone."""
