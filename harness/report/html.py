"""`report.html`: one page, offline, for a manager in ten seconds and an engineer for an hour.

Everything is escaped by the template engine; the drawings contain numbers only. The page forbids
itself to load or run anything but its own inline style and script.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from harness.contract import objects
from harness.report.block import in_words, properties_in_words
from harness.report.junit import clean
from harness.report.svg import STACK, timeline
from harness.run_record import Expectation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.report.picture import Picture
    from harness.run_record import RunRecord

_ORDER = {"FAIL": 0, "ERROR": 1, "NON_STRICT": 2, "PASS": 3, "INCONCLUSIVE": 4,
          "NOT_APPLICABLE": 5}  # fmt: skip


def html(run: RunRecord, seen: Picture) -> str:
    """Return the page."""
    here = resources.files("harness.report")
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    script = here.joinpath("page.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(here.joinpath("page.html.j2").read_text(encoding="utf-8"))
    results = sorted(
        run.judgement.results if run.judgement else (),
        key=lambda result: (_ORDER.get(result.verdict, 9), result.requirement.id),
    )
    page = template.render(
        run=run,
        seen=seen,
        expectations=_expectations(run.expectations),
        results=results,
        words=in_words(run),
        property_words=properties_in_words(run),
        timeline=Markup(timeline(seen)),  # noqa: S704 - numbers only, see svg.py
        legend=STACK,
        stages=[_stages(body) for body in run.rollouts],
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=_hash(script),
        versions=run.header.versions if run.header else {},
    )
    return clean(page)  # what no page can hold, and what would move a terminal that shows it


def _expectations(given: Sequence[Expectation]) -> list[Expectation]:
    """Return the lines to show; properties that were put to the test as planned share one."""
    tested = [one.expected for one in given if one.name == "exercises" and one.met]
    rest = [one for one in given if one.name != "exercises" or not one.met]
    if tested:
        rest.append(Expectation("exercises", ", ".join(tested), "put to the test", met=True))
    return rest


def _hash(text: str) -> str:
    """Return the CSP source of an inline script."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _stages(body: dict[str, Any]) -> dict[str, Any]:
    """Return a rollout's stages with their chargers counted by shown status."""
    stages = []
    for stage in objects(body.get("stages")):
        counts: dict[str, int] = {}
        for charger in objects(stage.get("chargers")):
            status = str(charger.get("status"))
            counts[status] = counts.get(status, 0) + 1
        total = sum(counts.values())
        bars = [(status, count, 100.0 * count / total) for status, count in sorted(counts.items())]
        stages.append({"stage": stage.get("stage"), "label": stage.get("label"),
                       "status": stage.get("status"), "total": total, "bars": bars})  # fmt: skip
    return {"id": body.get("rollout_id"), "status": body.get("status"),
            "strategy": body.get("strategy"), "stages": stages}  # fmt: skip
