"""Reports say what happened, survive hostile text and never show a failure as a pass."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from harness.history import encode
from harness.rehearsal import Rehearsal, rehearse
from harness.report import console, write
from harness.report.picture import picture
from harness.run_record import Counts, Ending, ExitCode, Expectation, RunRecord
from harness.verdict import (
    Finding,
    Grade,
    Judgement,
    Requirement,
    Result,
    Step,
    Subject,
    Verdict,
    Witness,
)
from simulator.scenario import load

HOSTILE = "<script>alert(1)</script>\x1b[2J\x00]]>&\"'"
SMOKE = Path(__file__).parents[2] / "scenarios" / "smoke.yaml"


@pytest.fixture(scope="module")
def smoke() -> Rehearsal:
    """One small drill, rehearsed once for all tests here."""
    return rehearse(load(SMOKE.read_text(encoding="utf-8")))


def record(folder: Path, smoke: Rehearsal, **changes: Any) -> RunRecord:
    """Return the record of the small drill, its history written down."""
    history = folder / "history.ndjson"
    events = b"".join(encode(event) for event in smoke.history.events)
    history.write_bytes(encode(smoke.header) + events)
    plain = RunRecord(
        scenario={"name": "smoke", "proves": "it works", "file": "smoke"},
        seed=7,
        ending=Ending.COMPLETED,
        exit_code=ExitCode.PASSED,
        verdict="PASS",
        reproduce="firmdrill run smoke --seed 7",
        header=smoke.header,
        history=history,
        judgement=smoke.judgement,
        counts=Counts(chargers=10, triggered=10, installed=10),
        rollouts=smoke.drill.rollouts(),
        folder=folder,
    )
    return replace(plain, **changes)


def broken(text: str) -> Judgement:
    """Return a judgement with one failure whose every text is `text`."""
    requirement = Requirement("R18", "Silence", "Nothing is triggered.", "API, pause")
    steps = tuple(Step(i, float(i), f"charger:{text}", text) for i in range(3))
    finding = Finding("R18", Grade.VIOLATES, Subject.CSMS, text, Witness(text, text, steps), text)
    results = (Result(requirement, Verdict.FAIL, 3, (finding,)),)
    return Judgement(Verdict.FAIL, results, events=3)


def said(run: RunRecord) -> str:
    """Return the verdict block as plain text."""
    out = io.StringIO()
    console(run, Console(file=out, width=120, force_terminal=False))
    return out.getvalue()


def test_the_folder_holds_all_three_reports(tmp_path: Path, smoke: Rehearsal) -> None:
    """HTML for people, JSON for programs, JUnit for CI."""
    write(tmp_path / "new" / "folder", record(tmp_path, smoke))
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"report.html", "report.json", "junit.xml"}


def test_the_page_is_one_file_that_loads_nothing(tmp_path: Path, smoke: Rehearsal) -> None:
    """No address, no import, and a policy that forbids both."""
    write(tmp_path, record(tmp_path, smoke))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)\s*=|@import|url\(", page)
    assert "PASS" in page


def test_the_picture_shows_the_pause_and_every_charger(tmp_path: Path, smoke: Rehearsal) -> None:
    """The drawing is made of what happened: ten chargers, one pause, one failed download."""
    seen = picture(record(tmp_path, smoke))
    assert len(seen.pauses) == 1
    assert seen.pauses[0][0] < seen.pauses[0][1]
    assert {sum(counts) for _, counts in seen.samples} == {10}
    assert seen.samples[-1][1][5] == 10  # all installed
    assert {row.name for row in seen.latencies} >= {"REST pause", "CSMS answers BootNotification"}
    assert all(row.p50 <= row.p95 <= row.p99 <= row.worst for row in seen.latencies)


def test_hostile_text_stays_text_in_html(tmp_path: Path, smoke: Rehearsal) -> None:
    """A charger's name cannot become markup."""
    run = record(tmp_path, smoke, judgement=broken(HOSTILE), verdict="FAIL",
                 scenario={"name": HOSTILE, "proves": HOSTILE, "file": "x"})  # fmt: skip
    write(tmp_path, run)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_hostile_text_is_still_xml(tmp_path: Path, smoke: Rehearsal) -> None:
    """JUnit stays well-formed and counts its failure, whatever a charger said."""
    run = record(tmp_path, smoke, judgement=broken(HOSTILE), verdict="FAIL")
    write(tmp_path, run)
    suite = ET.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8"))[0]  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find(".//failure")
    assert failure is not None
    assert "alert(1)" in (failure.text or "")


def test_hostile_text_cannot_steer_the_terminal(tmp_path: Path, smoke: Rehearsal) -> None:
    """No escape sequence of a charger reaches the screen."""
    text = said(record(tmp_path, smoke, judgement=broken(HOSTILE), verdict="FAIL"))
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "FAIL R18" in text


def test_properties_tested_as_planned_share_a_line(tmp_path: Path, smoke: Rehearsal) -> None:
    """Twenty lines that say the same hide the one that does not."""
    planned = tuple(
        Expectation("exercises", name, "it was", met=name != "R09", inconclusive=name == "R09")
        for name in ("R01", "R09", "R18")
    )
    write(tmp_path, record(tmp_path, smoke, expectations=planned))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>R01, R18</td><td>put to the test</td>" in page
    assert '<td>exercises</td><td>R09</td><td>it was</td><td class="v-FAIL">missed</td>' in page


def test_every_verdict_has_its_place_in_junit(tmp_path: Path, smoke: Rehearsal) -> None:
    """Failures fail, errors err, the unexercised is skipped, and only a pass passes."""
    requirement = Requirement("X", "x", "x.", "x")
    results = tuple(Result(requirement, verdict, 0) for verdict in Verdict)
    judgement = Judgement(Verdict.FAIL, results)
    missed = (Expectation("rollout", "completed", "paused", met=False),)
    write(tmp_path, record(tmp_path, smoke, judgement=judgement, expectations=missed))
    suite = ET.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8"))[0]  # noqa: S314
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "7", "failures": "2", "errors": "1", "skipped": "2"}


def test_json_says_passed_only_for_a_pass(tmp_path: Path, smoke: Rehearsal) -> None:
    """`passed` follows the exit code, and latencies and pauses are numbers."""
    for code in ExitCode:
        write(tmp_path, record(tmp_path, smoke, exit_code=code))
        body = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
        assert body["passed"] is (code is ExitCode.PASSED)
        assert body["latencies"]["REST pause"]["count"] == 1
        assert len(body["pauses"]) == 1


def test_the_block_ends_with_what_to_do_next(tmp_path: Path, smoke: Rehearsal) -> None:
    """Verdict, counts, seed, report and one copyable command are the last lines."""
    lines = said(record(tmp_path, smoke)).strip().splitlines()
    assert [line.split()[0] for line in lines] == [
        "verdict", "properties", "chargers", "took", "report", "reproduce",
    ]  # fmt: skip
    assert "seed 7" in lines[3]
    assert lines[5].endswith("firmdrill run smoke --seed 7")


def test_a_run_that_never_was_still_gives_a_report(tmp_path: Path) -> None:
    """Without history or judgement the reports say why nothing ran."""
    run = RunRecord(
        scenario={"name": "x", "proves": "", "file": "x"},
        seed=1,
        ending=Ending.NOT_STARTED,
        exit_code=ExitCode.NOT_RUN,
        verdict="ERROR",
        reproduce="firmdrill run x",
        problem="nobody listens at ws://127.0.0.1:1/ocpp",
        folder=tmp_path,
    )
    write(tmp_path, run)
    assert "nobody listens" in (tmp_path / "report.html").read_text(encoding="utf-8")
    suite = ET.fromstring((tmp_path / "junit.xml").read_text(encoding="utf-8"))[0]  # noqa: S314
    assert suite.get("errors") == "1"
    assert "nobody listens" in said(run)


def test_long_stories_are_shortened_and_say_so(tmp_path: Path, smoke: Rehearsal) -> None:
    """The page of a large drill stays readable: lanes and frames are limited, and counted."""
    run = record(tmp_path, smoke, judgement=broken("CP"))
    seen = picture(run)
    assert all(len(lane.frames) <= 120 for lane in seen.lanes)
    write(tmp_path, run)
    assert (tmp_path / "report.html").stat().st_size < 500_000
