"""R29-R37: what GET shows moves forward, adds up, and follows only what belongs to it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale


def running() -> tuple[Tale, str]:
    """Two chargers, both triggered and shown once."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r)
    t.read(r)
    return t, r


@pytest.mark.parametrize(
    ("first", "then", "verdict"),
    [
        ("installed", "downloading", Verdict.FAIL),
        ("failed", "installed", Verdict.FAIL),
        ("installing", "downloading", Verdict.FAIL),
        ("rebooting", "installing", Verdict.PASS),
        ("downloading", "installed", Verdict.PASS),
        ("installing", "failed", Verdict.PASS),
    ],
)
def test_r29_judges_every_step(first: str, then: str, verdict: Verdict) -> None:
    """Forward is fine, installing and rebooting are one rank, the end is the end."""
    t, r = running()
    t.show(r, "A", status=first)
    t.read(r)
    t.show(r, "A", status=then)
    t.read(r)
    assert t.result("R29").verdict is verdict


def test_r29_accuses_a_late_status_that_overwrites_the_end() -> None:
    """Installed stays, whatever a charger says afterwards."""
    t, r = running()
    t.update("A")
    t.read(r)
    t.report("A", "Downloading")
    t.read(r)
    result = t.result("R29")
    assert result.verdict is Verdict.FAIL
    assert "A went from installed to downloading" in result.findings[0].witness.seen
    reads = [s for s in result.findings[0].witness.steps if "read answered" in s.text]
    assert len(reads) == 2
    assert t.result("R36").verdict is Verdict.FAIL


def test_r29_does_not_compare_overlapping_reads() -> None:
    """Two reads in flight at once may be answered in either order."""
    t, r = running()
    old = t.body(r)
    slow = t.invoke("read", r)
    t.report("A", "Downloading", "Downloaded")
    fast = t.invoke("read", r)
    t.ok("read", fast, t.body(r))
    t.ok("read", slow, old)
    t.read(r)
    assert t.result("R29").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ({"progress_percent": 101}, Verdict.FAIL),
        ({"progress_percent": 10.5}, Verdict.FAIL),
        ({"progress_percent": 100}, Verdict.FAIL),
        ({"progress_percent": 62}, Verdict.PASS),
        ({"status": "installed", "progress_percent": 99}, Verdict.FAIL),
    ],
)
def test_r30_judges_percentages(row: dict[str, Any], verdict: Verdict) -> None:
    """Whole percents, 100 exactly when installed."""
    t, r = running()
    t.show(r, "A", **({"status": "downloading"} | row))
    t.read(r)
    assert t.result("R30").verdict is verdict


def test_r30_accuses_a_fall() -> None:
    """Progress never falls, except that a failed download starts over."""
    t, r = running()
    t.show(r, "A", status="downloading", progress_percent=60)
    t.read(r)
    t.show(r, "A", progress_percent=20)
    t.read(r)
    assert t.result("R30").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "row",
    [
        {"started_at": "2026-01-01T00:00:00+02:00"},
        {"completed_at": "2026-01-01T00:00:00Z"},
        {"status": "installed", "started_at": None},
        {"status": "failed", "completed_at": "2025-01-01T00:00:00Z"},
    ],
)
def test_r31_names_a_wrong_time(row: dict[str, Any]) -> None:
    """Times are UTC, in order, and only where they belong."""
    t, r = running()
    assert t.result("R31").verdict is Verdict.PASS
    t.show(r, "A", **row)
    t.read(r)
    assert t.result("R31").verdict is Verdict.FAIL


def test_r31_accuses_a_time_that_changes() -> None:
    """Written once."""
    t, r = running()
    t.show(r, "A", started_at="2026-01-01T00:00:05Z")
    t.read(r)
    assert "changed from" in t.result("R31").findings[0].witness.seen


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (["in_progress", "completed", "in_progress"], Verdict.FAIL),
        (["in_progress", "pending"], Verdict.FAIL),
        (["in_progress", "paused"], Verdict.FAIL),
        (["completed", "failed"], Verdict.FAIL),
        (["in_progress", "completed", "completed"], Verdict.PASS),
    ],
)
def test_r32_judges_every_edge(path: list[str], verdict: Verdict) -> None:
    """Only the published edges, and only by the operation that makes them."""
    t, r = running()
    for status in path:
        t.read(r, status=status)
    assert t.result("R32").verdict is verdict


def test_r32_accuses_a_start_without_execute_stage() -> None:
    """Pending stays pending until the first execute-stage."""
    t = Tale()
    r = t.create("A")
    t.read(r, status="in_progress")
    assert t.result("R32").verdict is Verdict.FAIL


def test_r32_accuses_a_trigger_after_the_end() -> None:
    """A refused call on a finished rollout has no latent effect."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB")
    t.execute(r)
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r, status="failed")
    t.refuse(r)
    t.fence("B")
    t.trigger(r, "B")
    assert t.result("R32").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("status", "stage", "rows"),
    [
        ("in_progress", "completed", ["installed", "downloading"]),
        ("in_progress", "completed", ["failed", "failed"]),
        ("in_progress", "failed", ["installed", "failed"]),
        ("in_progress", "pending", ["downloading", "pending"]),
        ("completed", "in_progress", ["installed", "downloading"]),
        ("pending", "in_progress", ["downloading", "pending"]),
        ("in_progress", "in_progress", ["installed", "failed"]),
    ],
)
def test_r33_accuses_a_body_that_contradicts_itself(
    status: str, stage: str, rows: list[str]
) -> None:
    """Stage and overall status follow from the chargers in the same body."""
    t, r = running()
    assert t.result("R33").verdict is Verdict.PASS
    for charger, row in zip("AB", rows, strict=True):
        t.show(r, charger, status=row)
    body = t.body(r, status=status)
    body["stages"][0]["status"] = stage
    t.ok("read", t.invoke("read", r), body)
    assert t.result("R33").verdict is Verdict.FAIL


def test_r33_accuses_a_stage_before_its_turn_and_survives_an_empty_one() -> None:
    """A stage after the current one is pending; a stage without rows says nothing."""
    for spoil, verdict in (
        ("status", Verdict.FAIL),
        ("number", Verdict.FAIL),
        ("rows", Verdict.PASS),
    ):
        t = Tale()
        t.boot("A", "B")
        r = t.create("AB")
        t.execute(r)
        body = t.body(r)
        if spoil == "status":
            body["stages"][1]["status"] = "in_progress"
        elif spoil == "number":
            body["current_stage"] = 3
        else:
            body["stages"][1]["chargers"] = []
        t.ok("read", t.invoke("read", r), body)
        assert t.result("R33").verdict is verdict


def test_r33_knows_that_nothing_has_begun_before_the_start() -> None:
    """While the rollout is pending so is every stage."""
    t = Tale()
    r = t.create("AB")
    body = t.body(r)
    body["stages"][0]["status"] = "in_progress"
    t.ok("read", t.invoke("read", r), body)
    assert t.result("R33").verdict is Verdict.FAIL


def test_r34_accuses_a_stale_read() -> None:
    """An acknowledged status is shown within the bound; sooner is not demanded."""
    t, r = running()
    stale = t.body(r)
    t.report("A", "Downloading", "Downloaded")
    t.ok("read", t.invoke("read", r), stale)
    assert t.result("R34").verdict is Verdict.INCONCLUSIVE
    t.wait(3)
    t.ok("read", t.invoke("read", r), stale)
    result = t.result("R34")
    assert result.verdict is Verdict.FAIL
    assert "still shown as scheduled" in result.findings[0].witness.seen


def test_r36_passes_a_repeat_without_effect() -> None:
    """A repeated status that changes nothing exercises the rule."""
    t, r = running()
    t.report("A", "Downloading", "Downloaded")
    t.read(r)
    shown = dict(t.state[r]["A"])
    t.report("A", "Downloading")
    t.state[r]["A"] = shown
    t.read(r)
    result = t.result("R36")
    assert (result.verdict, result.exercised) == (Verdict.PASS, 1)


def test_r37_accuses_a_stray_status_that_counts() -> None:
    """A charger that was never triggered cannot make progress."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB")
    t.execute(r)
    t.report("B", "Installed")
    t.read(r)
    assert t.result("R37").verdict is Verdict.PASS
    t.show(r, "B", status="downloading")
    t.read(r)
    assert t.result("R37").verdict is Verdict.FAIL


def test_never_exercised_reads_are_inconclusive() -> None:
    """Without reads nothing about them is proven."""
    t = Tale()
    t.boot("A")
    t.create("A")
    for name in ("R29", "R30", "R31", "R32", "R33", "R34", "R36", "R37"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
