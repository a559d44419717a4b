"""Slices of a history: each process writes what it saw, afterwards they become one history.

A shell for its files only. Times of all slices are on one clock (`clock.py` says how exactly);
events of one slice never change their order, and the merge reads one event of each slice at a time.
"""

from __future__ import annotations

import heapq
from sys import intern
from typing import TYPE_CHECKING

from harness.history import Event, encode, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from harness.history import Header, History

_BUFFER = 1 << 18


class SliceWriter:
    """Writes the events of a history as they come."""

    def __init__(self, path: Path, history: History) -> None:
        self.path = path
        self._file = path.open("wb", buffering=_BUFFER)
        self._file.write(encode(history.header))
        history.subscribe(self._write)

    def _write(self, event: Event) -> None:
        if not self._file.closed:
            self._file.write(encode(event))

    def close(self) -> None:
        """Write what is buffered; events that come later are dropped."""
        self._file.close()


def merged(paths: Iterable[Path]) -> Iterator[Event]:
    """Yield the events of all slices by time, numbered anew; of equal times the first path wins."""
    streams = [_numbered(path, place) for place, path in enumerate(paths)]
    # Keys are compared before events: time, then the slice, then the place in it.
    for number, (_, _, _, event) in enumerate(heapq.merge(*streams)):
        # The judge keeps some events of every update: words that all share are one object.
        source, kind, name = intern(event.source), intern(event.kind), intern(event.name)
        yield Event(number, event.time, source, kind, name, event.ref, event.data)


def _numbered(path: Path, place: int) -> Iterator[tuple[float, int, int, Event]]:
    with path.open("rb") as lines:
        _, events = read(lines)
        for event in events:
            yield event.time, place, event.index, event


def write_history(path: Path, header: Header, events: Iterable[Event]) -> Iterator[Event]:
    """Write a history while its events pass by."""
    with path.open("wb", buffering=_BUFFER) as file:
        file.write(encode(header))
        for event in events:
            file.write(encode(event))
            yield event
