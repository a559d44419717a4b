"""One event as one short line for a person: the steps of a witness.

A core. Strings from chargers are hostile: they are cut, and control characters made visible; the
report escapes what its own format needs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from harness.history import Event

LONGEST = 240


def tell(event: Event) -> str:
    """Return one line that says what happened."""
    return clean(_told(event))


def clean(text: str) -> str:
    """Cut a string to one readable line without control characters."""
    shown = visible(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def visible(text: str) -> str:
    """Return a string on one line, control characters as their escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _told(event: Event) -> str:
    data = event.data
    if event.source == "operator":
        return _told_operator(event)
    if event.kind in {"recv", "send"}:
        said = "received" if event.kind == "recv" else "sent"
        where = f"line {data['line']}: " if isinstance(data.get("line"), int) else ""
        return f"{where}{said} {_frame(data)}"
    if event.kind == "open":
        return f"connected as {event.ref} ({data.get('subprotocol') or 'no subprotocol'})"
    if event.kind == "close":
        return f"connection {event.ref} closed ({data.get('code')} {data.get('reason') or ''})"
    return f"{event.kind} {event.name} {_short(data)}".strip()


def _told_operator(event: Event) -> str:
    data = event.data
    if event.kind == "invoke":
        where = f"{data.get('method', '')} {data.get('path', '')}".strip() or event.name
        body = data.get("body")
        return f"{event.ref}: {where}" + (f" {_short(body)}" if body else "")
    if event.kind == "info":
        return f"{event.ref}: {event.name}: outcome unknown ({data.get('error')})"
    return f"{event.ref}: {event.name} answered {data.get('status')} {_short(data.get('body'))}"


def _frame(data: dict[str, Any]) -> str:
    return _short(data["frame"]) if "frame" in data else repr(str(data.get("text", ""))[:LONGEST])


def _short(value: Any) -> str:
    """Return a value as JSON, cut; hardly more of it is encoded than is shown."""
    few = _first(value, [LONGEST])
    try:
        text = msgspec.json.encode(few).decode()
    except (UnicodeError, OverflowError, TypeError, ValueError, RecursionError):
        text = json.dumps(few, separators=(",", ":"), ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _first(value: Any, left: list[int]) -> Any:
    """Return only the first parts of a value: at least so many characters of JSON as are `left`."""
    if isinstance(value, str):
        left[0] -= len(value) + 2
    elif isinstance(value, dict):
        left[0] -= 1
        out = {}
        for key, item in value.items():
            if left[0] < 0:
                break
            left[0] -= len(key) + 3 if isinstance(key, str) else 1
            out[key] = _first(item, left)
        return out
    elif isinstance(value, list):
        left[0] -= 1
        items = []
        for item in value:
            if left[0] < 0:
                break
            items.append(_first(item, left))
        return items
    else:
        left[0] -= 1
    return value
