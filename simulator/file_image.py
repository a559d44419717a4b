"""A firmware image that lies in a file: for real chargers, which want their maker's image.

A shell: it reads the file that whoever runs the server named; never one that a client asks for.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from simulator.errors import StartError

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


class FileImage:
    """The bytes of one file, as they were when the server started; serves like `image.Image`."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
            self.size = os.fstat(self._descriptor).st_size
            digest = hashlib.sha256()
            for offset in range(0, self.size, _CHUNK):
                digest.update(self.read(offset, _CHUNK))
        except OSError as error:
            raise StartError(f"cannot read the image {path}: {error.strerror or error}") from error
        if self.size == 0:
            raise StartError(f"the image {path} is empty")
        self.sha256 = digest.hexdigest()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset` (fewer at the end, b"" beyond it)."""
        return os.pread(self._descriptor, count, offset)

    def another_build(self) -> OtherBuild:
        """Return an image of the same length with other bytes."""
        return OtherBuild(self)


class OtherBuild:
    """The same length, other bytes: what an image becomes that changes between two ranges."""

    def __init__(self, image: FileImage) -> None:
        self._image = image
        self.size = image.size

    def read(self, offset: int, count: int) -> bytes:
        """Return the bytes of the image, each inverted."""
        return bytes(byte ^ 0xFF for byte in self._image.read(offset, count))
