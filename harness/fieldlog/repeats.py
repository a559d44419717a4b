"""Lines that a log holds twice, as where two files that overlap were put together. A core.

Who takes them for new accuses both sides of using their message ids again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.fieldlog.clock import LogClock
    from harness.fieldlog.values import Piece

NOT_WHOLE = "events of this drill are missing, and it is judged whole or not at all"
MEMORY = 100_000  # pieces remembered: memory stays bounded
REPEATED = "what follows was in this log before, at the same times: it is taken once"


class Repeats:
    """Knows the last pieces; `report` hears of the line at which a repetition begins."""

    def __init__(self, report: Callable[[int, str], None]) -> None:
        self._report = report
        self._known: dict[int, None] = {}
        self._inside = False

    def copied(self, piece: Piece, clock: LogClock) -> bool:
        """Whether the log goes back to what it has said; the same at one time is no repetition."""
        if piece.when is None or piece.kind not in {"frame", "open", "close"}:
            return False
        mark = hash((piece.kind, piece.way, piece.charger, piece.session, piece.when,
                     str(piece.frame)))  # fmt: skip
        known = mark in self._known
        before, self._inside = self._inside, known and (self._inside or clock.behind(piece))
        if self._inside and not before:
            self._report(piece.line, REPEATED)
        self._known[mark] = None
        if len(self._known) > MEMORY:
            del self._known[next(iter(self._known))]
        return self._inside
