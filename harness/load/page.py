"""`load.html`: one page that works offline, made from load.json alone. A core.

Whatever a charger or a CSMS said is escaped by the template; charts are made of numbers.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from harness.load.charts import chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.load.charts import Points

PAGE = "load.html"


def html(said: dict[str, Any]) -> str:
    """Return the page for a load.json as it was read."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_text("harness.load", "load.html.j2"))
    return template.render(
        run=said,
        charts=[(title, Markup(drawn)) for title, drawn in _charts(said) if drawn],  # noqa: S704 - numbers only
        style=Markup(_text("harness.report", "page.css")),  # noqa: S704 - our own file
    )


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _charts(said: dict[str, Any]) -> list[tuple[str, str]]:
    windows, duration = said["windows"], said["duration"]
    over, curve, uses = said["over_time"], said["curve"], said["generator"]["uses"]

    def draw(title: str, lines: Mapping[str, Points]) -> tuple[str, str]:
        return title, chart(title, lines, windows, duration)

    def of(rows: list[dict[str, Any]], *names: str) -> dict[str, list[tuple[float, float]]]:
        return {name: [(row["time"], row[name]) for row in rows] for name in names}

    workers = sorted({use["worker"] for use in uses})
    processor = {
        _worker(one): [(u["time"], u["cpu"] * 100) for u in uses if u["worker"] == one]
        for one in workers
    }
    memory = {
        _worker(one): [(u["time"], u["memory"] / 2**20) for u in uses if u["worker"] == one]
        for one in workers
    }
    return [
        draw("Latency of all calls and requests, ms", of(over, "p50", "p95", "p99")),
        draw("Calls and requests a second", {"all": _rate(over, "count"),
                                             "errors": _rate(over, "errors")}),
        draw("Chargers connected and accepted", of(curve, "online", "booted")),
        draw("Progress of the rollouts, chargers (all rounds)",
             of(curve, "triggered", "installed", "failed")),
        draw("The generator itself: CPU of each process, %", processor),
        draw("The generator itself: memory of each process, MiB", memory),
    ]  # fmt: skip


def _rate(rows: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(row["time"], row[name] / row["width"]) for row in rows]


def _worker(number: int) -> str:
    return "coordinator" if number < 0 else f"process {number}"
