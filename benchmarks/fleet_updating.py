"""What it costs a fleet's process to update a charger: command, download, statuses, reboot.

All chargers of a fleet are updated in one stage by the reference CSMS; the image of 200 kB comes
over plain HTTP from the firmware server. Both are processes of their own. `chargepoint` is the
shortest charger on mobilityhouse/ocpp and aiohttp that does the same (no Range, no retry, no
verification of a header, no history). Medians of alternating runs; the first boot is not counted.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._proc import measured
from benchmarks.csms_calls import ours
from benchmarks.csms_scale import Rest
from benchmarks.fleet_downloads import drain

TITLE = "A charger that is updated"
REASON = """
A whole update costs the fleet about a millisecond of CPU, most of it in aiohttp: a connection, its
headers and its chunks, once for each charger. That is why downloads go through one session and why
no more than 256 of them run at a time; what a charger of ours adds (resume, two digests, retries,
the history's observer) is paid for by its cheaper calls.
"""
SIZE = 200_000


def once(variant: str, count: int, firmware: str) -> dict[str, float]:
    """Boot and update one fleet; return what the update cost."""
    with (
        ours(count, "--insecure-firmware-url") as (_, ready),
        measured("benchmarks._updating", variant, ready["ocpp"], str(count)) as fleet,
    ):
        fleet.line()
        rest = Rest(ready)
        body: dict[str, Any] = {
            "charger_ids": [f"CP-{number:04}" for number in range(count)],
            "firmware_url": f"{firmware}/{variant}-{time.time_ns()}/fw",
            "strategy": "all_at_once",
        }
        rollout = rest.ask("create", "/firmware/rollout", body, "POST")["rollout_id"]
        rest.ask("execute", f"/firmware/rollout/{rollout}/execute-stage", None, "POST")
        return {name: float(value) for name, value in fleet.line().items()}


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure both, alternating."""
    count = 100 if quick else 1000
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "chargepoint": []}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.json"
        spec.write_text(json.dumps({"images": {"fw": {"version": "2", "size": SIZE}}}))
        with measured("simulator.firmware_server", "--spec", str(spec)) as server:
            url = str(server.line()["url"])
            drain(server)
            for _ in range(1 if quick else 3):
                for variant, done in runs.items():
                    done.append(once(variant, count, url))
                    print(variant, json.dumps(done[-1]), flush=True)
    middle = {
        variant: {name: median(run[name] for run in done) for name in done[0]}
        for variant, done in runs.items()
    }
    today = middle["chargepoint"]["cpu_us"]
    return [
        {
            "client": variant,
            "chargers": count,
            "ms CPU an update": round(row["cpu_us"] / 1000, 2),
            "KiB more a charger": round(row["kib"], 1),
            "all updated after (s)": round(row["seconds"], 1),
            "chargepoint / this": round(today / row["cpu_us"], 2),
        }
        for variant, row in middle.items()
    ]
