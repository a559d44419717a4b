"""Unpacks gzip as far as it goes: of a file that is cut short, what came before is evidence.

Python's own reader raises where the data breaks off, and what it had read ahead is lost with it: of
a short log that is all of it.
"""

from __future__ import annotations

import io
import zlib
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader

    from _typeshed import WriteableBuffer

MAGIC = b"\x1f\x8b"
GZIP = zlib.MAX_WBITS | 16  # zlib's word for gzip with its header and check sum
PACKED = 1 << 16  # bytes that are read at once


def unpacked(file: BufferedReader) -> BufferedReader:
    """Return the file, or what is inside if it is packed; it must stand at its beginning."""
    packed = file.peek(len(MAGIC))[: len(MAGIC)] == MAGIC
    return io.BufferedReader(Unpacked(file)) if packed else file


class Unpacked(io.RawIOBase):
    """The bytes inside a gzip file of any number of members; `problem` says how it broke off."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.problem = ""
        self._raw = raw
        self._member = zlib.decompressobj(GZIP)
        self._rest = b""  # packed bytes that were read and not unpacked yet
        self._inside = False  # a member has begun and not ended
        self._ended = False

    def readable(self) -> bool:
        """Say so: a buffered reader asks."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Unpack into the buffer; 0 at the end, wherever that is."""
        view = memoryview(buffer).cast("B")
        while not self._ended:
            self._rest = self._rest or self._raw.read(PACKED)
            if not self._inside and not self._begins():
                break
            given = self._rest
            try:
                found = self._member.decompress(given, len(view))
            except zlib.error as error:
                return self._end(str(error))
            self._rest = self._member.unconsumed_tail
            if self._member.eof:
                self._rest, self._inside = self._member.unused_data, False
            elif not given and not found:
                return self._end("it ends in the middle of the packed data")
            if found:
                view[: len(found)] = found
                return len(found)
        return 0

    def _begins(self) -> bool:
        """Whether another member begins here; files are padded with zeros."""
        self._rest = self._rest.lstrip(b"\0")
        while not self._rest and (more := self._raw.read(PACKED)):
            self._rest = more.lstrip(b"\0")
        if len(self._rest) == 1:
            self._rest += self._raw.read(PACKED)
        if self._rest[:2] == MAGIC:
            self._member, self._inside = zlib.decompressobj(GZIP), True
            return True
        self._end("what follows is not packed" if self._rest else "")
        return False

    def _end(self, problem: str) -> int:
        self._ended, self.problem = True, problem
        return 0
