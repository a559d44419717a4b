"""What a log loses never makes anybody guilty.

Drills whose chargers and CSMS did nothing wrong are written as logs; the logs begin in the middle
and lose lines that are reported as damaged. No new accusation may appear.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.fieldlog.trace import records
from harness.rehearsal import Rehearsal, rehearse
from simulator.scenario import load
from tests.harness.fieldlog.reading import read_text

if TYPE_CHECKING:
    from harness.history import Event

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
DRILLS = (
    "smoke", "download-cut", "power-cuts", "signed-update", "busy-chargers", "broken-connections",
    "install-fails", "speaks-ocpp-2.1", "statuses-missing", "retrieve-later", "two-rollouts",
)  # fmt: skip


@pytest.fixture(scope="module")
def drills() -> dict[str, Rehearsal]:
    """Rehearse each once."""
    return {
        name: rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
        for name in DRILLS
    }


def accused(done: Rehearsal) -> set[tuple[str, str, str | None]]:
    """Return whom the drill itself accuses, and of what."""
    return {
        (result.requirement.id, str(finding.subject), finding.charger)
        for result in done.judgement.results
        for finding in result.findings
    }


def steve(events: list[Event], *, links: bool) -> list[str]:
    """Write events as SteVe would; `links`: with the lines about connections."""
    lines = []
    for event in events:
        if event.charger is None:
            continue
        minutes, rest = divmod(event.time, 60)
        clock = f"2026-01-{1 + int(minutes) // 1440:02} {int(minutes) // 60 % 24:02}:"
        clock += f"{int(minutes) % 60:02}:{rest:09.6f}".replace(".", ",")
        said = {"open": "Connection is established", "close": "Connection is closed"}
        if event.kind in said:
            text = said[event.kind] if links else ""
        elif event.kind in {"send", "recv"} and "frame" in event.data:
            words = "Received" if event.kind == "send" else "Sending"
            text = f"{words}: {json.dumps(event.data['frame'])}"
        else:
            continue
        if text:
            ref = event.charger if not links else f"{event.charger}"
            lines.append(f"[INFO ] {clock} x (y) - [chargeBoxId={event.charger}, "
                         f"sessionId={ref}] {text}")  # fmt: skip
    return lines


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("name", DRILLS)
def test_a_log_that_begins_anywhere_accuses_nobody_else(
    name: str, links: bool, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """Cut off at the beginning, at the end, or both."""
    rng = random.Random(f"{name}{links}")
    lines = steve(drills[name].history.events, links=links)
    known = accused(drills[name])
    for _ in range(6):
        begin = rng.randrange(len(lines) - 2)
        end = rng.randrange(begin + 2, len(lines) + 1)
        seen = read_text(tmp_path, "\n".join(lines[begin:end]) + "\n", form="steve")
        new = {
            (result.requirement.id, str(finding.subject), finding.charger, finding.witness.seen)
            for result in seen.review().judgement.results
            for finding in result.findings
            if (result.requirement.id, str(finding.subject), finding.charger) not in known
        }
        assert not new, lines[begin]


@pytest.mark.parametrize("name", DRILLS)
def test_damaged_lines_accuse_nobody_else(
    name: str, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """Every tenth line is cut somewhere after its prefix."""
    rng = random.Random(name)
    whole = steve(drills[name].history.events, links=True)
    known = accused(drills[name])
    for share in (0.02, 0.1, 0.3):
        lines = [
            line[: rng.randrange(line.index("] ", 60) + 12, len(line))]
            if rng.random() < share and "Connection" not in line
            else line
            for line in whole
        ]
        seen = read_text(tmp_path, "\n".join(lines) + "\n", form="steve")
        new = {
            (result.requirement.id, str(finding.subject), finding.charger, finding.witness.seen)
            for result in seen.review().judgement.results
            for finding in result.findings
            if (result.requirement.id, str(finding.subject), finding.charger) not in known
        }
        assert not new


def test_the_drills_are_not_trivial(drills: dict[str, Rehearsal]) -> None:
    """They update, fail, reboot and reconnect."""
    for done in drills.values():
        assert sum(1 for _ in records(done.header, done.history.events)) > 20
