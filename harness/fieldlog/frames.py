"""Finds OCPP-J frames in text, and never finds one that is not there. A core.

A frame is taken only as a whole JSON array. Of one that is damaged at most its head is read: the
message type, the id and the action, which say what was lost.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from simulator.wire import deep

CALL, RESULT, ERROR, RESULT_ERROR, NOTE = 2, 3, 4, 5, 6
LENGTHS = {CALL: 4, RESULT: 3, ERROR: 5, RESULT_ERROR: 5, NOTE: 4}
_QUOTED = re.compile(r"\[\s*[2-6]\s*,\s*\\\"")
_ESCAPED = re.compile(r"(?:[^\"\\]|\\.)*")
ENDING = 200  # characters that show how a line ends
START = re.compile(r"\[\s*[2-6]\s*,\s*\"")
_HEAD = re.compile(
    r"\[\s*([2-6])\s*,\s*\"([^\"\\]{1,64})\"\s*,\s*(?:\"([A-Za-z0-9]{1,64})\"\s*[,\]]|(?=[{\"]))"
)
_TAIL = re.compile(r"(?:\":.*|^[^\[]{0,40})\}\s*\]\s*,?\s*$")


def refuse(constant: str) -> NoReturn:
    """Raise ValueError: Python reads NaN and Infinity, JSON has neither."""
    raise ValueError(f"{constant} is no JSON number")


def finite(text: str) -> float:
    """Return the number; raises ValueError where no float holds it."""
    number = float(text)
    if not math.isfinite(number):  # it would be written as null: another frame
        raise ValueError(f"{text[:20]} is too large a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=refuse, parse_float=finite)
LONG = 4096  # characters; of more than that not all is tried at once, for it may be many frames


class NotAFrame(Exception):
    """The text holds no whole frame here; the message says why, in the words of a report."""


def read(text: str, start: int = 0) -> tuple[list[Any], int]:
    """Return the frame that begins at `start`, and where it ends; raises NotAFrame."""
    whole, end = _rest(text, start) if len(text) - start <= LONG else _first(text, start)
    problem = misshapen(whole) or deep(text, whole, start, end)
    if problem:
        raise NotAFrame(problem)
    return whole, end


def decoded(text: str) -> Any:
    """Return the JSON value that a whole text is; raises NotAFrame."""
    try:
        whole = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotAFrame(f"not JSON: {error}") from None
    problem = deep(text, whole)
    if problem:
        raise NotAFrame(problem)
    return whole


def written(value: Any) -> bytes:
    """Return a value as JSON; halves of characters, which UTF-8 cannot carry, as escapes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def quoted(text: str, start: int) -> tuple[list[Any], int]:
    r"""Return the frame inside a quoted text (`msg="... [2,\"1\",...]"`), and where the quotes end.

    Raises NotAFrame.
    """
    found = _ESCAPED.match(text, start)
    assert found is not None  # noqa: S101 - any text matches, if only its first nothing
    try:
        inner = json.loads(f'"{found[0]}"')
    except ValueError as error:
        raise NotAFrame(f"not JSON: {error}") from None
    frame, end = read(inner)
    if inner[end:].strip():
        raise NotAFrame("not JSON: more follows the frame")
    return frame, found.end()


def is_quoted(text: str, start: int) -> bool:
    """Whether the frame that begins here has escaped quotes, as inside a quoted text."""
    return _QUOTED.match(text, start) is not None


def _rest(text: str, start: int) -> tuple[Any, int]:
    """Decode what is left of a text, which mostly is one JSON value: the quick way."""
    try:
        return msgspec.json.decode(text[start:] if start else text), len(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _first(text, start)


def _first(text: str, start: int) -> tuple[Any, int]:
    """Decode the first JSON value of a text that goes on after it."""
    while start < len(text) and text[start].isspace():
        start += 1
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotAFrame(f"not JSON: {error.msg} (column {error.pos + 1})") from None
    except (ValueError, RecursionError) as error:
        raise NotAFrame(f"not JSON: {error}") from None


def misshapen(frame: Any) -> str:
    """Say why a JSON value cannot be an OCPP-J frame, '' if it can.

    Only what makes it unrecognisable: a frame with a wrong payload is a frame, and the judge's.
    """
    if not isinstance(frame, list) or len(frame) < 3:  # noqa: PLR2004 - the shortest frame
        return "not an OCPP-J frame"
    if type(frame[0]) is not int or frame[0] not in LENGTHS:  # not bool, nor what has no hash
        return f"not an OCPP-J frame: message type {str(frame[0])[:20]!r}"
    if not isinstance(frame[1], str):
        return "not an OCPP-J frame: its message id is no string"
    return ""


def strict(frame: list[Any]) -> bool:
    """Whether a frame has exactly the shape of its type: what is found anywhere in a text must."""
    if len(frame) != LENGTHS[frame[0]]:
        return False
    if frame[0] in {CALL, NOTE}:
        return isinstance(frame[2], str) and isinstance(frame[3], dict)
    if frame[0] == RESULT:
        return isinstance(frame[2], dict)
    return isinstance(frame[2], str) and isinstance(frame[3], str) and isinstance(frame[4], dict)


def head(text: str) -> tuple[int, str, str] | None:
    """Return what can be read of a damaged frame: type, id and action; None if not even that."""
    found = _HEAD.search(text)
    if found is None:
        return None
    kind, action = int(found[1]), found[3] or ""
    if kind in {CALL, NOTE} and not action:
        return None
    return kind, found[2], action if kind in {CALL, NOTE} else ""


def remains(text: str) -> bool:
    """Whether a line holds a frame, or the rest of one whose beginning is missing."""
    return START.search(text) is not None or _TAIL.search(text[-ENDING:]) is not None
