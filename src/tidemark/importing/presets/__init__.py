"""Mappings for the exports of common time trackers: data in the language of MAP.toml, one file for each export."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class Preset(NamedTuple):
    """The mapping of one export."""

    name: str
    columns: frozenset[str]
    """The columns by which a file is known."""
    date_formats: dict[str, list[str]]
    """The formats for each order of day, month and year that the product can export; empty if there is only one."""
    mapping: dict[str, Any]

    @property
    def product(self) -> str:
        """The product, which is the ``--format``: ``toggl`` for ``toggl-report``."""
        return self.name.partition("-")[0]


@cache
def list_presets() -> tuple[Preset, ...]:
    """All presets, the ones with the most columns first."""
    presets = []
    for file in files(__name__).iterdir():
        name, _, ending = file.name.rpartition(".")
        if ending == "toml":
            document = tomllib.loads(file.read_text("utf-8"))
            detect = document["detect"]
            presets.append(
                Preset(name, frozenset(detect["columns"]), detect.get("date_formats", {}), document["mapping"])
            )
    return tuple(sorted(presets, key=lambda preset: (-len(preset.columns), preset.name)))
