"""How a process of ours runs: uvloop where it is installed, and a garbage collector that waits.

A shell. Only a process that owns its loop may choose; libraries take what they are given. Measured
(reports/benchmarks.md): uvloop saves a fifth to a third of the CPU of boots, downloads and frames;
the collector's defaults cost a fleet of ten thousand 40 % of its boot, looking again and again at
chargers that live as long as the process.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


GC_THRESHOLDS = (50_000, 20, 50)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the process's work until it is done."""
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
