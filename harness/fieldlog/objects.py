"""Cuts lines into JSON objects, and finds its feet again after a damaged one. A core."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from harness.fieldlog.values import Line

MOST_TEXT = 4_000_000  # characters of one object
_TOKEN = re.compile(r"\\.|[\"{}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Broken:
    """An object that has no end; the next one begins on a line of its own."""

    problem: str


class _Cutter:
    """The scanner's state between two lines."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.depth = 0
        self.quoted = False
        self.first = 0
        self.column = 0
        self.size = 0

    def reset(self) -> None:
        self.parts, self.depth, self.quoted, self.size = [], 0, False, 0

    def restarts(self, text: str) -> bool:
        """Whether a line begins a new object although one is open: as far left as it began."""
        bare = text.lstrip()
        return self.depth > 0 and bare[:1] == "{" and len(text) - len(bare) <= self.column

    def cut(self, number: int, text: str) -> Iterator[tuple[int, str]]:
        """Yield the objects that end in this text."""
        begin = 0
        for found in _TOKEN.finditer(text):
            sign = found[0]
            if sign == '"':
                self.quoted = not self.quoted and self.depth > 0
            elif self.quoted or len(sign) > 1:
                continue
            elif sign == "{":
                if not self.depth:
                    begin, self.first, self.column = found.start(), number, found.start()
                self.depth += 1
            elif self.depth:
                self.depth -= 1
                if not self.depth:
                    yield self.first, "".join([*self.parts, text[begin : found.end()]])
                    self.reset()
        if self.depth:
            self.parts.append(text[begin:])
            self.size += len(text) - begin


def objects(lines: Iterable[Line]) -> Iterator[tuple[int, str | Broken]]:
    """Yield the text of every outermost object with the line that it begins in."""
    cutter = _Cutter()
    for number, text in lines:
        if cutter.restarts(text) or cutter.size > MOST_TEXT:
            yield cutter.first, Broken("not JSON: an object without an end")
            cutter.reset()
        yield from cutter.cut(number, text)
        if cutter.quoted and text.endswith("\n"):  # no string of JSON goes on in the next line
            yield cutter.first, Broken("not JSON: a string without an end")
            cutter.reset()
    if cutter.depth:
        yield cutter.first, Broken("not JSON: an object without an end")
