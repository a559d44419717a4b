"""What an importer hands on: pieces of a log, each with the line that it stands in. Values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Line = tuple[int, str]  # its number from 1, its text; a text without newline goes on in the next

SEND, RECV = "send", "recv"  # as in a history: the charger sent it, the charger received it
OUT, IN = "out", "in"  # the writer of the log sent or received it; which side that is, is unsaid


@dataclass(slots=True)
class Piece:
    """One thing that a log says.

    `kind` is `frame`, `damaged` (a frame that cannot be read: `problem`, and as much of it as can,
    in `head`), `open` or `close` (of a connection), `event` (an event of a history, as it was),
    `header` (the header of a history) or `unusable` (a line that is about a frame and shows none:
    nobody knows whose). `way` is one of the four above or ''. `when` is the time as the log
    writes it, or seconds since 1970.
    """

    line: int
    kind: str = "frame"
    frame: list[Any] = field(default_factory=list)
    way: str = ""
    charger: str = ""
    session: str = ""
    when: str | float | None = None
    ocpp: str = ""  # a subprotocol, where the log says it
    problem: str = ""
    head: tuple[int, str, str] | None = None  # message type, message id, action ('' for answers)
    data: dict[str, Any] = field(default_factory=dict)
