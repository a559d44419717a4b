"""Damaged logs: never a traceback, and never a frame that was not in the log.

Whatever is done to a log, every frame that comes out is one that went in, with the right way and
the right charger; what is missing is counted and said.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.fieldlog.registry import FORMATS
from harness.history import encode
from harness.history import read as read_history
from tests.harness.fieldlog.reading import SAMPLES, Read, read, read_text

ALL = sorted(path.name for path in SAMPLES.iterdir())
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
BYTES = {name: (SAMPLES / name).read_bytes() for name in ALL}
FORM = {name: read(SAMPLES / name).form for name in ALL}


def known(*names: str) -> set[tuple[str, str]]:
    """Return every frame of these samples, with its way."""
    return {
        (way, json.dumps(frame)) for name in names for way, frame in read(SAMPLES / name).frames
    }


KNOWN = {name: known(name) for name in ALL}
# A frame spread over lines can lose one and still be a whole array: nobody could tell.
SPREAD = {"everest.log", "everest.html", "citrineos.json"}
ONE_LINE = sorted(set(ALL) - SPREAD)
EVERY = set[tuple[str, str]]().union(*KNOWN.values())


def imported(data: bytes, form: str = "") -> Read | None:
    """Import bytes; None if nothing in them looks like OCPP."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read_text(Path(folder), data, form=form)
        except UsageError as error:
            said = str(error)
    assert said.startswith(("no line looks like", "cannot read", "the times of this log"))
    return None


def nothing_wrong(seen: Read | None, allowed: set[tuple[str, str]]) -> None:
    """Check that only known frames came, that the history is sound, and that it can be judged."""
    if seen is None:
        return
    for way, frame in seen.frames:
        assert (way, json.dumps(frame)) in allowed
    lines = [encode(seen.header), *map(encode, seen.events)]
    header, events = read_history(lines)
    assert (header, list(events)) == (seen.header, seen.events)
    assert seen.summary.frames == len(seen.frames)
    assert seen.summary.damaged <= len(seen.problems)
    assert not [r for r in seen.review().judgement.results if r.note.startswith("the checker")]


@QUICK
@given(name=st.sampled_from(sorted(SPREAD)), data=st.data())
def test_frames_spread_over_lines_that_are_lost(name: str, data: st.DataObject) -> None:
    """What can be told is told: no message gets another's id, and nothing crashes."""
    lines = BYTES[name].splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = lines[number][: data.draw(st.integers(0, len(lines[number])))]
    seen = imported(b"".join(lines), FORM[name])
    heads = {(way, frame[0], frame[1]) for way, frame in read(SAMPLES / name).frames}
    whole = {json.dumps(frame) for _, frame in read(SAMPLES / name).frames}
    for way, frame in seen.frames if seen else ():
        assert json.dumps(frame) in whole or (way, frame[0], frame[1][:3]) in heads or not frame[1]


@QUICK
@given(name=st.sampled_from(ONE_LINE), data=st.data())
def test_cut_lines(name: str, data: st.DataObject) -> None:
    """Lines lose their end or their beginning, anywhere."""
    lines = BYTES[name].splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        at = data.draw(st.integers(0, max(0, len(lines[number]) - 1)))
        keep = data.draw(st.sampled_from(["head", "tail", "joined"]))
        line = lines[number]
        lines[number] = {"head": line[:at] + b"\n", "tail": line[at:], "joined": line[:at]}[keep]
    nothing_wrong(imported(b"".join(lines), FORM[name]), KNOWN[name])


@QUICK
@given(name=st.sampled_from(ALL), data=st.data())
def test_wrong_bytes(name: str, data: st.DataObject) -> None:
    """Bytes that are no UTF-8 are never guessed at."""
    text = bytearray(BYTES[name])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + 1] = data.draw(st.sampled_from([b"\xff", b"\x80", b"\x80\x80", b"\xfe\xff"]))
    nothing_wrong(imported(bytes(text), FORM[name]), KNOWN[name])


@QUICK
@given(name=st.sampled_from(ALL), encoding=st.sampled_from(["utf-16", "utf-16-le", "utf-32"]))
def test_other_encodings(name: str, encoding: str) -> None:
    """UTF-16 with its mark is read whole; anything else gives nothing wrong."""
    seen = imported(BYTES[name].decode().encode(encoding))
    nothing_wrong(seen, KNOWN[name])
    if encoding == "utf-16":
        assert seen is not None
        assert len(seen.frames) == len(KNOWN[name])


@QUICK
@given(order=st.lists(st.sampled_from(ONE_LINE), min_size=2, max_size=4), data=st.data())
def test_mixed_formats(order: list[str], data: st.DataObject) -> None:
    """Pieces of several logs in one file: what is of another format is not taken for this one."""
    parts = []
    for name in order:
        lines = BYTES[name].splitlines(keepends=True)
        begin = data.draw(st.integers(0, len(lines) - 1))
        parts += lines[begin : begin + data.draw(st.integers(1, 12))]
    nothing_wrong(imported(b"".join(parts)), EVERY)


@QUICK
@given(name=st.sampled_from(["steve.log", "evcc.log", "mobilityhouse.log"]), data=st.data())
def test_clock_jumps(name: str, data: st.DataObject) -> None:
    """A clock that is set, to anything: time in the history never steps back."""
    lines = BYTES[name].decode().splitlines(keepends=True)
    number = data.draw(st.integers(0, len(lines) - 1))
    year = data.draw(st.sampled_from(["1970", "2038", "0001", "9999", "2026-13", "26"]))
    end = data.draw(st.integers(number, len(lines)))
    lines[number:end] = [line.replace("2026", year, 1) for line in lines[number:end]]
    seen = imported("".join(lines).encode(), FORM[name])
    nothing_wrong(seen, KNOWN[name])
    assert seen is not None
    times = [event.time for event in seen.events]
    assert times == sorted(times)


@QUICK
@given(name=st.sampled_from(ONE_LINE), data=st.data())
def test_lines_lost_doubled_and_swapped(name: str, data: st.DataObject) -> None:
    """A log that went through a spreadsheet."""
    lines = BYTES[name].splitlines(keepends=True)
    picked = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=2 * len(lines)))
    nothing_wrong(imported(b"".join(lines[number] for number in picked), FORM[name]), KNOWN[name])


@QUICK
@given(st.binary(max_size=400), st.sampled_from(["", *FORMATS]))
def test_anything_at_all(data: bytes, form: str) -> None:
    """Bytes without sense end in a sentence, whatever they are said to be."""
    nothing_wrong(imported(data, form), EVERY)


BRACKETS = st.text(alphabet='[]{}",:2346\\abc \n', max_size=300)


@QUICK
@given(BRACKETS, st.sampled_from(sorted(FORMATS)))
def test_what_looks_like_json(text: str, form: str) -> None:
    """Brackets and quotes in any order crash nothing."""
    seen = imported(text.encode(), form)
    assert seen is None or seen.summary.damaged <= len(seen.problems)


def test_a_deep_frame_is_refused(tmp_path: Path) -> None:
    """Nesting that would exhaust a parser is damage."""
    deep = "[" * 100_000 + "]" * 100_000
    text = f'[MO] Recv: [2,"a","DataTransfer",{{"data":{deep}}}]\n[MO] Recv: [3,"1",{{}}]\n'
    seen = read_text(tmp_path, text)
    assert len(seen.frames) == 1
    assert "not JSON" in seen.problems[0][1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('[MO] Send: [2,"9","Heartbeat",{]', "not JSON"),
        ('[MO] Send: [2,"9","Heart', "not JSON"),
        ('ead":1}]', "no line of MicroOcpp"),
        ('[2,"9","Heartbeat",{}]', "no line of MicroOcpp"),
        ('[MO] Send: [9,"9","Heartbeat",{}]', ""),
        ('[MO] Send: [2,9,"Heartbeat",{}]', "its message id is no string"),
    ],
)
def test_a_damaged_line_is_named(line: str, said: str, tmp_path: Path) -> None:
    """By its number, with what is wrong; the rest is imported."""
    text = BYTES["microocpp.log"].decode() + line + "\n"
    seen = read_text(tmp_path, text)
    assert len(seen.frames) == 16
    if said:
        assert seen.problems[-1][0] == text.count("\n")
        assert said in seen.problems[-1][1]
        assert seen.summary.sentence.startswith("imported 16 of 17 frames")
    else:
        assert not seen.problems


def test_a_call_in_the_wrong_direction_is_not_believed(tmp_path: Path) -> None:
    """A log that contradicts itself is reported, not turned round."""
    lines = [
        'a: receive message [2,"1","Heartbeat",{}]',
        'a: send [2,"2","BootNotification",{}]',
    ]
    seen = read_text(tmp_path, "\n".join(lines) + "\n")
    assert [frame[2] for _, frame in seen.frames] == ["Heartbeat"]
    assert "the other way round" in seen.problems[0][1]


def test_memory_is_bounded_by_the_queue(tmp_path: Path) -> None:
    """A log that never tells its version is passed on all the same, from some point on."""
    beat = (
        'a: receive message [2,"{0}","Heartbeat",{{}}]\na: send [3,"{0}",{{"currentTime":"x"}}]\n'
    )
    seen = read_text(tmp_path, "".join(beat.format(n) for n in range(6000)))
    assert len(seen.frames) == 12_000
    assert {e.data["subprotocol"] for e in seen.events if e.kind == "open"} == {""}


@pytest.mark.parametrize("number", ["1e999", "-1e400"])
def test_a_number_beyond_all_is_refused(number: str, tmp_path: Path) -> None:
    """It would be kept as null: a frame that nobody sent."""
    text = f'[MO] Recv: [2,"a","X",{{"data":{number}}}]\n[MO] Recv: [2,"b","Reset",{{}}]\n'
    seen = read_text(tmp_path, text)
    assert [frame[1] for _, frame in seen.frames] == ["b"]
    assert "too large a number" in seen.problems[0][1]


@pytest.mark.parametrize("form", ["microocpp", "open-ocpp-trace", "citrineos-json", "json-lines"])
def test_deep_but_readable_nesting_is_refused(form: str, tmp_path: Path) -> None:
    """What a parser still takes may be too deep for what comes after it: anonymising, judging."""
    deep = "[" * 400 + "]" * 400
    payload = f'{{"vendorId":"x","data":{deep}}}'
    frame = f'[2,"a","DataTransfer",{payload}]'
    line = {
        "microocpp": f"[MO] Send: {frame}",
        "open-ocpp-trace": '{"chargePointId":"c","direction":"cp-to-csms","messageType":"CALL",'
        f'"messageId":"a","action":"DataTransfer","payload":{payload}}}',
        "citrineos-json": f'{{"stationId":"c","correlationId":"a","message":{frame}}}',
        "json-lines": json.dumps({"message": f"[MO] Send: {frame}"}),
    }[form]
    seen = read_text(tmp_path, line + "\n", form=form)
    assert seen.frames == []
    assert "levels deep" in seen.problems[0][1]


def test_parts_of_records_that_have_no_hash(tmp_path: Path) -> None:
    """Lists and objects where names and numbers belong."""
    rows = [
        {"stationId": "a", "correlationId": "1", "message": [[2], "x", {}]},
        {
            "stationId": ["a"],
            "correlationId": {},
            "origin": [1],
            "protocol": {},
            "message": {"a": 1},
        },
        {"stationId": "a", "correlationId": "1", "message": [2, "1", "Heartbeat", {}]},
    ]
    seen = read_text(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
    assert [frame[1] for _, frame in seen.frames] == ["1"]
    assert len(seen.problems) == 2
    record = {"chargePointId": "c", "direction": "csms-to-cp", "messageType": "CALL"}
    raw = [{**record, "raw": text} for text in ('[[2],"x","Y",{}]', '[2,"1","Reset",{}]')]
    seen = read_text(tmp_path, "".join(json.dumps(one) + "\n" for one in raw))
    assert [frame[1] for _, frame in seen.frames] == ["1"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_wide_letters_without_a_mark_are_known(encoding: str, packed: bool, tmp_path: Path) -> None:
    """As Windows tools write them, packed or not."""
    data = BYTES["steve.log"].decode().encode(encoding)
    seen = read_text(tmp_path, gzip.compress(data) if packed else data)
    assert len(seen.frames) == len(KNOWN["steve.log"])


def test_a_packed_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """What came before the end is evidence; that there is no end is said."""
    beat = (
        'a: receive message [2,"{0}","Heartbeat",{{}}]\na: send [3,"{0}",{{"currentTime":"x"}}]\n'
    )
    text = "".join(beat.format(hash(n * n)) for n in range(20_000)).encode()
    seen = read_text(tmp_path, gzip.compress(text)[:-4000])
    assert len(seen.frames) > 10_000
    assert "breaks off" in seen.problems[-1][1]


@pytest.mark.parametrize("name", ["mobilityhouse.log", "table.csv", "steve.log"])
def test_a_short_log_that_runs_backwards_is_refused(name: str, tmp_path: Path) -> None:
    """However few its lines are and however close together: answers would precede questions."""
    first, *rest = BYTES[name].decode().splitlines(keepends=True)
    head, rest = (first, rest) if name.endswith(".csv") else ("", [first, *rest])
    rest = [line for line in rest if "[" in line][:8]
    with pytest.raises(UsageError, match="backwards"):
        read_text(tmp_path, head + "".join(reversed(rest)))


def test_a_table_s_header_in_the_middle_of_a_log_changes_nothing(tmp_path: Path) -> None:
    """A debug line that happens to be called like columns."""
    lines = BYTES["steve.log"].decode().splitlines(keepends=True)
    lines.insert(6, "time, id, message\n")
    seen = read_text(tmp_path, "".join(lines))
    assert seen.form == "steve"
    assert len(seen.frames) == len(KNOWN["steve.log"])


def test_much_noise_before_the_first_message(tmp_path: Path) -> None:
    """A service may run for days before a charger connects."""
    noise = "2026-03-14 20:00:00 nothing to see here\n" * 45_000
    seen = read_text(tmp_path, noise.encode() + BYTES["steve.log"])
    assert len(seen.frames) == len(KNOWN["steve.log"])
    assert seen.events[-2].data["line"] > 45_000


@pytest.mark.parametrize("name", ["citrineos.json", "everest.html", "frames.txt"])
def test_a_log_in_one_line_is_read_in_linear_time(name: str, tmp_path: Path) -> None:
    """Dumps come without line ends; four times the text takes about four times as long."""

    def seconds(times: int) -> float:
        text = BYTES[name].decode().replace("\n", " ").strip().strip("[]") if name.endswith(
            ".json") else BYTES[name].decode().replace("\n", " ")  # fmt: skip
        begin = time.process_time()
        read_text(tmp_path, (text + " ") * times)
        return time.process_time() - begin

    seconds(1)
    few, many = seconds(400), seconds(1600)
    assert many < 8 * few


def test_a_row_of_a_page_that_lost_its_beginning_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a whole row follows in the same line, and where a line is read in parts."""
    monkeypatch.setattr("harness.fieldlog.files.LONGEST", 4 << 20)
    rows = BYTES["everest.html"].decode().replace("\n", " ")
    whole = rows.count("<tr class=")
    cut = rows.replace('<tr class="', "<tr cl", 1)
    seen = read_text(tmp_path, cut + "\n", form="everest-html")
    assert (len(seen.frames), seen.summary.damaged) == (len(KNOWN["everest.html"]) - 1, 1)
    days = (date(2026, 3, 14) + timedelta(days=n) for n in range(1200))
    nights = "".join(rows.replace("2026-03-14", str(day)) for day in days)
    many = read_text(tmp_path, nights, form="everest-html")
    assert many.summary.frames + many.summary.damaged >= 1200 * (whole - 1)
    assert 0 < many.summary.damaged < 10
