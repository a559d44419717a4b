"""`forecast.html`, `forecast.json` and the table: what each strategy would have cost. A core."""

from __future__ import annotations

import math
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import msgspec
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.forecast import Night, Outlook, Spread

WIDTH, ROW, TOP = 1000, 46, 44
NAMES, PANEL, GAP = 196, 362, 40  # pixels: the names, one panel, and between the panels
FITS = 20  # letters of a name
HOUR, MINUTE = 3600.0, 60.0
LONG = 2 * HOUR
ENOUGH = 20  # nights: of fewer, none of 5 and 95 in 100 can be told, only the best and the worst


def length(seconds: float) -> str:
    """Say how long something takes."""
    return f"{seconds / HOUR:.1f} h" if seconds >= LONG else f"{seconds / MINUTE:.0f} min"


def edges(outlooks: Sequence[Outlook]) -> tuple[str, str, str]:
    """Name what the whiskers reach to, and the upper end of them in a heading, long and short."""
    if outlooks[0].nights < ENOUGH:
        return "best to worst night", "worst night", "worst"
    return "5 to 95 of 100 nights", "95 % below", "p95"


def endings(one: Outlook) -> str:
    """Say how the nights of a strategy ended, the most frequent first."""
    return ", ".join(f"{count} {ending}" for ending, count in one.endings.items())


def table(outlooks: Sequence[Outlook]) -> str:
    """Return the figures for a terminal: medians, and behind them 95 of 100 nights."""
    edge = edges(outlooks)[2]
    rows = [
        ("strategy", f"harmed ({edge})", "bricked", "hit after seen", "updated", "took",
         f"how {outlooks[0].nights} night{'s' * (outlooks[0].nights > 1)} ended")
    ]  # fmt: skip
    rows += [
        (
            one.strategy,
            f"{one.harmed.median:.0f} ({one.harmed.p95:.0f})",
            f"{one.bricked.median:.0f} ({one.bricked.p95:.0f})",
            f"{one.hit_seen.median:.0f} ({one.hit_seen.p95:.0f})",
            f"{one.updated.median:.0f} of {one.fleet}",
            length(one.duration.median),
            endings(one),
        )
        for one in outlooks
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def to_json(about: dict[str, Any], outlooks: Sequence[Outlook], nights: Sequence[Night]) -> bytes:
    """Return everything: what was asked, each strategy's figures, each night's."""
    whole = {"about": about, "strategies": list(outlooks), "nights": list(nights)}
    return msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n"


def html(about: dict[str, Any], outlooks: Sequence[Outlook]) -> str:
    """Return one page with the picture, the figures and how they came about; works offline."""
    here = resources.files("harness.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        here.joinpath("forecast.html.j2").read_text(encoding="utf-8")
    )
    return template.render(
        about=about,
        outlooks=outlooks,
        length=length,
        edges=edges(outlooks),
        endings=endings,
        picture=Markup(picture(outlooks)),  # noqa: S704 - numbers, and escaped names
        style=Markup(here.joinpath("page.css").read_text(encoding="utf-8")),  # noqa: S704
    )


def picture(outlooks: Sequence[Outlook]) -> str:
    """Return two panels, a row a strategy: chargers harmed, and how long the night was."""
    high = TOP + ROW * len(outlooks) + 24
    parts = [
        (
            f'<svg viewBox="0 0 {WIDTH} {high}" class="timeline" role="img" '
            f'aria-label="Chargers harmed, and duration, by strategy">'
        )
    ]
    left, right = NAMES, NAMES + PANEL + GAP
    parts += _panel(
        outlooks,
        left,
        f"chargers harmed, of {outlooks[0].fleet}",
        lambda one: one.harmed,
        "{:.0f}".format,
        over=_overlay,
    )
    parts += _panel(outlooks, right, "how long the night was", lambda one: one.duration, length)
    for number, one in enumerate(outlooks):
        y = TOP + ROW * number
        parts += [
            (
                f'<text class="name" x="0" y="{y + 18}"{_fitting(one.strategy)}>'
                f"{escape(one.strategy)}</text>"
            ),
            (
                f'<text class="axis" x="0" y="{y + 33}">'
                f"reached all in {one.for_all} of {one.nights} nights</text>"
            ),
        ]
    parts.append("</svg>")
    return "".join(parts)


def _fitting(name: str) -> str:
    """Make a long name narrower, or it would run into the bars."""
    squeezed = f' textLength="{NAMES - 8}" lengthAdjust="spacingAndGlyphs"'
    return squeezed if len(name) > FITS else ""


def _panel(
    outlooks: Sequence[Outlook], left: int, title: str, figure: Callable[[Outlook], Spread],
    say: Callable[[float], str], *, over: Callable[[Outlook, int, float, int], str] | None = None,
) -> list[str]:  # fmt: skip
    spreads = [figure(one) for one in outlooks]
    scale = _scale(spreads)
    parts = [f'<text class="momentword" x="{left}" y="20">{title}</text>']
    for number, (one, spread) in enumerate(zip(outlooks, spreads, strict=True)):
        y = TOP + ROW * number
        width = spread.median * scale
        low, high = left + spread.p5 * scale, left + spread.p95 * scale
        parts += [
            f'<rect class="f-bar" x="{left}" y="{y + 8}" width="{width:.1f}" height="22"/>',
            over(one, left, scale, y) if over is not None else "",
            f'<line class="f-range" x1="{low:.1f}" x2="{high:.1f}" y1="{y + 19}" y2="{y + 19}"/>',
            *(
                f'<line class="f-range" x1="{x:.1f}" x2="{x:.1f}" y1="{y + 13}" y2="{y + 25}"/>'
                for x in (low, high)
            ),
            (
                f'<text class="axis" x="{max(left + width, high) + 8:.1f}" y="{y + 24}">'
                f"{say(spread.median)}</text>"
            ),
        ]
    return parts


def _overlay(one: Outlook, left: int, scale: float, y: int) -> str:
    """Return the part of the harm that came after somebody could have seen it."""
    width = min(one.hit_seen.median, one.harmed.median) * scale
    start = left + one.harmed.median * scale - width
    return (
        f'<rect class="f-late" x="{start:.1f}" y="{y + 8}" width="{width:.1f}" height="22">'
        f"<title>triggered after somebody could have seen it</title></rect>"
    )


def _scale(spreads: Sequence[Spread]) -> float:
    """Return pixels a unit; room is left for the figure behind the longest bar."""
    most = max((spread.p95 for spread in spreads), default=0.0)
    return (PANEL - 60) / most if most > 0 and math.isfinite(most) else 0.0
