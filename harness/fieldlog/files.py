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
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from harness.fieldlog.intake import Options, Summary
    from harness.fieldlog.values import Line
    from harness.history import Event, Header

BUILT_IN = (formats_lines, formats_tables, formats_everest, formats_trace)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
UNREADABLE = "\0"  # stands for such a line: no JSON holds it, so nothing closes over the hole
LONGEST = 4 << 20  # bytes of a line; a longer one comes in parts
LOOK = 20_000  # characters of a line that tell its format
SAMPLE_LINES, SAMPLE_BYTES = 20_000, 4 << 20


class LogFile:
    """The lines of a log; `consumed` are the bytes read so far, `odd` lines without a text."""

    def __init__(self, path: Path, encoding: str = "") -> None:
        self.path = path
        self.consumed = 0
        self.odd: list[Piece] = []
        try:
            self.size = path.stat().st_size
            with path.open("rb") as file:
                self._mark = file.read(4)
            self.year = datetime.fromtimestamp(path.stat().st_mtime, UTC).year
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        self._encoding = encoding or self._guess()

    def _guess(self) -> str:
        wide = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return "utf-16" if self._mark.startswith(wide) else "utf-8"

    def lines(self) -> Generator[Line, None, None]:
        """Yield the lines with their numbers from 1; raises UsageError where the file breaks.

        The colours of a terminal are left out: no JSON holds them.
        """
        for number, text in self._lines():
            yield number, _COLOURS.sub("", text) if "\x1b" in text else text

    def _lines(self) -> Iterator[Line]:
        try:
            with self.path.open("rb") as raw:
                zipped = self._mark.startswith(b"\x1f\x8b")
                file: IO[bytes] = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
                yield from self._decoded(file, raw)
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"cannot read {self.path}: {error}") from error

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


def recognised(lines: Iterable[str], form: str = "") -> Recognised:
    """Return the format of these lines, or the one that is named; raises UsageError."""
    if form:
        if form not in FORMATS:
            raise UsageError(f"no format is called {form}; known: {', '.join(FORMATS)}")
        return Recognised(FORMATS[form], 0, 0)
    best = recognise(lines)
    if best is None:
        raise UsageError(
            "no line looks like an OCPP message in any format that is known "
            f"({', '.join(FORMATS)}); --format names one, --importer adds one"
        )
    return best


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
        sample: list[Line] = []
        taken = frames = 0
        for line in lines:
            sample.append(line)
            taken += len(line[1])
            frames += START.search(line[1]) is not None
            if frames > 2 * ENOUGH or len(sample) >= SAMPLE_LINES or taken >= SAMPLE_BYTES:
                break
        best = recognised((text[:LOOK] for _, text in sample), options.form)
        chosen(best)
        options = replace(options, form=best.form.name, year=file.year)
        intake = Intake(options, begin=begin, see=see, report=report)
        for piece in best.form.read(_then(sample, lines)):
            while file.odd:
                intake.take(file.odd.pop(0))
            intake.take(piece)
        while file.odd:
            intake.take(file.odd.pop(0))
        return intake.finish()


def _then(sample: list[Line], lines: Iterator[Line]) -> Iterator[Line]:
    """Yield the sample again, forgetting it, then the rest."""
    sample.reverse()
    while sample:
        yield sample.pop()
    yield from lines
