"""Files that are whole or absent: what ends a command in the middle leaves no half of one.

A shell. Whoever reads a report of a killed command must not take half of it, or that of the run
before, for the outcome of this one.
"""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REPORTS = ("report.html", "report.json", "junit.xml")  # what every report consists of


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """Yield where to write what is to stand at `path`; it moves there at the end, or goes.

    A pipe or a device is written as it is; a link stays one. Raises OSError.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    real = path.resolve()
    part = real.with_name(f"{real.name}.part")
    try:
        yield part
        part.replace(real)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of the one at `path` once it is whole; raises OSError."""
    with _part(path) as part, part.open("wb") as file:
        yield file


def put(path: Path, content: bytes | str) -> None:
    """Write a file, whole or not at all (text in UTF-8); raises OSError."""
    with _part(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def forget(folder: Path, names: Iterable[str] = REPORTS) -> None:
    """Remove what an earlier command left in a folder that is written anew; raises OSError."""
    for name in names:
        path = folder / name
        if path.is_file():  # a device is nobody's report
            path.unlink()
