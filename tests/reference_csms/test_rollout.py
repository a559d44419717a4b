"""The core alone: its tables are total, its counters right, its cost independent of size."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_csms.model import CallError, CallResult, RolloutStatus, Strategy
from reference_csms.rollout import EXECUTE, PAUSE, Situation, decide, start
from reference_csms.rollout_plan import stage_count, stage_of, stage_span
from reference_csms.rollout_values import (
    AskRefused,
    BootReported,
    Cancelled,
    Dispatched,
    Elapsed,
    Head,
    Intent,
    OfflineTooLong,
    Plan,
    ProgressReported,
    Removed,
    Row,
    RowEvent,
    Stage,
    StatusReported,
    Undelivered,
    UpdateAnswered,
    UpdateUnanswered,
    changed,
)

NAMES = st.sampled_from(
    ["Downloading", "Downloaded", "DownloadFailed", "Installing", "InstallRebooting", "Installed",
     "InstallationFailed", "InvalidSignature", "Idle", "Nonsense"]
)  # fmt: skip
MESSAGES = st.sampled_from(["m1", "m2"])
EVENTS: st.SearchStrategy[RowEvent] = st.one_of(
    st.builds(Dispatched, st.just("c"), MESSAGES, st.integers(1, 3), st.sampled_from(["1", "2"])),
    st.builds(Undelivered, MESSAGES),
    st.builds(
        UpdateAnswered,
        MESSAGES,
        st.one_of(
            st.builds(CallResult, st.sampled_from(["", "Accepted", "Rejected"])),
            st.builds(CallError, st.just("NotSupported")),
        ),
    ),
    st.builds(UpdateUnanswered, MESSAGES),
    st.builds(AskRefused),
    st.builds(StatusReported, NAMES, st.none() | st.integers(0, 4), st.just(""), st.booleans()),
    st.builds(BootReported, st.sampled_from(["", "1", "2"]), st.none() | st.just("2")),
    st.builds(ProgressReported, st.integers(-5, 200)),
    st.builds(Elapsed),
    st.builds(OfflineTooLong),
    st.builds(Removed),
    st.builds(Cancelled),
)


def plan(total: int = 3, **fields: object) -> Plan:
    """Return a plan of one stage."""
    base = Plan(
        rollout_id="r",
        strategy=Strategy.ALL_AT_ONCE,
        firmware_url="https://e/x",
        total=total,
        first=total,
        batch=total,
        created_at=0.0,
    )
    return changed(base, **fields)  # type: ignore[no-any-return]


def test_the_operator_tables_are_total() -> None:
    """Every situation has exactly one move for each operation."""
    assert set(EXECUTE) == set(PAUSE) == set(Situation)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_stages_cut_every_rollout_without_gap(total: int, first: int, batch: int) -> None:
    """Spans are adjacent, not empty, cover all positions, and `stage_of` inverts them."""
    cut = plan(total, first=min(first, total), batch=batch)
    spans = [stage_span(cut, number) for number in range(1, stage_count(cut) + 1)]
    assert spans[0][0] == 0
    assert spans[-1][1] == total
    assert all(begin < end for begin, end in spans)
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    for number, (begin, end) in enumerate(spans, start=1):
        assert {stage_of(cut, place) for place in (begin, end - 1)} == {number}


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), EVENTS, st.floats(0, 3000)), max_size=40),
    st.sampled_from([None, 0.0, 0.5]),
    st.integers(0, 40),
)
def test_counters_follow_the_rows(
    events: list[tuple[int, RowEvent, float]], threshold: float | None, pause_at: int
) -> None:
    """After any events: counters are sums over rows, ends are frozen, commands mean new intents."""
    head = start(Head(plan=plan(failure_threshold=threshold)), 1, 0.0)
    stage = Stage(number=1, size=3)
    rows = [Row(rollout_id="r", charger_id=str(n), position=n, stage=1) for n in range(3)]
    now = 0.0
    for step, (place, event, wait) in enumerate(events):
        if step == pause_at and not head.terminal:
            head = changed(head, status=RolloutStatus.PAUSED)
        now += wait
        before, old_head = rows[place], head
        decision = decide(head, stage, before, event, now)
        head, stage, rows[place] = decision.head, decision.stage, decision.row
        after = decision.row
        if decision.commands:
            assert old_head.status is RolloutStatus.IN_PROGRESS
            assert before.intent in {Intent.NONE, Intent.IDLE}
            assert after.intent is Intent.SENDING
            assert after.sends == before.sends + 1
        else:
            assert after.sends <= before.sends
        if before.settled:
            assert changed(after, version_mismatch=False) == changed(before, version_mismatch=False)
        if old_head.terminal:
            assert head.status is old_head.status
            assert not decision.commands
        for counter in (head, stage):
            assert counter.installed == sum(row.status == "installed" for row in rows)
            assert counter.failed == sum(row.status == "failed" for row in rows)
            assert counter.active == sum(row.triggered and not row.settled for row in rows)
        assert head.terminal == (head.status in {RolloutStatus.COMPLETED, RolloutStatus.FAILED})
        assert head.terminal == (stage.unsettled == 0)
