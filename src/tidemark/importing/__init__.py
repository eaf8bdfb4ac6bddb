"""Import worklogs from files: organizations, teams, contracts and worklog events.

``mapping``, ``rows``, ``plan`` and ``events`` are pure. ``run`` connects them with files, the API and Kafka.
"""
