"""The judge in a process of its own, beside the drill that it judges.

A shell. Judging a large fleet costs as much as rehearsing it, and needs nothing but the history:
`Beside` hands the lines on as they are recorded and gives the outcome at the end, as `Reviewer`
does. On a second core the judgement is ready when the drill is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from typing import TYPE_CHECKING

from harness.errors import JudgeError
from harness.history import encode, encode_all, read
from harness.processes import deaf_to_interrupts
from harness.review import Reviewer
from simulator.event_loop import patient_collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from types import TracebackType
    from typing import BinaryIO, Self

    from harness.history import Event, Header
    from harness.progress import Progress
    from harness.rehearsal import Judging
    from harness.review import Review

WORTH_IT = 1000  # chargers: for fewer the process takes longer to start than it saves
_PARCEL = 500  # lines handed on at a time: the pipe is then idle most of the time


def _pays(chargers: int) -> bool:
    """Whether another process ends the drill earlier, and may be started from here."""
    cores = os.cpu_count() or 1
    return chargers >= WORTH_IT and cores > 1 and not multiprocessing.current_process().daemon


@contextlib.contextmanager
def judged_beside(
    chargers: int, file: BinaryIO | None = None
) -> Iterator[Callable[[Header, Progress], Judging]]:
    """Give `rehearse` its judge: another process, where that pays for so many chargers.

    Every line of the history goes to `file` as well. The process ends with the context.
    """
    with contextlib.ExitStack() as stack:

        def judging(header: Header, progress: Progress) -> Judging:
            if _pays(chargers):
                return stack.enter_context(Beside(header, file))
            reviewer = Reviewer(header, progress)
            return reviewer if file is None else _Written(reviewer, file)

        yield judging


class _Written:
    """Judges here, and writes every event down."""

    def __init__(self, reviewer: Reviewer, file: BinaryIO) -> None:
        self._reviewer, self._file = reviewer, file
        file.write(encode(reviewer.header))

    def see(self, event: Event) -> None:
        """Take one event in."""
        self._file.write(encode(event))
        self._reviewer.see(event)

    def review(self) -> Review:
        """Return the outcome."""
        return self._reviewer.review()


class Beside:
    """Judges a history elsewhere: `see` each event in order, then `review()` once.

    A context manager; leaving it ends the process, whatever was or was not judged. `see` waits
    while the other side is far behind, so that nothing piles up. Raises `JudgeError` if it died.
    """

    def __init__(self, header: Header, file: BinaryIO | None = None) -> None:
        self._file = file
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._waiting: list[Header | Event] = [header]
        self._process = context.Process(target=_judge, args=(theirs,), daemon=True)
        with deaf_to_interrupts():  # what is started meanwhile inherits it: we decide on Ctrl-C
            self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write_down()
        self._pipe.close()
        self._process.terminate()
        self._process.join()

    def see(self, event: Event) -> None:
        """Hand one event on."""
        self._waiting.append(event)
        if len(self._waiting) >= _PARCEL:
            self._hand_on()

    def review(self) -> Review:
        """Return the outcome of everything seen."""
        self._hand_on()
        try:
            self._pipe.send_bytes(b"")
            outcome = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if isinstance(outcome, str):
            raise JudgeError(f"the judge broke: {outcome}")
        review: Review = outcome
        return review

    def _hand_on(self) -> None:
        parcel = self._write_down()
        if parcel:
            try:
                self._pipe.send_bytes(parcel)
            except OSError as error:
                raise self._gone() from error

    def _write_down(self) -> bytes:
        """Return the lines that were not handed on yet, once the file has them."""
        parcel = encode_all(self._waiting)
        self._waiting.clear()
        if self._file is not None:
            self._file.write(parcel)
        return parcel

    def _gone(self) -> JudgeError:
        self._process.join(1.0)
        code = self._process.exitcode
        return JudgeError(f"the process that judges ended by itself (exit {code})")


def _judge(pipe: Connection) -> None:
    """Judge what comes through the pipe; send the outcome, or the text of an error."""
    try:
        with patient_collector():
            header, events = read(_lines(pipe))
            reviewer = Reviewer(header)
            for event in events:
                reviewer.see(event)
            pipe.send(reviewer.review())
    except (EOFError, BrokenPipeError):
        return  # the drill is over before its time: nobody waits for the outcome
    except Exception as error:  # noqa: BLE001 - it is raised again on the other side
        pipe.send(f"{type(error).__name__}: {error}")


def _lines(pipe: Connection) -> Iterator[bytes]:
    while parcel := pipe.recv_bytes():
        yield from parcel.splitlines(keepends=True)
