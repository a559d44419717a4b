"""Frames that a broken or hostile station might send, many and fast, from a seed."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 10**30, "", "x" * 300, "\x00", "\u202e<b>", "'; DROP--",
    [], {}, [[]], {"a": {"b": []}}, "2027-01-01T00:00:00", "Installed", "\N{PILE OF POO}" * 60,
    json.loads("[" * 300 + "]" * 300),
]  # fmt: skip
Payloads = dict[str, dict[str, Any]]


def _holes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in a payload: container and key."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _holes(value[key])


def _bend(payload: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return the payload with one thing wrong, or unexpected."""
    bent: dict[str, Any] = json.loads(json.dumps(payload))
    holes = list(_holes(bent))
    kind = chance.randrange(3)
    if kind == 0 or not holes:
        bent[chance.choice(["extra", "customData", "", "status", "requestId"])] = chance.choice(ODD)
        return bent
    container, key = chance.choice(holes)
    if kind == 1:
        container[key] = chance.choice(ODD)
    elif isinstance(container, dict):
        del container[key]
    return bent


def _scribble(text: str, chance: random.Random) -> str:
    """Return the text cut, doubled or with characters changed."""
    at = chance.randrange(len(text))
    kind = chance.randrange(4)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + chance.choice('[]{}",:\\0\u00e9') + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[:at] + text[at:]
    return text[:at] + "\\ud800" + text[at:]


def _shape(message_id: str, chance: random.Random) -> Any:
    """Return JSON that is no proper CALL."""
    kinds = [2, 3, 4, 5, 6, 7, -1, 2.0, "2", None, True, 10**40]
    parts = [message_id, *ODD]
    return [chance.choice(kinds), *(chance.choice(parts) for _ in range(chance.randrange(6)))]


def frames(actions: Payloads, seed: int, count: int) -> Iterator[str | bytes]:
    """Yield `count` frames; each CALL among them has an id of its own."""
    chance = random.Random(seed)  # a seed names the campaign
    names = sorted(actions)
    for number in range(count):
        action, message_id = chance.choice(names), f"{seed}-{number}"
        payload = actions[action]
        fate = chance.random()
        if fate < 0.55:
            payload = _bend(payload, chance)
        if fate > 0.97:
            yield chance.randbytes(chance.randrange(60))
            continue
        if fate > 0.9:
            yield json.dumps(_shape(message_id, chance))
            continue
        if 0.5 < fate < 0.55:
            action = chance.choice(["Reset", "nope", "", action.lower(), "A" * 5000, "../x"])
        text = json.dumps([2, message_id, action, payload])
        yield _scribble(text, chance) if 0.8 < fate <= 0.9 else text


def call_id(frame: str | bytes) -> str | None:
    """Return the id of a well-formed CALL, None for anything else."""
    if isinstance(frame, bytes):
        return None
    try:
        message = json.loads(frame)
        frame.encode()
        json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    proper = (
        isinstance(message, list)
        and len(message) == 4
        and type(message[0]) is int
        and message[0] == 2
        and isinstance(message[1], str)
        and 0 < len(message[1]) <= 36
        and isinstance(message[2], str)
        and isinstance(message[3], dict)
    )
    return message[1] if proper else None
