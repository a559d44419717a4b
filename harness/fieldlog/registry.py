r"""The importers: registered formats, and which one a log is written in. A core.

A team adds its own in a file that `--importer` names:

```python
from harness.fieldlog.registry import line_format

line_format(
    "ours", "our gateway's log",
    r"(?P<when>\S+) \[(?P<id>[^\]]+)\] (?P<way>TX|RX) ",
    ways={"TX": "recv", "RX": "send"},
)
```

The pattern ends where the frame begins. `when`, `id`, `session` and `way` are all optional; `ways`
maps the words of the log to `send` and `recv` (what the charger sent and received), or `out` and
`in` where the log does not say which side wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.fieldlog.frames import (
    START,
    NotAFrame,
    head,
    is_quoted,
    quoted,
    read,
    remains,
    strict,
)
from harness.fieldlog.values import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from harness.fieldlog.values import Line

_BEGINS = re.compile(r"\[\s*(?:[2-6]\s*(?:,|$)|$)")  # a frame, or what a cut left of one
ANYWHERE = "frames"  # the format that knows every frame, whatever is around it
FAIR = 0.1  # of the lines with frames
WINDOW = 2000  # characters within which a frame's prefix ends: long lines must not cost time
CLEAR = 200  # points that settle it, in whatever the frames are wrapped
SECOND = "a second frame in the same line, and nothing before it that says whose"
ENOUGH = 60  # recognised lines after which the format is clear


@dataclass(frozen=True, slots=True)
class Format:
    """One format: `weigh` says how clearly a line belongs to it (0: not), `read` makes pieces."""

    name: str
    title: str
    weigh: Callable[[str], int]
    read: Callable[[Iterable[Line]], Iterator[Piece]]
    by_line: bool = False  # each line is read by itself, so lines may come wrapped


FORMATS: dict[str, Format] = {}


def register(form: Format) -> Format:
    """Add a format; those registered later win over earlier ones that know a line as well."""
    FORMATS[form.name] = form
    return form


@dataclass(frozen=True, slots=True)
class Recognised:
    """The format that a log seems to be written in; `hits` of `frames` lines with frames fit."""

    form: Format
    hits: int
    frames: int
    wrapped: Format | None = None  # what the wrapped lines are, if each is wrapped in something

    @property
    def title(self) -> str:
        """What the log is, in words."""
        if self.wrapped is None:
            return self.form.title
        return f"{self.wrapped.title}, each line wrapped in JSON"


def recognise(lines: Iterable[str]) -> Recognised | None:
    """Return the format that knows most of these lines, None if none knows any."""
    scores = dict.fromkeys(FORMATS, 0)
    frames = 0
    for line in lines:
        for name, form in FORMATS.items():
            weight = form.weigh(line)
            # A header speaks for all the lines after it: not in the middle of something else.
            scores[name] += weight if weight < CLEAR or not frames else 1
        frames += START.search(line) is not None
        most = max(scores.values())
        if most >= CLEAR or (most >= ENOUGH and frames >= ENOUGH):
            break
    # Of several that know as many lines, the one registered last is the most particular. Bare
    # frames are in every format: they are the answer only where no other has a fair share.
    anywhere = scores.get(ANYWHERE, 0)
    particular = {n: score for n, score in scores.items() if n != ANYWHERE}
    best = max(reversed(particular), key=particular.__getitem__)
    if scores[best] < FAIR * anywhere:
        best = ANYWHERE
    return Recognised(FORMATS[best], scores[best], frames) if scores[best] else None


def line_format(
    name: str,
    title: str,
    pattern: str,
    *,
    ways: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Format:
    """Register a format of one frame a line; `pattern` matches what stands before the frame.

    `links` maps `open` and `close` to patterns of lines that tell of a connection. Raises
    re.error for a broken pattern.
    """
    reader = _LineReader(
        title,
        re.compile(pattern),
        dict(ways or {}),
        {kind: re.compile(text) for kind, text in (links or {}).items()},
    )
    return register(Format(name, title, reader.weigh, reader.pieces, by_line=True))


@dataclass(frozen=True, slots=True)
class _LineReader:
    """Reads lines of one format; `links` are those that tell of a connection."""

    title: str
    before: re.Pattern[str]
    ways: Mapping[str, str]
    links: Mapping[str, re.Pattern[str]]

    def weigh(self, text: str) -> int:
        return int("[" in text and self._at(text, 0) is not None)

    def pieces(self, lines: Iterable[Line]) -> Iterator[Piece]:
        for number, text in lines:
            if "[" in text or "]" in text:
                yield from self._line(number, text.rstrip())

    def _at(self, text: str, start: int) -> re.Match[str] | None:
        """Find the pattern where a frame begins right after it."""
        if _BEGINS.search(text, start) is None:  # most lines of a log hold none
            return None
        for found in self.before.finditer(text, start, start + WINDOW):
            if _BEGINS.match(text, found.end()):
                return found
        return None

    def _line(self, number: int, text: str) -> Iterator[Piece]:
        at, any_found = 0, False
        while (found := self._at(text, at)) is not None:
            any_found = True
            if START.search(text, at, found.end()):
                yield Piece(number, "unusable", problem=SECOND)
            piece = self._piece(number, found)
            try:
                inside = is_quoted(text, found.end())
                piece.frame, at = (quoted if inside else read)(text, found.end())
            except NotAFrame as error:
                yield damaged(piece, str(error), text[found.end() :])
                return
            yield piece
        if not any_found:
            yield from self._link(number, text)
        elif START.search(text, at):
            yield Piece(number, "unusable", problem=SECOND)

    def _link(self, number: int, text: str) -> Iterator[Piece]:
        for kind, pattern in self.links.items():
            told = pattern.search(text, 0, WINDOW)
            if told is not None:
                piece = self._piece(number, told)
                piece.kind = kind
                yield piece
                return
        if remains(text):
            yield Piece(number, "unusable", problem=f"no line of {self.title}")

    def _piece(self, number: int, found: re.Match[str]) -> Piece:
        said = found.groupdict()
        return Piece(
            number,
            way=self.ways.get(said.get("way") or "", ""),
            charger=(said.get("id") or "").strip(),
            session=said.get("session") or "",
            when=said.get("when"),
        )


def damaged(piece: Piece, problem: str, text: str) -> Piece:
    """Make a piece of a frame that cannot be read."""
    piece.kind, piece.problem, piece.head = "damaged", problem, head(text)
    return piece


def loose_frames(piece: Callable[[], Piece], text: str) -> Iterator[Piece]:
    """Yield every frame that stands in a text, one piece each, without trusting what is around."""
    at = 0
    while (found := START.search(text, at)) is not None:
        one = piece()
        try:
            one.frame, at = read(text, found.start())
            whole = strict(one.frame)
        except NotAFrame as error:
            yield damaged(one, str(error), text[found.start() :])
            return
        if whole:
            yield one
        else:
            yield damaged(one, "not an OCPP-J frame: its parts do not fit its type",
                          text[found.start() :])  # fmt: skip
