"""What stands in a frame or a body is evidence: no value of it breaks the judge or a checker."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from harness import report as reports
from harness.cli.recordings import judged, recorded
from harness.history import encode
from harness.rehearsal import rehearse
from harness.review import review
from harness.verdict import Verdict
from simulator.scenario import load
from tests.harness.tell import Tale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.history import Event

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
ODD: list[Any] = [
    None,
    [],
    {},
    [[]],
    [{}],
    7,
    -1,
    True,
    "",
    "x",
    0.5,
    1e300,
    10**25,
    {"a": 1},
    "\ud800",
]
RUNS, AT_ONCE, REPORTED = 30, 30, 12


def spots(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield (*path, key)
        if isinstance(one, dict | list):
            yield from spots(one, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a value with another one at this path."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = put(copy[path[0]], path[1:], new)
    return copy


def twisted(events: list[Event], chance: random.Random) -> list[Event]:
    """Return the events with odd values in some frames of either side and answers of the CSMS."""
    where = {
        index: "frame" if "frame" in event.data else "body"
        for index, event in enumerate(events)
        if event.data.get("frame") or (event.kind != "invoke" and event.data.get("body"))
    }
    out = list(events)
    for index in chance.sample(sorted(where), min(AT_ONCE, len(where))):
        field, data = where[index], events[index].data
        path = chance.choice(list(spots(data[field])))
        data = {**data, field: put(data[field], path, chance.choice(ODD))}
        out[index] = msgspec.structs.replace(events[index], data=data)
    return out


@pytest.mark.parametrize("name", ["pause", "signed-update", "install-fails", "speaks-ocpp-1.6"])
def test_odd_values_anywhere_break_no_checker_and_no_report(name: str, tmp_path: Path) -> None:
    """A drill again and again, each time with other oddities."""
    drill = rehearse(load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"), name=name))
    chance = random.Random(f"hostile/{name}")
    kept = tmp_path / "history.ndjson"
    for number in range(RUNS):
        told = twisted(drill.history.events, chance)
        outcome = review(drill.header, told)
        broken = [r for r in outcome.judgement.results if r.verdict is Verdict.ERROR]
        assert [(r.requirement.id, r.note) for r in broken] == []
        if number % REPORTED == 0:
            kept.write_bytes(b"".join([encode(drill.header), *map(encode, told)]))
            reports.write(tmp_path, recorded(drill.header, outcome, kept, tmp_path))
            assert judged(kept).judgement is not None


@pytest.mark.parametrize("kind", [[2], {"a": 2}])
def test_a_message_type_that_is_no_number_is_garbage(kind: Any) -> None:
    """Not even its hash is asked for."""
    t = Tale()
    t.boot("A")
    t.event("charger:A", "send", frame=[kind, "x", "Heartbeat", {}])
    assert t.result("W01").verdict is Verdict.FAIL


def test_a_canary_stage_without_chargers_accuses_nobody() -> None:
    """Nobody in it failed."""
    t = Tale()
    t.boot("A", "B")
    rollout = t.create("AB")
    t.execute(rollout)
    for event in list(t.history.events):
        body = event.data.get("body")
        if isinstance(body, dict) and body.get("stages"):
            body["stages"][0]["chargers"] = []
    t.trigger(rollout, "B")
    assert t.result("R12").verdict is not Verdict.ERROR
    assert not t.result("R12").findings


def nested(levels: int) -> Any:
    """Return an array in an array, and so on."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("dialect", ["ocpp1.6", "ocpp2.0.1"])
def test_w01_judges_what_a_validator_cannot_take(dialect: str) -> None:
    """Depth without end where a schema allows anything, and text that is no Unicode."""
    t = Tale()
    t.boot("A", dialect=dialect)
    t.answer("A", t.call("A", "DataTransfer", {"vendorId": "V", "data": nested(280)}),
             {"status": "Accepted"})  # fmt: skip
    wanted = Verdict.FAIL if dialect == "ocpp1.6" else Verdict.PASS  # there it must be a text
    assert t.result("W01").verdict is wanted
    t = Tale()
    t.boot("A", dialect=dialect)
    t.call("A", "FirmwareStatusNotification", {"status": "\udfff"})
    assert "udfff" in t.result("W01").findings[0].witness.seen
