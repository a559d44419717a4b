"""Drawings as SVG text, made of numbers only: nothing a charger said gets in here. A core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.picture import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.picture import Moment, Picture

WIDTH, HEIGHT = 1000, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 26, 24
# From the bottom of the stack upwards: ends first, so that success grows from the ground.
STACK = ("installed", "failed", "rebooting", "installing", "downloading", "triggered", "waiting")


def timeline(picture: Picture) -> str:
    """Return the rollout over time: chargers by state, pauses shaded, the operator's moments."""
    if not picture.samples or picture.duration <= 0:
        return ""
    most = max(sum(counts) for _, counts in picture.samples) or 1
    plot = _Plot(picture.duration, most)
    box = f"0 0 {WIDTH} {HEIGHT}"
    parts = [f'<svg viewBox="{box}" class="timeline" role="img" aria-label="Chargers over time">']
    parts += plot.grid()
    parts += _areas(picture.samples, plot)
    parts += [_pause(plot.x(began), plot.x(ended)) for began, ended in picture.pauses]
    parts += _online(picture.online, plot)
    parts += _moments(picture.moments, plot)
    parts.append("</svg>")
    return "".join(parts)


def _pause(left: float, right: float) -> str:
    middle = (HEIGHT + TOP - BOTTOM) / 2
    return (
        f'<rect class="pause" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>'
        f'<text class="pauseword" x="{(left + right) / 2:.1f}" y="{middle:.0f}">paused</text>'
    )


class _Plot:
    """Seconds and chargers to pixels."""

    def __init__(self, duration: float, most: int) -> None:
        self.duration = duration
        self.most = most

    def x(self, time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * time / self.duration

    def y(self, count: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * count / self.most

    def grid(self) -> list[str]:
        """Return the axes with round numbers."""
        parts = []
        for tick in _ticks(self.most, 4):
            y = self.y(tick)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="axis end" x="{LEFT - 6}" y="{y + 4:.1f}">{tick:g}</text>'
            )
        parts += [
            f'<text class="axis mid" x="{self.x(tick):.1f}" y="{HEIGHT - 6}">{tick:g} s</text>'
            for tick in _ticks(self.duration, 8)
        ]
        return parts


def _ticks(most: float, about: int) -> list[float]:
    rough = most / about
    power = 10.0 ** len(str(int(rough))) / 10 if rough >= 1 else 0.1
    step = next((power * f for f in (1, 2, 5, 10) if power * f >= rough), power * 10)
    return [step * n for n in range(int(most / step) + 1)]


def _areas(samples: Sequence[tuple[float, tuple[int, ...]]], plot: _Plot) -> list[str]:
    places = {state: place for place, state in enumerate(STATES)}
    floor = [0] * len(samples)
    areas = []
    for state in STACK:
        roof = [
            low + counts[places[state]] for low, (_, counts) in zip(floor, samples, strict=True)
        ]
        if roof != floor:
            up = _steps([(time, high) for (time, _), high in zip(samples, roof, strict=True)], plot)
            down = _steps(
                [(time, low) for (time, _), low in zip(samples, floor, strict=True)], plot
            )
            areas.append(
                f'<polygon class="s-{state}" points="{" ".join(up + down[::-1])}">'
                f"<title>{state}</title></polygon>"
            )
        floor = roof
    return areas


def _steps(points: Sequence[tuple[float, float]], plot: _Plot) -> list[str]:
    """Return points that jump: a state holds until the next event."""
    path: list[str] = []
    before: float | None = None
    for time, value in [*points, (plot.duration, points[-1][1])]:
        if before is not None:
            path.append(f"{plot.x(time):.1f},{plot.y(before):.1f}")
        path.append(f"{plot.x(time):.1f},{plot.y(value):.1f}")
        before = value
    return path


def _online(online: Sequence[tuple[float, int]], plot: _Plot) -> list[str]:
    if not online:
        return []
    points = " ".join(_steps([(time, min(count, plot.most)) for time, count in online], plot))
    return [f'<polyline class="online" points="{points}"><title>connected</title></polyline>']


_SHOWN = ("create", "execute stage", "pause", "heal", "kill", "up", "interrupted")


def _moments(moments: Sequence[Moment], plot: _Plot) -> list[str]:
    parts = []
    last = -100.0
    for moment in moments:
        if moment.label not in _SHOWN:
            continue
        x = plot.x(moment.time)
        parts.append(f'<line class="moment" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" '
                     f'y2="{HEIGHT - BOTTOM}"/>')  # fmt: skip
        if x - last > 62:  # noqa: PLR2004 - pixels: labels do not overlap
            anchor = "mid" if x < WIDTH - 60 else "end"
            parts.append(
                f'<text class="momentword {anchor}" x="{x:.1f}" y="{TOP - 8}">{moment.label}</text>'
            )
            last = x
    return parts
