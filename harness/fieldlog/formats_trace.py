"""Open OCPP Trace v1.1: one record a line, `transport` json. A core.

What our own export keeps in `meta.firmdrill` (connections, the operator's requests, frames that a
record cannot hold) comes back as the events that they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.fieldlog.formats_tables import subprotocol
from harness.fieldlog.frames import CALL, ERROR, RESULT, NotAFrame, decoded, read, remains
from harness.fieldlog.registry import Format, register
from harness.fieldlog.values import RECV, SEND, Piece
from harness.history import FORMAT as HISTORY_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.fieldlog.values import Line

WAYS = {"cp-to-csms": SEND, "csms-to-cp": RECV}
TYPES = {"CALL": CALL, "CALLRESULT": RESULT, "CALLERROR": ERROR}
META = "firmdrill"


class NotARecord(Exception):
    """A line is no record; the message says why."""


def _records(lines: Iterable[Line]) -> Iterator[Piece]:
    """Read records among anything else; a trace of ours holds nothing else."""
    ours = False
    for number, text in lines:
        if not text.strip():
            continue
        try:
            record = decoded(text)
        except NotAFrame as error:
            if ours or '"direction"' in text or '"messageType"' in text or remains(text):
                yield Piece(number, "unusable", problem=str(error))
            continue
        if not isinstance(record, dict) or "messageType" not in record:
            if ours or remains(text):
                yield Piece(number, "unusable", problem="no record of a trace")
            continue
        for piece in _pieces(number, record):
            ours = ours or piece.kind == "header"
            yield piece


def _pieces(number: int, record: dict[str, Any]) -> Iterator[Piece]:
    meta = record.get("meta")
    kept = meta.get(META) if isinstance(meta, dict) else None
    kept = kept if isinstance(kept, dict) else {}
    if isinstance(kept.get("header"), dict):
        yield Piece(number, "header", data=kept["header"])
    yield from _events(number, kept.get("before"))
    try:
        yield _piece(number, record, kept)
    except NotARecord as error:
        yield Piece(number, "unusable", problem=str(error))
    yield from _events(number, kept.get("after"))


def _events(number: int, events: Any) -> Iterator[Piece]:
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield Piece(number, "event", data=event)


def _piece(number: int, record: dict[str, Any], kept: dict[str, Any]) -> Piece:
    if record.get("transport") == "soap":
        raise NotARecord("a SOAP message: only OCPP-J can be read")
    way = WAYS.get(str(record.get("direction")), "")
    if not way:
        raise NotARecord(f"direction {str(record.get('direction'))[:30]!r} is unknown")
    when = record.get("timestamp")
    return Piece(
        number,
        frame=_frame(record),
        way=way,
        charger=str(record.get("chargePointId") or ""),
        session=_session(record),
        when=when if isinstance(when, str | int | float) else None,
        ocpp=subprotocol(str(record.get("ocppVersion") or "")),
        data={
            "time": kept["time"],
            "index": kept.get("index"),
            "name": str(record.get("action") or ""),
        }
        if isinstance(kept.get("time"), int | float)
        else {},
    )


def _session(record: dict[str, Any]) -> str:
    meta = record.get("meta")
    given = meta.get("sessionId", meta.get("connectionId")) if isinstance(meta, dict) else None
    return str(given) if isinstance(given, str | int) else ""


def _frame(record: dict[str, Any]) -> list[Any]:
    """Return the frame: `raw` where it can be read, else what the fields say."""
    raw = record.get("raw")
    if isinstance(raw, str):
        try:
            frame, end = read(raw)
        except NotAFrame:
            return _spelt_out(record)
        if not raw[end:].strip():
            return frame
    return _spelt_out(record)


def _spelt_out(record: dict[str, Any]) -> list[Any]:
    kind, name = TYPES.get(str(record.get("messageType"))), record.get("messageId")
    if kind is None:
        raise NotARecord(f"messageType {str(record.get('messageType'))[:30]!r} is unknown")
    if not isinstance(name, str):
        raise NotARecord("neither raw nor a messageId: the frame cannot be told")
    if kind == ERROR:
        error = record.get("error")
        error = error if isinstance(error, dict) else {}
        return [kind, name, error.get("code", ""), error.get("description", ""),
                error.get("details", {})]  # fmt: skip
    if "payload" not in record:
        raise NotARecord("neither raw nor a payload: the frame cannot be told")
    payload = record["payload"]
    if kind == RESULT:
        return [kind, name, payload]
    action = record.get("action")
    if not isinstance(action, str):
        raise NotARecord("a CALL without its action")
    return [kind, name, action, payload]


def _weigh(text: str) -> int:
    return 2 * ('"direction"' in text and '"messageType"' in text and text.lstrip()[:1] == "{")


# ---------------------------------------------------------------------- our own history


def _history(lines: Iterable[Line]) -> Iterator[Piece]:
    """A header and events, as a drill or an import wrote them."""
    for number, text in lines:
        if not text.strip():
            continue
        try:
            item = decoded(text)
        except NotAFrame as error:
            yield Piece(number, "unusable", problem=str(error))
            continue
        if isinstance(item, dict) and item.get("format") == HISTORY_FORMAT:
            yield Piece(number, "header", data=item)
        elif isinstance(item, dict) and "source" in item:
            yield Piece(number, "event", data=item)


def _weigh_history(text: str) -> int:
    return 1000 * (f'"format":"{HISTORY_FORMAT}"' in text[:80])


register(Format("history", "firmdrill history", _weigh_history, _history))
register(Format("open-ocpp-trace", "Open OCPP Trace", _weigh, _records))
