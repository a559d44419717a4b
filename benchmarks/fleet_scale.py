"""How many chargers one process drives: time until all have booted, memory, idle CPU.

Our driver and the floor (bare picows and json), both on uvloop, against a bare picows server in
another process, and our driver against the reference CSMS; connects unpaced but for our cap on
handshakes at a time. After the boot each charger sends a Heartbeat every ten seconds.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks._proc import measured
from benchmarks.csms_calls import ours

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "Scale: one process, thousands of chargers"
REASON = """
Ten thousand chargers fit into one process and 150 MiB. Most of a boot is the WebSocket handshake,
which the floor pays as well; a charger of ours also makes a second call (StatusNotification), keeps
its TCP connection at hand so that it can give up, and tells the observer everything. The aim of
10 000 boots in 5 s against our CSMS is met, that of 2 s against a bare server missed by a little:
a boot costs a quarter of a millisecond of the one core that a fleet's process has. Two things
mattered: the garbage collector's thresholds (its defaults cost 40 % of the boot, see
`simulator/event_loop.py`), and no more than 100 handshakes at a time: asyncio servers let 100
connections wait, and each one more loses its SYN and a second. `divided.DividedFleet` spreads a
fleet over processes where there are more cores.
"""
RATE = 8000.0  # connects a second: more than any of them can do


BARE, REFERENCE = "bare picows", "reference CSMS"
PAIRS = (("picows-json-uvloop", BARE), ("ours-uvloop", BARE), ("ours-uvloop", REFERENCE))


@contextmanager
def server(against: str, chargers: int) -> Iterator[str]:
    """Run a server and yield the url that chargers append their id to."""
    if against == REFERENCE:
        with ours(chargers) as (_, ready):
            yield ready["ocpp"]
    else:
        with measured("benchmarks._answerer") as process:
            yield f"ws://127.0.0.1:{process.line()['port']}"


def once(variant: str, against: str, chargers: int, *, seconds: float) -> dict[str, Any]:
    """Boot one fleet; what is measured is its process alone."""
    with server(against, chargers) as url:
        size = ["--chargers", str(chargers), "--rate", str(RATE), "--seconds", str(seconds)]
        with measured("benchmarks._fleet", variant, "--url", url, *size, "--heartbeat", "10") as it:
            return it.line()


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure growing fleets."""
    rows: list[dict[str, object]] = []
    for chargers in (500,) if quick else (1000, 5000, 10_000):
        for variant, against in PAIRS:
            row = once(variant, against, chargers, seconds=2.0 if quick else 10.0)
            rows.append(
                {
                    "client": variant,
                    "against": against,
                    "chargers": chargers,
                    "all booted after (s)": round(row["boot_seconds"], 2),
                    "CPU of the boot (s)": round(row["boot_cpu_us"] * chargers / 1e6, 2),
                    "KiB a charger": round(row["memory_kib"], 1),
                    "CPU of a core while beating": f"{row['cpu_share']:.1%}",
                }
            )
            print(rows[-1], flush=True)
    return rows
