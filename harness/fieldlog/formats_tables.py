"""Tables: CSV with a header line, and CitrineOS' dumps of OCPPMessages as CSV or JSON. A core."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.fieldlog.frames import NotAFrame, decoded, misshapen, read, remains, strict
from harness.fieldlog.objects import MOST_TEXT, Broken, objects
from harness.fieldlog.registry import Format, damaged, register
from harness.fieldlog.values import IN, OUT, RECV, SEND, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.fieldlog.values import Line

BLANK = "\0 \t\r\n"  # a row of these alone: a block of zeros, or a line that was reported before
MOST_LINES = 200  # that one quoted cell may span
# What a column may be called, letters and digits only; the first that a table has is taken.
COLUMNS: dict[str, tuple[str, ...]] = {
    "when": ("timestamp", "time", "date", "datetime", "createdat", "receivedat", "ts", "epoch"),
    "charger": (
        "chargepointid", "chargeboxid", "stationid", "chargingstationid", "chargerid", "charger",
        "cpid", "identity", "station", "chargepoint", "id",
    ),
    "session": ("sessionid", "connectionid", "session", "stream"),
    "way": ("direction", "origin", "dir", "way", "side", "from", "sender"),
    "message": ("message", "msg", "frame", "raw", "payload", "ocppmessage", "text", "data", "body"),
    "ocpp": ("protocol", "ocppversion", "ocpp", "subprotocol"),
}  # fmt: skip
WAYS = {
    **dict.fromkeys(("cs", "cp", "chargepoint", "charger", "chargingstation", "station",
                     "cptocsms", "fromcharger", "fromstation", "fromcp", "cpcsms"), SEND),
    **dict.fromkeys(("csms", "centralsystem", "server", "backend", "csmstocp", "tocharger",
                     "tostation", "tocp", "csmscp"), RECV),
    **dict.fromkeys(("sent", "send", "out", "outbound", "outgoing", "tx"), OUT),
    **dict.fromkeys(("received", "recv", "receive", "in", "inbound", "incoming", "rx"), IN),
}  # fmt: skip
VERSIONS = {"16": "ocpp1.6", "201": "ocpp2.0.1", "21": "ocpp2.1"}
_CITRINE = re.compile(r"\bstationId\b.*\bcorrelationId\b|\bcorrelationId\b.*\bstationId\b")
_COMMA, _SEMICOLON, _TAB = ",", ";", "\t"


csv.field_size_limit(2 * MOST_TEXT)  # a report of all variables is longer than Python expects


def plain(name: str) -> str:
    """Return only the letters and digits of a name, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def subprotocol(text: str) -> str:
    """Return `1.6`, `OCPP1.6J` or `ocpp2.0.1` as a subprotocol, '' if it is none we know."""
    return VERSIONS.get(re.sub(r"[^0-9]", "", text), "")


@lru_cache(256)  # the rows of a dump have the same names again and again
def _columns(header: tuple[str, ...]) -> Mapping[str, int]:
    names = [plain(cell) for cell in header]
    return {
        what: next(names.index(name) for name in known if name in names)
        for what, known in COLUMNS.items()
        if any(name in names for name in known)
    }


def _delimiter(header: str) -> str:
    return max((_COMMA, _SEMICOLON, _TAB), key=header.count)


def is_header(text: str) -> bool:
    """Whether a line is the header of a table with messages in it."""
    if "[" in text or "{" in text:
        return False
    cells = [cell.strip().strip('"') for cell in text.split(_delimiter(text))]
    return len(cells) > 1 and {"message"} < set(_columns(tuple(cells)))


# ---------------------------------------------------------------------- CSV


def _table(lines: Iterable[Line]) -> Iterator[Piece]:
    columns: Mapping[str, int] = {}
    delimiter = _COMMA
    for number, text, whole in _records(lines):
        if is_header(text):
            delimiter = _delimiter(text)
            columns = _columns(tuple(_cells(text, delimiter)))
        elif not columns:
            if remains(text):
                yield Piece(number, "unusable", problem="a row before the table's header")
        elif not whole:
            yield Piece(number, "unusable", problem="a quoted cell without an end")
        elif text.strip(BLANK):
            yield _row(number, _cells(text, delimiter), columns)


def _records(lines: Iterable[Line]) -> Iterator[tuple[int, str, bool]]:
    """Yield rows: a quoted cell may span lines, and must not swallow the rest of the file."""
    parts: list[str] = []
    first, quotes, size = 0, 0, 0
    for number, text in lines:
        if not parts:
            first, quotes, size = number, 0, 0
        parts.append(text)
        size += len(text)
        quotes += text.count('"')
        if quotes % 2 == 0:
            yield first, "".join(parts), True
            parts = []
        elif len(parts) >= MOST_LINES or size > MOST_TEXT or (len(parts) > 1 and _complete(text)):
            # The quote that opened this was never closed: give up the rows up to here.
            yield first, "".join(parts), False
            parts = []
    if parts:
        yield first, "".join(parts), False


def _complete(text: str) -> bool:
    """Whether a line is a row by itself."""
    return text.count('"') % 2 == 0 and "[" in text


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text.rstrip("\r\n").replace("\n", " ")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _row(number: int, cells: list[str], columns: Mapping[str, int]) -> Piece:
    said = {what: cells[at] for what, at in columns.items() if at < len(cells)}
    message = said.get("message", "")
    if not message.lstrip().startswith("["):
        # An unquoted frame is spread over many cells: it is whatever stands from there on.
        text = ",".join(cells)
        return Piece(
            number, "unusable", problem="not an OCPP-J frame" if remains(text) else "no frame"
        )
    piece = _piece(number, said)
    try:
        piece.frame, end = read(message)
    except NotAFrame as error:
        return damaged(piece, str(error), message)
    return damaged(piece, "more follows the frame", message) if message[end:].strip() else piece


def _piece(number: int, said: Mapping[str, Any]) -> Piece:
    when = said.get("when")
    return Piece(
        number,
        way=WAYS.get(plain(str(said.get("way", ""))), ""),
        charger=str(said.get("charger") or "").strip(),
        session=str(said.get("session") or ""),
        when=when if isinstance(when, str | int | float) else None,
        ocpp=subprotocol(str(said.get("ocpp") or "")),
    )


# ---------------------------------------------------------------------- JSON objects


def _dump(lines: Iterable[Line]) -> Iterator[Piece]:
    """An array of rows, or one a line: `message` holds the frame."""
    for number, text in objects(lines):
        if isinstance(text, Broken):
            yield Piece(number, "unusable", problem=text.problem)
            continue
        try:
            row = decoded(text)
        except NotAFrame as error:
            yield Piece(number, "unusable", problem=str(error))
            continue
        yield _object(number, row if isinstance(row, dict) else {})


def _object(number: int, row: dict[str, Any]) -> Piece:
    names = tuple(row)
    said = {what: row[names[at]] for what, at in _columns(names).items()}
    piece, message = _piece(number, said), said.get("message")
    if isinstance(message, str):
        try:
            piece.frame, _ = read(message)
        except NotAFrame as error:
            return damaged(piece, str(error), message)
        return piece
    problem = misshapen(message)
    if not problem and not strict(list(message or ())):
        problem = "not an OCPP-J frame: its parts do not fit its type"
    if problem:
        return damaged(piece, problem, "")
    piece.frame = list(message or ())
    return piece


HEADER = 1000  # one header line outweighs the rows, which look like bare frames

register(Format("csv", "CSV", lambda text: HEADER * is_header(text), _table))
register(
    Format(
        "citrineos-csv",
        "CitrineOS OCPPMessages (CSV)",
        lambda text: (HEADER + 1) * (is_header(text) and bool(_CITRINE.search(text))),
        _table,
    )
)
register(
    Format(
        "citrineos-json",
        "CitrineOS OCPPMessages (JSON)",
        lambda text: 2 * ('"stationId"' in text or '"correlationId"' in text),
        _dump,
    )
)
