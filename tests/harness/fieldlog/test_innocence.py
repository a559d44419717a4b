"""What a log loses never makes anybody guilty.

Drills are written as logs, with and without lines about connections; the logs begin in the middle
and lose lines that are reported as damaged. Nobody may be accused whom the drill itself does not
accuse of the same. (`tolerated` is no accusation.)
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.rehearsal import Rehearsal, rehearse
from harness.verdict import Grade
from simulator.scenario import load
from tests.harness.fieldlog.reading import read_text

if TYPE_CHECKING:
    from harness.history import Event
    from harness.verdict import Judgement

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
DRILLS = (
    "smoke", "power-cuts", "signed-update", "busy-chargers", "broken-connections",
    "speaks-ocpp-2.1", "statuses-missing", "two-rollouts", "crash-mid-stage", "forgetful-router",
    "regressions/c01-last-words-of-the-update-before", "regressions/c07-the-same-image-once-more",
)  # fmt: skip
FORMS = {True: "steve", False: "mobilityhouse"}  # with lines about connections, and without


@pytest.fixture(scope="module")
def drills() -> dict[str, Rehearsal]:
    """Rehearse each once."""
    return {
        name: rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
        for name in DRILLS
    }


def guilty(judgement: Judgement) -> set[tuple[str, str, str | None]]:
    """Return who is accused, and of what."""
    return {
        (result.requirement.id, str(finding.subject), finding.charger)
        for result in judgement.results
        for finding in result.findings
        if finding.grade is not Grade.TOLERATED
    }


def suspected(done: Rehearsal) -> set[tuple[str, str, str | None]]:
    """Return whom the drill itself accuses, or tolerates."""
    return {
        (result.requirement.id, str(finding.subject), finding.charger)
        for result in done.judgement.results
        for finding in result.findings
    }


def written(events: list[Event], *, links: bool) -> list[str]:
    """Write events as SteVe would, with its lines about connections, or as a plain logger."""
    lines = []
    sessions: Counter[str] = Counter()
    for event in events:
        if event.charger is None:
            continue
        sessions[event.charger] += event.kind == "open"
        minutes, rest = divmod(event.time, 60)
        clock = f"2026-01-{1 + int(minutes) // 1440:02} {int(minutes) // 60 % 24:02}:"
        clock += f"{int(minutes) % 60:02}:{rest:09.6f}".replace(".", ",")
        said = _said(event, links=links)
        if said and links:
            session = f"sessionId=s{sessions[event.charger]}"
            lines.append(f"[INFO ] {clock} x (y) - [chargeBoxId={event.charger}, {session}] {said}")
        elif said:
            lines.append(f"{clock} INFO:ocpp:{event.charger}: {said}")
    return lines


def _said(event: Event, *, links: bool) -> str:
    if event.kind in {"open", "close"}:
        said = "established" if event.kind == "open" else "closed"
        return f"Connection is {said}" if links else ""
    if event.kind not in {"send", "recv"} or "frame" not in event.data:
        return ""
    sent = event.kind == "send"
    if links:
        words = "Received: " if sent else "Sending: "
    else:
        words = "receive message " if sent else "send "
    return words + json.dumps(event.data["frame"])


def cut(line: str, rng: random.Random) -> str:
    """Cut a line somewhere within its frame."""
    at = max(line.find("[2, "), line.find("[3, "), line.find("[4, "))
    return line if at < 0 else line[: rng.randrange(at + 1, len(line))]


@pytest.mark.parametrize("links", FORMS)
@pytest.mark.parametrize("name", DRILLS)
def test_a_log_that_begins_anywhere_accuses_nobody_else(
    name: str, links: bool, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """Cut off at the beginning, at the end, or both."""
    rng = random.Random(f"{name}{links}")
    lines = written(drills[name].history.events, links=links)
    for _ in range(5):
        begin = rng.randrange(len(lines) - 2)
        end = rng.randrange(begin + 2, len(lines) + 1)
        seen = read_text(tmp_path, "\n".join(lines[begin:end]) + "\n", form=FORMS[links])
        assert guilty(seen.review().judgement) <= suspected(drills[name]), lines[begin]


@pytest.mark.parametrize("links", FORMS)
@pytest.mark.parametrize("name", DRILLS)
def test_damaged_lines_accuse_nobody_else(
    name: str, links: bool, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """A few lines, or many, are cut within their frames."""
    rng = random.Random(f"{name}{links}")
    whole = written(drills[name].history.events, links=links)
    for share in (0.02, 0.3):
        lines = [cut(line, rng) if rng.random() < share else line for line in whole]
        seen = read_text(tmp_path, "\n".join(lines) + "\n", form=FORMS[links])
        assert guilty(seen.review().judgement) <= suspected(drills[name])


def test_whole_logs_still_find_what_is_wrong(tmp_path: Path) -> None:
    """Innocence is not bought with blindness: quirks are found in a log that holds them whole."""
    fields = (SCENARIOS / "statuses-missing.yaml").read_text(encoding="utf-8")
    done = rehearse(load(fields, name="statuses-missing"))
    for links, form in FORMS.items():
        lines = written(done.history.events, links=links)
        seen = read_text(tmp_path, "\n".join(lines) + "\n", form=form)
        found = {charger for rule, _, charger in guilty(seen.review().judgement) if rule == "C01"}
        assert {"skips-downloading-0001", "skips-downloaded-0001"} <= found
