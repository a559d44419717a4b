"""Plays one side of a recorded conversation and compares what the other side says. A core, sans-IO.

The recording becomes turns: ours are sent, in the order and (scaled) time of the recording; those
of the other side are waited for and matched by meaning. Message ids are our own, and transaction
and request ids that the other side chooses are translated. What differs first is the divergence.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from harness.fieldlog.frames import CALL, ERROR, RESULT, NotAFrame, read, written
from harness.fieldlog.replay_turns import (
    CHARGER,
    CSMS,
    SMALL_TALK,
    Turn,
    called,
    differing,
    statuses_of,
)
from simulator.dialect import rfc3339

CHOSEN = ("transactionId", "requestId", "reservationId")  # ids that one side gives the other
GRAVE = frozenset({"UpdateFirmware", "SignedUpdateFirmware", "Reset"})  # not to be sent unasked
PATIENCE = 30.0  # seconds longer than recorded that the other side may take


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first thing that was not as recorded."""

    place: str
    time: float  # in the recording
    expected: str
    seen: str


@dataclass(frozen=True, slots=True)
class Act:
    """What the driver has to do: `connect`, `close` or `send` a text."""

    kind: str
    text: str = ""


class Player:
    """Plays one charger's conversation from one side.

    The driver calls `step(now)` for what to do, tells `connected`, `heard` and `closed`, and steps
    again at `wake` at the latest. `speed`: 1 is the recording's own time, `math.inf` no waiting.
    """

    def __init__(
        self,
        turns: list[Turn],
        *,
        side: str,
        begin: float = 0.0,
        start: float = 0.0,
        speed: float = 1.0,
        patience: float = PATIENCE,
        name: str = "replay",
    ) -> None:
        self.turns = turns
        self.divergence: Divergence | None = None
        self.remarks: list[str] = []
        self.done = 0  # turns that went as recorded
        self.online = False
        self.wake = math.inf
        self._side, self._speed, self._patience, self._name = side, speed, patience, name
        self._mark, self._since = begin, start  # the recording's time, and ours, of the last turn
        self._ids: dict[str, str] = {}  # recorded id of a CALL, either side's -> the live one
        self._mine: set[str] = set()
        self._chosen: dict[tuple[str, Any], Any] = {}
        self._inbox: list[list[Any]] = []
        self._connecting = False
        self._replies: list[Act] = []
        self._coming = Counter(called(turn) for turn in turns if turn.kind == "in")

    @property
    def over(self) -> bool:
        """Whether the whole recording was played, or something was different."""
        return self.divergence is not None or self.done >= len(self.turns)

    # ------------------------------------------------------------------ what the driver tells

    def connected(self, now: float) -> None:
        """The connection is open."""
        self.online, self._connecting = True, False
        self._advance(now)

    def failed(self, problem: str) -> None:
        """The connection could not be opened."""
        self._connecting = False
        self._diverge("a connection", problem)

    def closed(self, now: float, code: int | None) -> None:
        """The other side closed the connection."""
        self.online = False
        while (turn := self._turn) is not None and turn.kind == "out" and self._closes_next():
            self._advance(now)  # what we had still to say comes too late
        if turn is not None and turn.kind == "close":
            self._advance(now)
        elif turn is not None:
            self._diverge(self._wanted(turn), f"the connection was closed ({code})")

    def heard(self, text: str, now: float) -> None:
        """A frame arrived."""
        try:
            frame, end = read(text)
        except NotAFrame:
            frame, end = [], 0
        if not frame or text[end:].strip():
            self._diverge("an OCPP-J frame", f"{text[:80]!r}")
        elif frame[0] == CALL and not self._awaited(str(frame[2])):
            self._unasked(frame, now)
        else:
            self._inbox.append(frame)

    # ------------------------------------------------------------------ what the driver does

    def step(self, now: float) -> list[Act]:
        """Return what is to be done now; `wake` says when to ask again."""
        acts, self._replies = self._replies, []
        self.wake = math.inf
        while not self.over and not self._connecting:
            turn = self.turns[self.done]
            due = self._since + max(0.0, turn.time - self._mark) / self._speed
            if turn.kind == "in" and self._take(turn, now):
                continue
            if turn.kind == "in" or self._waits_for_close(turn):
                self.wake = due + self._patience
                if now < self.wake:
                    break
                self._diverge(self._wanted(turn), f"nothing in {now - self._since:.1f} s")
            elif now < due:
                self.wake = due
                break
            else:
                acts += self._do(turn, now)
        return acts

    def _waits_for_close(self, turn: Turn) -> bool:
        """Whether it is the other side's turn to hang up: chargers do, CSMSs need not."""
        return turn.kind == "close" and self._side == CSMS and self.online

    def _do(self, turn: Turn, now: float) -> list[Act]:
        """Do one of our own turns."""
        if turn.kind == "open":
            if self.online:
                self._advance(now)
                return []
            self._connecting = True
            self._inbox.clear()
            return [Act("connect")]
        self._advance(now)
        if turn.kind == "close":
            was, self.online = self.online, False
            return [Act("close")] if was and self._side == CHARGER else []
        if not self.online:
            return []
        return [Act("send", self._text(turn))]

    def _text(self, turn: Turn) -> str:
        if not turn.frame:
            return turn.text
        frame = list(turn.frame)
        recorded = str(frame[1])
        if frame[0] == CALL:
            self._ids[recorded] = frame[1] = f"{self._name}-{turn.index}"[-36:]
            self._mine.add(frame[1])
        else:
            frame[1] = self._ids.get(recorded, recorded)
        frame[-1] = self._translated(frame[-1])
        return written(frame).decode()

    def _translated(self, value: Any) -> Any:
        """Put in the ids that the other side has chosen this time."""
        if isinstance(value, dict):
            return {
                key: self._chosen.get((key, inner), inner)
                if key in CHOSEN and isinstance(inner, int | str)
                else self._translated(inner)
                for key, inner in value.items()
            }
        return [self._translated(item) for item in value] if isinstance(value, list) else value

    # ------------------------------------------------------------------ matching

    @property
    def _turn(self) -> Turn | None:
        return self.turns[self.done] if self.done < len(self.turns) else None

    def _advance(self, now: float) -> None:
        turn = self._turn
        if turn is not None:
            self._mark, self._since = max(self._mark, turn.time), now
            self.done += 1
            if turn.kind == "in":
                self._coming[called(turn)] -= 1

    def _closes_next(self) -> bool:
        following = (turn.kind for turn in self.turns[self.done :] if turn.kind != "out")
        return next(following, "close") == "close"

    def _take(self, turn: Turn, now: float) -> bool:
        """Match a turn of the other side with what came; False: nothing that fits came yet."""
        live = next((frame for frame in self._inbox if self._fits(turn, frame)), None)
        if live is None:
            return False
        self._inbox.remove(live)
        different = differing(turn.frame, live)
        if different is not None:
            what = turn.action if turn.frame[0] == CALL else f"answer to {turn.action}"
            self._diverge(f"{what}: {different[0]}", different[1])
            return True
        if turn.frame[0] == CALL:
            self._ids[str(turn.frame[1])] = str(live[1])
        self._learn(turn.frame[-1], live[-1])
        self._advance(now)
        return True

    def _fits(self, turn: Turn, live: list[Any]) -> bool:
        if turn.frame[0] == CALL:
            return bool(live[0] == CALL and live[2] == turn.frame[2])
        answers = live[0] in {RESULT, ERROR}
        return bool(answers and str(live[1]) == self._ids.get(turn.asked))

    def _learn(self, recorded: Any, live: Any) -> None:
        """Remember the ids that the other side has chosen instead of the recorded ones."""
        if not isinstance(recorded, dict) or not isinstance(live, dict):
            return
        for key, value in recorded.items():
            if key in CHOSEN and isinstance(value, int | str) and key in live:
                self._chosen[key, value] = live[key]
            else:
                self._learn(value, live.get(key))

    def _awaited(self, action: str) -> bool:
        waiting = sum(frame[0] == CALL and frame[2] == action for frame in self._inbox)
        return bool(self._coming[action] > waiting)

    def _unasked(self, frame: list[Any], now: float) -> None:
        """Answer a CALL that the recording does not have; some are more than a remark."""
        action = str(frame[2])
        if self._side == CHARGER:
            if action in GRAVE:
                self._diverge("nothing of the kind", f"{action}, which the recording does not have")
            reply: list[Any] = [ERROR, frame[1], "NotSupported", "not in the recording", {}]
        else:
            reply = [RESULT, frame[1], pleasantry(action, now)]
        if action not in SMALL_TALK:
            self.remarks.append(f"{action} came, which the recording does not have")
        self._replies.append(Act("send", written(reply).decode()))

    @staticmethod
    def _wanted(turn: Turn) -> str:
        if turn.kind == "close":
            return "the charger hangs up"
        if turn.kind in {"out", "open"}:
            return "an open connection"
        if turn.frame[0] == CALL:
            return f"{turn.action} {statuses_of(turn.frame)}".strip()
        return f"an answer to {turn.action} {statuses_of(turn.frame)}".strip()

    def _diverge(self, expected: str, seen: str) -> None:
        turn = self._turn or (self.turns[-1] if self.turns else Turn("close", 0.0, 0))
        if self.divergence is None:
            self.divergence = Divergence(turn.place, turn.time, expected, seen)


def pleasantry(action: str, now: float) -> dict[str, Any]:
    """Return a harmless answer to what a charger says beside the recording."""
    match action:
        case "BootNotification":
            return {"currentTime": rfc3339(now), "interval": 300, "status": "Accepted"}
        case "Heartbeat":
            return {"currentTime": rfc3339(now)}
        case "Authorize":
            return {"idTagInfo": {"status": "Accepted"}}
        case "DataTransfer":
            return {"status": "UnknownVendorId"}
        case _:
            return {}
