"""Notifier tells: rules are judged against balances, and people are told once."""
