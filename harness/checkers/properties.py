"""The page of properties, written from the registry: one row a requirement.

A core. `python -m harness.checkers.properties < reports/power.json > docs/properties.md` refreshes
the page; a test says when it is out of date.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from harness.checkers.registry import REQUIREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

A property at level MUST follows from the published API text or from OCPP; breaking it *violates*.
A property at level PROFILE holds a system to its target's profile; breaking it *differs*. The
switches name the decisions of the profile that a property, or part of it, hangs on: a target that
sets one to `any` is not judged by it. Findings name the side that they accuse; the wire rules judge
both. *Finds* counts the wrong decisions that the property was seen to find and names a few; all of
them stand in [reports/power.md](../reports/power.md).

Verdicts: PASS, FAIL, NON_STRICT (allowed, not ideal), INCONCLUSIVE (never exercised, or the
evidence is missing), NOT_APPLICABLE (the profile excludes it), ERROR (the checker broke).
"""


def page(found_by: Mapping[str, Sequence[str]]) -> str:
    """Return the page as Markdown; `found_by`: property id -> mutants that it finds."""
    parts = [HEAD]
    for letter, title in PARTS.items():
        rows = [r for r in REQUIREMENTS if r.id.startswith(letter)]
        parts.append(f"\n## {title}\n\n| id | property | level | source | switches | finds |\n")
        parts.append("|---|---|---|---|---|---|\n")
        parts.extend(row(one, found_by.get(one.id, ())) for one in rows)
    return "".join(parts)


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
