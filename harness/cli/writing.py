"""Results of long work: the folder is tried before it begins, and each file is whole or absent."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from harness import whole_files
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


def prepare(out: Path, names: Iterable[str]) -> None:
    """Make the folder and try these files, before anything is found out in vain."""
    with _told(out):
        out.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (out / name).is_dir():
                raise UsageError(f"{out / name} is a folder; give another one with --out")
            part = out / f"{name}.part"
            part.touch()
            part.unlink()


def write(files: Mapping[str, bytes], out: Path) -> None:
    """Write the files, each whole or not at all; raises UsageError."""
    with _told(out):
        for name, content in files.items():
            whole_files.put(out / name, content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file as `whole_files.replacing` does; raises UsageError."""
    try:
        with whole_files.replacing(path) as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    """Say where something cannot be written, and why."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"cannot write to {out} ({why}); give another folder with --out") from None
