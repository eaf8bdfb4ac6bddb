"""Queries of the command line."""
