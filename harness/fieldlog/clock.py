"""The times of a log as seconds since its start, which never step back. A core.

Where the log writes no times, those inside the messages have to do (`timestamp` of what a charger
says, `currentTime` of what it is told). A clock that was set back does not send the rest of the log
to one moment: from there on times go on from where they were.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.fieldlog.frames import CALL, RESULT
from harness.fieldlog.moments import seconds

if TYPE_CHECKING:
    from datetime import tzinfo

    from harness.fieldlog.values import Piece

BLUR = 2.0  # seconds by which lines of several threads may be out of order
LOG, MESSAGES, NONE = "log", "messages", "none"


class LogClock:
    """Turns pieces into seconds since the first one."""

    def __init__(self, zone: tzinfo, year: int) -> None:
        self.kind = NONE
        self._zone, self._year = zone, year
        self._base: float | None = None
        self._offset = 0.0
        self._now = 0.0

    def start(self, pieces: list[Piece]) -> str:
        """Choose the source of times from the first pieces; return when the log begins."""
        times = [time for piece in pieces if (time := self._written(piece)) is not None]
        hints = [time for piece in pieces if (time := self._meant(piece)) is not None]
        if times:
            self.kind, self._base = LOG, times[0]
        elif hints:
            self.kind, self._base = MESSAGES, hints[0]
        if self._base is None:
            return ""
        return datetime.fromtimestamp(self._base, UTC).isoformat()

    def knows(self, piece: Piece) -> bool:
        """Whether this piece, or what its message says, has a time; a drill's has its own."""
        if piece.kind == "header":
            return True
        return self._written(piece) is not None or self._meant(piece) is not None

    def tick(self, piece: Piece) -> tuple[float, float]:
        """Return the time of a piece, and by how many seconds the clock was set back there."""
        given = self._written(piece) if self.kind == LOG else self._meant(piece)
        if given is None or self._base is None:
            return self._now, 0.0
        time = given - self._base + self._offset
        if self.kind == MESSAGES:  # what a charger says late is no step of a clock
            self._now = max(self._now, time)
            return self._now, 0.0
        back = self._now - time
        if back > BLUR:
            self._offset += back
            return self._now, back
        self._now = max(self._now, time)
        return self._now, 0.0

    def _written(self, piece: Piece) -> float | None:
        return seconds(piece.when, self._zone, self._year)

    def _meant(self, piece: Piece) -> float | None:
        frame = piece.frame
        if piece.kind != "frame" or len(frame) < 3:  # noqa: PLR2004 - the shortest frame
            return None
        payload = frame[3] if frame[0] == CALL and len(frame) > 3 else frame[2]  # noqa: PLR2004
        if not isinstance(payload, dict):
            return None
        text = payload.get("timestamp") if frame[0] == CALL else None
        text = payload.get("currentTime") if frame[0] == RESULT else text
        return seconds(text, UTC) if isinstance(text, str) else None
