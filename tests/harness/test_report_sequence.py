"""The sequence picture: an arrow a frame, what a finding shows is marked, nothing is executed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli import main
from harness.history import Event
from harness.report.sequence import MOST, arrow_of, sequences
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
from tests.harness.fieldlog.reading import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

from click.testing import CliRunner


def beat(index: int) -> Event:
    """Return a heartbeat."""
    frame = [2, str(index), "Heartbeat", {}]
    return Event(index, float(index), "charger:a", "send", "Heartbeat", "", {"frame": frame})


def accusing(index: int) -> Judgement:
    """Return a judgement with one finding at an event."""
    rule = Requirement("C01", "t", "s", "o")
    witness = Witness("x", "y", (Step(index, 0.0, "charger:a", ""),))
    finding = Finding("C01", Grade.VIOLATES, Subject.CHARGER, "a", witness, "a")
    return Judgement(Verdict.FAIL, (Result(rule, Verdict.FAIL, 1, (finding,)),))


def test_what_a_finding_shows_is_kept_of_a_long_conversation() -> None:
    """The thousandth frame is in the picture, with some before and after it."""
    (drawn,) = sequences(map(beat, range(2000)), {"a": "why"}, accusing(1000))
    assert [arrow.time for arrow in drawn.arrows if arrow.accused] == [1000.0]
    assert len(drawn.arrows) < MOST
    assert drawn.skipped + len(drawn.arrows) > 1000


def test_without_a_finding_the_beginning_is_drawn() -> None:
    """Someone who was not accused is shown from the start."""
    (drawn,) = sequences(map(beat, range(500)), {"a": ""}, None)
    assert len(drawn.arrows) == MOST
    assert drawn.skipped == 500 - MOST


def test_a_label_says_the_status_of_a_frame() -> None:
    """A reader need not open the frame."""
    frame = [2, "1", "FirmwareStatusNotification", {"status": "Installed"}]
    event = Event(1, 0.0, "charger:a", "send", "FirmwareStatusNotification", "1",
                  {"frame": frame, "line": 7})  # fmt: skip
    arrow = arrow_of(event)
    assert arrow is not None
    assert (arrow.label, arrow.line) == ("FirmwareStatusNotification Installed", 7)


def test_the_report_of_an_import_holds_a_picture_a_charger(tmp_path: Path) -> None:
    """The command writes it, the accused arrows marked."""
    done = CliRunner().invoke(
        main, ["import", str(SAMPLES / "microocpp.log"), "--report", str(tmp_path / "r")]
    )
    assert done.exit_code == 1
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="sequence"') == 1
    assert page.count(" accused") >= 2
    assert "UpdateFirmware https://images.example.org/hedgerow/mullein-1.9.0.bin" in page
    assert "imported 16 of 16 frames, 1 charger, 2 sessions" in done.output
