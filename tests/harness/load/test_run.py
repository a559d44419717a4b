"""`firmdrill load` from outside: processes of their own, since `import locust` patches ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def load(folder: Path, *words: str, within: float = 90.0) -> tuple[int, dict[str, Any], str]:
    """Run `firmdrill load …`; return its exit code, its load.json and what it said."""
    command = [sys.executable, "-m", "harness", "load", *words, "--report", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=within
    )
    said = done.stdout + done.stderr
    path = folder / "load.json"
    return done.returncode, json.loads(path.read_text("utf-8")) if path.exists() else {}, said


def names(record: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what was measured."""
    return {(row["type"], row["name"]) for row in record["latencies"]}


def test_one_process_runs_a_whole_drill_and_measures_both_directions(tmp_path: Path) -> None:
    """Calls of chargers, commands of the CSMS, the operator and dashboards all become figures."""
    code, record, said = load(tmp_path, "smoke")
    assert code == 0, said
    assert record["chargers"] == {"asked": 10, "booted": 10}
    assert names(record) >= {
        ("OCPP call", "BootNotification"), ("OCPP call", "FirmwareStatusNotification"),
        ("OCPP command", "UpdateFirmware"), ("REST", "pause"), ("dashboard", "dashboard rollout"),
        ("time", "boot"), ("time", "connect"), ("time", "dispatch"),
    }  # fmt: skip
    locust = json.loads((tmp_path / "locust.json").read_text("utf-8"))
    assert {"BootNotification", "UpdateFirmware", "execute_stage"} <= {
        one["name"] for one in locust
    }
