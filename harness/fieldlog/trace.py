"""Writes a history as Open OCPP Trace v1.1: one record a CALL, CALLRESULT or CALLERROR. A core.

What a record cannot hold goes to `meta.firmdrill` of the record that follows it (of the last one
for what comes at the end): frames of other types or without shape, connections, the operator's
requests, the firmware server's log, and, once, the history's header. Other tools ignore it; our
importer gives the same history back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from harness.fieldlog.formats_trace import META
from harness.fieldlog.frames import CALL, ERROR, RESULT, misshapen, strict, written
from harness.history import CHARGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.history import Event, Header

SCHEMA_VERSION = "1.1"
NAMES = {CALL: "CALL", RESULT: "CALLRESULT", ERROR: "CALLERROR"}
DIRECTIONS = {"send": "cp-to-csms", "recv": "csms-to-cp"}
_VERSIONS = {"ocpp1.6": "1.6", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


def records(header: Header, events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yield the records; none at all if the history holds no frame that a record can hold."""
    start = _start(header)
    versions: dict[str, str] = {}
    beside: list[dict[str, Any]] = []
    waiting: dict[str, Any] | None = None
    kept_header: dict[str, Any] | None = msgspec.to_builtins(header)
    for event in events:
        if event.source.startswith(CHARGER) and event.kind == "open":
            versions[event.source] = str(event.data.get("subprotocol") or "")
        record = _record(event, start, versions.get(event.source, ""))
        if record is None:
            beside.append(_kept(event))
            continue
        if waiting is not None:
            yield waiting
        meta: dict[str, Any] = {"time": event.time, "index": event.index}
        if kept_header is not None:
            meta["header"], kept_header = kept_header, None
        if beside:
            meta["before"], beside = beside, []
        record["meta"] = {META: meta}
        waiting = record
    if waiting is not None:
        if beside:
            waiting["meta"][META]["after"] = beside
        yield waiting


def line(record: dict[str, Any]) -> bytes:
    r"""Return one record as a line, ending in `\n`."""
    return written(record) + b"\n"


def _start(header: Header) -> datetime:
    try:
        given = datetime.fromisoformat(header.started_at)
        return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _EPOCH


def _record(event: Event, start: datetime, version: str) -> dict[str, Any] | None:
    frame, direction = event.data.get("frame"), DIRECTIONS.get(event.kind)
    if direction is None or event.charger is None or not _fits(frame):
        return None
    assert isinstance(frame, list)  # noqa: S101 - it fits
    kind, payload = frame[0], frame[3] if frame[0] == CALL else frame[2]
    record: dict[str, Any] = {
        "schemaVersion": SCHEMA_VERSION,
        "timestamp": _stamp(start, event.time),
        "ocppVersion": _VERSIONS.get(version),
        "transport": "json",
        "chargePointId": event.charger,
        "connectorId": _connector(payload),
        "direction": direction,
        "messageType": NAMES[kind],
        "messageId": frame[1],
        "action": frame[2] if kind == CALL else event.name or None,
        "payload": None if kind == ERROR else payload,
    }
    if kind == ERROR:
        record["error"] = {"code": frame[2], "description": frame[3], "details": frame[4]}
    record["raw"] = _encode(frame).decode()
    return {name: value for name, value in record.items() if value is not None}


def _fits(frame: Any) -> bool:
    """Whether a record can hold the frame as it is."""
    if misshapen(frame) or frame[0] not in NAMES or not strict(frame):
        return False
    try:
        _encode(frame)
    except UnicodeEncodeError:
        return False
    return frame[0] != CALL or bool(frame[2])


def _connector(payload: Any) -> int | None:
    given = payload.get("connectorId") if isinstance(payload, dict) else None
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None


def _stamp(start: datetime, time: float) -> str:
    try:
        moment = start + timedelta(seconds=time)
    except OverflowError:  # no date says when that is; `meta` keeps the time
        moment = start
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _kept(event: Event) -> dict[str, Any]:
    return dict(msgspec.to_builtins(event))
