"""Ten thousand connected chargers, a heartbeat a minute each, while a rolling rollout runs.

Half of them are updated, a tenth of those a batch; the next batch is executed as soon as the last
is settled, and a charger takes some two seconds over its four statuses. Meanwhile the REST API is
asked for the rollout and for the fleet some twenty times a second; the latencies are those of these
requests. One CSMS process; its chargers are another process.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from benchmarks._proc import Measured, measured
from benchmarks.csms_calls import KEY, ours, resident

TITLE = "A rolling rollout among ten thousand connected chargers"
REASON = """
Dispatch runs in committed batches of 50 with the loop's other work between them, so that a stage of
hundreds never holds up the API. What a GET of a rollout of thousands costs is the encoding of the
chargers that changed since the last one.
"""
URL = "https://updates.example.com/scale.bin"


class Rest:
    """A REST client that remembers how long everything took."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self._api, self._ext = ready["api"], ready["ext"]
        self.took: dict[str, list[float]] = {}

    def ask(self, name: str, path: str, body: Any = None, method: str = "GET") -> Any:
        """Return the body of an answer; `name` says what the latency is kept under."""
        base = self._ext if path.startswith("/rollouts") else self._api
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        request = urllib.request.Request(base + path, data, headers, method=method)  # noqa: S310 - loopback
        begun = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            text = answer.read()
        self.took.setdefault(name, []).append(time.perf_counter() - begun)
        return json.loads(text)


def roll(rest: Rest, count: int) -> float:
    """Update half of the chargers in ten batches; return the seconds it took."""
    body = {
        "charger_ids": [f"CP-{number:04}" for number in range(count // 2)],
        "firmware_url": URL,
        "strategy": "rolling",
        "batch_size": count // 20,
    }
    path = (
        f"/firmware/rollout/{rest.ask('create', '/firmware/rollout', body, 'POST')['rollout_id']}"
    )
    begun, settled, status = time.perf_counter(), True, "pending"
    while status not in {"completed", "failed"}:
        if settled:
            rest.ask("execute-stage", f"{path}/execute-stage", None, "POST")
        shown = rest.ask("GET rollout", path)
        rest.ask("GET fleet", "/fleet/firmware")
        status = shown["status"]
        current = shown["stages"][(shown["current_stage"] or 1) - 1]
        settled = current["status"] in {"completed", "failed"}
        time.sleep(0.02)
    if status != "completed":
        raise RuntimeError("the rollout failed")
    return time.perf_counter() - begun


def command(load: Measured, text: str) -> None:
    """Tell the load what to do."""
    if load.process.stdin is None:
        raise RuntimeError("no standard input")
    load.process.stdin.write(text + "\n")
    load.process.stdin.flush()


def main(*, quick: bool) -> list[dict[str, object]]:
    """Run it once and return one row per kind of request, and one for the process."""
    count = 1000 if quick else 10_000
    with ours(count) as (process, ready):
        before = resident(process)
        with measured("benchmarks._csms_load", ready["ocpp"], str(count)) as load:
            load.line()
            weight = (resident(process) - before) / count / 1024
            command(load, "heartbeat 60")
            rest, cpu = Rest(ready), process.cpu()
            seconds = roll(rest, count)
            share = (process.cpu() - cpu) / seconds
    rows: list[dict[str, object]] = []
    for name, took in rest.took.items():
        took.sort()
        rows.append(
            {
                "request": name,
                "chargers": count,
                "times": len(took),
                "p50 ms": round(took[len(took) // 2] * 1000, 1),
                "p99 ms": round(took[int(len(took) * 0.99)] * 1000, 1),
                "worst ms": round(took[-1] * 1000, 1),
                "rollout s": round(seconds, 1),
                "CSMS cores": round(share, 2),
                "KiB a connection": round(weight, 1),
            }
        )
    return rows
