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
    "`firmdrill power --runs 400 --suites 240 --out reports` measures it anew. For a CSMS a run is "
    "one drill, drawn by number (`harness/generate.py`), run in virtual time against the reference "
    "CSMS with one wrong decision, and judged like any other. For a charger a run is the whole "
    "suite of numbered cases (`firmdrill check charger`) in virtual time on one drawn charger "
    "(`harness/suites/charger_draws.py`), whose version, speed and habits differ from run to run. "
    "A benign variant decides otherwise where the contract or OCPP leave it open. *Rare* are "
    "drills in rarer circumstances (`harness/circumstances.py`: slow installations, dates, bad "
    "lines, impatience): what shows only there is looked for there. A run that kills "
    "breaks a property, or fails a case, that the mutant is known to break; the rate is given with "
    "its 95 % interval (Wilson), *99 % after* is how many runs, and seconds of one core, find it "
    "with that certainty."
)
ALONE = (
    "*Alone* names the mutants for which in no run anything else fired; where there is none, those "
    "with the most runs in which nothing else did; where there is none either, why."
)
UNDRAWN = {
    "C14": "OCPP only recommends it, so breaking it makes a run non-strict and never failed",
    "L8": "it needs a thousand chargers beside a hundred reads, which load runs have",
}
IMPLIED = {
    "C03": "the case with a date looks at it itself; drills and logs have no such case",
    "C10": "every case that breaks a connection waits for the end itself; drills and logs do not",
    "R07": "who skips a stage begins one behind an unsettled one: R09, where D1 is judged",
    "R09": "an execute-stage that succeeds too early is no order either: R27; without a call: R08",
    "R10": "a stage more than calls is one that no call announced: R08, where answers name stages",
    "R12": "a rollout that goes on after a failed canary shows so in a GET: R33",
    "R15": "a rollout that is completed too early shows so in a GET: R33",
    "R21": "its triggers are those of R18; it says why they came",
    "R22": "a rollout that is gone is a wrong 404: R38; a pause or stage that is gone: R18 or R27",
    "R23": "too much is R08, a wrong answer R27, too little L1, where these are judged",
    "R25": "it is R27 of requests that overlap, and says so",
    "R26": "two winners have no order: R27, where it is judged",
    "R28": "who is held up is late: L1; it says who holds up",
    "R32": "an edge that does not exist is no order: R27; a trigger after the end: R08",
    "R36": "whoever falls back is shown to fall: R29; it says what made it",
    "R37": "whoever moves without a command is shown without evidence: R14; it says what made it",
    "R39": "a second command is R13, somebody forgotten R15; it says that a crash did it",
    "R40": "a stage that nobody released is R08, a pause R18; it says that a crash did it",
    "R41": "what is not shown is not fresh: R34; it says that a crash did it",
    "L7": "who waits for another rollout is late: L1; it says for whom",
    "W07": "the schemas want a zone as well: W01",
}
FEW = 3
SIDES = {"csms": "CSMS", "charger": "charger"}


def markdown(measured: Iterable[Power]) -> str:
    """Return the page."""
    every = list(measured)
    parts = ["# How good the judge is"]
    sides = [side for side in SIDES if any(one.mutant.side == side for one in every)]
    parts += [_summary(SIDES[side], *_split(every, side)) for side in sides]
    parts.append(HOW)
    for side in sides:
        wrong, benign = _split(every, side)
        parts += [f"## Wrong decisions of a {SIDES[side]}", _wrong(wrong)]
        parts += [f"## What a sound {SIDES[side]} may do otherwise", _benign(benign)]
    parts += [
        "## Properties",
        ALONE,
        _properties([one for one in every if not one.mutant.benign]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _split(every: list[Power], side: str) -> tuple[list[Power], list[Power]]:
    mine = [one for one in every if one.mutant.side == side]
    return [one for one in mine if not one.mutant.benign], [
        one for one in mine if one.mutant.benign
    ]


def to_json(measured: Iterable[Power]) -> dict[str, Any]:
    """Return plain JSON types: the figures, and which property finds which mutant."""
    every = list(measured)
    return {
        "mutants": [one.to_dict() for one in every],
        "found_by": found_by(one.to_dict() for one in every),
    }


def found_by(mutants: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the mutants that each property finds: property id -> names, in order.

    A CSMS's and a charger's mutant may share a name: it stands there once.
    """
    out: dict[str, dict[str, None]] = {}
    for one in mutants:
        if not one["benign"]:
            for name in one["fired"]:
                out.setdefault(name, {})[one["name"]] = None
    return {r.id: list(out[r.id]) for r in REQUIREMENTS if r.id in out}


def _summary(side: str, wrong: list[Power], benign: list[Power]) -> str:
    killed = sum(one.works for one in wrong)
    soon = [one.to_dict()["seconds_for_99"] for one in wrong if one.kills]
    rare = [one for one in benign if one.rare]
    slowest = f", the slowest with 99 % certainty after {max(soon):g} s of one core" if soon else ""
    return (
        f"{killed} of {len(wrong)} wrong decisions of a {side} are found"
        f"{slowest}. {_alarms([one for one in benign if not one.rare])}."
        + (f" In rarer circumstances: {_alarms(rare)}." if rare else "")
    )


def _alarms(benign: list[Power]) -> str:
    runs, alarms = sum(one.runs for one in benign), sum(one.accused for one in benign)
    most = 100 * wilson(alarms, runs)[1]
    return (
        f"{alarms} of {runs} runs of {len(benign)} benign variants were accused "
        f"(95 %: at most {most:.2f} %)"
    )


def _wrong(wrong: list[Power]) -> str:
    lines = [
        "| mutant | wrong decision | found by | kills / runs | rate | 99 % after | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in wrong:
        said = one.to_dict()
        fired = ", ".join(f"{name} {count}" for name, count in one.fired.most_common(4))
        low, high = one.interval()
        seconds = said["seconds_for_99"]
        lines.append(
            f"| `{one.mutant.name}`{' (rare)' if one.rare else ''} | {one.mutant.wrong} "
            f"| {fired or '**survives**'} "
            f"| {one.kills} / {one.runs} | {100 * low:.1f}-{100 * high:.1f} % "
            f"| {said['runs_for_99'] or '-'} runs | {'-' if seconds is None else seconds} |"
        )
    return "\n".join(lines)


def _benign(benign: list[Power]) -> str:
    rare = {one.mutant.name: one for one in benign if one.rare}
    more = (" rare |", "---|") if rare else ("", "")
    lines = [f"| variant | what it does | alarms / runs |{more[0]}", f"|---|---|---|{more[1]}"]
    for one in (one for one in benign if not one.rare):
        line = f"| `{one.mutant.name}` | {one.mutant.wrong} | {one.accused} / {one.runs} |"
        beside = rare.get(one.mutant.name)
        if rare:
            line += f" {beside.accused} / {beside.runs} |" if beside is not None else " |"
        lines.append(line)
    return "\n".join(lines)


def _properties(wrong: list[Power]) -> str:
    lines = ["| property | finds | alone |", "|---|---|---|"]
    for requirement in REQUIREMENTS:
        finds = [one for one in wrong if requirement.id in one.fired]
        told = ", ".join(f"`{one.mutant.name}`" for one in finds)
        if finds:
            alone = _alone(requirement.id, finds) or IMPLIED.get(requirement.id, "")
            lines.append(f"| {requirement.id} {requirement.title} | {told} | {alone} |")
    idle = [r.id for r in REQUIREMENTS if not any(r.id in one.fired for one in wrong)]
    reasons = [f"- {name}: {UNDRAWN.get(name, 'no mutant here breaks it')}." for name in idle]
    lines += ["", "Found nothing in these runs:", "", *reasons] if idle else []
    return "\n".join(lines)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _alone(name: str, finds: list[Power]) -> str:
    """Name the mutants that only this property finds, or those of which it alone finds runs."""
    wholly = [f"`{one.mutant.name}`" for one in finds if set(one.fired) == {name}]
    if wholly:
        return ", ".join(wholly)
    partly = sorted((one for one in finds if one.alone[name]), key=lambda one: -one.alone[name])
    return ", ".join(f"`{one.mutant.name}` in {_runs(one.alone[name])}" for one in partly[:FEW])
