"""Committed changes as server-sent events, and the metrics page. A shell."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from reference_csms.model import Published
    from reference_csms.turns import Turns

_KEPT = 10_000  # changes that a reader may lag behind, or ask for again with Last-Event-ID
_SILENCE = 15.0  # seconds after which a comment keeps proxies from closing the stream


class Events:
    """The last changes, and those who wait for the next one."""

    def __init__(self, turns: Turns) -> None:
        self._kept: deque[Published] = deque(maxlen=_KEPT)
        self._changed = asyncio.Event()
        self._closed = False
        self._turns = turns
        self._subscribed = False

    def _subscribe(self) -> None:
        """Let changes be published from the first reader on: before, they would cost in vain."""
        if not self._subscribed:
            self._subscribed = True
            self._turns.hub.published = self._publish
            self._turns.hub.service.subscribe()

    def _publish(self, item: Published) -> None:
        self._kept.append(item)
        self._changed.set()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._changed.set()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send changes after `Last-Event-ID`, or from now on, until the reader leaves."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        self._subscribe()
        await response.prepare(request)
        await response.write(b": connected\n\n")
        sent = self._start(request.headers.get("Last-Event-ID", ""))
        while not self._closed:
            fresh = [item for item in self._kept if item.number > sent]
            if fresh:
                await response.write(b"".join(_event(item) for item in fresh))
                sent = fresh[-1].number
            else:
                await self._wait(response)
        return response

    def _start(self, last: str) -> int:
        newest = self._kept[-1].number if self._kept else 0
        return int(last) if last.isdecimal() and int(last) <= newest else newest

    async def _wait(self, response: web.StreamResponse) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(_SILENCE):
                await self._changed.wait()
        except TimeoutError:
            await response.write(b": still here\n\n")


def _event(item: Published) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (item.number, msgspec.json.encode(item.data))


class Metrics:
    """What Prometheus may know: counts only, no names of chargers."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        hub, turns = self._turns.hub, self._turns
        yield GaugeMetricFamily("csms_connected_chargers", "Open connections", len(hub))
        for name in hub.counters.__slots__:
            value = getattr(hub.counters, name)
            yield CounterMetricFamily(f"csms_ocpp_{name}", f"OCPP frames: {name}", value)
        yield CounterMetricFamily("csms_turns", "Turns of the service", turns.count)
        yield GaugeMetricFamily("csms_longest_turn_seconds", "The longest turn", turns.longest)

    def page(self) -> bytes:
        """Return the page in Prometheus' text format."""
        return generate_latest(self._registry)
