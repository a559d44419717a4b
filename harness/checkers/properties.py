"""The page of properties, written from the registry: one row a requirement.

A core. `python -m harness.checkers.properties > docs/properties.md` refreshes the page; a test says
when it is out of date.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.checkers.registry import REQUIREMENTS

if TYPE_CHECKING:
    from harness.verdict import Requirement

PARTS = {
    "R": "Rollouts: what a CSMS promises the operator",
    "L": "Liveness: what has to happen, within the target's bounds",
    "C": "Chargers",
    "W": "The wire, judged for both sides",
}
HEAD = """# Properties

What the judge checks, generated from its registry (`python -m harness.checkers.properties`).

A property at level MUST follows from the published API text or from OCPP; breaking it *violates*.
A property at level PROFILE holds a system to its target's profile; breaking it *differs*. The
switches name the decisions of the profile that a property, or part of it, hangs on: a target that
sets one to `any` is not judged by it. Findings name the side that they accuse; the wire rules judge
both.

Verdicts: PASS, FAIL, NON_STRICT (allowed, not ideal), INCONCLUSIVE (never exercised, or the
evidence is missing), NOT_APPLICABLE (the profile excludes it), ERROR (the checker broke).
"""


def page() -> str:
    """Return the page as Markdown."""
    parts = [HEAD]
    for letter, title in PARTS.items():
        rows = [r for r in REQUIREMENTS if r.id.startswith(letter)]
        parts.append(f"\n## {title}\n\n| id | property | level | source | switches |\n")
        parts.append("|---|---|---|---|---|\n")
        parts.extend(map(row, rows))
    return "".join(parts)


def row(requirement: Requirement) -> str:
    """Return one line of the table."""
    cells = (
        requirement.id,
        f"**{requirement.title}.** {requirement.sentence}",
        requirement.level,
        requirement.source,
        " ".join(requirement.switches),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
