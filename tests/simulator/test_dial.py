"""A TCP connection that can be given up at any time."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from simulator.dial import Dialled


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_refused_connect_leaves_no_garbage() -> None:
    """A fleet tries thousands of times while its CSMS is down: no error keeps its frames alive."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                with pytest.raises(ConnectionRefusedError):
                    await Dialled().connect("127.0.0.1", port)
            await asyncio.sleep(0)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = [one for one in gc.garbage if isinstance(one, ConnectionRefusedError)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert left == []
