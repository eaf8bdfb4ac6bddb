"""``tidemark import``: files of worklogs to organizations, teams, contracts and worklog events.

``mapping``, ``rows`` and ``plan`` are pure: from text to what is to exist. ``files`` opens, ``run`` is the shell.
"""
