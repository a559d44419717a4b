"""Traces out and in again: valid, whole, and judged as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.fieldlog.trace import line, records
from harness.history import Event, Header, digest, encode
from harness.rehearsal import Rehearsal, rehearse
from simulator.scenario import load
from tests.harness.fieldlog.reading import SAMPLES, SHARED, Read, read

if TYPE_CHECKING:
    from collections.abc import Iterable

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
SCHEMA = SHARED / "open-ocpp-trace" / "trace-v1.schema.json"
DRILLS = ("smoke", "statuses-missing", "odd-answers", "broken-frames", "signed-update")


@pytest.fixture(scope="module")
def drills() -> dict[str, Rehearsal]:
    """A few drills with ordinary, broken and odd frames."""
    return {
        name: rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
        for name in DRILLS
    }


def written(folder: Path, header: Header, events: Iterable[Event]) -> Path:
    """Write a trace."""
    path = folder / "trace.jsonl"
    path.write_bytes(b"".join(line(record) for record in records(header, events)))
    return path


def verdicts(seen: Read) -> dict[str, tuple[str, int]]:
    """Return what became of the charger-side and wire properties."""
    return {
        result.requirement.id: (str(result.verdict), len(result.findings))
        for result in seen.review().judgement.results
        if result.requirement.id[0] in "CW"
    }


@pytest.mark.parametrize("name", DRILLS)
def test_a_drill_comes_back_as_it_was(
    name: str, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """Drill, trace, import: the same history, byte for byte, and so the same verdicts."""
    drill = drills[name]
    seen = read(written(tmp_path, drill.header, drill.history.events))
    assert not seen.problems
    assert digest(map(encode, seen.events)) == digest(map(encode, drill.history.events))
    assert seen.header == drill.header


@pytest.mark.parametrize("name", DRILLS)
def test_frames_alone_accuse_nobody_else(
    name: str, drills: dict[str, Rehearsal], tmp_path: Path
) -> None:
    """Without our `meta`, as another tool would pass it on, no new accusation appears."""
    drill = drills[name]
    path = written(tmp_path, drill.header, drill.history.events)
    bare = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    for record in bare:
        del record["meta"]
    path.write_text("".join(json.dumps(record) + "\n" for record in bare), encoding="utf-8")
    seen = read(path)
    assert len(seen.frames) == len(bare)
    known = {
        (result.requirement.id, str(finding.subject))
        for result in drill.judgement.results
        for finding in result.findings
    }
    assert seen.accused <= known


@pytest.mark.skipif(not SCHEMA.exists(), reason="the schema is not in ../shared/data")
@pytest.mark.parametrize("name", DRILLS)
def test_every_record_fits_the_schema(name: str, drills: dict[str, Rehearsal]) -> None:
    """Open OCPP Trace v1.1, as its own schema has it."""
    check = jsonschema_rs.validator_for(
        json.loads(SCHEMA.read_text(encoding="utf-8")), validate_formats=True
    )
    drill = drills[name]
    problems = [
        error.message
        for record in records(drill.header, drill.history.events)
        for error in check.iter_errors(record)
    ]
    assert not problems


def test_what_a_record_cannot_hold_goes_beside_it() -> None:
    """Frames of other types and texts that are no frames keep their place in the order."""

    def event(index: int, kind: str, data: dict[str, Any]) -> Event:
        return Event(index, float(index), "charger:a", kind, "", "1", data)

    events = [
        event(0, "send", {"text": "[2,"}),
        event(1, "send", {"frame": [2, "1", "Heartbeat", {}]}),
        event(2, "recv", {"frame": [5, "1", "InternalError", "", {}]}),
    ]
    (only,) = records(Header(), events)
    assert (only["messageType"], only["action"]) == ("CALL", "Heartbeat")
    kept = only["meta"]["firmdrill"]
    assert [one["data"] for one in kept["before"]] == [{"text": "[2,"}]
    assert kept["after"][0]["data"]["frame"][0] == 5


def test_the_command_exports_what_it_imported(tmp_path: Path) -> None:
    """A field log becomes a trace that imports to the same verdict."""
    runner = CliRunner()
    folder, out = tmp_path / "r", tmp_path / "out.jsonl"
    first = runner.invoke(
        main, ["import", str(SAMPLES / "microocpp.log"), "--report", str(folder), "-q"]
    )
    done = runner.invoke(main, ["export", str(folder), "-o", str(out)])
    assert (first.exit_code, done.exit_code, done.output) == (1, 0, "16 records\n")
    seen = read(out)
    assert seen.accused == {("C01", "charger")}
    assert len(seen.frames) == 16


@pytest.mark.skipif(not SCHEMA.exists(), reason="the traces are not in ../shared/data")
def test_public_traces_survive_the_round_trip(tmp_path: Path) -> None:
    """Import, export, import: the same frames and the same verdicts."""
    for path in sorted(SCHEMA.parent.glob("*.jsonl")):
        once = read(path)
        twice = read(written(tmp_path, once.header, once.events))
        assert twice.frames == once.frames
        assert verdicts(twice) == verdicts(once)


@pytest.mark.parametrize("time", [10**400, 1e300, -1, None, "x", [], 10**12])
@pytest.mark.parametrize("form", ["history", "open-ocpp-trace"])
def test_an_impossible_time_loses_no_frame(time: object, form: str, tmp_path: Path) -> None:
    """A drill's own record may be damaged, too: the frame is kept, at the time before."""
    header: dict[str, Any] = {"format": "firmdrill-history/1", "target": {"kind": "rehearsal"}}
    data = {"frame": [2, "1", "Heartbeat", {}]}
    event = {"time": 1, "source": "charger:c", "kind": "send", "name": "Heartbeat", "data": data}
    record = {
        "chargePointId": "c", "direction": "cp-to-csms", "messageType": "CALL", "action": "X",
        "raw": '[2,"1","Heartbeat",{}]',
    }  # fmt: skip
    kept = {"header": header, "time": 1, "before": [event]}
    first, second = {
        "history": (header, {**event, "time": time}),
        "open-ocpp-trace": (
            {**record, "meta": {"firmdrill": kept}},
            {**record, "meta": {"firmdrill": {"time": time}}},
        ),
    }[form]
    log = tmp_path / "a.jsonl"
    log.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n", encoding="utf-8")
    seen = read(log, form=form)
    assert len(seen.frames) == (1 if form == "history" else 3)
    again = written(tmp_path, seen.header, seen.events)
    assert len(read(again).frames) == len(seen.frames)


@pytest.mark.parametrize("started", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"])
def test_a_start_at_the_end_of_the_calendar_is_exported(started: str, tmp_path: Path) -> None:
    """No date says when such a frame was sent; the trace's own times still do."""
    header = Header(target={"kind": "rehearsal"}, started_at=started)
    data = {"frame": [2, "1", "Heartbeat", {}]}
    events = [Event(0, 1e6, "charger:c", "send", "Heartbeat", "1", data)]
    seen = read(written(tmp_path, header, events))
    assert [event.time for event in seen.events] == [1e6]
