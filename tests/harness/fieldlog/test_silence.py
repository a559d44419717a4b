"""Frames in odd places: taken or reported, never lost in silence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.fieldlog.registry import FORMATS
from tests.harness.fieldlog.reading import SAMPLES, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.fieldlog.values import Line

ASKED = '[2,"1","Heartbeat",{}]'
TOLD = '[3,"1",{"currentTime":"2026-03-14T22:00:01Z"}]'
PAGE = (
    '<tr class="a"> <td>2026-03-14T22:00:00Z</td> <td>ChargePoint&gt;CentralSystem</td> '
    '<td></td> <td><pre lang="json">[\n'
)
STEVE = (SAMPLES / "steve.log").read_bytes()


def test_zeros_at_the_end_of_a_table_are_no_row(tmp_path: Path) -> None:
    """A power cut leaves a block of them."""
    seen = read_text(tmp_path, (SAMPLES / "table.csv").read_bytes() + b"\0" * 4096)
    assert (len(seen.frames), seen.summary.damaged) == (16, 0)


def test_two_frames_with_times_in_one_line(tmp_path: Path) -> None:
    """A line end was lost: the second frame must not swallow the first."""
    lines = "".join(
        f"2026-03-14T22:0{n}:00Z [MO] Send: {ASKED} 2026-03-14T22:0{n}:01Z [MO] Recv: {TOLD}\n"
        for n in range(3)
    )
    assert len(read_text(tmp_path, lines, form="microocpp").frames) == 6


@pytest.mark.parametrize("first", ["", f"[MO] Send: {ASKED} "])
def test_a_frame_before_another_that_nobody_claims_is_reported(first: str, tmp_path: Path) -> None:
    """What stood before it was damaged, but the frame was there."""
    seen = read_text(tmp_path, f"{first}[MO Recv: {TOLD} [MO] Send: {ASKED}\n", form="microocpp")
    assert len(seen.frames) == (2 if first else 1)
    assert seen.summary.damaged == 1
    assert "second frame" in seen.problems[0][1]


@pytest.mark.parametrize("key", ["message", "msg", "event", "log"])
def test_bare_frames_wrapped_in_json(key: str, tmp_path: Path) -> None:
    """No logger's words around them: they are frames all the same."""
    lines = "".join(
        json.dumps({"time": f"2026-03-14T22:00:0{n}Z", key: text}) + "\n"
        for n, text in enumerate((ASKED, TOLD, f"got {ASKED} from K7"))
    )
    seen = read_text(tmp_path, lines)
    assert seen.form == "json-lines"
    assert len(seen.frames) == 3
    assert seen.summary.clock == "log"


def test_an_empty_time_of_the_wrapping_leaves_that_of_the_line(tmp_path: Path) -> None:
    """Some loggers fill the field in only at times."""
    lines = "".join(
        json.dumps({"time": "", "log": line}) + "\n" for line in STEVE.decode().splitlines()
    )
    assert read_text(tmp_path, lines).summary.clock == "log"


def test_a_cell_longer_than_python_expects(tmp_path: Path) -> None:
    """A report of all variables has more than the 128 KiB that a cell may have by default."""
    long = '[2,""1"",""DataTransfer"",{""vendorId"":""x"",""data"":""' + "y" * 200_000 + '""}]'
    seen = read_text(tmp_path, f'time,id,direction,message\n2026-03-14T22:00:00Z,K7,cs,"{long}"\n')
    assert (len(seen.frames), seen.problems) == (1, [])


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("everest", "2026-03-14T22:00:00.000Z: ChargePoint>CentralSystem Heartbeat\n"),
        ("everest-html", PAGE),
        ("csv", 'time,id,message\n2026,a,"[2,\n'),
    ],
)
def test_a_message_without_an_end_is_given_up(form: str, first: str) -> None:
    """Its lines may be megabytes long each: not as many as a message may have lines."""
    taken = 0

    def lines() -> Iterator[Line]:
        nonlocal taken
        yield from enumerate(first.splitlines(keepends=True), start=1)
        for taken in range(3, 150):
            yield taken, "x" * 1_000_000

    pieces = FORMATS[form].read(lines())
    assert next(pieces).problem
    assert taken < 10
