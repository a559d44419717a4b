"""The published page on how good the judge is, from what was measured. A core.

Tables: every mutant with what killed it and how soon, every benign variant with its alarms, and
every property with the mutants that it finds, those that it alone finds apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers import REQUIREMENTS
from harness.power import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.power import Power

HOW = (
    "`firmdrill power --runs 400 --out reports` measures it anew. The drills are drawn by number "
    "(`harness/generate.py`), run in virtual time against the reference CSMS with one wrong "
    "decision, and judged like any other; a benign variant decides otherwise where the contract "
    "leaves it open. A drill that kills breaks a property that the mutant is known to break; the "
    "kill rate has its 95 % interval (Wilson), *99 % after* is how many drills, and seconds of "
    "one core, find it with that certainty."
)


def markdown(measured: Iterable[Power]) -> str:
    """Return the page."""
    every = list(measured)
    wrong = [one for one in every if not one.mutant.benign]
    benign = [one for one in every if one.mutant.benign]
    parts = [
        "# How good the judge is",
        _summary(wrong, benign),
        HOW,
        "## Wrong decisions of a CSMS",
        _wrong(wrong),
        "## What a sound CSMS may do otherwise",
        _benign(benign),
        "## Properties",
        "*Alone* means that in no drill anything else fired for that mutant.",
        _properties(wrong),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(measured: Iterable[Power]) -> dict[str, Any]:
    """Return plain JSON types: the figures, and which property finds which mutant."""
    every = list(measured)
    return {
        "mutants": [one.to_dict() for one in every],
        "found_by": found_by(one.to_dict() for one in every),
    }


def found_by(mutants: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the mutants that each property finds: property id -> names, in order."""
    out: dict[str, list[str]] = {}
    for one in mutants:
        if not one["benign"]:
            for name in one["fired"]:
                out.setdefault(name, []).append(one["name"])
    return {r.id: out[r.id] for r in REQUIREMENTS if r.id in out}


def _summary(wrong: list[Power], benign: list[Power]) -> str:
    killed = sum(one.works for one in wrong)
    runs = sum(one.runs for one in benign)
    alarms = sum(one.accused for one in benign)
    _, most = wilson(alarms, runs)
    soon = [one.to_dict()["seconds_for_99"] for one in wrong if one.kills]
    slowest = f", the slowest with 99 % certainty after {max(soon):g} s of one core" if soon else ""
    return (
        f"{killed} of {len(wrong)} wrong decisions of a CSMS are found by drawn drills"
        f"{slowest}. {alarms} of {runs} drills against {len(benign)} benign variants were "
        f"accused (95 %: at most {100 * most:.2f} %)."
    )


def _wrong(wrong: list[Power]) -> str:
    lines = [
        "| mutant | wrong decision | found by | kills / drills | rate | 99 % after | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in wrong:
        said = one.to_dict()
        fired = ", ".join(f"{name} {count}" for name, count in one.fired.most_common(4))
        low, high = one.interval()
        seconds = said["seconds_for_99"]
        lines.append(
            f"| `{one.mutant.name}` | {one.mutant.wrong} | {fired or '**survives**'} "
            f"| {one.kills} / {one.runs} | {100 * low:.1f}-{100 * high:.1f} % "
            f"| {said['runs_for_99'] or '-'} drills | {'-' if seconds is None else seconds} |"
        )
    return "\n".join(lines)


def _benign(benign: list[Power]) -> str:
    lines = ["| variant | what it does | alarms / drills |", "|---|---|---|"]
    lines += [
        f"| `{one.mutant.name}` | {one.mutant.wrong} | {one.accused} / {one.runs} |"
        for one in benign
    ]
    return "\n".join(lines)


def _properties(wrong: list[Power]) -> str:
    lines = ["| property | finds | alone |", "|---|---|---|"]
    for requirement in REQUIREMENTS:
        finds = [one for one in wrong if requirement.id in one.fired]
        alone = [f"`{one.mutant.name}`" for one in finds if set(one.fired) == {requirement.id}]
        told = ", ".join(f"`{one.mutant.name}`" for one in finds)
        if finds:
            lines.append(f"| {requirement.id} {requirement.title} | {told} | {', '.join(alone)} |")
    idle = [r.id for r in REQUIREMENTS if not any(r.id in one.fired for one in wrong)]
    lines += ["", f"No mutant in this table needs {', '.join(idle)}."] if idle else []
    return "\n".join(lines)
