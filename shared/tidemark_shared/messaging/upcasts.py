"""How an old version of an event becomes the newest, so that all other code knows the newest alone.

An upcaster takes the type and the data of version n and gives those of version n + 1. None is needed yet: every
event is at its first version. A new version adds its upcaster here, beside a fixture of the old one in
``tests/unit/fixtures``.
"""

from collections.abc import Callable

Upcaster = Callable[[bytes], tuple[str, bytes]]

UPCASTERS: dict[str, Upcaster] = {}


def upcast(type_: str, data: bytes) -> tuple[str, bytes]:
    """The newest form of an event of ``type_``."""
    while upcaster := UPCASTERS.get(type_):
        type_, data = upcaster(data)
    return type_, data
