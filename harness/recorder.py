"""Turns what happens into events of the history: chargers' frames, requests, server logs, marks.

A core: the clock is handed in. Every frame is parsed once, here; an answer gets the action of the
CALL it answers by its message id on that connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.contract import objects
from harness.history import CHARGER
from harness.world import Ok, Refused, Unknown
from simulator.wire import SHALLOW, deep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.history import Event, History
    from harness.world import Outcome, Request

CALL = 2
NOTEWORTHY = 0.001  # seconds by which a record is late
_FRAME = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.Encoder().encode


class _Charger:
    """What is known of one charger: `source` is what its events say, one copy for all."""

    __slots__ = ("connections", "received", "sent", "source")

    def __init__(self, charger: str) -> None:
        self.source = f"{CHARGER}{charger}"
        self.connections = 0
        self.sent: dict[str, str] = {}  # CALLs on this connection: id -> action
        self.received: dict[str, str] = {}

    def opened(self) -> None:
        """Begin another connection: nobody answers what was asked on the last one."""
        self.connections += 1
        self.sent, self.received = {}, {}


class Recorder:
    """Writes one drill into a history; `now` gives the seconds since its start."""

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self.history = history
        self._now = now
        self._chargers: dict[str, _Charger] = {}
        self._stopped = False
        self._operations = 0
        self._fences = 0
        # rollout, charger -> the last row that a read showed, and its text
        self._rows: dict[tuple[str, str], tuple[bytes, dict[str, Any]]] = {}

    @property
    def stopped(self) -> bool:
        """Whether the drill is over."""
        return self._stopped

    def stop(self) -> None:
        """Record nothing any more: what follows is only the tidying up."""
        self._stopped = True

    # ------------------------------------------------------------------ chargers

    def observe(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        """Take what a fleet driver observed (seam 3); call it synchronously."""
        if self._stopped:
            return
        known = self._chargers.get(charger)
        if known is None:
            known = self._chargers[charger] = _Charger(charger)
        name = ref = ""
        if kind == "send":
            name, ref, data = _frame(text or "", known.sent, known.received)
        elif kind == "recv":
            name, ref, data = _frame(text or "", known.received, known.sent)
        elif kind == "note":
            name = str(data.get("note", ""))
            data = {key: value for key, value in data.items() if key != "note"}
        else:
            if kind == "open":
                known.opened()
            ref = f"{charger}#{known.connections}"
        self.history.record(self._now(), known.source, kind, name, ref, data)

    # ------------------------------------------------------------------ the operator

    def invoke(self, request: Request) -> str:
        """Record a request just before it is written; return its operation id."""
        self._operations += 1
        ref = f"op-{self._operations}"
        data: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "body": request.body,
            "rollout": request.rollout,
        }
        if request.headers:
            data["headers"] = dict(request.headers)
        if request.key != "right":
            data["key"] = request.key
        self._operator("invoke", request.operation, ref, data)
        return ref

    def outcome(self, request: Request, ref: str, outcome: Outcome, *, late: float = 0.0) -> None:
        """Record what became of a request, `late` seconds after its reply was read.

        Other processes of a fleet tell in between what they saw before it: one that is busy makes
        the record late, and nobody's answer slow.
        """
        if isinstance(outcome, Ok) and request.operation == "read":
            self._share_rows(outcome.body)
        kind, data = _told(outcome)
        if late >= NOTEWORTHY:
            data["late"] = round(late, 3)
        self._operator(kind, request.operation, ref, data)

    def _share_rows(self, body: Any) -> None:
        """Put the row that a charger had in the read before where its new one is the same.

        Thousands of rows come with every read of a large rollout and few of them have changed:
        one copy saves most of the memory, and the judge sees at once what is as it was. Rows are
        compared as text, for `true` equals 1 in Python.
        """
        if not isinstance(body, dict):
            return
        rollout, known = str(body.get("rollout_id")), self._rows
        for rows in charger_rows(body):
            for place, row in enumerate(rows):
                key = (rollout, str(row.get("charge_point_id")))
                try:
                    text = _encode(row)
                except (UnicodeEncodeError, OverflowError, RecursionError):
                    continue  # a lone surrogate, a number beyond JSON's: it is kept as it came
                before = known.get(key)
                if before is not None and before[0] == text:
                    rows[place] = before[1]
                else:
                    known[key] = (text, row)

    def _operator(self, kind: str, name: str, ref: str, data: dict[str, Any]) -> None:
        self.history.record(self._now(), "operator", kind, name, ref, data)

    # ------------------------------------------------------------------ everything else

    def served(self, line: dict[str, Any]) -> None:
        """Record one line of the firmware server's log."""
        if self._stopped:
            return
        client, path = str(line.get("client", "")), str(line.get("path", ""))
        self.history.record(self._now(), "firmware", "get", path, ref=client, data=line)

    def fence(self, after: str, charger: str, outcome: str) -> None:
        """Record that one charger made (or could not make) a round trip after an operation."""
        self._fences += 1
        data = {"charger": charger, "outcome": outcome, "message_id": None}
        self.history.record(
            self._now(), "harness", "fence", f"fence-{self._fences}", ref=after, data=data
        )

    def mark(self, name: str, **data: Any) -> Event:
        """Record a named moment of the drill."""
        return self.history.record(self._now(), "harness", "mark", name, data=data)


def _frame(
    text: str, ours: dict[str, str], others: dict[str, str]
) -> tuple[str, str, dict[str, Any]]:
    """Return action, message id and data of a frame; an answer has the action of its CALL.

    `ours` are the CALLs of the side that sent it, by id, `others` those of the other side.
    """
    try:
        frame = _FRAME.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "", "", {"text": text}
    if len(text) > SHALLOW and deep(text, frame):
        # It could be read here, and perhaps not where the history is.
        return "", "", {"text": text}
    length = len(frame)
    ref = frame[1] if length > 1 and isinstance(frame[1], str) else ""
    if frame and frame[0] == CALL:
        action = frame[2] if length > 2 and isinstance(frame[2], str) else ""  # noqa: PLR2004
        ours[ref] = action
    else:
        action = others.pop(ref, "")
    return action, ref, {"frame": frame}


def _told(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Return the kind and the data of the event that an outcome makes."""
    match outcome:
        case Ok(status, body):
            return "ok", {"status": status, "body": body}
        case Refused(status, body):
            return "fail", {"status": status, "body": body}
        case Unknown(error, None):
            return "info", {"error": error}
        case Unknown(error, status, body):
            return "info", {"error": error, "status": status, "body": body}


def charger_rows(body: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Yield the list of rows of each stage of a read's body; what has another shape is left out."""
    for stage in objects(body.get("stages")):
        rows = stage.get("chargers")
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            yield rows
