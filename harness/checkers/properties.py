"""The page of properties, written from the registry: one row a requirement.

A core. `python -m harness.checkers.properties < reports/power.json > docs/properties.md` refreshes
the page; a test says when it is out of date.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from harness.checkers.registry import REQUIREMENTS
from harness.contract import DEFAULTS
from harness.decisions import DECISIONS, INERT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.verdict import Requirement

PARTS = {
    "R": "Rollouts: what a CSMS promises the operator",
    "L": "Liveness: what has to happen, within the target's bounds",
    "C": "Chargers",
    "W": "The wire, judged for both sides",
}
NAMED = 3  # mutants beside a property
HEAD = """# Properties

What the judge checks, generated from its registry and from what was
measured with wrong decisions (`python -m harness.checkers.properties < reports/power.json`).

*The published API* is the REST interface by which an operator rolls firmware out: create,
execute-stage, pause, read a rollout and list the fleet's versions ([openapi.json](openapi.json)
describes it as our own CSMS offers it). *The contract* is how we read it where it leaves something
open: the [decisions](#decisions-what-the-api-leaves-open) at the end of this page, and that
whatever was answered 2xx survives a kill of the CSMS.

A property at level MUST follows from the published API text or from OCPP; breaking it *violates*.
A property at level PROFILE holds a system to the contract, as the profile of its target changes
it; breaking it *differs*. A target whose profile sets one of a property's *switches* to `any` is
not judged by that property. Findings name the side that they accuse; the wire rules judge both.
*Finds* counts the wrong decisions that the property was seen to find and names a few; all of them
stand in [reports/power.md](../reports/power.md).

Verdicts: PASS, FAIL, NON_STRICT (allowed, not ideal), INCONCLUSIVE (never exercised, or the
evidence is missing), NOT_APPLICABLE (the profile excludes it), ERROR (the checker broke).
"""
OPEN = """
## Decisions: what the API leaves open

This is how a target is judged unless the `profile:` of its [target file](check-csms.md) says
otherwise: `{D6: any}` is not judged, `{D34: {freshness: 10}}` changes a number (seconds; what
stands here is the default). Where a property draws on a decision that is none of its switches,
`any` leaves out only the findings that hang on it. On those without an entry no finding hangs
alone: to name one is refused. `failure_threshold`, `max_in_flight`, `offline_timeout`, `retries`,
`retry_interval` and `update_timeout` are extensions of a create: a CSMS need not have them.

| id | decision | a profile may say |
|---|---|---|
"""


def page(found_by: Mapping[str, Sequence[str]]) -> str:
    """Return the page as Markdown; `found_by`: property id -> mutants that it finds."""
    parts = [HEAD]
    for letter, title in PARTS.items():
        rows = [r for r in REQUIREMENTS if r.id.startswith(letter)]
        parts.append(f"\n## {title}\n\n| id | property | level | source | switches | finds |\n")
        parts.append("|---|---|---|---|---|---|\n")
        parts.extend(row(one, found_by.get(one.id, ())) for one in rows)
    return "".join([*parts, *decisions()])


def decisions() -> Iterator[str]:
    """Yield the table of decisions, with what a profile may say of each."""
    yield OPEN
    for name, sentence in DECISIONS.items():
        numbers = ", ".join(f"`{key}: {value:g}`" for key, value in DEFAULTS.get(name, {}).items())
        may = "" if name in INERT else f"`any`; {numbers}" if numbers else "`any`"
        yield f"| {name} | {sentence}. | {may} |\n"


def row(requirement: Requirement, finds: Sequence[str]) -> str:
    """Return one line of the table."""
    named = ", ".join(f"`{name}`" for name in finds[:NAMED])
    more = ", …" if len(finds) > NAMED else ""
    cells = (
        requirement.id,
        f"**{requirement.title}.** {requirement.sentence}",
        requirement.level,
        requirement.source,
        " ".join(requirement.switches),
        f"{len(finds)}: {named}{more}" if finds else "",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)["found_by"]))
