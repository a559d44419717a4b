"""The command line: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import errno
import json
import shlex
import signal
import socket
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from harness import processes, report
from harness.__main__ import start
from harness.cli import main
from harness.errors import UsageError
from harness.library import find, names
from harness.run_record import ExitCode

if TYPE_CHECKING:
    from harness.run_record import RunRecord


def call(*words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(words))


SIX_ERRORS = """\
version: 1
name: six mistakes
firmware: {version: "2", size: many}
fleet:
  - cohort: a
    count: -1
    ocpp: 1.6
    colour: red
operator:
  - explode
  - wait: {}
"""


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A scenario with six different mistakes."""
    path = tmp_path / "wrong.yaml"
    path.write_text(SIX_ERRORS)
    return path


@pytest.mark.parametrize("command", [["run"], ["scenario", "validate"]])
def test_every_mistake_is_told_at_once_with_its_place(wrong: Path, command: list[str]) -> None:
    """Exit 2, one line each, no traceback."""
    result = call(*command, str(wrong))
    assert result.exit_code == 2
    lines = [line for line in result.stderr.splitlines() if line.startswith(str(wrong))]
    places = [line.removeprefix(f"{wrong}:").split(":")[0] for line in lines]
    assert places == ["3", "6", "7", "8", "10", "11"]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "no-such-scenario"], "firmdrill scenario list"),
        (["run", "missing.yaml"], "there is no scenario file missing.yaml"),
        (["run", "smoke", "--mutant", "no_such"], "no mutant is called no_such; known: "),
        (["run", "smoke", "--seed", "-1"], "--seed"),
        (["run"], "SCENARIO"),
        (["judge", "nowhere"], "cannot read nowhere"),
        (["scenario", "show", "nothing"], "firmdrill scenario list"),
        (["run", "smoke", "--target", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["target", "probe", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (["fleet", "smoke", "--ocpp", "http://x"], "ws://"),
        (["no-such-command"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(words: list[str], said: str) -> None:
    """A short text on standard error, never a traceback."""
    result = call(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output


def test_our_own_defect_ends_with_4_and_keeps_the_details(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The traceback is in a file, not on the screen."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("harness.runner.run", broken)
    result = call("run", "smoke", "--report", str(tmp_path))
    assert result.exit_code == 4
    assert "ZeroDivisionError: oops" in result.stderr
    assert "Traceback" not in result.stderr
    details = Path(result.stderr.rsplit("Details: ", 1)[1].strip())
    assert "Traceback" in details.read_text()
    details.unlink()


def test_the_library_is_listed_by_topic_with_what_it_proves() -> None:
    """One idea a file; every one says what a PASS shows."""
    result = call("scenario", "list")
    assert result.exit_code == 0
    for name in names():
        assert f"  {name} " in result.stdout
    assert "the whole story:" in result.stdout


@pytest.mark.parametrize("name", names())
def test_every_shipped_scenario_is_valid_and_asserts_something(name: str) -> None:
    """A scenario without expectations would pass whatever happens."""
    scenario = find(name).scenario
    assert scenario.proves or scenario.found
    assert not scenario.expect.nothing


def test_a_scenario_can_be_copied_checked_and_shown(tmp_path: Path) -> None:
    """`new` writes the file and the schema that its modeline names."""
    file = tmp_path / "mine" / "my.yaml"
    assert call("scenario", "new", str(file), "--from", "smoke").exit_code == 0
    assert file.read_text() == call("scenario", "show", "smoke").stdout
    beside = json.loads((file.parent / "scenario.schema.json").read_text())
    assert beside == json.loads(call("scenario", "schema").stdout)
    assert f"{file}: valid" in call("scenario", "validate", str(file), "demo").stdout
    file.write_text(
        "version: 1\nname: x\nfirmware: {version: '2'}\nfleet: [{cohort: a, count: 1}]\n"
    )
    told = call("scenario", "validate", str(file)).stdout
    assert (
        "valid, 1 chargers; without `expect`: judged by its steps and the properties only" in told
    )
    assert call("scenario", "new", str(file)).exit_code == 2
    assert call("scenario", "new", str(tmp_path / "fresh.yaml")).exit_code == 0
    assert call("scenario", "validate", str(tmp_path / "fresh.yaml")).exit_code == 0


def test_a_copy_can_be_used_where_it_lies(tmp_path: Path) -> None:
    """Its modeline names the schema beside it, and its commands can be pasted."""
    file = tmp_path / "my night's $(x).yaml"
    source = "regressions/c08-late-for-the-csms"
    made = call("scenario", "new", str(file), "--from", source)
    assert made.exit_code == 0
    first = file.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./scenario.schema.json"
    assert find(str(file)).scenario == find(source).scenario
    words = shlex.split(made.stdout.splitlines()[-1].replace(";", " ; "))
    assert words.count(str(file)) == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [(ValueError("boom"), "ValueError: boom"),
     (OSError(errno.ENOSPC, "No space left on device"), "has no room there")],
)  # fmt: skip
def test_an_error_is_told_where_no_file_can_be_written(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no defect of ours; a defect is told in full, if only here."""

    def fails(*_: object, **__: object) -> None:
        raise error

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.cli.scenarios.names", fails)
    monkeypatch.setattr("harness.cli.problems.tempfile.NamedTemporaryFile", full)
    result = call("scenario", "list")
    assert result.exit_code == 4
    assert isinstance(result.exception, SystemExit)
    assert said in result.stderr
    defect = "This is a defect" in result.stderr
    assert defect == isinstance(error, ValueError)
    assert ("in fails" in result.stderr) == defect


def test_a_file_beats_the_library_and_a_folder_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the user names exactly is what is run."""
    monkeypatch.chdir(tmp_path)
    Path("smoke").write_text(call("scenario", "show", "rolling").stdout)
    assert find("smoke").scenario.name == find("rolling").scenario.name
    Path("folder").mkdir()
    with pytest.raises(UsageError, match="no scenario file"):
        find("folder")


def test_a_virtual_run_writes_its_report_and_can_be_judged_again(tmp_path: Path) -> None:
    """The same verdict, twice; the JSON has its fixed fields."""
    folder = tmp_path / "run"
    result = call("run", "smoke", "--virtual", "--json", "--report", str(folder))
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert (said["format"], said["passed"], said["verdict"]) == ("firmdrill-run/1", True, "PASS")
    assert said["reproduce"] == "firmdrill run smoke --seed 7 --virtual"
    assert {path.name for path in folder.iterdir()} == {
        "history.ndjson", "report.html", "report.json", "junit.xml",
    }  # fmt: skip
    again = json.loads(call("judge", str(folder), "--json").stdout)
    for part in ("verdict", "exit_code", "expectations", "judgement", "counts", "phases"):
        assert again[part] == said[part]


def test_the_last_lines_are_verdict_seed_report_and_reproduce(tmp_path: Path) -> None:
    """What a user copies stands at the end."""
    result = call("run", "pause", "--virtual", "-q", "--report", str(tmp_path), "--seed", "3")
    assert result.exit_code == 0
    last = "\n".join(result.stdout.splitlines()[-7:])
    for word in ("verdict", "chargers", "seed 3", "report", "firmdrill run pause --seed 3"):
        assert word in last


def test_a_failing_run_ends_with_1_and_shows_the_witness(tmp_path: Path) -> None:
    """The property, its sentence, what was expected and what was seen."""
    words = ["--virtual", "--mutant", "pause_ignored", "--report", str(tmp_path)]
    result = call("run", "pause", *words)
    assert result.exit_code == 1
    assert "FAIL R18 Silence" in result.stdout
    assert "UpdateFirmware" in result.stdout


def test_reports_get_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two runs in the same second do not overwrite each other."""
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call("run", "late", "--virtual", "-q").exit_code == 0
    assert len(list((tmp_path / "firmdrill-reports").iterdir())) == 2
    Path("file").write_text("")
    assert call("run", "late", "--virtual", "--report", "file").exit_code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the history is empty"),
        (b"hello\n", "line 1: not a history header"),
        (b'{"format":"other/9"}\n', "format 'other/9' is unknown"),
        (b'{"format":"firmdrill-history/1"}\n', "no events"),
        (b'{"format":"firmdrill-history/1"}\nbroken\n', "line 2: not an event"),
    ],
)
def test_a_broken_history_is_refused_with_the_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """Exit 2: it is the user's file."""
    path = tmp_path / "history.ndjson"
    path.write_bytes(content)
    result = call("judge", str(path))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_target_file_can_be_started_from_a_template(tmp_path: Path) -> None:
    """`target new` writes it and never over an existing one."""
    file = tmp_path / "t.yaml"
    assert call("target", "new", str(file)).exit_code == 0
    assert "version: 1" in file.read_text()
    assert call("target", "new", str(file)).exit_code == 2


@pytest.mark.sockets
def test_a_taken_port_is_one_line_and_exit_3(tmp_path: Path, unused_tcp_port: int) -> None:
    """The part says which port, and which option chooses another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", unused_tcp_port))
        taken.listen()
        done = subprocess.run(
            processes.command(
                "harness",
                ["csms", "--database", str(tmp_path / "x"), "--port", str(unused_tcp_port)],
            ),
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert str(unused_tcp_port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.sockets
def test_a_target_is_probed_step_by_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """A failing step names the full url and a hint; exit 3."""
    monkeypatch.setenv("FIRMDRILL_API_KEY", "k")
    here = f"127.0.0.1:{unused_tcp_port}"
    file = tmp_path / "t.yaml"
    file.write_text(f"version: 1\nname: gone\napi: http://{here}/api\nocpp: ws://{here}/ocpp\n")
    result = call("target", "probe", str(file))
    assert result.exit_code == 3
    assert f"ok    DNS   http://{here}/api/fleet/firmware" in result.stdout
    assert f"FAIL  http://{here}/api/fleet/firmware: TCP failed" in result.stdout
    assert f"FAIL  ocpp1.6: ws://{here}/ocpp/firmdrill-probe-ocpp16: TCP failed" in result.stdout


def test_a_report_folder_that_cannot_be_made_is_wrong_usage(tmp_path: Path) -> None:
    """The path and the reason, not a defect of ours."""
    (tmp_path / "file").write_text("")
    result = call("run", "smoke", "--virtual", "--report", str(tmp_path / "file" / "below"))
    assert result.exit_code == 2
    assert "cannot be made" in result.output + result.stderr


def test_ctrl_c_after_the_drill_leaves_report_and_exit_code_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the drill is over there is nothing left to interrupt."""
    write = report.write

    def interrupted(folder: Path, record: RunRecord) -> None:
        signal.raise_signal(signal.SIGINT)
        write(folder, record)

    monkeypatch.setattr(report, "write", interrupted)
    result = call("run", "smoke", "--virtual", "--report", str(tmp_path))
    assert result.exit_code == 0
    assert (tmp_path / "report.html").exists()


def test_ctrl_c_while_the_commands_are_loaded_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a second of imports in which somebody may have second thoughts: exit 130, one word."""

    class Impatient(MetaPathFinder):
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "harness.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "harness.cli")
    monkeypatch.setattr(sys, "meta_path", [Impatient(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_a_part_lies_in_the_folder_of_its_scenario_or_in_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario from elsewhere reads no file of the system, whichever way it is named."""
    (tmp_path / "secret.yaml").write_text("name: a secret")
    (tmp_path / "a" / "parts").mkdir(parents=True)
    (tmp_path / "a" / "parts" / "one.yaml").write_text("firmware: {version: '2'}")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "common.yaml").write_text("fleet: [{cohort: a, count: 1}]")
    main_file = tmp_path / "a" / "main.yaml"
    refused = ["../secret.yaml", "/dev/zero", str(tmp_path / "secret.yaml"), "../b/common.yaml"]
    main_file.write_text(f"version: 1\nname: x\nincludes: [{', '.join(refused)}]\n")
    result = call("scenario", "validate", str(main_file))
    assert result.exit_code == ExitCode.USAGE
    assert result.output.count("it lies outside") == len(refused)
    assert "a secret" not in result.output
    main_file.write_text("version: 1\nname: x\nincludes: [parts/one.yaml, ../b/common.yaml]\n")
    monkeypatch.chdir(tmp_path)
    assert call("scenario", "validate", "a/main.yaml").exit_code == 0
