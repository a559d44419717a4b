"""`firmdrill import`: what it says, what it refuses, how much memory it takes."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.fieldlog.files import LogFile, import_log
from harness.fieldlog.intake import Options
from harness.fieldlog.registry import FORMATS
from harness.review import Reviewer
from simulator.scenario import load
from tests.harness.fieldlog.reading import SAMPLES, read, read_text

if TYPE_CHECKING:
    from pathlib import Path

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
