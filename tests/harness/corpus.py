"""Recorded drills of wrong and sound systems, and what the judge said of each: its memory.

`corpus/*.ndjson.gz` are histories: the shortest found that convicts each mutant, and a few of sound
systems. `corpus/judgements.txt` is the judge's verdict on all of them, property by property. A
change of the judge that changes any of it shows up as a difference to be read and explained.
`corpus/altered.txt` is the same for each history changed at drawn places (`altering.py`): only
what the judge says otherwise than of the history as it was. `corpus/told.txt` is what it says of
stories told by hand.

    python -m tests.harness.corpus judge      # the judge was changed on purpose
    python -m tests.harness.corpus record     # a mutant is new: adds histories that are missing
"""

from __future__ import annotations

import gzip
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from harness import generate
from harness.checkers import judge
from harness.errors import TargetError
from harness.history import read
from harness.mutants import every
from harness.mutants.chargers import mutated_charger
from harness.mutants.csms import mutated
from harness.rehearsal import rehearse
from harness.suites.charger_cases import inapplicable
from harness.suites.charger_draws import draw
from harness.suites.charger_register import all_cases
from harness.suites.charger_virtual import VIRTUAL, rehearse_case
from simulator.scenario import built
from tests.harness.altering import altered
from tests.harness.test_checkers_bounds import BOUNDS
from tests.harness.test_checkers_gaps import STORIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.history import Event, Header, History
    from harness.mutants import Mutant
    from harness.verdict import Judgement, Result
    from tests.harness.tell import Tale

FOLDER = Path(__file__).parent / "corpus"
VERDICTS = FOLDER / "judgements.txt"
ALTERATIONS = FOLDER / "altered.txt"
TOLD = FOLDER / "told.txt"
ALTERED = 12  # alterations of each history
SOUND = 25  # drills of the unchanged reference
MOST = 400  # drills tried for a mutant
ENOUGH = 5  # convictions to choose the shortest from


def recorded(path: Path) -> tuple[Header, list[Event]]:
    """Read one history of the corpus."""
    with gzip.open(path, "rb") as file:
        header, events = read(file)
        return header, list(events)


def judged(path: Path) -> list[str]:
    """Return the verdict on one recorded history as lines."""
    judgement = judge(*recorded(path))
    return [f"{named(path)} {judgement.verdict.name}", *_lines(judgement, told=True)]


def alterations(path: Path) -> list[str]:
    """Return as lines what the verdict on a recorded history becomes when it is altered."""
    header, events = recorded(path)
    before = list(_lines(judge(header, events)))
    out = [named(path)]
    for number in range(ALTERED):
        words, other, changed = altered(header, events, named(path), number)
        judgement = judge(other, changed)
        after = list(_lines(judgement))
        gone, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
        out += [f"  {number}: {words}: {judgement.verdict.name}"]
        out += [f"   -{line}" for line in before if line in gone]
        out += [f"   +{line}" for line in after if line in new]
    return out


def told(tale: Tale, name: str) -> list[str]:
    """Return the verdict on a story told by hand as lines."""
    judgement = tale.judged()
    return [f"{name} {judgement.verdict.name}", *_lines(judgement, told=True)]


def stories() -> dict[str, Tale]:
    """Return the stories whose verdicts are remembered, by name."""
    found = {
        f"{story.__name__}:{measure}": story(measure)
        for _, story, verdicts in BOUNDS
        for measure in verdicts
    }
    for story, _ in STORIES.values():
        found |= {f"{story.__name__}:gap={gap}": story(gap) for gap in (False, True)}
    return found


def named(path: Path) -> str:
    """Return the name of a recorded history."""
    return path.name.removesuffix(".ndjson.gz")


def _lines(judgement: Judgement, *, told: bool = False) -> Iterator[str]:
    """Yield what was said of each property; `told`: with the events of the first witness."""
    for result in judgement.results:
        if result.exercised or result.findings:
            yield f"  {result.requirement.id} {result.verdict.name} {result.exercised}"
            yield from _findings(result, told=told)
            for step in result.findings[0].witness.steps if told and result.findings else ():
                yield f"      {step.index} {step.time:.3f} {step.source}: {step.text}"


def _findings(result: Result, *, told: bool) -> Iterator[str]:
    for finding in result.findings:
        steps = ",".join(str(step.index) for step in finding.witness.steps)
        expected = f" (not: {finding.witness.expected})" if told else ""
        yield f"    {finding.grade} {finding.who} @{steps}: {finding.witness.seen}{expected}"
    if result.omitted:
        yield f"    and {result.omitted} more"


def histories() -> list[Path]:
    """Return the recorded histories, by name."""
    return sorted(FOLDER.glob("*.ndjson.gz"))


def expected(memory: Path) -> dict[str, list[str]]:
    """Return the remembered lines by the history's name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in memory.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            lines = found[line.split(" ")[0]] = []
        lines.append(line)
    return found


# ---------------------------------------------------------------------- making it


def record() -> None:
    """Write the histories that are missing."""
    FOLDER.mkdir(exist_ok=True)
    for mutant in every():
        path = FOLDER / f"{mutant.side}-{mutant.name}.ndjson.gz"
        if mutant.benign or path.exists():
            continue
        convictions = _csms(mutant) if mutant.side == "csms" else _charger(mutant)
        found = [history for _, history in zip(range(ENOUGH), convictions, strict=False)]
        if found:
            _write(path, min(found, key=lambda history: len(history.events)))
    for number in range(SOUND):
        path = FOLDER / f"sound-{number:02}.ndjson.gz"
        if not path.exists():
            _write(path, rehearse(generate.scenario(number)).history)
        path = FOLDER / f"sound-rare-{number:02}.ndjson.gz"
        if not path.exists():
            _write(path, rehearse(built(generate.rare(number))).history)


def _csms(mutant: Mutant) -> Iterator[History]:
    drawn = generate.rare if mutant.rare else generate.fields
    for number in range(MOST):
        try:
            with mutated(mutant.name):
                done = rehearse(built(drawn(number)))
        except (RuntimeError, ValueError, LookupError, StopIteration, TargetError):
            continue  # a mutant that breaks down leaves no whole drill
        if {result.requirement.id for result in done.judgement.failed} & set(mutant.kills):
            yield done.history


def _charger(mutant: Mutant) -> Iterator[History]:
    for number in range(MOST // 10):
        variant, fields = draw(number)
        for case in all_cases():
            if inapplicable(case, variant, VIRTUAL):
                continue
            with mutated_charger(mutant.name):
                result = rehearse_case(case, variant, seed=number, **fields)
            if result.history is not None and set(result.fired) & set(mutant.kills):
                yield result.history


def _write(path: Path, history: History) -> None:
    text = b"".join(history.lines())
    path.write_bytes(gzip.compress(text, mtime=0))


def remember(paths: Sequence[Path]) -> None:
    """Write what the judge says now."""
    for memory, lines_of in ((VERDICTS, judged), (ALTERATIONS, alterations)):
        lines = [line for path in paths for line in lines_of(path)]
        memory.write_text("\n".join([*lines, ""]), encoding="utf-8")
    lines = [line for name, tale in stories().items() for line in told(tale, name)]
    TOLD.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["record"]:
        record()
    remember(histories())
