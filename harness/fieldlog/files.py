"""Opens a log file, whatever its encoding, and imports it. The only shell of reading.

Lines are decoded one by one: one that cannot be is reported and never guessed at. `.gz` is opened
as it is; UTF-16 is known by its mark.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from harness.errors import UsageError
from harness.fieldlog import (  # the formats register themselves
    formats_everest,
    formats_lines,
    formats_tables,
    formats_trace,
)
from harness.fieldlog.frames import START, remains
from harness.fieldlog.intake import Intake
from harness.fieldlog.registry import ENOUGH, FORMATS, Recognised, recognise
from harness.fieldlog.values import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from harness.fieldlog.intake import Options, Summary
    from harness.fieldlog.values import Line
    from harness.history import Event, Header

BUILT_IN = (formats_lines, formats_tables, formats_everest, formats_trace)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
UNREADABLE = "\0"  # stands for such a line: no JSON holds it, so nothing closes over the hole
FIRST = 4096  # bytes that tell a file's encoding
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # begins like the next one: it comes first
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_BE: "utf-16",
}
WIDE = 0.1  # of the zeros that may stand in the other half: letters that need both bytes
LONGEST = 4 << 20  # bytes of a line; a longer one comes in parts
OFTEN = 1024  # lines between two looks at how far it is
LOOK = 20_000  # characters of a line that tell its format
SAMPLE_LINES, SAMPLE_BYTES = 20_000, 4 << 20


class LogFile:
    """The lines of a log; `consumed` are the bytes read so far, `odd` lines without a text.

    `stop` ends it early, from a signal's handler or another thread.
    """

    def __init__(self, path: Path, encoding: str = "") -> None:
        self.path = path
        self.consumed = 0
        self.stopped = False
        self.watch: Callable[[int], None] = lambda _: None  # told `consumed` now and then
        self.odd: list[Piece] = []
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self._zipped = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                begin = self._unpacked(file).read(FIRST)
            self.year = datetime.fromtimestamp(path.stat().st_mtime, UTC).year
        except (OSError, EOFError, zlib.error) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise UsageError(f"cannot read {path}: {why}") from error
        self._encoding = encoding or _guessed(begin)

    def _unpacked(self, raw: IO[bytes]) -> IO[bytes]:
        return gzip.GzipFile(fileobj=raw) if self._zipped else raw  # type: ignore[return-value]

    def stop(self) -> None:
        """Let the file end after the line that is being read."""
        self.stopped = True

    def lines(self) -> Generator[Line, None, None]:
        """Yield the lines with their numbers from 1; raises UsageError if there is none to read.

        The colours of a terminal are left out: no JSON holds them.
        """
        for count, (number, text) in enumerate(self._lines()):
            if self.stopped:
                return
            if not count % OFTEN or len(text) > LOOK:
                self.watch(self.consumed)
            yield number, _COLOURS.sub("", text) if "\x1b" in text else text

    def _lines(self) -> Iterator[Line]:
        number = 0
        try:
            with self.path.open("rb") as raw:
                for number, text in self._decoded(self._unpacked(raw), raw):
                    yield number, text
        except (OSError, EOFError, zlib.error) as error:
            if not number:
                raise UsageError(f"cannot read {self.path}: {error}") from error
            why = f"the file breaks off: {error}"  # what came before it is still evidence
            self.odd.append(Piece(number, "unusable", problem=why))

    def _decoded(self, file: IO[bytes], raw: IO[bytes]) -> Iterator[Line]:
        if self._encoding == "utf-8":
            yield from self._utf8(file, raw)
            return
        try:
            text = io.TextIOWrapper(file, encoding=self._encoding, errors="replace")
        except LookupError as error:
            raise UsageError(f"the encoding {self._encoding!r:.30} is unknown") from error
        number = 1
        try:
            while line := text.readline(LONGEST):
                self.consumed = raw.tell()
                yield number, self._sound(number, line) if "\ufffd" in line else line
                number += line.endswith("\n")
        finally:
            text.detach()  # the file is closed by whoever opened it

    def _utf8(self, file: IO[bytes], raw: IO[bytes]) -> Iterator[Line]:
        number = 1
        while line := file.readline(LONGEST):
            self.consumed = raw.tell()
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                text = self._sound(number, line.decode("latin-1"))
            yield number, text
            number += line.endswith(b"\n")

    def _sound(self, number: int, line: str) -> str:
        """Report a line whose bytes are no text; nothing of it may be taken for a frame."""
        if remains(line):
            why = f"not {self._encoding.upper()} (--encoding says what it is)"
            self.odd.append(Piece(number, "unusable", problem=why))
        return UNREADABLE + "\n" if line.endswith("\n") else UNREADABLE


def _guessed(begin: bytes) -> str:
    """Return the encoding of a file by its first bytes: a mark, or the zeros of wide letters."""
    for mark, name in MARKS.items():
        if begin.startswith(mark):
            return name
    even, odd = begin[::2].count(0), begin[1::2].count(0)
    if 2 * max(even, odd) < len(begin[1::2]) or min(even, odd) > WIDE * max(even, odd):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def recognised(lines: Iterator[Line], form: str = "") -> tuple[Recognised, list[Line]]:
    """Return a log's format, or the one that is named, and the lines read to tell it.

    Noise before the first message may be long: what says nothing in any format is left behind.
    Raises UsageError.
    """
    if form:
        if form not in FORMATS:
            raise UsageError(f"no format is called {form}; known: {', '.join(FORMATS)}")
        return Recognised(FORMATS[form], 0, 0), []
    while sample := _sample(lines):
        looks = [text[:LOOK] for _, text in sample]
        best = recognise(looks)
        if best is None:
            continue
        if best.form.name == formats_lines.WRAPPED:
            best = replace(best, wrapped=formats_lines.inside(looks))
        return best, sample
    raise UsageError(
        "no line looks like an OCPP message in any format that is known "
        f"({', '.join(FORMATS)}); --format names one, --importer adds one"
    )


def _sample(lines: Iterator[Line]) -> list[Line]:
    """Return the next lines: as many as tell a format, if one can be told."""
    sample: list[Line] = []
    taken = frames = 0
    for line in lines:
        sample.append(line)
        taken += len(line[1])
        frames += START.search(line[1]) is not None
        if frames > 2 * ENOUGH or len(sample) >= SAMPLE_LINES or taken >= SAMPLE_BYTES:
            break
    return sample


def import_log(
    file: LogFile,
    options: Options,
    *,
    begin: Callable[[Header], None],
    see: Callable[[Event], None],
    report: Callable[[int, str], None],
    chosen: Callable[[Recognised], None] = lambda _: None,
) -> Summary:
    """Import a whole log, in bounded memory; `chosen` is told the format before the first event."""
    with contextlib.closing(file.lines()) as lines:
        best, sample = recognised(lines, options.form)
        chosen(best)
        options = replace(options, form=best.form.name, year=file.year)
        intake = Intake(options, begin=begin, see=see, report=report)
        for piece in best.form.read(_then(sample, lines)):
            while file.odd:
                intake.take(file.odd.pop(0))
            intake.take(piece)
        while file.odd:
            intake.take(file.odd.pop(0))
        return intake.finish(interrupted=file.stopped)


def _then(sample: list[Line], lines: Iterator[Line]) -> Iterator[Line]:
    """Yield the sample again, forgetting it, then the rest."""
    sample.reverse()
    while sample:
        yield sample.pop()
    yield from lines
