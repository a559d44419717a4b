"""Processes that run drills for a search or a measurement, and end with their parent. A shell.

Those of the standard library wait for ever for the next drill if their parent was killed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait

from simulator.event_loop import be_patient


def drillers(workers: int) -> ProcessPoolExecutor:
    """Return a pool of so many processes that do nothing but drills."""
    return ProcessPoolExecutor(workers, initializer=_begin)


def _begin() -> None:
    be_patient()
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    """End this process at once when its parent is gone: nobody takes what it finds."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
