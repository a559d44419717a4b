"""Around a long import: how far it is, Ctrl-C, and whose fault it is if it breaks."""

from __future__ import annotations

import contextlib
import runpy
import signal
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVERY = 10.0  # seconds between two lines where no terminal shows a bar


class Read(Protocol):
    """A file under way: a log or a history."""

    size: int
    watch: Callable[[int], None]

    def stop(self) -> None:
        """End it early."""


@contextlib.contextmanager
def progress(file: Read, *, quiet: bool) -> Iterator[None]:
    """Show how far a file was read while the block runs: a bar on a terminal, else now and then."""
    screen = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TimeRemainingColumn())  # fmt: skip
    shown = screen.is_terminal and not quiet
    with Progress(*columns, console=screen, transient=True, disable=not shown) as bar:
        task = bar.add_task("reading", total=file.size)
        told = time.monotonic()

        def watch(consumed: int) -> None:
            nonlocal told
            bar.update(task, completed=consumed)
            if not shown and not quiet and time.monotonic() - told >= EVERY:
                told = time.monotonic()
                screen.print(
                    f"{consumed / 1e6:.0f} of {file.size / 1e6:.0f} MB read "
                    f"({100 * consumed / max(1, file.size):.0f} %)",
                    highlight=False,
                )

        file.watch = watch
        yield


@contextlib.contextmanager
def interruptible(file: Read) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) end the file, the second one everything."""
    before: dict[int, object] = {}

    def stop(number: int, _frame: object) -> None:
        file.stop()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not in the main thread: nobody interrupts it
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]


def load_importer(path: str) -> None:
    """Run a Python file that registers formats; raises UsageError if it cannot."""
    with blaming(path):
        runpy.run_path(path)


@contextlib.contextmanager
def blaming(importer: str | None) -> Iterator[None]:
    """Turn what a team's own importer raises into a UsageError that names its line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        line = _line_in(error, importer)
        if importer is None or line is None:
            raise
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        raise UsageError(f"--importer {importer}, line {line}: {what}") from error


def _line_in(error: BaseException, importer: str | None) -> int | None:
    """Return the last line of the importer that an error came through, None if it did not."""
    if importer is None:
        return None
    if isinstance(error, SyntaxError) and error.filename == importer:
        return error.lineno or 1
    calls = traceback.extract_tb(error.__traceback__)
    here = Path(importer).resolve()
    own = [call.lineno for call in calls if Path(call.filename).resolve() == here]
    return own[-1] if own else None


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a folder that cannot be written, or a full disk, into a UsageError."""
    try:
        yield
    except BrokenPipeError:  # of the screen, not of the folder
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"cannot write to {folder}: {why}") from error


def spare(read: Path, *written: Path) -> None:
    """Refuse to write over the file that is read, which may be the only one; raises UsageError."""
    for path in written:
        if path.exists() and read.exists() and path.samefile(read):
            raise UsageError(
                f"{path} is what is read here and would be overwritten: choose another place"
            )
