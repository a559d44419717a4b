"""A soak: rollout after rollout among ten thousand chargers, the CSMS killed in each.

`firmdrill load run load/soak --chargers 10000 --processes 2 --repeat "30 min"`, in real time; every
five seconds the resident memory of every process is looked at. A minute's figure is the most of
the two minutes before it, so that it stands for a whole round; the CSMS is a new process after
each restart. Updates that were lost or told twice would break R13, R22 or the expected share of
99 % installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._proc import ROOT

TITLE = "A soak of ten thousand chargers"
REASON = """
The generator is as large at the end as after the first rollouts: workers write what they see into
files, the coordinator only counts, and a full garbage collection a minute frees what reconnects
leave. Our CSMS kept finished rollouts in memory when this was run, 1 KiB a charger of each: that is
its growth. They leave its memory since: in a soak of 3 000 chargers and 12 minutes, with sixteen
rollouts and kills, it had 144, 144 and 142 MiB after a minute, at half time and at the end.
"""
EVERY = 5.0  # seconds
ROUND = 120.0  # seconds: a rollout of the whole fleet takes about so long

Sample = tuple[float, str, float]  # seconds since the start, process, MiB


def processes() -> dict[int, tuple[int, float, str]]:
    """Return every process: its parent, its MiB, its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            pages = int((entry / "statm").read_text().split()[1])
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (OSError, IndexError):
            continue  # it has ended meanwhile
        found[int(entry.name)] = parent, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, words
    return found


def look(root: int, now: float) -> list[Sample]:
    """Look at a load run's processes."""
    everybody = processes()
    children = sorted(pid for pid, (parent, _, _) in everybody.items() if parent == root)
    out = [(now, "coordinator", everybody[root][1])] if root in everybody else []
    workers = 0
    for pid in children:
        _, size, words = everybody[pid]
        if "reference_csms" in words:
            out.append((now, "CSMS", size))
        elif "locustfile" in words:
            out.append((now, f"worker {workers}", size))
            workers += 1
    return out


def rows(samples: list[Sample], record: dict[str, Any], minutes: float) -> list[dict[str, object]]:
    """Return the table: a row a process."""
    results = record["judgement"]["results"] if record["judgement"] else []
    verdicts = [one["verdict"] for one in results]
    updates = sum(r["count"] for r in record["latencies"] if r["name"] == "UpdateFirmware")
    names = sorted({name for _, name, _ in samples})
    moments = [minutes / 6, minutes / 2, minutes]
    return [
        {
            "process": name,
            **{f"MiB at {m:.2g} min": most(samples, name, m * 60.0) for m in moments},
            "minutes": round(record["duration"] / 60.0, 1),
            "chargers": record["chargers"]["booted"],
            "OCPP calls": record["ocpp_calls"],
            "updates": updates,
            "CSMS killed": sum(one["kind"] == "down" for one in record["windows"]),
            "verdict": record["verdict"],
            "held": verdicts.count("PASS"),
            "broken": verdicts.count("FAIL"),
        }
        for name in names
    ]


def most(samples: list[Sample], name: str, until: float) -> int:
    """Return the most of a process in the round before a moment."""
    return round(
        max((m for t, n, m in samples if n == name and until - ROUND <= t <= until), default=0.0)
    )


def main(*, quick: bool) -> list[dict[str, object]]:
    """Run the soak and look at it."""
    chargers, minutes = (100, 0.5) if quick else (10_000, 30.0)
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "harness", "load", "run", "load/soak", "--chargers",
            str(chargers), "--processes", "2", "--repeat", f"{minutes * 60:g} s", "--no-history",
            "--report", folder,
        ]  # fmt: skip
        begun = time.monotonic()
        with subprocess.Popen(command, cwd=ROOT) as running:
            while running.poll() is None:
                samples += look(running.pid, time.monotonic() - begun)
                time.sleep(EVERY)
        record = json.loads((Path(folder) / "load.json").read_text(encoding="utf-8"))
    return rows(samples, record, minutes)
