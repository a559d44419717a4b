"""What is no file, no text or no year, and an impatient user: a sentence, and nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.errors import UsageError
from harness.fieldlog.files import LogFile
from tests.harness.fieldlog.reading import SAMPLES, read_text

STEVE = (SAMPLES / "steve.log").read_bytes()


def call(*words: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("name", ["trace.jsonl", "mobilityhouse.jsonl", "citrineos.csv"])
def test_a_record_in_another_encoding_is_counted_once(name: str, tmp_path: Path) -> None:
    """Two of sixteen hold a letter that is no UTF-8: neither lost in silence nor counted twice."""
    text = (SAMPLES / name).read_text(encoding="utf-8").replace("Kestrel", "St\xf6r")
    seen = read_text(tmp_path, text.encode("latin-1"))
    assert (len(seen.frames), seen.summary.damaged) == (14, 2)
    bare = '{"chargePointId":"c","direction":"cp-to-csms","messageType":"CALL","messageId":"a",'
    bare += '"action":"Heartbeat","payload":{},"x":"\xf6"}\n'
    trace = (SAMPLES / "trace.jsonl").read_bytes() + bare.encode("latin-1")
    assert read_text(tmp_path, trace).summary.damaged == 1


@pytest.mark.parametrize("name", ["trace.jsonl", "table.csv", "mobilityhouse.jsonl", "steve.log"])
def test_lines_that_end_in_a_carriage_return_alone(name: str, tmp_path: Path) -> None:
    """As old Macs and some spreadsheets write them."""
    text = (SAMPLES / name).read_bytes().replace(b"\n", b"\r")
    for begin in (b"", b"\xef\xbb\xbf"):
        seen = read_text(tmp_path, begin + text)
        assert (len(seen.frames), seen.summary.damaged) == (16, 0)


@pytest.mark.parametrize(
    "encoding", ["idna", "undefined", "utf-16", "utf-32", "\0", "hex", "\ud800"]
)
def test_an_encoding_that_cannot_be_is_explained(encoding: str, tmp_path: Path) -> None:
    """Python has several that no file is written in."""
    with pytest.raises(UsageError, match="the encoding"):
        read_text(tmp_path, STEVE, encoding=encoding)


def test_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    """The one may never say anything, the other never end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        done = call("import", path, "--report", tmp_path / "r")
        assert done.exit_code == 2
        assert "pipe or a device" in done.output


@pytest.mark.parametrize("changed", [4e11, -1e11])
def test_a_file_of_no_year_that_a_calendar_has(
    changed: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks of file systems go wrong, too; the year only matters for times without one."""
    log = tmp_path / "a.log"
    log.write_bytes(STEVE)
    about = list(log.stat())
    about[8] = int(changed)
    monkeypatch.setattr(Path, "stat", lambda _self, **_: os.stat_result(about))
    assert LogFile(log).year > 2000


@pytest.mark.slow
def test_ctrl_c_before_the_first_message_is_no_verdict_about_the_log(tmp_path: Path) -> None:
    """Nobody can say that there is no message in a log that was not read."""
    log = tmp_path / "a.log"
    log.write_bytes(b"nothing to see here, and a line like any other\n" * 1_000_000 + STEVE)
    running = subprocess.Popen(
        [sys.executable, "-m", "harness", "import", str(log), "--report", str(tmp_path / "r")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not (tmp_path / "r" / "import.txt").exists():
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    shutil.rmtree(tmp_path / "r")
    assert running.returncode == 130
    assert "no line looks like" not in said
