"""Formats with one frame a line: SteVe, mobilityhouse/ocpp, evcc, ocpp-go, MicroOcpp, tshark, bare.

A core of data and small readers; ordered from the vaguest to the most particular (the last wins).
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from harness.fieldlog.frames import START, NotAFrame, decoded, remains
from harness.fieldlog.registry import ANYWHERE, FORMATS, Format, line_format, loose_frames, register
from harness.fieldlog.values import IN, OUT, RECV, SEND, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.fieldlog.values import Line

ISO = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?UTC|Z|[+-]\d\d:?\d\d)?"
SYSLOG = r"[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d"
_STAMP = re.compile(rf"^\W{{0,3}}({ISO}|{SYSLOG})")


# ---------------------------------------------------------------------- frames and nothing else


def _bare(lines: Iterable[Line]) -> Iterator[Piece]:
    for number, text in lines:
        stamp = _STAMP.match(text)
        when = stamp[1] if stamp else None
        any_found = False
        for piece in loose_frames(lambda n=number, w=when: Piece(n, when=w), text):  # type: ignore[misc]
            any_found = True
            yield piece
        if not any_found and remains(text):
            yield Piece(number, "unusable", problem="the beginning of a frame is missing")


register(Format("frames", "bare OCPP-J frames", lambda text: int(bool(START.search(text))), _bare))

# ---------------------------------------------------------------------- tshark -T fields

_TSHARK = re.compile(r"^(\d{9,10}\.\d+)\t(\d+)\t(?=\s*\"?\[)")


def _tshark(lines: Iterable[Line]) -> Iterator[Piece]:
    """`frame.time_epoch`, `tcp.stream`, `websocket.payload.text`: often several frames a packet."""
    for number, text in lines:
        found = _TSHARK.match(text)
        if found is None:
            if remains(text):
                yield Piece(number, "unusable", problem="no line of tshark -T fields")
            continue
        when, stream = found[1], found[2]
        yield from loose_frames(
            lambda n=number, w=when, s=stream: Piece(  # type: ignore[misc]
                n, when=float(w), session=s
            ),
            text[found.end() :],
        )


register(
    Format("tshark", "tshark text output", lambda text: int(bool(_TSHARK.match(text))), _tshark)
)

# ---------------------------------------------------------------------- libraries and systems

line_format(
    "microocpp",
    "MicroOcpp",
    rf"(?:(?P<when>{ISO}).*?)?\[(?:MO|AO|ArduinoOcpp)\] (?P<way>Send|Recv): ?",
    ways={"Send": SEND, "Recv": RECV},
)

_MOBILITY = (
    rf"(?:(?P<when>{ISO}).{{0,80}}?)?"
    r"(?P<id>[^\s:\"]{1,64}): (?P<way>send|receive message) "
)
line_format(
    "mobilityhouse", "mobilityhouse/ocpp", _MOBILITY, ways={"send": OUT, "receive message": IN}
)

line_format(
    "ocpp-go",
    "evcc or another program on ocpp-go, older",
    rf"(?:(?P<when>{ISO}|{SYSLOG}).*?)?\b(?P<way>sent|received) JSON message (?:to|from) "
    r"(?P<id>[^\s:]{1,64}): ?",
    ways={"sent": OUT, "received": IN},
)

line_format(
    "evcc",
    "evcc",
    rf"TRACE (?P<when>{ISO}) (?P<way>recv|send|sent) (?P<id>[^\s:]{{1,64}}): ?",
    ways={"recv": SEND, "send": RECV, "sent": RECV},  # evcc is the CSMS
)

_BOX = r"\[chargeBoxId=(?P<id>[^,\]]*), sessionId=(?P<session>[^\]]*)\] "
line_format(
    "steve",
    "SteVe",
    rf"(?:(?P<when>{ISO}) .*?)?{_BOX}(?P<way>Sending|Received)(?: message)?: ?",
    ways={"Sending": RECV, "Received": SEND},  # SteVe is the CSMS
    links={
        "open": rf"(?:(?P<when>{ISO}) .*?)?{_BOX}Connection is established",
        "close": rf"(?:(?P<when>{ISO}) .*?)?{_BOX}(?:Connection (?:is|was) closed|Closed)",
    },
)

# ---------------------------------------------------------------------- any of them, in JSON

WRAPPED = "json-lines"
_WRAPPED = re.compile(
    r"\"(?:message|msg|event|log)\"\s*:\s*\"(?:[^\"\\]|\\.){0,1000}?\[\s*[2-6]\s*,\s*\\\""
)
_TIMES = ("timestamp", "@timestamp", "time", "asctime", "ts")
_TEXTS = ("message", "msg", "event", "log")


def _wrapped(lines: Iterable[Line]) -> Iterator[Piece]:
    """One JSON object a line, the logger's own line in it: structured logging, or Docker's."""
    inner: Format | None = None
    for number, text in lines:
        begins = text.find("{")
        try:
            said = decoded(text[begins:]) if begins >= 0 else None
        except NotAFrame as error:
            if _WRAPPED.search(text) or remains(text):
                yield Piece(number, "unusable", problem=str(error))
            continue
        if not isinstance(said, dict):
            if remains(text):
                yield Piece(number, "unusable", problem="no JSON object")
            continue
        message = _message(said)
        when = next((said[n] for n in _TIMES if isinstance(said.get(n), str | float | int)), None)
        if inner is None or not inner.weigh(message):
            inner = _format_of(message) or inner
        for piece in (inner or FORMATS[ANYWHERE]).read([(number, message)]):
            piece.when = piece.when if when in {None, ""} else when
            yield piece


def _message(said: dict[str, Any]) -> str:
    return next((said[n] for n in _TEXTS if isinstance(said.get(n), str)), "")


def inside(lines: Iterable[str]) -> Format | None:
    """Return the format of the lines that these are wrapped around; None if none is known."""
    for text in lines:
        with contextlib.suppress(NotAFrame):
            said = decoded(text[max(0, text.find("{")) :])
            inner = _format_of(_message(said)) if isinstance(said, dict) else None
            if inner is not None:
                return inner
    return None


def _format_of(message: str) -> Format | None:
    """Return the most particular format by lines that knows this one."""
    known = (form for form in reversed(FORMATS.values()) if form.by_line)
    return next((form for form in known if form.weigh(message)), None)


register(
    Format(
        WRAPPED,
        "lines of a log, wrapped in JSON",
        lambda text: int(text.lstrip().startswith("{") and bool(_WRAPPED.search(text))),
        _wrapped,
    )
)
