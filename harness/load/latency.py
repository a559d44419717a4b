"""How long things took: calls of both sides, connects and boots, from the events of a history.

A core: a fold over events in their order, the same for a running worker (whose samples become
Locust's request events) and for a merged history. A sample is measured where it happens: both of
its ends were seen by the process that holds the socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.history import Event

CALL, RESULT, ERROR = 2, 3, 4
TIMED = "timed"  # kind of an event that holds a sample which no other event shows

OCPP_CALL = "OCPP call"  # from a charger to the CSMS
OCPP_COMMAND = "OCPP command"  # from the CSMS to a charger
TIME = "time"  # connect, boot, dispatch
REST = "REST"  # the operator
DASHBOARD = "dashboard"


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing that took `seconds` and ended at `time`; `error` says why it did not succeed."""

    type: str
    name: str
    time: float
    seconds: float
    error: str = ""


class Timer:
    """Pairs beginnings with ends; what never ended is counted when its connection closes."""

    def __init__(self) -> None:
        self._calls: dict[str, dict[str, tuple[float, str]]] = {}  # charger -> side/id -> begun
        self._connecting: dict[str, float] = {}
        self._booting: dict[str, float] = {}

    def see(self, event: Event) -> Iterator[Sample]:
        """Take one event in; yield the samples that it ends."""
        charger = event.charger
        if charger is None:
            if event.kind == TIMED:
                yield _carried(event)
        elif event.kind in {"send", "recv"}:
            yield from self._frame(charger, event)
        elif event.kind == "note":
            yield from self._note(charger, event)
        elif event.kind == "open":
            self._calls.pop(charger, None)
            begun = self._connecting.pop(charger, event.time)
            yield Sample(TIME, "connect", event.time, event.time - begun)
        elif event.kind == "close":
            yield from self._closed(charger, event)

    def _note(self, charger: str, event: Event) -> Iterator[Sample]:
        if event.name == "connecting":
            self._connecting[charger] = event.time
            self._booting.setdefault(charger, event.time)
        elif event.name == "connect_failed":
            begun = self._connecting.pop(charger, event.time)
            why = str(event.data.get("reason") or "failed")
            yield Sample(TIME, "connect", event.time, event.time - begun, why)

    def _frame(self, charger: str, event: Event) -> Iterator[Sample]:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or not frame:
            return
        if frame[0] == CALL:
            self._calls.setdefault(charger, {})[f"{event.kind}/{event.ref}"] = (
                event.time,
                event.name,
            )
            return
        asked = "recv" if event.kind == "send" else "send"
        begun = self._calls.get(charger, {}).pop(f"{asked}/{event.ref}", None)
        if begun is None:
            return
        error = f"CALLERROR {_code(frame)}" if frame[0] == ERROR else ""
        kind = OCPP_CALL if asked == "send" else OCPP_COMMAND
        yield Sample(kind, begun[1], event.time, event.time - begun[0], error)
        if event.kind == "recv" and event.name == "BootNotification" and _accepted(frame):
            since = self._booting.pop(charger, None)
            if since is not None:
                yield Sample(TIME, "boot", event.time, event.time - since)

    def _closed(self, charger: str, event: Event) -> Iterator[Sample]:
        self._booting.pop(charger, None)
        for place, (begun, name) in self._calls.pop(charger, {}).items():
            # A command that a charger did not get to answer says nothing about the CSMS.
            if place.startswith("send/"):
                why = "closed before the answer"
                yield Sample(OCPP_CALL, name, event.time, event.time - begun, why)


def _accepted(frame: list[Any]) -> bool:
    body = frame[2] if frame[0] == RESULT and len(frame) > 2 else None  # noqa: PLR2004 - a CALLRESULT
    return isinstance(body, dict) and body.get("status") == "Accepted"


def _code(frame: list[Any]) -> str:
    return str(frame[2])[:40] if len(frame) > 2 else ""  # noqa: PLR2004 - a CALLERROR


def carry(sample: Sample) -> dict[str, Any]:
    """Return the data of an event that carries a sample; its name is the sample's."""
    data: dict[str, Any] = {"type": sample.type, "seconds": round(sample.seconds, 6)}
    return data | {"error": sample.error} if sample.error else data


def _carried(event: Event) -> Sample:
    data = event.data
    return Sample(
        str(data.get("type", "")),
        event.name,
        event.time,
        float(data.get("seconds", 0.0)),
        str(data.get("error", "")),
    )
