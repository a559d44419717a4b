"""What one validated call costs the CSMS, and what an idle connection weighs, beside yardsticks.

Each row is a server process of its own; the same cheap chargers (bare picows, in another process)
connect, boot and call it. CPU and memory are those of the server's process alone; medians of runs
that alternate between the servers.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks._proc import Measured, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "CPU of a validated call and memory of an idle connection, by server"
REASON = """
The server is `websockets` + msgspec + jsonschema-rs + uvloop: one read loop a connection, frames
written without awaiting. Validation with compiled schemas costs a few percent, so nothing is
gained by leaving it out; what costs is the stock library's Python schema checks, its camelCase
conversion and its tasks. picows would be two to three times cheaper still, but the server's price
is no longer what limits a rehearsal, and `websockets` closes connections by the book (1007, 1009,
compression, fragments). Compression is off by default: it more than doubles the memory of a
connection. The memory of `ours` includes what the CSMS knows of each charger.
"""
KEY = "a-key-for-the-benchmark"
SERVERS: dict[str, tuple[str, ...]] = {
    "ours": (),
    "stock ChargePoint": ("benchmarks._csms_servers", "stock"),
    "websockets + msgspec": ("benchmarks._csms_servers", "websockets"),
    "websockets + msgspec + uvloop": ("benchmarks._csms_servers", "websockets", "--uvloop"),
    "bare picows echo": ("benchmarks._answerer",),
}
STOCK, BASE = "stock ChargePoint", "websockets + msgspec + uvloop"


def resident(process: Measured) -> int:
    """Return the resident memory of a process in bytes."""
    pages = int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def register(ext: str, count: int) -> None:
    """Register the chargers of the load."""
    chargers = [{"charge_point_id": f"CP-{number:04}"} for number in range(count)]
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{ext}/chargers",
        json.dumps({"chargers": chargers}).encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        answer.read()


@contextmanager
def ours(count: int, *options: str) -> Iterator[tuple[Measured, dict[str, Any]]]:
    """Run our CSMS with `count` registered chargers and yield it with its ready line."""
    os.environ["FIRMDRILL_API_KEY"] = KEY
    with tempfile.TemporaryDirectory() as folder:
        database = str(Path(folder) / "csms.sqlite")
        with measured("reference_csms", "--database", database, *options) as process:
            ready = process.line()
            register(ready["ext"], count)
            yield process, ready


@contextmanager
def server(name: str, count: int) -> Iterator[tuple[Measured, str]]:
    """Run one server and yield it with the URL chargers append their id to."""
    if SERVERS[name]:
        with measured(*SERVERS[name]) as process:
            yield process, f"ws://127.0.0.1:{process.line()['port']}"
    else:
        with ours(count) as (process, ready):
            yield process, ready["ocpp"]


def once(name: str, *, count: int, calls: int) -> dict[str, float]:
    """Load one server and return what it used."""
    with server(name, count) as (process, url):
        before = resident(process)
        with measured("benchmarks._csms_load", url, str(count)) as load:
            cpu = process.cpu()
            load.line()
            boot = process.cpu() - cpu
            weight = resident(process) - before
            cpu = process.cpu()
            if load.process.stdin is None:
                raise RuntimeError("no standard input")
            load.process.stdin.write(f"{calls}\n")
            load.process.stdin.flush()
            seconds = float(load.line()["seconds"])
            time.sleep(0.1)
            used = process.cpu() - cpu
    total = count * calls
    return {
        "kib": weight / count / 1024,
        "boot": boot / count * 1e6,
        "call": used / total * 1e6,
        "rate": total / seconds,
    }


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure every server, alternating, and relate each to the stock library."""
    count, calls = (200, 30) if quick else (1000, 20)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
    for _ in range(1 if quick else 3):
        for name in SERVERS:
            runs[name].append(once(name, count=count, calls=calls))
            print(name, json.dumps(runs[name][-1]), flush=True)
    middle = {
        name: {key: median(run[key] for run in done) for key in done[0]}
        for name, done in runs.items()
    }
    return [
        {
            "server": name,
            "chargers": count,
            "µs a call": round(row["call"]),
            "µs a boot": round(row["boot"]),
            "KiB a connection": round(row["kib"], 1),
            "calls/s": round(row["rate"]),
            "stock / this (call)": round(middle[STOCK]["call"] / row["call"], 1),
            "this / websockets+msgspec+uvloop": round(row["call"] / middle[BASE]["call"], 2),
        }
        for name, row in middle.items()
    ]
