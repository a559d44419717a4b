"""The charts of a load report as SVG text, made of numbers only. A core.

Times are seconds, the windows of pauses and of a CSMS that was down are shaded in every chart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 1000, 220
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 24
_ENOUGH = 12  # pixels of a shaded window that a word fits beside


def chart(
    label: str, lines: Mapping[str, Points], windows: Sequence[dict[str, Any]], duration: float
) -> str:
    """Return one chart: a line a name, windows shaded; "" without points."""
    most = max((value for points in lines.values() for _, value in points), default=0.0)
    if duration <= 0 or not any(lines.values()):
        return ""
    plot = _Plot(duration, most or 1.0)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" role="img" aria-label="{label}">',
        *(_window(window, plot) for window in windows),
        *plot.grid(),
    ]
    for place, (name, points) in enumerate(lines.items()):
        drawn = " ".join(f"{plot.x(time):.1f},{plot.y(value):.1f}" for time, value in points)
        parts.append(
            f'<polyline class="c{place}" points="{drawn}"><title>{name}</title></polyline>'
        )
    return "".join([*parts, *_legend(list(lines)), "</svg>"])


def _window(window: dict[str, Any], plot: _Plot) -> str:
    left, right = plot.x(window["began"]), plot.x(window["ended"])
    kind = "down" if window["kind"] == "down" else "pause"
    width = max(right - left, 1.0)
    word = {"down": "CSMS down", "pause": "paused"}[kind] if width > _ENOUGH else ""
    return (
        f'<rect class="w-{kind}" x="{left:.1f}" y="{TOP}" width="{width:.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"><title>{kind}</title></rect>'
        f'<text class="w-word" x="{left + 3:.1f}" y="{TOP + 11}">{word}</text>'
    )


class _Plot:
    """Seconds and values to pixels."""

    def __init__(self, duration: float, most: float) -> None:
        self.duration = duration
        self.most = most

    def x(self, time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(time / self.duration, 1.0)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most

    def grid(self) -> list[str]:
        parts = []
        for tick in ticks(self.most, 4):
            y = self.y(tick)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="axis end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
            )
        parts += [
            f'<text class="axis mid" x="{self.x(tick):.1f}" y="{HEIGHT - 6}">{tick:g} s</text>'
            for tick in ticks(self.duration, 8)
        ]
        return parts


def ticks(most: float, about: int) -> list[float]:
    """Return round numbers from 0 to at most `most`, `about` so many."""
    step = 10.0**-6
    while most / step > about:
        step *= 2.5 if f"{step:e}".startswith("2") else 2.0
    return [round(step * n, 9) for n in range(int(most / step) + 1)]


def _legend(names: list[str]) -> list[str]:
    return [
        f'<text class="legend l{place}" x="{LEFT + 8 + 110 * place}" y="{TOP + 26}">{name}</text>'
        for place, name in enumerate(names)
    ]
