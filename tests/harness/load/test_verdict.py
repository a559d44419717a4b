"""What comes of a load run that was not whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.history import Header, History
from harness.library import find
from harness.load import block
from harness.load.course import Ran
from harness.load.options import LoadOptions
from harness.load.remote import LostWorker, RemoteFleet
from harness.load.slices import SliceWriter
from harness.load.verdict import judge

if TYPE_CHECKING:
    from pathlib import Path


def slice_of(path: Path, *frames: tuple[str, list[Any]]) -> Path:
    """Write what one worker saw of charger CP."""
    history = History(Header(), keep=False)
    writer = SliceWriter(path, history)
    history.record(0.0, "charger:CP", "open", ref="CP#1", data={"subprotocol": "ocpp1.6"})
    for kind, frame in frames:
        name = "Heartbeat" if frame[0] == 3 else frame[2]
        history.record(1.0, "charger:CP", kind, name, ref=frame[1], data={"frame": frame})
    writer.close()
    return path


def test_by_an_incomplete_history_nobody_is_judged(tmp_path: Path) -> None:
    """What a lost worker saw might explain all: an error, figures, no accusation, nothing left."""
    sent = [2, "1", "Heartbeat", {"nonsense": True}]  # whoever is judged by it is guilty
    path = slice_of(tmp_path / "slice-001.ndjson", ("send", sent), ("recv", [3, "1", {}]))
    (tmp_path / "slice-002.ndjson").write_text("what the lost worker wrote", encoding="utf-8")
    options = LoadOptions(scenario=find("smoke").scenario, source="smoke", folder=tmp_path)
    ran = Ran(Header(), slices=[path], asked=2, booted=2, workers=2, problem="worker 1 is gone")
    ran.incomplete = True
    record = judge(ran, options)
    assert (record.verdict, record.exit_code) == ("ERROR", 3)
    assert record.reasons == ["worker 1 is gone"]
    assert record.figures.calls == 1
    assert record.review is None
    assert record.to_dict()["judgement"] is None
    assert not any("broken" in line for line in block.lines(record))
    assert not list(tmp_path.glob("slice-*"))
    slice_of(path, ("send", sent), ("recv", [3, "1", {}]))
    ran.incomplete = False
    whole = judge(ran, options)
    assert whole.review is not None
    assert whole.review.judgement.failed


@pytest.mark.asyncio
async def test_slices_are_gathered_from_the_workers_that_are_left(tmp_path: Path) -> None:
    """A worker that is gone is not asked; one that goes meanwhile is told of."""
    asked: list[tuple[str, str]] = []

    def send(worker: str, message: dict[str, Any]) -> None:
        asked.append((worker, message["do"]))
        if message["do"] == "end" and worker == "C":
            asyncio.get_running_loop().call_soon(fleet.lost, 2)
            return
        answer = {"number": message["number"], "path": str(tmp_path / worker)}
        asyncio.get_running_loop().call_soon(fleet.heard, "ABC".index(worker), answer)

    fleet = RemoteFleet(["A", "B"], send, lambda _number, _told: None)
    fleet.lost(0)
    assert await fleet.gather(tmp_path) == [tmp_path / "B"]
    assert asked == [("B", "end"), ("B", "slice")]
    fleet = RemoteFleet(["A", "B", "C"], send, lambda _number, _told: None)
    with pytest.raises(LostWorker, match="worker 2 is gone"):
        await fleet.gather(tmp_path)
