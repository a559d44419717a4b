"""The times of a log as seconds since its start, which never step back. A core.

Where the log writes no times, those inside the messages have to do (`timestamp` of what a charger
says, `currentTime` of what it is told). A clock that was set back does not send the rest of the log
to one moment: from there on times go on from where they were.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.fieldlog.frames import CALL, RESULT
from harness.fieldlog.moments import dated, seconds

if TYPE_CHECKING:
    from datetime import tzinfo

    from harness.fieldlog.values import Piece

SET = 1e9  # seconds since 1970, in 2001: of an earlier date nobody has ever set the clock
BLUR = 2.0  # seconds by which lines of several threads may be out of order
QUARTER, CLOSE, FARTHEST = 900.0, 120.0, 14 * 3600.0  # seconds: zones, and how well they fit
LOG, MESSAGES, NONE = "log", "messages", "none"


class LogClock:
    """Turns pieces into seconds since the first one."""

    def __init__(self, zone: tzinfo | None, year: int) -> None:
        self.kind = NONE
        # Whose zone the times are in: given (by the log or the user), messages or assumed.
        self.zone = "assumed" if zone is None else "given"
        self.offset = 0.0  # seconds by which the log's times are ahead of UTC, as its messages tell
        self._zone, self._year = zone or UTC, year
        self._base: float | None = None
        self._offset = 0.0
        self._now = 0.0
        self._before = -math.inf  # the time of the piece before
        self._later = self._earlier = 0  # pieces with a later or an earlier time than that

    def start(self, pieces: list[Piece]) -> str:
        """Choose the source of times from the first pieces; return when the log begins."""
        self._place(pieces)
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
        """Whether this piece settles where times come from; those of a drill have their own."""
        if piece.kind == "header":
            return True
        if self.zone == "given" or dated(piece.when):
            return self._written(piece) is not None or self._meant(piece) is not None
        return self._written(piece) is not None and self._meant(piece) is not None

    def _place(self, pieces: list[Piece]) -> None:
        """Find the zone of times that say none, by the dates in the messages beside them."""
        if self.zone == "given":
            return
        if all(dated(piece.when) for piece in pieces):
            self.zone = "given"
            return
        ahead = sorted(
            written - meant
            for piece in pieces
            if (written := self._written(piece)) is not None
            and (meant := self._meant(piece)) is not None
        )
        if not ahead:
            return
        middle = ahead[len(ahead) // 2]
        zone = round(middle / QUARTER) * QUARTER
        if abs(middle - zone) < CLOSE and abs(zone) <= FARTHEST:
            self.zone, self.offset = "messages", zone

    def tick(self, piece: Piece) -> tuple[float, float]:
        """Return the time of a piece, and by how many seconds the clock was set back there."""
        given = self._written(piece) if self.kind == LOG else self._meant(piece)
        if given is None or self._base is None:
            return self._now, 0.0
        self._later += given > self._before
        self._earlier += given < self._before
        self._before = given
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

    def behind(self, piece: Piece) -> bool:
        """Whether the log dates a piece before the one that was told the time last.

        Who has no battery for its clock begins in 1970 again and again: that says nothing.
        """
        given = self._written(piece) if self.kind == LOG else None
        return given is not None and SET < given < self._before

    def backwards(self, steps: int) -> bool:
        """Whether the log's times go back nearly always, and at least so many times."""
        return self.kind == LOG and self._earlier >= max(steps, 2 * self._later)

    def _written(self, piece: Piece) -> float | None:
        time = seconds(piece.when, self._zone, self._year)
        return time if time is None or not self.offset else time - self.offset

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
