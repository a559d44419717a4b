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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.history import Event, History
    from harness.world import Outcome, Request

CALL = 2
NOTEWORTHY = 0.001  # seconds by which a record is late
_FRAME = msgspec.json.Decoder(list[Any])
_encode = msgspec.json.Encoder().encode


class Recorder:
    """Writes one drill into a history; `now` gives the seconds since its start."""

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self.history = history
        self._now = now
        self._connections: dict[str, int] = {}
        self._sources: dict[str, str] = {}  # charger -> what its events say, one copy for all
        # charger -> for the CALLs that it sent, and for those that it received: id -> action
        self._asked: dict[str, dict[str, dict[str, str]]] = {}
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
        if kind in {"send", "recv"}:
            self._frame(charger, kind, text or "")
        elif kind == "note":
            said = {key: value for key, value in data.items() if key != "note"}
            self._charger(charger, "note", str(data.get("note", "")), "", said)
        else:
            if kind == "open":
                self._connections[charger] = self._connections.get(charger, 0) + 1
                self._asked[charger] = {"send": {}, "recv": {}}
            self._charger(charger, kind, "", f"{charger}#{self._connections.get(charger, 0)}", data)

    def _frame(self, charger: str, kind: str, text: str) -> None:
        try:
            frame = _FRAME.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            self._charger(charger, kind, "", "", {"text": text})
            return
        ref = frame[1] if len(frame) > 1 and isinstance(frame[1], str) else ""
        self._charger(charger, kind, self._action(charger, kind, frame, ref), ref, {"frame": frame})

    def _action(self, charger: str, kind: str, frame: list[Any], ref: str) -> str:
        """Return the action of a CALL, or of the CALL that this frame answers."""
        asked = self._asked.get(charger)
        if asked is None:
            asked = self._asked[charger] = {"send": {}, "recv": {}}
        if frame and frame[0] == CALL:
            action = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else ""  # noqa: PLR2004
            asked[kind][ref] = action
            return action
        return asked["recv" if kind == "send" else "send"].pop(ref, "")

    def _charger(self, charger: str, kind: str, name: str, ref: str, data: dict[str, Any]) -> None:
        source = self._sources.get(charger)
        if source is None:
            source = self._sources[charger] = f"{CHARGER}{charger}"
        self.history.record(self._now(), source, kind, name, ref, data)

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
