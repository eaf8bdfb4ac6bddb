"""Contracts: their terms, rules, life cycle and event store."""
