"""How a process of ours runs: uvloop where it is installed, and a garbage collector that waits.

A shell. Only a process that owns its loop may choose; libraries take what they are given. Measured
(reports/benchmarks.md): uvloop saves a fifth to a third of the CPU of boots, downloads and frames;
the collector's defaults cost a fleet of ten thousand 40 % of its boot, looking again and again at
chargers that live as long as the process. A collector that waits, though, never comes to what lived
long and then died: where fleets live for hours, `tidy` looks at everything once in a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


GC_THRESHOLDS = (200_000, 50, 1_000)
TIDY_EVERY = 60.0  # seconds


def be_patient() -> None:
    """Let the collector wait in this process for good: for one that does nothing but drills."""
    gc.set_threshold(*GC_THRESHOLDS)


@contextlib.contextmanager
def patient_collector() -> Iterator[None]:
    """Let the garbage collector wait for as long as a drill lasts; it is as before afterwards."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def tidy(every: float = TIDY_EVERY) -> None:
    """Collect all that is garbage, every so many seconds, for as long as nobody cancels.

    The transport of a connection that ended is a cycle of objects, a kilobyte each: a fleet that
    reconnects for hours would grow without bound.
    """
    while True:
        await asyncio.sleep(every)
        gc.collect()


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the process's work until it is done."""
    be_patient()
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
