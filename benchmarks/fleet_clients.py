"""What one charger costs the fleet's process, beside the two yardsticks in the same run.

Each row is a process of its own that boots N chargers (paced alike) against a bare picows server in
another process, then lets each send a Heartbeat a second. `floor` is bare picows with a JSON
parser and none of what makes a charger; `chargepoint` is plain mobilityhouse/ocpp with default
settings. CPU is that of the fleet's process alone; medians of the runs.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from benchmarks._proc import measured

TITLE = "CPU and memory of a charger, by client library"
REASON = """
**Chosen: picows, msgspec, and uvloop where it is installed** (the process that runs the loop
decides). picows needs about 3 KiB a charger less than `websockets` (no task, no queue, a read
buffer of 1 KiB) and a third to a half less CPU for a heartbeat on the same loop; msgspec costs less
than json and is stricter. A charger of ours, with its state machine, latency, history and fences,
stays below twice the floor and costs about a fifth of a plain `ChargePoint`. The reference CSMS
uses `websockets` on its side, so that two implementations of the protocol meet in every drill.
"""
VARIANTS = (
    "picows-json", "picows-json-uvloop", "picows-msgspec-uvloop", "ours", "ours-uvloop",
    "websockets-json", "websockets-json-uvloop", "chargepoint",
)  # fmt: skip
FLOOR = "picows-json-uvloop"


def once(variant: str, *, chargers: int, rate: float, seconds: float) -> dict[str, Any]:
    """Run one fleet against a fresh bare server."""
    with measured("benchmarks._answerer") as server:
        url = f"ws://127.0.0.1:{server.line()['port']}"
        size = ["--chargers", str(chargers), "--rate", str(rate), "--seconds", str(seconds)]
        with measured("benchmarks._fleet", variant, "--url", url, *size) as fleet:
            return fleet.line()


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure every variant, interleaved, and relate each to the floor."""
    size = {"chargers": 200 if quick else 1000, "rate": 1000.0, "seconds": 2.0 if quick else 5.0}
    runs: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    for _ in range(1 if quick else 3):
        for variant in VARIANTS:
            runs[variant].append(once(variant, **size))  # type: ignore[arg-type]
            print(variant, json.dumps(runs[variant][-1]), flush=True)
    middle = {
        variant: {name: median(run[name] for run in done) for name in done[0]}
        for variant, done in runs.items()
    }
    floor = middle[FLOOR]
    return [
        {
            "client": variant,
            "chargers": size["chargers"],
            "KiB a charger": round(row["memory_kib"], 1),
            "µs a boot": round(row["boot_cpu_us"]),
            "µs a heartbeat": round(row["call_cpu_us"]),
            "x floor (heartbeat)": round(row["call_cpu_us"] / floor["call_cpu_us"], 2),
            "x floor (boot)": round(row["boot_cpu_us"] / floor["boot_cpu_us"], 2),
        }
        for variant, row in middle.items()
    ]
