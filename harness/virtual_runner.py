"""Runs one drill in virtual time and writes its history: the twin of `runner` without sockets.

A shell for its one file, the live view and Ctrl-C; everything else is `rehearsal`. The reference
CSMS runs in this process, with one wrong decision if a mutant is asked for.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.about import quirky, scenario_facts, version
from harness.beside import judged_beside
from harness.claims import claimed
from harness.errors import TargetError
from harness.history import Header
from harness.rehearsal import rehearse
from harness.run_record import Counts, Ending, ExitCode, RunRecord
from harness.runner import HISTORY, NO_CHARGERS, about, record_of
from harness.whole_files import forget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from harness.drill import Drill
    from harness.runner import Options, View
    from harness.virtual_site import VirtualSite
    from harness.virtual_world import VirtualWorld
    from simulator.faults import ChargerSpec

WORTH_WATCHING = 1000  # chargers: fewer are done before anybody has read a line


def run(options: Options, view: View) -> RunRecord:
    """Run one drill in virtual time from start to record; a full disk is an outcome, too."""
    began = time.monotonic()
    options.folder.mkdir(parents=True, exist_ok=True)
    chargers = options.scenario.chargers(options.actual_seed)
    path = options.folder / HISTORY
    try:
        with claimed(path) as file:
            forget(options.folder)
            if not chargers:
                return _nothing(options, 0, NO_CHARGERS)
            many = f"{len(chargers)} charger{'s' if len(chargers) > 1 else ''}"
            view.say(f"Rehearsing {many} in virtual time …")
            record = _rehearsed(options, chargers, view, file)
    except TargetError as error:
        return _nothing(options, len(chargers), str(error))
    except BrokenPipeError:  # of the screen, not of the file
        raise
    except OSError as error:
        why = error.strerror or error
        return _nothing(options, len(chargers), f"cannot write {path}: {why}")
    return replace(record, wall_seconds=time.monotonic() - began)


def _rehearsed(
    options: Options, chargers: Sequence[ChargerSpec], view: View, file: BinaryIO
) -> RunRecord:
    """Rehearse, judge and write down; raises TargetError and OSError."""

    def header(seed: int) -> Header:
        return Header(
            versions={"firmdrill": version(), "python": platform.python_version()},
            scenario=scenario_facts(
                options.scenario, chargers, source=options.source, text=options.text
            ),
            seed=seed,
            target={"kind": "virtual", **({"mutant": options.mutant} if options.mutant else {})},
            quirky=quirky(chargers),
            started_at="2026-01-01T00:00:00+00:00",
        )

    with contextlib.ExitStack() as stack:
        if options.mutant is not None:
            from harness.mutants.csms import mutated  # noqa: PLC0415 - imports the reference

            stack.enter_context(mutated(options.mutant))
        judging = stack.enter_context(judged_beside(len(chargers), file))

        def begun(site: VirtualSite, drill: Drill) -> None:
            stack.enter_context(_interruptible(site.world))
            if len(chargers) >= WORTH_WATCHING:
                view.begin(drill, site.progress, site.world.now)
                stack.callback(view.end)

        done = rehearse(
            options.scenario,
            seed=options.actual_seed,
            header=header,
            judging=judging,
            begun=begun,
            keep=False,
        )
    return record_of(options, done.header, done.outcome)


@contextlib.contextmanager
def _interruptible(world: VirtualWorld) -> Iterator[None]:
    """Let Ctrl-C end the drill's phase instead of the process: the report is still written."""
    before = signal.getsignal(signal.SIGINT)
    # Who ignores Ctrl-C goes on ignoring it, and only the main thread may choose.
    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: world.interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _nothing(options: Options, chargers: int, problem: str) -> RunRecord:
    return RunRecord(
        scenario=about(options),
        seed=options.actual_seed,
        ending=Ending.NOT_STARTED,
        exit_code=ExitCode.NOT_RUN,
        verdict="ERROR",
        reproduce=options.reproduce(),
        problem=problem,
        counts=Counts(chargers=chargers),
        folder=options.folder,
    )
