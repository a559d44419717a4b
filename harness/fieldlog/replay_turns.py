"""The turns of a recorded conversation, from the side that is played; what frames mean. A core."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.fieldlog.frames import CALL, ERROR, RESULT, misshapen, written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.history import Event

CHARGER, CSMS = "charger", "csms"
# What two frames must have in common to mean the same; all else may differ from day to day.
MEANT = frozenset({
    "status", "requestedMessage", "type", "operationalStatus", "eventType", "connectorStatus",
    "unlockStatus", "certificateType", "messageTrigger",
})  # fmt: skip
# What a charger says when it pleases: neither demanded of it nor held against it.
SMALL_TALK = frozenset({
    "Heartbeat", "MeterValues", "StatusNotification", "SecurityEventNotification", "NotifyEvent",
    "NotifyReport",
})  # fmt: skip


@dataclass(slots=True)
class Turn:
    """One step of the recording: `kind` is open, close, out (ours) or in (the other side's)."""

    kind: str
    time: float
    index: int
    action: str = ""
    frame: list[Any] = field(default_factory=list)
    text: str = ""  # ours that is no frame
    line: int | None = None
    asked: str = ""  # of an answer: the recorded id of its CALL

    @property
    def place(self) -> str:
        """Where it stands in the recording."""
        return f"line {self.line}" if self.line is not None else f"event #{self.index}"


def turns_of(events: Iterable[Event], side: str) -> list[Turn]:
    """Return the turns of one charger's events, seen from the side that is played."""
    ours = "send" if side == CHARGER else "recv"
    open_calls: dict[tuple[str, str], str] = {}
    turns: list[Turn] = []
    connected = False
    for event in events:
        if event.kind == "open":
            if not (event.data.get("partial") and connected):
                turns.append(Turn("open", event.time, event.index))
                open_calls.clear()
            connected = True
        elif event.kind == "close":
            turns.append(Turn("close", event.time, event.index))
            connected = False
        elif event.kind in {"send", "recv"}:
            turn = _turn(event, ours, open_calls)
            if turn is not None and not _skipped(turn, side):
                turns.append(turn)
    return turns


def _turn(event: Event, ours: str, open_calls: dict[tuple[str, str], str]) -> Turn | None:
    mine = event.kind == ours
    frame, line = event.data.get("frame"), event.data.get("line")
    turn = Turn("out" if mine else "in", event.time, event.index, event.name,
                line=line if isinstance(line, int) else None)  # fmt: skip
    if not isinstance(frame, list) or misshapen(frame):
        text = event.data.get("text")
        turn.text = text if isinstance(text, str) else written(frame).decode()
        return turn if mine else None
    turn.frame = frame
    if frame[0] == CALL:
        open_calls[event.kind, str(frame[1])] = event.name
        return turn
    if frame[0] in {RESULT, ERROR}:
        asker = "recv" if event.kind == "send" else "send"
        if open_calls.pop((asker, str(frame[1])), None) is None:
            return None  # the recording does not hold what this answers
        turn.asked = str(frame[1])
    return turn


def called(turn: Turn) -> str:
    """Return the action of a CALL, '' for an answer."""
    return str(turn.frame[2]) if turn.frame[0] == CALL else ""


def _skipped(turn: Turn, side: str) -> bool:
    """Whether a turn is left to chance: what a charger says when it pleases, and its answer."""
    return side == CSMS and turn.action in SMALL_TALK


def meaning(frame: list[Any]) -> dict[str, Any]:
    """Return what a frame means: its kind, action or error code, and its statuses."""
    kind = frame[0]
    if kind == ERROR:
        return {"kind": "CALLERROR", "code": frame[2] if len(frame) > 2 else ""}  # noqa: PLR2004
    said: dict[str, Any] = {"kind": "CALL" if kind == CALL else "CALLRESULT"}
    if kind == CALL:
        said["action"] = frame[2]
    _collect(frame[-1], "", said)
    return said


def _collect(value: Any, path: str, into: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in MEANT and not isinstance(inner, dict | list):
                into[where] = inner
            else:
                _collect(inner, where, into)


def differing(recorded: list[Any], live: list[Any]) -> tuple[str, str] | None:
    """Return what was expected and what came instead, None if both mean the same."""
    wanted, came = meaning(recorded), meaning(live)
    names = [name for name in {**wanted, **came} if wanted.get(name) != came.get(name)]
    if not names:
        return None

    def told(said: dict[str, Any]) -> str:
        parts = [f"{name} {said[name]!r}" if name in said else f"no {name}" for name in names]
        return ", ".join(parts)

    return told(wanted), told(came)


def statuses_of(frame: list[Any]) -> str:
    """Say what a frame means, beside its kind and action."""
    said = {name: value for name, value in meaning(frame).items() if name not in {"kind", "action"}}
    return f"({', '.join(f'{name} {value}' for name, value in said.items())})" if said else ""
