"""Histories changed at drawn places: an event lost, late, early, doubled, or saying another thing.

Nobody recorded such a history, so nobody says what is right about it; but the judge must survive
it (no ERROR), and what it says is remembered (`corpus.py`).
"""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import msgspec

from harness.history import FIELD_LOG, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.history import Header

    Events = list[Event]
    Leaf = tuple[tuple[Any, ...], Any]  # a path into `data`, and what stands there

# Seconds: with times on whole seconds, many of the judge's bounds are met to the dot.
DELAYS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 29.0, 30.0, 31.0, 60.0, 100.0, 700.0)
HEADERS: tuple[dict[str, Any], ...] = (
    {"target": {"kind": FIELD_LOG}},
    {"target": {"kind": FIELD_LOG, "clock": "log"}},
    {"target": {"kind": FIELD_LOG, "clock": "log", "zone": "assumed"}},
    {"under_test": ("charger",)},
    {"under_test": ("csms",)},
    {"quirky": ("c0-0001", "CP-1")},
    {"profile": {"D34": {"http": 1.0, "dispatch": 1.0, "freshness": 1.0}}},
    {"profile": {"D12": {"update_timeout": 30.0}}},
    *({"profile": {f"D{number}": "any"}} for number in range(1, 35)),
)
STRANGE: tuple[Any, ...] = (None, "", "x", 0, -1, 10**9, True, [], {}, ["x"], {"status": "x"})


def altered(
    header: Header, events: Sequence[Event], name: str, number: int
) -> tuple[str, Header, Events]:
    """Return what the alteration of this name and number is, and the history after it."""
    draw = random.Random(f"{name}/{number}")
    changed, words = list(events), []
    if draw.random() < 0.35:
        words.append("on whole seconds")
        changed = [msgspec.structs.replace(e, time=float(round(e.time))) for e in changed]
    if draw.random() < 0.25:
        said, header = _header(draw, header)
        words.append(said)
    kinds = draw.choices(tuple(KINDS), tuple(KINDS.values()), k=draw.choice((1, 1, 2, 3)))
    words += [kind(draw, changed) for kind in kinds]
    return "; ".join(words), header, _renumbered(changed)


def _header(draw: random.Random, header: Header) -> tuple[str, Header]:
    """Let the history be of another target."""
    what = draw.choice(HEADERS)
    name, value = next(iter(what.items()))
    old = getattr(header, name)
    new = {**old, **value} if isinstance(value, dict) else value
    said = f"{name} {value}"
    return said, msgspec.structs.replace(header, **{name: new})


def _renumbered(events: Events) -> Events:
    """Number events anew and keep time from running backwards."""
    now, out = 0.0, []
    for index, event in enumerate(events):
        now = max(now, event.time)
        out.append(msgspec.structs.replace(event, index=index, time=now))
    return out


# ---------------------------------------------------------------------- kinds of alterations


def _lost(draw: random.Random, events: Events) -> str:
    at = draw.randrange(len(events))
    return f"lost {_name(events.pop(at))}"


def _doubled(draw: random.Random, events: Events) -> str:
    at = draw.randrange(len(events))
    events.insert(draw.randint(at, min(len(events), at + 20)), events[at])
    return f"doubled {_name(events[at])}"


def _moved(draw: random.Random, events: Events) -> str:
    """Let one event happen elsewhere; the times stay where they are."""
    at, to = draw.randrange(len(events)), draw.randrange(len(events))
    if draw.random() < 0.5:
        to = max(0, min(len(events) - 1, at + draw.randint(-3, 3)))
    times = [event.time for event in events]
    event = events.pop(at)
    events.insert(to, event)
    events[:] = [
        msgspec.structs.replace(one, time=time) for one, time in zip(events, times, strict=True)
    ]
    return f"moved {_name(event)} to {to}"


def _late(draw: random.Random, events: Events) -> str:
    """Let everything from some event on happen later."""
    at, delay = draw.randrange(len(events)), draw.choice(DELAYS)
    events[at:] = [msgspec.structs.replace(e, time=e.time + delay) for e in events[at:]]
    return f"{delay:g} s later from {_name(events[at])}"


def _killed(draw: random.Random, events: Events) -> str:
    """Let the system under test be killed and started in between."""
    at = draw.randrange(len(events))
    up = draw.randint(at, min(len(events), at + 10))
    for place, kind in ((up, "up"), (at, "kill")):
        time = events[min(place, len(events) - 1)].time
        events.insert(place, Event(0, time, "harness", kind))
    return f"killed at {at}, up at {up}"


def _said(draw: random.Random, events: Events) -> str:
    """Let one event say something else at one place."""
    at = draw.choice([n for n, event in enumerate(events) if event.data])
    event = events[at]
    data = copy.deepcopy(event.data)
    path, value = draw.choice(list(_leaves(data)))
    target: Any = data
    for key in path[:-1]:
        target = target[key]
    if draw.random() < 0.1:
        del target[path[-1]]
        said = "nothing"
    else:
        target[path[-1]] = _other(draw, events, path[-1], value)
        said = f"{target[path[-1]]!r:.40}"
    events[at] = msgspec.structs.replace(event, data=data)
    return f"{_name(event)} says {said} as {'.'.join(map(str, path))}"


def _renamed(draw: random.Random, events: Events) -> str:
    """Let one event be of another kind or name, close to its own in the alphabet."""
    at, field = draw.randrange(len(events)), draw.choice(("kind", "name", "source"))
    before = events[at]
    after = _beside(draw, getattr(before, field) or "x")
    events[at] = msgspec.structs.replace(before, **{field: after})
    return f"{field} of {_name(before)} is {after}"


KINDS: dict[Callable[[random.Random, Events], str], int] = {
    _lost: 4, _doubled: 2, _moved: 4, _late: 3, _killed: 2, _said: 9, _renamed: 3,
}  # fmt: skip


def _other(draw: random.Random, events: Events, key: Any, value: Any) -> Any:
    """Draw another value for a place: one that the same key has elsewhere, or a near one."""
    elsewhere = sorted(
        {
            repr(one): one
            for event in events
            for path, one in _leaves(event.data)
            if path[-1] == key and one != value
        }.items()
    )
    if elsewhere and draw.random() < 0.6:
        return copy.deepcopy(draw.choice(elsewhere)[1])
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.7:
        return value + draw.choice((-1, 1))
    if isinstance(value, str) and value and draw.random() < 0.6:
        return _beside(draw, value)
    return copy.deepcopy(draw.choice(STRANGE))


def _beside(draw: random.Random, text: str) -> str:
    """Return what stands right before a text in the alphabet, or right after it."""
    return text[:-1] if draw.random() < 0.5 else f"{text}~"


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """Yield every place below a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, one in items:
        yield (*path, key), one
        yield from _leaves(one, (*path, key))


def _name(event: Event) -> str:
    return f"{event.index} {event.kind} {event.name}".strip()
