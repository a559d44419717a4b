"""What a command leaves that was killed, had no room, or whose folder was tidied up meanwhile."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from harness import claims, history_file, runner
from harness.cli.recordings import judged
from harness.history import read, whole
from harness.library import find
from harness.live import Quiet
from harness.run_record import Ending, ExitCode
from harness.virtual_world import VirtualWorld
from tests.harness.test_cli import call
from tests.harness.test_processes import gone

if TYPE_CHECKING:
    from harness.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
REPORTS = ("report.html", "report.json", "junit.xml")
only_posix = pytest.mark.skipif(os.name != "posix", reason="kill and /proc are not everywhere")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


def smoke(folder: Path) -> runner.Options:
    """Run the smallest drill into this folder."""
    found = find("smoke")
    return runner.Options(found.scenario, "smoke", folder, text=found.text)


def started(*words: str | Path) -> subprocess.Popen[str]:
    """Start firmdrill as a process of its own."""
    command = [sys.executable, "-m", "harness", *map(str, words)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def soon(condition: Any, within: float = 20.0) -> bool:
    """Wait until something holds; False if it never did."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ---------------------------------------------------------------------- kill -9


@only_posix
@pytest.mark.sockets
def test_a_killed_drill_leaves_what_it_saw_and_no_old_report(tmp_path: Path) -> None:
    """The history is whole up to the last event, proves nothing, and is no PASS of last week."""
    for name in REPORTS:
        (tmp_path / name).write_text("PASS, of the run before")
    history = tmp_path / runner.HISTORY
    with started("run", "smoke", "--report", tmp_path) as drill:
        assert soon(lambda: history.exists() and b'"UpdateFirmware"' in history.read_bytes())
        drill.kill()
    assert not [name for name in REPORTS if (tmp_path / name).exists()]
    with history.open("rb") as lines:
        assert len(list(whole(read(lines)[1]))) > 20
    again = judged(history)
    assert (again.verdict, again.exit_code) == ("INCONCLUSIVE", ExitCode.INTERRUPTED)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to see children")
@pytest.mark.parametrize("words", [["explore", "--seconds", "30"], ["power", "--seconds", "30"]])
def test_a_killed_search_leaves_no_process_behind(words: list[str], tmp_path: Path) -> None:
    """Its workers used to wait for the next drill for ever."""
    with started(*words, "--jobs", "2", "--out", tmp_path) as search:
        assert soon(lambda: len(children(search.pid)) == 2)
        workers = children(search.pid)
        search.kill()
        assert soon(lambda: all(map(gone, workers)))


# ---------------------------------------------------------------------- no room


class Disk:
    """A file on a disk that has room for so many writes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file, self._room = file, room

    def write(self, line: bytes) -> int:
        """Write, or have no room."""
        self._room -= 1
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(line)

    def __getattr__(self, name: str) -> Any:
        """Be the file in all else."""
        return getattr(self._file, name)


@pytest.mark.sockets
def test_a_full_disk_ends_the_drill_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 3 and why; a fleet that cannot be recorded must not look like one that is silent."""

    def small(path: Path) -> BinaryIO:
        return cast("BinaryIO", Disk(claims.claimed(path), room=60))

    monkeypatch.setattr(history_file, "claimed", small)
    done = runner.run(smoke(tmp_path), Quiet())
    assert (done.verdict, done.exit_code) == ("ERROR", ExitCode.NOT_RUN)
    assert done.problem == f"cannot write {tmp_path / runner.HISTORY}: No space left on device"
    assert done.wall_seconds < 15
    again = judged(tmp_path / runner.HISTORY)
    assert again.verdict == "INCONCLUSIVE"


@needs_full
@pytest.mark.sockets
def test_no_room_for_a_header_is_told_before_the_drill(tmp_path: Path) -> None:
    """Nobody waits for chargers whose history cannot be kept."""
    (tmp_path / runner.HISTORY).symlink_to(FULL)
    done = runner.run(smoke(tmp_path), Quiet())
    assert (done.ending, done.exit_code) == (Ending.NOT_STARTED, ExitCode.NOT_RUN)
    assert "No space left" in done.problem


@needs_full
def test_no_room_in_virtual_time_is_no_defect(tmp_path: Path) -> None:
    """Exit 3 with the file and the reason, in the report as well."""
    (tmp_path / runner.HISTORY).symlink_to(FULL)
    result = call("run", "smoke", "--virtual", "--report", str(tmp_path))
    assert result.exit_code == 3
    assert f"cannot write {tmp_path / runner.HISTORY}: No space left" in result.stdout
    assert json.loads((tmp_path / "report.json").read_bytes())["verdict"] == "ERROR"


@needs_full
@pytest.mark.parametrize("what", ["report.json", "junit.xml", "report.html"])
def test_a_report_without_room_costs_no_verdict(tmp_path: Path, what: str) -> None:
    """It is told all the same, and how to make the report later; but a pass it is not."""
    (tmp_path / what).symlink_to(FULL)
    result = call("run", "smoke", "--virtual", "--json", "--report", str(tmp_path))
    assert result.exit_code == 3
    assert "verdict     PASS" in result.stderr
    assert f"the report cannot be written to {tmp_path} (No space left" in result.stderr
    assert f"firmdrill judge {tmp_path / runner.HISTORY} --report" in result.stderr
    told = json.loads(result.stdout)
    assert (told["verdict"], told["exit_code"], told["passed"]) == ("PASS", 3, False)
    assert call("judge", str(tmp_path), "--report", str(tmp_path / "later")).exit_code == 0


@pytest.mark.parametrize("words", [["--virtual"], []])
def test_a_history_that_cannot_be_is_told_before_the_drill(
    words: list[str], tmp_path: Path
) -> None:
    """Exit 2 with the path: it is no defect of ours that something else is there."""
    (tmp_path / runner.HISTORY).mkdir()
    result = call("run", "smoke", *words, "--report", str(tmp_path))
    assert result.exit_code == 2
    assert f"cannot write {tmp_path / runner.HISTORY} (Is a directory)" in result.stderr


def test_a_virtual_drill_forgets_the_report_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that breaks in the middle must not leave the verdict of another one."""
    for name in REPORTS:
        (tmp_path / name).write_text("PASS, of the run before")

    def breaks(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(VirtualWorld, "mark", breaks)
    assert call("run", "smoke", "--virtual", "--report", str(tmp_path)).exit_code == 4
    assert not [name for name in REPORTS if (tmp_path / name).exists()]


# ---------------------------------------------------------------------- tidied up meanwhile


@pytest.mark.sockets
def test_a_folder_removed_during_the_drill_comes_again(tmp_path: Path) -> None:
    """With the whole history: a report of which nothing can be judged again is half a one."""
    folder = tmp_path / "report"

    class Tidy(Quiet):
        def begin(self, drill: object, progress: Progress, now: object) -> None:
            del drill, progress, now
            shutil.rmtree(folder)

    done = runner.run(smoke(folder), Tidy())
    assert done.exit_code is ExitCode.PASSED
    again = judged(folder / runner.HISTORY)
    assert again.judgement == done.judgement
    assert not list(folder.glob("*.part"))


# ---------------------------------------------------------------------- nobody reads on


@only_posix
@pytest.mark.parametrize(
    ("words", "code", "left"),
    [(["run", "smoke", "--virtual", "--report", "FOLDER"], 0, "report.json"),
     (["explore", "--runs", "8", "--jobs", "1", "--tries", "1", "--out", "FOLDER",
       "--mutant", "triggered_twice"], 1, "r13-csms-triggered-twice.yaml"),
     (["power", "--only", "triggered_twice", "--runs", "2", "--jobs", "1", "--out", "FOLDER"],
      0, "power.json")],
)  # fmt: skip
def test_a_reader_that_goes_ends_no_work(
    words: list[str], code: int, left: str, tmp_path: Path
) -> None:
    """Of `| head` the exit code was 1, a failure, or 0, a pass, and no report was written."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "harness", *words]
    command = [str(tmp_path) if word == "FOLDER" else word for word in command]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (code, b"")
    assert (tmp_path / left).exists()


def test_a_folder_named_like_a_scenario_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run smoke --report smoke` worked once, and then neither it nor the list did."""
    monkeypatch.chdir(tmp_path)
    Path("smoke").mkdir()
    assert find("smoke").source == "smoke"
    assert call("scenario", "list").exit_code == 0
