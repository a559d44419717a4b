"""Every format: recognised by itself, and read to the same story."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.errors import UsageError
from harness.fieldlog.files import BUILT_IN
from harness.fieldlog.registry import FORMATS, line_format
from tests.harness.fieldlog.reading import SAMPLES, SHARED, read, read_text

if TYPE_CHECKING:
    from pathlib import Path

STORY = {
    "steve.log": "steve",
    "everest.log": "everest",
    "everest.html": "everest-html",
    "mobilityhouse.log": "mobilityhouse",
    "mobilityhouse.jsonl": "json-lines",
    "evcc.log": "evcc",
    "ocpp-go.log": "ocpp-go",
    "citrineos.csv": "citrineos-csv",
    "citrineos.json": "citrineos-json",
    "table.csv": "csv",
    "frames.txt": "frames",
    "tshark.txt": "tshark",
    "trace.jsonl": "open-ocpp-trace",
}
NAMELESS = {"everest.log", "everest.html", "frames.txt", "tshark.txt"}
TRACES = sorted((SHARED / "open-ocpp-trace").glob("*.jsonl"))
MICRO = SHARED / "field-logs" / "microocpp-issue-261.log"


@pytest.mark.parametrize("name", STORY)
def test_a_format_is_recognised_by_itself(name: str) -> None:
    """Nobody has to say in which format a log is written."""
    assert read(SAMPLES / name).form == STORY[name]


@pytest.mark.parametrize("name", STORY)
def test_every_format_tells_the_same_story(name: str) -> None:
    """Frames, their ways, the actions of the answers: all as in the trace, which says them all."""
    expected = read(SAMPLES / "trace.jsonl")
    seen = read(SAMPLES / name, charger="K7-00412" if name in NAMELESS else "")
    assert seen.frames == expected.frames
    assert seen.chargers == ["K7-00412"]
    assert seen.summary.sentence == "imported 16 of 16 frames, 1 charger, 2 sessions"
    assert not seen.problems
    names = [event.name for event in seen.events if event.kind in {"send", "recv"}]
    assert names[5] == "UpdateFirmware"
    assert "" not in names
    assert {e.data["subprotocol"] for e in seen.events if e.kind == "open"} == {"ocpp1.6"}


@pytest.mark.parametrize("name", sorted(STORY.keys() - {"frames.txt"}))
def test_times_are_those_of_the_log(name: str) -> None:
    """The last frame comes as long after the first as the log says."""
    seen = read(SAMPLES / name)
    times = [event.time for event in seen.events if event.kind in {"send", "recv"}]
    assert times[-1] - times[0] == pytest.approx(151.1, abs=1.0)
    assert seen.header.started_at.startswith(("2026-03-14T22:00:00", "2026-03-14T21:59:59"))


def test_a_log_of_the_charger_without_times_or_ids() -> None:
    """MicroOcpp: the side is in the format, times come from the messages, a name from the user."""
    seen = read(SAMPLES / "microocpp.log", charger="mullein-7")
    assert seen.form == "microocpp"
    assert seen.chargers == ["mullein-7"]
    assert seen.summary.clock == "messages"
    assert seen.summary.sentence == "imported 16 of 16 frames, 1 charger, 2 sessions"
    assert seen.frames[4][0] == "recv"


@pytest.mark.parametrize("name", ["steve.log", "evcc.log", "ocpp-go.log", "mobilityhouse.log"])
def test_any_log_by_lines_may_come_wrapped(name: str, tmp_path: Path) -> None:
    """As Docker keeps it: each line a JSON object, with a time of its own."""
    lines = (SAMPLES / name).read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(
        json.dumps({"log": line, "stream": "stdout", "time": f"2026-03-14T22:{n:02}:00.000Z"})
        + "\n"
        for n, line in enumerate(lines)
    )
    seen = read_text(tmp_path, text)
    assert seen.form == "json-lines"
    assert seen.frames == read(SAMPLES / name).frames
    assert seen.events[-1].time > 600


def test_a_frame_inside_a_quoted_text(tmp_path: Path) -> None:
    """Logrus and its kin quote what they log; a cut leaves nothing that could be taken for it."""
    line = (
        'time="2026-03-01T10:00:00Z" level=debug msg="sent JSON message to server: '
        '[2,\\"a\\",\\"Heartbeat\\",{}]" logger=ocppj\n'
    )
    seen = read_text(tmp_path, line + line[: line.index("beat")] + "\n")
    assert seen.frames == [("send", [2, "a", "Heartbeat", {}])]
    assert seen.summary.damaged == 1


def test_streams_of_a_capture_are_chargers_until_one_is_named() -> None:
    """Two TCP streams may be two chargers: only the user knows."""
    assert read(SAMPLES / "tshark.txt").chargers == ["charger-4", "charger-9"]


def test_the_side_is_found_from_the_first_call(tmp_path: Path) -> None:
    """The same lines from a charger's logger mean the opposite."""
    lines = (
        'INFO:ocpp:CP_1: send [2,"1","BootNotification",{"chargePointVendor":"a",'
        '"chargePointModel":"b"}]\n'
        'INFO:ocpp:CP_1: receive message [3,"1",{"status":"Accepted","interval":1,'
        '"currentTime":"2026-01-01T00:00:00Z"}]\n'
    )
    seen = read_text(tmp_path, lines)
    assert seen.summary.side == "charger"
    assert [way for way, _ in seen.frames] == ["send", "recv"]


def test_answers_before_the_first_telling_call_wait_for_it(tmp_path: Path) -> None:
    """A log that begins with an answer is turned the right way round all the same."""
    lines = (
        'x: receive message [3,"0",{}]\n'
        'x: receive message [2,"1","DataTransfer",{"vendorId":"v"}]\n'
        'x: send [3,"1",{"status":"Accepted"}]\n'
        'x: receive message [2,"2","StartTransaction",{"connectorId":1,"idTag":"t",'
        '"meterStart":0,"timestamp":"2026-01-01T00:00:00Z"}]\n'
    )
    seen = read_text(tmp_path, lines)
    assert [way for way, _ in seen.frames] == ["send", "send", "recv", "send"]


def test_times_without_a_zone_are_read_in_the_one_given(tmp_path: Path) -> None:
    """SteVe logs local time."""
    from harness.fieldlog.moments import zone  # noqa: PLC0415

    seen = read(SAMPLES / "steve.log", zone=zone("+02:00"))
    assert seen.header.started_at.startswith("2026-03-14T19:59:59")
    assert read(SAMPLES / "everest.log", zone=zone("+02:00")).header.started_at.startswith(
        "2026-03-14T22:00:00"
    )
    del tmp_path


def test_a_team_registers_a_format_of_its_own(tmp_path: Path) -> None:
    """One call makes an importer, and it wins over the general ones."""
    line_format(
        "ours", "our gateway's log", r"(?P<when>\S+) \[(?P<id>[^\]]+)\] (?P<way>TX|RX) ",
        ways={"TX": "recv", "RX": "send"},
    )  # fmt: skip
    try:
        seen = read_text(
            tmp_path,
            '2026-01-01T00:00:00Z [box] RX [2,"1","Heartbeat",{}]\n'
            '2026-01-01T00:00:01Z [box] TX [3,"1",{"currentTime":"2026-01-01T00:00:01Z"}]\n',
        )
    finally:
        del FORMATS["ours"]
    assert seen.form == "ours"
    assert seen.chargers == ["box"]
    assert [way for way, _ in seen.frames] == ["send", "recv"]


def test_a_file_without_ocpp_says_what_was_looked_for(tmp_path: Path) -> None:
    """The message names the formats, and how to choose one."""
    with pytest.raises(UsageError, match="--format"):
        read_text(tmp_path, "nothing\nto see\n")
    assert BUILT_IN


@pytest.mark.parametrize("path", TRACES or [None], ids=lambda p: p.stem if p else "absent")
def test_public_traces_are_read_whole(path: Path | None) -> None:
    """Real data: the fixtures of Open OCPP Trace; nothing is lost."""
    if path is None:
        pytest.skip("the public traces are not beside this checkout (../shared/data)")
    seen = read(path)
    count = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())
    assert seen.form == "open-ocpp-trace"
    assert (len(seen.frames), seen.problems) == (count, [])


@pytest.mark.skipif(not MICRO.exists(), reason="the public log is not in ../shared/data")
def test_the_public_microocpp_log_is_read_whole() -> None:
    """Real data: frames among debug lines, without times or ids."""
    seen = read(MICRO)
    assert (len(seen.frames), seen.problems, seen.form) == (4, [], "microocpp")
    assert seen.frames[0][1][2] == "UpdateFirmware"
