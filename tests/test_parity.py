"""Sockets and virtual time tell the same story: same verdicts, same statuses of every charger."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.history import read
from harness.rehearsal import rehearse
from harness.verdict import Verdict
from simulator.scenario import load

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.history import Event

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
NAMES = [
    "smoke", "rolling", "pause", "late", "download-cut", "download-corrupt", "install-fails",
    "install-old-version", "installed-before-reboot", "failing-canary", "statuses-missing",
    "pause-offline-chargers", "signed-update", "two-rollouts",
]  # fmt: skip
pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def statuses(events: Iterable[Event]) -> dict[str, list[str]]:
    """Return every charger's firmware statuses, in order."""
    told: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.kind == "send" and event.name.endswith("FirmwareStatusNotification"):
            frame = event.data["frame"]
            if frame[0] == 2 and event.charger is not None:
                told[event.charger].append(frame[3]["status"])
    return dict(told)


@pytest.mark.parametrize("name", NAMES)
def test_both_worlds_tell_the_same_story(name: str, tmp_path: Path) -> None:
    """The real thing and the model agree on what happened and on what it means."""
    virtual = rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8")))
    command = [sys.executable, "-m", "harness", "run", name, "-q", "--report", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    with (tmp_path / "history.ndjson").open(encoding="utf-8") as lines:
        _, events = read(lines)
        real = list(events)
    assert statuses(real) == statuses(virtual.history.events)
    assert (done.returncode == 0) == (virtual.judgement.verdict is not Verdict.FAIL)
    failed = [result.requirement.id for result in virtual.judgement.failed]
    assert all(requirement in done.stdout for requirement in failed)
