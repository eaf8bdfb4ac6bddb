"""The curve of a report as a picture of its own, for paper: the same lines as on the page. Pure."""

import re
from xml.sax.saxutils import escape

from tidemark_web.pages.charts import SIZE, Curve

_WIDTH, _HEIGHT = 720, 200
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 10, 10, 24
_STEP = re.compile(r"([MLHVZ])(-?\d+)?(?: (-?\d+))?")
_TEXT = "font-family='Libertinus Serif' font-size='11' fill='#55635f'"


def draw_curve(curve: Curve) -> str:
    """A complete SVG, in absolute units."""
    top, bottom, left, right = _TOP, _HEIGHT - _BOTTOM, _LEFT, _WIDTH - _RIGHT
    parts = []
    for tick in curve.y_ticks:
        y = _y(_per_mille(tick.at))
        parts += [
            f"<path d='M{left} {y}H{right}' stroke='#d5dad8'/>",
            f"<text x='{left - 6}' y='{y + 4}' text-anchor='end' {_TEXT}>{escape(tick.label)}</text>",
        ]
    parts += [
        f"<path d='M{_x(_per_mille(edge))} {top}V{bottom}' stroke='#a9b7b3' stroke-dasharray='2 3'/>"
        for edge in curve.edges
    ]
    parts += [
        f"<text x='{_x(_per_mille(tick.at))}' y='{_HEIGHT - 6}' {_TEXT}>{escape(tick.label)}</text>"
        for tick in curve.x_ticks
        if _per_mille(tick.at) < SIZE * 19 // 20
    ]
    for path, look in (
        (curve.area, "fill='#d3eaec'"),
        (curve.even, "fill='none' stroke='#55635f' stroke-dasharray='3 4'"),
        (curve.limit, "fill='none' stroke='#16211f' stroke-width='2'"),
        (curve.executed, "fill='none' stroke='#2b8a98' stroke-width='2.5'"),
    ):
        if path:
            parts.append(f"<path d='{_scale(path)}' {look}/>")
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' "
        f"viewBox='0 0 {_WIDTH} {_HEIGHT}'>{''.join(parts)}</svg>"
    )


def _scale(path: str) -> str:
    """A path of the square of a curve, in the units of the picture."""

    def scale(step: re.Match[str]) -> str:
        name, first, second = step.groups()
        if name == "Z":
            return name
        if name == "V":
            return f"V{_y(int(first))}"
        return f"{name}{_x(int(first))}" + (f" {_y(int(second))}" if second else "")

    return _STEP.sub(scale, path)


def _x(value: int) -> int:
    return _LEFT + value * (_WIDTH - _LEFT - _RIGHT) // SIZE


def _y(value: int) -> int:
    return _TOP + value * (_HEIGHT - _TOP - _BOTTOM) // SIZE


def _per_mille(percent: str) -> int:
    """``12.5%`` as 125."""
    whole, _, rest = percent.rstrip("%").partition(".")
    return int(whole) * 10 + int(rest or 0)
