"""Intake: webhooks and APIs of trackers become worklog events."""
