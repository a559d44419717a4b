"""Which event loop a process of ours runs on: uvloop where it is installed, else asyncio's.

A shell. Only a process that owns its loop may choose; libraries take the loop they are given.
Measured: a fifth to a third less CPU for boots, downloads and frames (reports/benchmarks.md).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the process's work until it is done."""
    try:
        import uvloop  # noqa: PLC0415  not on every platform
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
