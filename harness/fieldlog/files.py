"""Opens a log file, whatever its encoding, and imports it. The only shell of reading.

Lines are decoded one by one: one that cannot be is reported and never guessed at. `.gz` is opened
as it is; UTF-16 is known by its mark, lines of an old Mac by carriage returns alone.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import stat
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
from harness.fieldlog.packed import MAGIC, Unpacked
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
# Bytes of a line; a longer one comes in parts. Our own traces hold what an operator read of a whole
# fleet in one line: 300 bytes a charger.
LONGEST = 32 << 20
# A frame inside a string of JSON, and a record that spells one out
RECORD = re.compile(r"\[\s*[2-6]\s*,\s*\\|\"messageType\"\s*:")
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
            about = path.stat()
            _only_files(path, about.st_mode)
            self.size, self.year = about.st_size, _year(about.st_mtime)
            with path.open("rb") as file:
                self._zipped = file.read(2) == MAGIC
                file.seek(0)
                begin = self._unpacked(file)[0].read(FIRST)
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        self._encoding = encoding or _guessed(begin)

    def _unpacked(self, raw: IO[bytes]) -> tuple[IO[bytes], Unpacked | None]:
        if not self._zipped:
            return raw, None
        inside = Unpacked(raw)
        return io.BufferedReader(inside), inside

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
        number, why = 0, ""
        try:
            with self.path.open("rb") as raw:
                file, packed = self._unpacked(raw)
                for number, text in self._decoded(file, raw):
                    yield number, text
                why = packed.problem if packed is not None else ""
        except OSError as error:
            why = str(error)
        if why and not number:
            raise UsageError(f"cannot read {self.path}: {why}")
        if why:  # what came before it is still evidence
            self.odd.append(Piece(number, "unusable", problem=f"the file breaks off: {why}"))

    def _decoded(self, file: IO[bytes], raw: IO[bytes]) -> Iterator[Line]:
        if self._encoding == "utf-8":
            yield from self._utf8(file, raw)
            return
        try:
            text = io.TextIOWrapper(file, encoding=self._encoding, errors="replace")
        except (LookupError, ValueError) as error:
            raise UsageError(f"the encoding {self._encoding!r:.30} is unknown") from error
        number = 1
        try:
            while line := text.readline(LONGEST):
                self.consumed = raw.tell()
                yield number, self._sound(number, line) if "\ufffd" in line else line
                number += line.endswith("\n")
        except UnicodeError as error:  # not of a line: those have their letters replaced
            raise UsageError(
                f"the encoding {self._encoding!r:.30} does not fit: {error}"
            ) from error
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
        if remains(line) or RECORD.search(line):
            known = self._encoding.removesuffix("-sig").upper()
            why = f"not {known} (--encoding says what it is)"
            self.odd.append(Piece(number, "unusable", problem=why))
        return UNREADABLE + "\n" if line.endswith("\n") else UNREADABLE


def _only_files(path: Path, mode: int) -> None:
    """Refuse a pipe, which may never say anything, and a device, which may never end."""
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise UsageError(
            f"cannot read {path}: it is a pipe or a device, and a log is read more than once; "
            "write it to a file first"
        )


def _year(changed: float) -> int:
    """Return the year of a file's last change, of now where no calendar has it."""
    try:
        return datetime.fromtimestamp(changed, UTC).year
    except (OverflowError, ValueError, OSError):
        return datetime.now(UTC).year


def _guessed(begin: bytes) -> str:
    """Return the encoding of a file by its first bytes: a mark, or the zeros of wide letters."""
    for mark, name in MARKS.items():
        if begin.startswith(mark):
            return name
    if b"\r" in begin and not (b"\n" in begin or b"\0" in begin):
        return "utf-8-sig"  # read as text, whose lines may end in a carriage return alone
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
        try:
            best, sample = recognised(lines, options.form)
        except UsageError:
            if file.stopped:  # not the log's fault: it was not read to its end
                raise KeyboardInterrupt from None
            raise
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
