"""What it costs to put a CSMS under load, beside what else one could take for it.

Each row drives N chargers against the same bare picows server: all boot, then each sends a
Heartbeat a second. CPU is that of the generator's process alone over a stretch in which nothing
else happens, divided by the calls that the server counted in it. `firmdrill load` records and
writes down every frame, measures every call and makes a Locust request event of it; `chargepoint`
is mobilityhouse/ocpp (PyPI) as it comes, a task a charger, nothing measured; `ocpp-ws-cli` is that
package's `load-test` (npm; its path in OCPP_WS_CLI, else the row is missing): it sends, and does
not look at latencies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks._proc import ROOT, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._proc import Measured

TITLE = "Load generators"
REASON = """
A call of `firmdrill load` is recorded, written down, timed and told to Locust, and the charger
behind it is a whole state machine with updates, faults and fences. What it costs more than a sender
that only sends is the price of knowing afterwards whether the CSMS kept its promises.
"""
SETTLE = 4.0  # seconds after the last connect


def cpu(pid: int) -> float:
    """Return the CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Return the resident MiB of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def commands(url: str, chargers: int) -> dict[str, list[str]]:
    """Return the generators there are on this machine."""
    ramp = max(1, chargers // 500)
    out = {
        "firmdrill load": [
            sys.executable, "-m", "locust", "-f", "benchmarks/_load_locust.py", "--headless",
            "--only-summary", "-u", "1", "--loglevel", "ERROR",
        ],
        "chargepoint": [
            sys.executable, "-m", "benchmarks._fleet", "chargepoint", "--url", url,
            "--chargers", str(chargers), "--rate", "500", "--seconds", "600",
        ],
    }  # fmt: skip
    tool = os.environ.get("OCPP_WS_CLI") or shutil.which("ocpp-ws-cli")
    if tool:
        size = ["-e", url, "-c", str(chargers), "-r", str(ramp), "--report", "json"]
        out["ocpp-ws-cli"] = [tool, "load-test", *size]
    return out


@contextmanager
def running(command: list[str], url: str, chargers: int) -> Iterator[int]:
    """Run a generator; end it afterwards."""
    facts = {**os.environ, "BENCH_URL": url, "BENCH_CHARGERS": str(chargers), "CI": "1"}
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=facts,
    ) as process:  # fmt: skip
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def calls(server: Measured) -> int:
    """Ask the server how many CALLs it has answered."""
    server.process.send_signal(signal.SIGUSR1)
    return int(server.line()["calls"])


def once(name: str, *, chargers: int, seconds: float) -> dict[str, float]:
    """Run one generator against a fresh server."""
    with measured("benchmarks._answerer", "--interval", "1") as server:
        url = f"ws://127.0.0.1:{server.line()['port']}"
        with running(commands(url, chargers)[name], url, chargers) as pid:
            time.sleep(chargers / 500 + SETTLE)
            used, answered, begun = cpu(pid), calls(server), time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - begun
            used, answered = cpu(pid) - used, calls(server) - answered
            return {
                "us": used / max(answered, 1) * 1e6,
                "rate": answered / passed,
                "memory": memory(pid),
            }


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure every generator, interleaved."""
    chargers, seconds = (200, 4.0) if quick else (1000, 10.0)
    names = list(commands("", chargers))
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(1 if quick else 3):
        for name in names:
            runs[name].append(once(name, chargers=chargers, seconds=seconds))
            print(name, json.dumps(runs[name][-1]), flush=True)
    middle = {n: {k: median(r[k] for r in done) for k in done[0]} for n, done in runs.items()}
    ours = middle["firmdrill load"]["us"]
    return [
        {
            "generator": name,
            "chargers": chargers,
            "calls/s": round(row["rate"]),
            "µs CPU a call": round(row["us"]),
            "MiB": round(row["memory"]),
            "this / firmdrill load": round(row["us"] / ours, 2),
        }
        for name, row in middle.items()
    ]
