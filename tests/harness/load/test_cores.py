"""The plain parts of a load run: samples, histograms, figures, thresholds, shares, slices."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.history import Event, Header, History
from harness.library import find
from harness.load import news
from harness.load.clock import offset
from harness.load.figures import Figures
from harness.load.histogram import Histogram
from harness.load.latency import Sample, Timer, carry
from harness.load.partition import scaled, shares
from harness.load.slices import SliceWriter, merged
from harness.load.thresholds import measured
from harness.load.usage import Use, warning
from harness.progress import Progress
from simulator.scenario_load import Threshold

if TYPE_CHECKING:
    from pathlib import Path

TIMES = st.lists(st.floats(min_value=1e-4, max_value=100.0), min_size=1, max_size=200)


def event(time: float, kind: str, name: str = "", ref: str = "", **data: object) -> Event:
    """Return an event of charger CP."""
    return Event(0, time, "charger:CP", kind, name, ref, dict(data))


@given(TIMES, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_right_within_its_buckets(times: list[float], share: float) -> None:
    """A bucket is 3 % wide, whatever the samples are."""
    histogram = Histogram()
    for one in times:
        histogram.add(one)
    exact = sorted(times)[-(-int(share * 1000) * len(times) // 1000) - 1]
    assert histogram.percentile(share) == pytest.approx(exact, rel=0.031)
    assert histogram.mean == pytest.approx(statistics.fmean(times))


@given(TIMES, TIMES)
def test_merging_histograms_is_as_if_one_had_seen_everything(
    first: list[float], second: list[float]
) -> None:
    """So percentiles of all workers together are no mean of percentiles."""
    one, other, both = Histogram(), Histogram(), Histogram()
    for histogram, times in ((one, first), (other, second), (both, [*first, *second])):
        for time in times:
            histogram.add(time)
    one.merge(other)
    assert (one.buckets, one.count, one.longest) == (both.buckets, both.count, both.longest)


def test_calls_of_both_directions_connects_and_boots_are_timed() -> None:
    """Each from its own beginning to its own end, at the charger's socket."""
    timer = Timer()
    accepted = [3, "1", {"status": "Accepted"}]
    story = [
        event(1.0, "note", "connecting"),
        event(1.5, "open"),
        event(2.0, "send", "BootNotification", "1", frame=[2, "1", "BootNotification", {}]),
        event(2.25, "recv", "BootNotification", "1", frame=accepted),
        event(3.0, "recv", "UpdateFirmware", "7", frame=[2, "7", "UpdateFirmware", {}]),
        event(3.5, "send", "UpdateFirmware", "7", frame=[3, "7", {}]),
        event(4.0, "send", "Heartbeat", "2", frame=[2, "2", "Heartbeat", {}]),
        event(4.5, "close"),
    ]
    found = [sample for one in story for sample in timer.see(one)]
    assert [(s.type, s.name, s.seconds, s.error) for s in found] == [
        ("time", "connect", 0.5, ""),
        ("OCPP call", "BootNotification", 0.25, ""),
        ("time", "boot", 1.25, ""),
        ("OCPP command", "UpdateFirmware", 0.5, ""),
        ("OCPP call", "Heartbeat", 0.5, "closed before the answer"),
    ]


def test_figures_know_pauses_and_how_long_a_dispatch_took() -> None:
    """A window from the answered pause to the next execute-stage; dispatch from the latter."""
    figures = Figures(1)
    operator = [
        Event(0, 1.0, "operator", "invoke", "execute_stage", "op-1", {"rollout": "r"}),
        Event(1, 2.0, "operator", "ok", "pause", "op-2", {"body": {"rollout_id": "r"}}),
        Event(2, 5.0, "operator", "invoke", "execute_stage", "op-3", {"rollout": "r"}),
    ]
    frame = [2, "7", "UpdateFirmware", {}]
    for one in (*operator, event(5.5, "recv", "UpdateFirmware", "7", frame=frame)):
        figures.see(one)
    figures.end()
    assert [(w.kind, w.began, w.ended) for w in figures.windows] == [("pause", 2.0, 5.0)]
    assert figures.named("dispatch").longest == pytest.approx(0.5)


def test_a_carried_sample_comes_back_as_it_was() -> None:
    """What no other event shows travels in an event of its own."""
    sample = Sample("REST", "read", 3.0, 0.25, "HTTP 503")
    told = Event(0, 3.0, "harness", "timed", sample.name, "", carry(sample))
    assert list(Timer().see(told)) == [sample]


def test_thresholds_say_what_is_broken_and_what_was_never_measured() -> None:
    """Nothing measured is not the same as fast enough."""
    figures = Figures(1)
    for seconds in (0.1, 0.1, 0.1, 2.0):
        figures.take(Sample("REST", "read", 1.0, seconds))
    limits = {
        "read": Threshold(p50=0.2, longest=1.0, errors=0.0),
        "pause": Threshold(p99=1.0),
    }
    found = [(one.name, one.met, one.samples) for one in measured(limits, figures)]
    assert found == [
        ("read p50", True, 4), ("read longest", False, 4), ("read errors", True, 4),
        ("pause p99", False, 0),
    ]  # fmt: skip


@given(st.integers(1, 60), st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_workers_share_the_fleet_and_nobody_lives_twice(chargers: int, workers: int) -> None:
    """Together they are the fleet, in whatever numbers; again the same."""
    specs = scaled(find("smoke").scenario, chargers).chargers(1)
    parts = shares(specs, workers)
    assert sorted(s.id for part in parts for s in part) == sorted(s.id for s in specs)
    assert len(specs) == chargers
    assert parts == shares(specs, workers)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_slices_become_one_history_by_time(tmp_path: Path) -> None:
    """A worker's order never changes; events of the same moment keep the order of the slices."""
    paths = []
    for number, times in enumerate(([0.0, 1.0, 3.0], [0.5, 1.0, 2.0])):
        history = History(Header(), keep=False)
        writer = SliceWriter(tmp_path / f"slice-{number}.ndjson", history)
        for time in times:
            history.record(time, f"charger:{number}", "open")
        writer.close()
        paths.append(writer.path)
    found = list(merged(paths))
    assert [(e.time, e.source) for e in found] == [
        (0.0, "charger:0"), (0.5, "charger:1"), (1.0, "charger:0"), (1.0, "charger:1"),
        (2.0, "charger:1"), (3.0, "charger:0"),
    ]  # fmt: skip
    assert [e.index for e in found] == list(range(6))


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0, 0.2), st.floats(0, 0.2)), min_size=1, max_size=9),
)
def test_the_error_of_a_clock_is_bounded(truth: float, ways: list[tuple[float, float]]) -> None:
    """However uneven the two ways are, the offset is off by half the quickest round trip."""
    answers = [
        (10.0 + n, 10.0 + n + there + truth, 10.0 + n + there + back)
        for n, (there, back) in enumerate(ways)
    ]
    found, error = offset(answers)
    assert abs(found - truth) <= error + 1e-6


def test_the_coordinator_counts_what_workers_tell() -> None:
    """Its counters are those of a drill in one process."""
    told, alone, far = news.News(), Progress(1), Progress(1)
    status = {"status": "Installed"}
    story = [
        event(0.0, "open"),
        event(0.1, "recv", "BootNotification", "1", frame=[3, "1", {"status": "Accepted"}]),
        event(0.2, "send", "Heartbeat", "2", frame=[2, "2", "Heartbeat", {}]),
        event(0.3, "recv", "UpdateFirmware", "7", frame=[2, "7", "UpdateFirmware", {"x": 1}]),
        event(
            0.4, "send", "FirmwareStatusNotification", "3",
            frame=[2, "3", "FirmwareStatusNotification", status],
        ),
        event(0.5, "note", "connect_failed", detail="refused"),
    ]  # fmt: skip
    for one in story:
        told.see(one)
        alone.see(one)
    said = told.take()
    assert said is not None
    news.apply(said, far)
    for counter in ("calls", "reports", "online", "booted", "triggered", "in_flight", "trouble"):
        assert getattr(far, counter) == getattr(alone, counter), counter
    assert told.take() is None


def test_a_generator_that_was_the_bottleneck_is_told_of() -> None:
    """Busy, or late: either way the latencies are partly its own."""
    calm = [Use(0, float(n), 0.4, 0.01, 0) for n in range(20)]
    assert warning(calm) == ""
    assert warning([]) == ""
    assert "whole core" in warning([*calm, *(Use(1, float(n), 0.97, 0.0, 0) for n in range(20))])
    assert "woke up" in warning([Use(-1, float(n), 0.5, 0.4, 0) for n in range(20)])
