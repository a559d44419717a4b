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
