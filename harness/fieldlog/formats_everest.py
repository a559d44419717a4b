"""EVerest's `ocpp.log` (a block a message) and `ocpp.html` (a table row a message). A core."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.fieldlog.frames import NotAFrame, read, remains, strict
from harness.fieldlog.objects import MOST_TEXT
from harness.fieldlog.registry import Format, damaged, register
from harness.fieldlog.values import RECV, SEND, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.fieldlog.values import Line

_STATION = "(?:ChargePoint|ChargingStation)"
_CENTRAL = "(?:CentralSystem|CSMS)"


def _way(arrow: str) -> str:
    return rf"(?P<way>{_STATION}{arrow}{_CENTRAL}|{_CENTRAL}{arrow}{_STATION})"


_HEADER = re.compile(rf"^\s*(?P<when>\d{{4}}-\S+?): {_way('>')} (?P<action>\S*)\s*$")
_ROW = re.compile(
    rf"<tr class=\"[^\"]*\">\s*<td>(?P<when>[^<]*)</td>\s*<td>{_way('&gt;')}</td>"
    r".{0,300}?<pre lang=\"json\">"
)
_END = "</pre>"
MOST_LINES = 4000  # of one message: a block that never ends must not swallow the log


def _piece(number: int, found: re.Match[str]) -> Piece:
    sent = found["way"].startswith(("ChargePoint", "ChargingStation"))
    return Piece(number, way=SEND if sent else RECV, when=found["when"])


def _whole(piece: Piece, text: str) -> Piece:
    """Read the frame of a collected message; nothing but white space may follow it."""
    try:
        piece.frame, end = read(text)
    except NotAFrame as error:
        return damaged(piece, str(error), text)
    if text[end:].strip():
        return damaged(piece, "not JSON: more follows the frame", text)
    if not strict(piece.frame):  # a line of it may be missing
        return damaged(piece, "not an OCPP-J frame: its parts do not fit its type", text)
    return piece


def _blocks(lines: Iterable[Line]) -> Iterator[Piece]:
    """A header line, the frame as indented JSON, an empty line."""
    piece: Piece | None = None
    parts: list[str] = []
    size = 0
    for number, text in lines:
        found = _HEADER.match(text)
        long = len(parts) >= MOST_LINES or size > MOST_TEXT
        ends = found is not None or not text.strip() or long
        if ends and piece is not None and (parts or found):
            yield _whole(piece, "".join(parts))
            piece, parts = None, []
        if found is not None:
            piece, parts, size = _piece(number, found), [], 0
        elif piece is not None:
            if text.strip():
                parts.append(text)
                size += len(text)
        elif remains(text):
            yield Piece(number, "unusable", problem="a frame without its header line")
    if piece is not None:
        yield _whole(piece, "".join(parts))


def _rows(lines: Iterable[Line]) -> Iterator[Piece]:
    """A table row each; the page may lack its end, and only `<` and `>` are escaped."""
    piece: Piece | None = None
    parts: list[str] = []
    size = 0
    for number, text in lines:
        at = 0
        while at < len(text):
            found = _ROW.search(text, at)
            if piece is None:
                between = text[at : None if found is None else found.start()]
                if remains(between):
                    why = "a frame outside a row of the table"
                    yield Piece(number, "unusable", problem=why)
                if found is None:
                    break
                piece, at, size = _piece(number, found), found.end(), 0
                continue
            end = text.find(_END, at, None if found is None else found.start() + len(_END))
            cut = end if end >= 0 else len(text) if found is None else found.start()
            parts.append(text[at:cut])
            size += cut - at
            at = cut + len(_END) * (end >= 0)
            if end >= 0 or found is not None or len(parts) >= MOST_LINES or size > MOST_TEXT:
                yield _whole(piece, _unescaped(parts))
                piece, parts = None, []
    if piece is not None:
        yield _whole(piece, _unescaped(parts))


def _unescaped(parts: list[str]) -> str:
    return "".join(parts).replace("&lt;", "<").replace("&gt;", ">")


# A header stands for the many lines of its block.
register(Format("everest", "EVerest ocpp.log", lambda text: 3 * bool(_HEADER.match(text)), _blocks))
register(
    Format("everest-html", "EVerest ocpp.html", lambda text: 3 * bool(_ROW.search(text)), _rows)
)
