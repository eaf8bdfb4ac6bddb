"""Upcasting: converts an old version of an event to the newest, the only one that other code handles.

An upcaster takes the type and data of version n and returns those of version n + 1. None is needed yet: every event
is at its first version. When you add a version, add its upcaster here, and a fixture of the old version in
``tests/unit/shared/fixtures``.
"""

from collections.abc import Callable

Upcaster = Callable[[bytes], tuple[str, bytes]]

UPCASTERS: dict[str, Upcaster] = {}


def upcast(type_: str, data: bytes) -> tuple[str, bytes]:
    """Convert an event of ``type_`` to its newest version."""
    while upcaster := UPCASTERS.get(type_):
        type_, data = upcaster(data)
    return type_, data
