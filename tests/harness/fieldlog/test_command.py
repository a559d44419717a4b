"""`firmdrill import`: what it says, what it refuses, how much memory it takes."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from harness.cli import importing, main
from harness.fieldlog.files import LogFile, import_log
from harness.fieldlog.intake import Options
from harness.fieldlog.registry import FORMATS
from harness.review import Reviewer
from simulator.scenario import load
from tests.harness.fieldlog.reading import SAMPLES, read, read_text

if TYPE_CHECKING:
    from harness.history import Event


def call(*words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, list(words))


def test_the_last_line_of_the_import_counts(tmp_path: Path) -> None:
    """Two frames are damaged: they are named, and the rest is imported."""
    log = tmp_path / "a.log"
    log.write_text(
        (SAMPLES / "steve.log").read_text(encoding="utf-8").replace('"f-1",{}', '"f-1" {}')
        + "[INFO ] 2026-03-14 22:09:00,000 x (y) - [chargeBoxId=K7, sessionId=1] Received: [2,\n",
        encoding="utf-8",
    )
    done = call("import", str(log), "--report", str(tmp_path / "r"))
    assert "Read as SteVe" in done.output
    assert "line 10: not JSON: Expecting ',' delimiter" in done.output
    assert "imported 15 of 17 frames, 1 charger, 2 sessions" in done.output
    kept = (tmp_path / "r" / "import.txt").read_text(encoding="utf-8")
    assert len(kept.splitlines()) == 2


def test_an_import_is_judged_again_to_the_same_verdict(tmp_path: Path) -> None:
    """The history beside the report is one like any other."""
    folder = str(tmp_path / "r")
    first = call("import", str(SAMPLES / "microocpp.log"), "--report", folder, "--json")
    again = call("judge", folder, "--json")
    assert (first.exit_code, again.exit_code) == (1, 1)
    one, two = json.loads(first.stdout), json.loads(again.stdout)
    assert one["judgement"] == two["judgement"]
    assert one["counts"] == two["counts"]
    assert one["counts"]["chargers"] == 1


def test_a_history_can_be_imported_for_its_scenario(tmp_path: Path) -> None:
    """From a drill, or an earlier import, to a scenario."""
    first, second = tmp_path / "first", tmp_path / "second.yaml"
    call("import", str(SAMPLES / "microocpp.log"), "--report", str(first), "-q")
    words = ["--report", str(tmp_path / "r"), "--scenario", str(second)]
    done = call("import", str(first / "history.ndjson"), *words)
    assert done.exit_code == 1
    assert load(second.read_text(encoding="utf-8")).fleet[0].quirks == (
        "skips_downloading",
        "skips_downloaded",
    )
    assert (tmp_path / "r" / "history.ndjson").read_bytes() == (
        first / "history.ndjson"
    ).read_bytes()


def test_a_file_of_ones_own_adds_a_format(tmp_path: Path) -> None:
    """The example of the docs."""
    plugin, log = tmp_path / "ours.py", tmp_path / "a.log"
    plugin.write_text(
        "from harness.fieldlog.registry import line_format\n"
        'line_format("mine", "our log", r"(?P<when>\\S+) <(?P<id>\\w+)> (?P<way>TX|RX) ",\n'
        '            ways={"TX": "recv", "RX": "send"})\n',
        encoding="utf-8",
    )
    log.write_text('2026-01-01T00:00:00Z <cp> RX [2,"1","Heartbeat",{}]\n', encoding="utf-8")
    try:
        done = call("import", str(log), "--importer", str(plugin), "--report", str(tmp_path / "r"))
    finally:
        FORMATS.pop("mine", None)
    assert "Read as our log" in done.output
    assert "1 of 1 frames" in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--timezone", "Mars/Olympus"], "--timezone"),
        (["--ocpp", "3.0"], "1.6, 2.0.1 or 2.1"),
        (["--format", "telepathy"], "no format is called telepathy"),
        (["--encoding", "klingon"], "klingon"),
    ],
)
def test_wrong_options_are_explained(words: list[str], told: str, tmp_path: Path) -> None:
    """Exit code 2 and one sentence."""
    log = str(SAMPLES / "steve.log")
    done = call("import", log, *words, "--report", str(tmp_path / "r"))
    assert done.exit_code == 2
    assert told in done.output


def test_a_file_that_is_not_there_is_explained(tmp_path: Path) -> None:
    """Exit code 2 and no traceback."""
    done = call("import", str(tmp_path / "none.log"), "--report", str(tmp_path / "r"))
    assert (done.exit_code, "cannot read" in done.output) == (2, True)


def test_a_log_that_nobody_can_read_leaves_what_was_there(tmp_path: Path) -> None:
    """An earlier import in the same folder stays; in a new one there is no empty history."""
    folder, noise = tmp_path / "r", tmp_path / "noise.log"
    noise.write_text("nothing of interest\n" * 3, encoding="utf-8")
    call("import", str(SAMPLES / "microocpp.log"), "--report", str(folder))
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".txt"}
    assert {"history.ndjson", "report.html"} <= kept.keys()
    assert call("import", str(noise), "--report", str(folder)).exit_code == 2
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert call("import", str(noise), "--report", str(tmp_path / "new")).exit_code == 2
    assert not (tmp_path / "new" / "history.ndjson").exists()
    assert call("import", str(SAMPLES / "steve.log"), "--report", str(folder)).exit_code != 2
    again = (folder / "history.ndjson").read_bytes()
    assert again.count(b'"format":"firmdrill-history') == 1
    assert again != kept["history.ndjson"]


def test_packed_and_latin_files(tmp_path: Path) -> None:
    """A .gz is opened as it is; another encoding has to be named."""
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress((SAMPLES / "evcc.log").read_bytes()))
    assert read(packed).summary.frames == 16
    text = (SAMPLES / "evcc.log").read_text(encoding="utf-8").replace("Kestrel", "Krähe")
    log = tmp_path / "b.log"
    log.write_bytes(text.encode("latin-1"))
    assert read(log).summary.sentence.startswith("imported 14 of 16 frames")
    seen = read(log, encoding="latin-1")
    assert seen.frames[0][1][3]["chargePointVendor"] == "Krähe"


@pytest.mark.parametrize(("hour", "ahead"), [("2", 0.0), ("1", -10 * 3600.0)])
def test_a_zone_that_is_unsaid_is_found_in_the_messages(
    hour: str, ahead: float, tmp_path: Path
) -> None:
    """A log in local time: answers carry the CSMS's own date."""
    text = (SAMPLES / "steve.log").read_text(encoding="utf-8")
    text = text.replace("2026-03-14 2", f"2026-03-14 {hour}")
    seen = read_text(tmp_path, text)
    assert (seen.summary.zone, seen.summary.offset) == ("messages", ahead)
    assert seen.header.started_at.startswith("2026-03-14T2")
    assert seen.result("C03").exercised == 1
    assert seen.accused == set()


def test_no_date_is_judged_in_a_zone_that_is_only_assumed(tmp_path: Path) -> None:
    """Five hours west of UTC every download would begin too early."""
    text = (SAMPLES / "steve.log").read_text(encoding="utf-8")
    text = text.replace("2026-03-14 2", "2026-03-14 1").replace("currentTime", "elsewhen")
    seen = read_text(tmp_path, text.replace('"timestamp"', '"elsewhen"'))
    assert seen.summary.zone == "assumed"
    assert not seen.result("C03").exercised


def test_the_colours_of_a_terminal_are_left_out(tmp_path: Path) -> None:
    """As `docker compose logs` writes them."""
    text = (SAMPLES / "evcc.log").read_text(encoding="utf-8")
    text = text.replace("evcc  |", "\x1b[36mevcc  |\x1b[0m").replace("[2,", "\x1b[1m[2,")
    assert read_text(tmp_path, text).summary.frames == 16


def test_a_log_that_runs_backwards_is_refused(tmp_path: Path) -> None:
    """A table sorted with the newest row first would accuse everybody."""
    rows = (SAMPLES / "citrineos.csv").read_text(encoding="utf-8").splitlines()
    spread = [row.replace("T22:0", f"T{number:02}:0") for number, row in enumerate(rows[1:])]
    log = tmp_path / "a.csv"
    log.write_text("\n".join([rows[0], *reversed(spread)]) + "\n", encoding="utf-8")
    done = call("import", str(log), "--report", str(tmp_path / "r"), "-q")
    assert done.exit_code == 2
    assert "backwards" in done.output


@pytest.mark.slow
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Twice the log takes about the same memory, judging included."""

    def peak(times: int) -> int:
        path = tmp_path / f"{times}.log"
        with path.open("w", encoding="utf-8") as file:
            for number in range(2000 * times):
                file.write(
                    f"2026-01-01 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02},000 "
                    f'cp: receive message [2,"{number}","Heartbeat",{{}}]\n'
                    f'cp: send [3,"{number}",{{"currentTime":"2026-01-01T00:00:00Z"}}]\n'
                )
        judged: list[Reviewer] = []

        def see(event: Event) -> None:
            judged[0].see(event)

        tracemalloc.start()
        import_log(
            LogFile(path), Options(name="x", form="mobilityhouse"),
            begin=lambda header: judged.append(Reviewer(header)), see=see,
            report=lambda *_: None,
        )  # fmt: skip
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)  # what is compiled and cached once
    small, large = peak(1), peak(2)
    assert large < 1.25 * small


def test_the_report_goes_to_a_new_folder_unless_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the first line of the docs has it: a log and nothing else."""
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "Harbour Street.log"
    log.write_bytes((SAMPLES / "steve.log").read_bytes())
    for words, name in (([], "harbour"), (["--anonymise"], "anonymised")):
        done = call("import", str(log), *words)
        assert done.exit_code == 0, done.output
        (folder,) = (
            path for path in (tmp_path / "firmdrill-reports").iterdir() if name in path.name
        )
        assert {path.name for path in folder.iterdir()} >= {"history.ndjson", "report.html"}
        if words:
            assert not [p for p in folder.iterdir() if "arbour" in p.read_text(encoding="utf-8")]


def test_a_charger_that_was_named_is_not_asked_for(tmp_path: Path) -> None:
    """The advice to name it is for those who did not."""
    words = ["import", str(SAMPLES / "microocpp.log"), "--report", str(tmp_path / "r")]
    assert "names no charger" in call(*words).output
    assert "names no charger" not in call(*words, "--charge-point-id", "mullein-7").output


def test_a_scaled_scenario_says_that_more_were_broken_than_are_kept(tmp_path: Path) -> None:
    """Sixty chargers of which each breaks the same: the report keeps the first findings only."""
    out = tmp_path / "out.yaml"
    words = ["--report", str(tmp_path / "r"), "--scenario", str(out), "--chargers", "60", "-q"]
    call("import", str(SAMPLES / "microocpp.log"), *words)
    done = call("run", str(out), "--virtual", "--report", str(tmp_path / "again"))
    assert done.exit_code == 0
    assert "C01 broken by 25 or more" in done.output


def test_a_wrapped_log_is_called_by_what_is_inside(tmp_path: Path) -> None:
    """JSON around the lines of mobilityhouse/ocpp."""
    done = call("import", str(SAMPLES / "mobilityhouse.jsonl"), "--report", str(tmp_path / "r"))
    assert "Read as mobilityhouse/ocpp, each line wrapped in JSON" in done.output


def test_an_interrupted_import_keeps_and_judges_what_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle: history, verdict and report of the first part, exit code 130."""
    beat = (
        'a: receive message [2,"{0}","Heartbeat",{{}}]\na: send [3,"{0}",{{"currentTime":"x"}}]\n'
    )
    log, folder = tmp_path / "a.log", tmp_path / "r"
    log.write_text("".join(beat.format(n) for n in range(6000)), encoding="utf-8")
    seen = 0

    def take(self: Reviewer, event: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == 2000:
            signal.raise_signal(signal.SIGINT)
        original(self, event)

    original = Reviewer.see
    monkeypatch.setattr(Reviewer, "see", take)
    before = signal.getsignal(signal.SIGINT)
    done = call("import", str(log), "--report", str(folder), "--json")
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is before
    assert done.exit_code == 130
    out = json.loads(done.stdout)
    assert (out["exit_code"], out["ending"]) == (130, "interrupted")
    assert 2000 <= out["counts"]["events"] < 12_000
    assert "Interrupted" in done.stderr
    again = call("judge", str(folder), "--json")
    assert (again.exit_code, json.loads(again.stdout)["counts"]) == (130, out["counts"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (\n", "line 1: SyntaxError"),
        ("\nraise SystemExit(3)\n", "line 2: SystemExit"),
        (
            """from harness.fieldlog.registry import Format, register
def read(lines):
    for number, text in lines:
        yield text.nothing
register(Format("mine", "ours", lambda text: 500, read))
""",
            "line 4: AttributeError",
        ),
    ],
)
def test_a_broken_importer_is_the_team_s_own(text: str, told: str, tmp_path: Path) -> None:
    """Its line is named, and nobody reads that firmdrill is defective."""
    mine = tmp_path / "mine.py"
    mine.write_text(text, encoding="utf-8")
    words = ["--importer", str(mine), "--report", str(tmp_path / "r")]
    try:
        done = call("import", str(SAMPLES / "steve.log"), *words)
    finally:
        FORMATS.pop("mine", None)
    assert done.exit_code == 2
    assert told in done.output
    assert "defect" not in done.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    """Exit code 2 and one sentence."""
    (tmp_path / "history.ndjson").symlink_to("/dev/full")
    done = call("import", str(SAMPLES / "steve.log"), "--report", str(tmp_path))
    assert done.exit_code == 2
    assert "cannot write to" in done.output


def test_progress_is_told_where_no_terminal_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line now and then; none if quiet."""
    monkeypatch.setattr(importing, "EVERY", 0.0)
    log = str(SAMPLES / "steve.log")
    assert "MB read" in call("import", log, "--report", str(tmp_path)).stderr
    assert "MB read" not in call("import", log, "--report", str(tmp_path), "-q").stderr


BLOCKS = """>>> CP 7
[2, "1",
 "Heartbeat", {}]
---
<<< CP 7
[3, "1", {"currentTime": "2026-01-01T00:00:00Z"}]
---
>>> CP 7
[2, "2", "Heartbeat"
---
"""
LINES = """2026-01-01T00:00:00Z [CP 7] RX [2,"1","Heartbeat",{}]
2026-01-01T00:00:01Z [CP 7] TX [3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]
2026-01-01T00:00:02Z [CP 7] RX [2,"2","Heartbeat"
"""


@pytest.mark.parametrize(("number", "log", "line"), [(0, LINES, 3), (1, BLOCKS, 8)])
def test_the_importers_of_the_docs_work_outside_the_package(
    number: int, log: str, line: int, tmp_path: Path
) -> None:
    """Copied from the page into a file of a team's own, another process, another folder."""
    page = Path(__file__).resolve().parents[3] / "docs" / "field-logs.md"
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len([line for line in code[number].splitlines() if line]) <= 30
    (tmp_path / "ours.py").write_text(code[number], encoding="utf-8")
    (tmp_path / "gateway.log").write_text(log, encoding="utf-8")
    words = ["import", "gateway.log", "--importer", "ours.py", "--report", "r"]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Read as our gateway's" in done.stdout
    assert f"line {line}: not JSON" in done.stdout
    assert "imported 2 of 3 frames, 1 charger, 1 session" in done.stdout


def test_a_scenario_takes_no_place_of_the_report(tmp_path: Path) -> None:
    """Exit 2, and the history that is there stays."""
    log = Path(__file__).parent / "samples" / "microocpp.log"
    (tmp_path / "history.ndjson").write_text("precious")
    words = ["--report", str(tmp_path), "--scenario", str(tmp_path / "history.ndjson")]
    result = CliRunner().invoke(main, ["import", str(log), *words])
    assert result.exit_code == 2
    assert "is a file of the report" in result.stderr
    assert (tmp_path / "history.ndjson").read_text() == "precious"
