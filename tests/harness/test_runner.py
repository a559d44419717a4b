"""Drills on real sockets: the whole way, what cannot be reached, and Ctrl-C at any moment."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from harness import processes, runner
from harness.cli.recordings import judged
from harness.library import find
from harness.live import Quiet
from harness.run_record import Ending, ExitCode
from harness.target_file import load_target
from harness.verdict import Verdict
from simulator import divided
from simulator.scenario import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.drill import Drill
    from harness.progress import Progress
    from harness.run_record import RunRecord

pytestmark = pytest.mark.sockets


def options(source: str, folder: Path, **fields: Any) -> runner.Options:
    """Run a shipped scenario."""
    found = find(source)
    return runner.Options(
        scenario=found.scenario, source=source, folder=folder, text=found.text, **fields
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """One whole drill."""
    return runner.run(options("smoke", tmp_path_factory.mktemp("smoke")), Quiet())


def test_a_drill_passes_end_to_end(smoke: RunRecord) -> None:
    """Processes, sockets, downloads, a pause, a resume and a verdict."""
    assert smoke.judgement is not None
    assert [r.requirement.id for r in smoke.judgement.failed] == []
    assert [e for e in smoke.expectations if not e.met] == []
    assert smoke.exit_code is ExitCode.PASSED
    assert smoke.ending is Ending.COMPLETED
    assert smoke.counts.downloads == {"complete": 10, "cut": 1}
    assert smoke.reproduce == "firmdrill run smoke --seed 7"


def test_judging_its_history_gives_the_same_verdicts(smoke: RunRecord) -> None:
    """The file holds everything that decides."""
    assert smoke.history is not None
    again = judged(smoke.history)
    assert again.judgement == smoke.judgement
    assert again.expectations == smoke.expectations
    assert (again.verdict, again.exit_code) == (smoke.verdict, smoke.exit_code)


def test_no_secret_is_written_down(smoke: RunRecord) -> None:
    """Neither the history nor the logs hold a bearer key."""
    assert smoke.folder is not None
    for path in smoke.folder.iterdir():
        assert not re.search(rb"Bearer [A-Za-z0-9_-]{20,}", path.read_bytes())


def test_a_killed_csms_starts_again_on_its_own_ports(tmp_path: Path) -> None:
    """The kill and the start are in the history, and the chargers come back."""
    text = """
version: 1
name: a crash between two stages
firmware: {version: "2.0.0", size: 100 kB}
fleet: [{cohort: a, count: 3, install: {time: 100 ms, reboot: 100 ms},
         network: {connect_after: 0 s, reconnect: {first: 200 ms, most: 1 s}}}]
operator:
  - create: {strategy: canary, update_timeout: 1 min}
  - execute_stage
  - wait: {stage: settled, within: 20 s}
  - kill
  - restart
  - wait: {until: {offline: "<= 0"}, within: 20 s}
  - execute_stage
  - wait: {status: terminal, within: 20 s}
expect: {rollout: completed, installed: 3}
"""
    done = runner.run(
        runner.Options(scenario=load(text), source="x", folder=tmp_path, text=text), Quiet()
    )
    assert (done.verdict, done.exit_code) == ("PASS", ExitCode.PASSED)
    assert done.history is not None
    kinds = [line.split(b'"kind":"')[1].split(b'"')[0] for line in _lines(done.history)]
    assert kinds.index(b"kill") < kinds.index(b"up")


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()[1:]


def test_a_fleet_of_nobody_is_not_run(tmp_path: Path) -> None:
    """Exit 3 and a sentence, not an empty PASS."""
    text = "{version: 1, name: x, firmware: {version: '2'}, fleet: [{cohort: a, count: 0}]}"
    scenario = load(text)
    done = runner.run(runner.Options(scenario=scenario, source="x", folder=tmp_path), Quiet())
    assert done.exit_code is ExitCode.NOT_RUN
    assert "no chargers" in done.problem


def test_an_unreachable_csms_is_diagnosed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """Exit 3 with the step, the whole url and a hint; nothing of it is a traceback."""
    monkeypatch.setenv("FIRMDRILL_API_KEY", "k")
    file = tmp_path / "t.yaml"
    here = f"127.0.0.1:{unused_tcp_port}"
    file.write_text(f"version: 1\nname: gone\napi: http://{here}/api\nocpp: ws://{here}/ocpp\n")
    done = runner.run(options("smoke", tmp_path / "run", target=load_target(file)), Quiet())
    assert done.exit_code is ExitCode.NOT_RUN
    assert f"http://{here}/api/fleet/firmware: TCP failed" in done.problem


def test_chargers_that_cannot_connect_are_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first few, why, and what a second look finds."""
    monkeypatch.setattr("harness.drill.BOOT_WITHIN", 0.5)
    monkeypatch.setattr(
        "harness.targets.Address.charger_url", lambda _, one: f"ws://127.0.0.1:9/{one}"
    )
    done = runner.run(options("smoke", tmp_path), Quiet())
    assert done.exit_code is ExitCode.NOT_RUN
    assert "8 of 8 chargers are not accepted by the CSMS" in done.problem
    assert "a-0001: cannot connect" in done.problem
    assert "and 5 more" in done.problem
    assert "ws://127.0.0.1:9/a-0001: TCP failed" in done.problem


class Interrupter(Quiet):
    """Sends Ctrl-C when a condition holds."""

    def __init__(self, when: Callable[[Drill], bool]) -> None:
        self.when = when
        self.over = threading.Event()
        self.thread: threading.Thread | None = None

    def begin(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        """Watch from another thread, as a user does."""
        del progress, now
        self.thread = threading.Thread(target=self._watch, args=(drill,))
        self.thread.start()

    def _watch(self, drill: Drill) -> None:
        while not self.when(drill):
            if self.over.wait(0.002):
                return
        self.strike()

    def strike(self) -> None:
        """Press Ctrl-C."""
        os.kill(os.getpid(), signal.SIGINT)

    def end(self) -> None:
        """Too late to interrupt."""
        self.over.set()


@pytest.mark.parametrize("where", ["connect", "step 3", "step 6", "step 8"])
def test_ctrl_c_still_judges_what_was_seen(tmp_path: Path, where: str) -> None:
    """Exit 130, a judged history, and nothing left running."""
    view = Interrupter(lambda drill: drill.where.startswith(where))
    done = runner.run(options("smoke", tmp_path), view)
    assert view.thread is not None
    view.thread.join()
    assert done.exit_code is ExitCode.INTERRUPTED
    assert done.ending is Ending.INTERRUPTED
    assert done.judgement is not None
    assert done.judgement.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE}
    assert done.wall_seconds < 20


@pytest.mark.parametrize("name", ["the reference CSMS", "the firmware server"])
def test_a_process_that_dies_ends_the_drill_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Exit 3 and who it was: neither the scenario nor a charger is to blame."""
    children: dict[str, processes.Child] = {}
    start = processes.start

    async def remembered(who: str, *arguments: Any, **options: Any) -> processes.Child:
        children[who] = await start(who, *arguments, **options)
        return children[who]

    monkeypatch.setattr(processes, "start", remembered)

    class Killer(Interrupter):
        def strike(self) -> None:
            os.kill(children[name].pid, signal.SIGKILL)

    view = Killer(lambda drill: drill.where.startswith("step 6"))
    done = runner.run(options("smoke", tmp_path), view)
    assert done.exit_code is ExitCode.NOT_RUN
    assert done.verdict == "ERROR"
    assert done.problem.startswith(f"{name} ended unexpectedly (signal 9): ")
    assert done.judgement is not None
    assert done.wall_seconds < 15
    assert done.history is not None
    again = judged(done.history)
    assert (again.problem, again.verdict, again.exit_code) == (
        done.problem, done.verdict, done.exit_code,
    )  # fmt: skip


def test_a_fleet_process_that_dies_ends_the_drill_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the fleet is gone, which must not look like a CSMS that does not answer."""
    fleets: list[divided.DividedFleet] = []
    start = divided.DividedFleet.start

    async def remembered(fleet: divided.DividedFleet) -> None:
        fleets.append(fleet)
        await start(fleet)

    monkeypatch.setattr(divided.DividedFleet, "start", remembered)

    class Killer(Interrupter):
        def strike(self) -> None:
            os.kill(fleets[0].pids[0], signal.SIGKILL)

    view = Killer(lambda drill: drill.where.startswith("step 6"))
    done = runner.run(options("smoke", tmp_path, processes=2), view)
    assert done.exit_code is ExitCode.NOT_RUN
    assert done.problem == (
        "a process of the fleet ended unexpectedly (signal 9), and 5 chargers with it"
    )
    assert done.judgement is not None
    assert not done.judgement.failed
    assert done.wall_seconds < 15


def test_ctrl_c_during_set_up_ends_at_once(tmp_path: Path) -> None:
    """Nothing was drilled, and what was being started is ended."""

    class Early(Quiet):
        def say(self, text: str) -> None:
            if text.startswith("Starting"):
                os.kill(os.getpid(), signal.SIGINT)

    done = runner.run(options("smoke", tmp_path), Early())
    assert done.exit_code is ExitCode.INTERRUPTED
    assert done.ending is Ending.NOT_STARTED


def test_the_loop_is_left_clean(smoke: RunRecord) -> None:
    """A second run in the same process starts afresh."""
    assert smoke.passed
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
