"""How a process of ours runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref

import pytest

from simulator.event_loop import patient_collector, tidy


class Ring:
    """An object that only the collector can free, as the transport of a lost connection is."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.asyncio
async def test_what_the_patient_collector_leaves_is_tidied_up() -> None:
    """Else a fleet that reconnects for hours grows by a kilobyte a connection."""
    with patient_collector():
        ring = Ring()
        gc.collect()  # it has lived long: the young generations do not hold it
        gone = asyncio.Event()
        weakref.finalize(ring, gone.set)
        del ring
        gc.collect(1)
        assert not gone.is_set()
        tidying = asyncio.create_task(tidy(every=0.001))
        async with asyncio.timeout(5.0):
            await gone.wait()
        tidying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tidying
