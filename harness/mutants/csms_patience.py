"""Wrong decisions about how long to wait, and for whom, one a function.

Most show in rarer circumstances only: where installations are slow, downloads begin at a date,
attempts are far apart, or chargers are away for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.registry import handler, wrong
from reference_csms import (
    rollout_row,
    service,
    service_dispatch,
    service_rollouts,
    service_state,
)
from reference_csms.model import RolloutStatus
from reference_csms.rollout_values import (
    Elapsed,
    Intent,
    OfflineTooLong,
    StatusReported,
    changed,
)

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

PAUSE = 8.0  # seconds after which an impatient system goes on

# ---------------------------------------------------------------------- silence


@wrong("R14", rare=True)
def patience_ignores_the_date(patch: Patch) -> None:
    """The clock of a silent charger starts with the command, although its date is yet to come."""

    def from_now(head: Any, _: Any, now: float) -> float:
        return float(now + head.plan.update_timeout)

    patch.attribute(rollout_row, "_deadline", from_now)


@wrong("R14", rare=True)
def patience_counts_from_the_command(patch: Patch) -> None:
    """Statuses do not restart the clock: the whole update has to fit into one update_timeout."""

    def as_before(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return after if after.settled else changed(after, deadline=row.deadline)

    handler(patch, StatusReported, as_before)


@wrong("R14", "R15", "R23", "R24", "R28")
def patience_covers_who_waits(patch: Patch) -> None:
    """Who stands in line, or is away, for as long as update_timeout fails as if it were silent."""
    began: dict[tuple[str, int], float] = {}

    def give_up(state: Any, now: float) -> None:
        for live in list(state.open.values()):
            stage, wait = live.head.current_stage, live.head.plan.update_timeout
            if not stage or now < began.setdefault((live.rollout_id, stage), now) + wait:
                continue
            for one in live.members(stage):
                if not live.row(one).triggered and not live.row(one).settled:
                    state.apply(live, one, OfflineTooLong(), now)

    def silent(_: Any, __: Any, row: Any, ___: Any, now: float) -> Any:
        return rollout_row._fail(row, now, "timeout")  # noqa: SLF001

    _at_every_turn(patch, give_up)
    handler(patch, OfflineTooLong, silent)


@wrong("L5", rare=True)
def silence_in_a_pause_is_forgotten(patch: Patch) -> None:
    """Whose time runs out during a pause is waited for for ever."""

    def forgotten(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if head.status is RolloutStatus.PAUSED:
            raise rollout_row.Ignored("paused")
        return original(head, row, event, now)

    handler(patch, Elapsed, forgotten)


@wrong("R18", "R20", "R32", "R33")
def pause_ends_by_itself(patch: Patch) -> None:
    """A pause is over after eight seconds, and the rollout goes on."""
    pause = service_rollouts.pause

    def paused(state: Any, now: float, rollout_id: str, reason: str | None) -> Any:
        ticket = pause(state, now, rollout_id, reason)
        live = state.rollouts[rollout_id]
        state.timer(now + PAUSE, "offline", rollout_id, live.charger_ids[0])  # to look again then
        return ticket

    def go_on(state: Any, now: float) -> None:
        for live in list(state.open.values()):
            head = live.head
            if head.status is RolloutStatus.PAUSED and head.paused_at + PAUSE <= now:
                after = changed(head, status=RolloutStatus.IN_PROGRESS, resumed_at=now)
                state.set_head(live, after)
                service_dispatch.fill(state, live)

    patch.attribute(service_rollouts, "pause", paused)
    _at_every_turn(patch, go_on)


@wrong("L1", "L2", "R28", rare=True)
def time_outs_free_no_slot(patch: Patch) -> None:
    """A charger that is given up for its silence keeps its place among max_in_flight."""
    queue = service_dispatch._queue  # noqa: SLF001 - the decision under mutation

    def full(live: Any) -> Any:
        most, rows = live.head.plan.max_in_flight, live.rows.values()
        kept = sum(row.reason == "timeout" for row in rows)
        if most is not None and live.head.active + kept >= most and not live.again:
            return None
        return queue(live)

    patch.attribute(service_dispatch, "_queue", full)


@wrong("R13", rare=True)
def idle_before_the_date_is_believed(patch: Patch) -> None:
    """Who waits for its date, and says Idle when asked, is told once more."""
    idle = rollout_row._idle  # noqa: SLF001 - the decision under mutation

    def believed(row: Any, event: Any, now: float) -> Any:
        if event.asked and row.intent is Intent.UNSURE:
            return rollout_row._in_line_again(row)  # noqa: SLF001
        return idle(row, event, now)

    patch.attribute(rollout_row, "_idle", believed)


# ---------------------------------------------------------------------- attempts


@wrong("R14")
def retries_are_waited_for_briefly(patch: Patch) -> None:
    """The next attempt has five seconds to begin, whatever retry_interval says."""

    def briefly(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        fresh = after.retry_until is not None and after.retry_until != row.retry_until
        return changed(after, retry_until=now + 5.0) if fresh else after

    handler(patch, StatusReported, briefly)


@wrong("L5", rare=True)
def next_attempt_is_waited_for_for_ever(patch: Patch) -> None:
    """A download that failed with retries left is given up by update_timeout alone, if at all."""

    def endless(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return after if after.retry_until is None else changed(after, retry_until=None)

    handler(patch, StatusReported, endless)


@wrong("L5")
def failed_attempts_stop_the_clock(patch: Patch) -> None:
    """Whoever has a retry left after a failed download is waited for, however long that takes."""

    def stopped(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        waits = after.retry_until is not None
        return changed(after, retry_until=None, deadline=None) if waits else after

    handler(patch, StatusReported, stopped)


# ---------------------------------------------------------------------- absence


@wrong("R14")
def offline_counts_for_who_is_under_way(patch: Patch) -> None:
    """A charger that is away in the middle of its update fails as offline."""
    due = service_dispatch._offline_due  # noqa: SLF001 - the decision under mutation

    def offline_due(state: Any, live: Any, charger_id: str) -> float | None:
        row, wait = live.row(charger_id), live.head.plan.offline_timeout
        charger, here = state.chargers.get(charger_id), state.presence.get(charger_id)
        under_way = row.told and not row.settled
        if wait is None or not under_way or charger is None or here is not None:
            return due(state, live, charger_id)
        return float((charger.last_seen or 0.0) + wait)

    def fails(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if row.told:
            return rollout_row._fail(row, now, "offline")  # noqa: SLF001
        return original(head, row, event, now)

    patch.attribute(service_dispatch, "_offline_due", offline_due)
    handler(patch, OfflineTooLong, fails)


@wrong("R14", rare=True)
def waiting_for_a_slot_counts_as_absence(patch: Patch) -> None:
    """Who is here, and waits for others to end (max_in_flight), fails as offline all the same."""
    due = service_dispatch._offline_due  # noqa: SLF001 - the decision under mutation

    def offline_due(state: Any, live: Any, charger_id: str) -> float | None:
        right, wait = due(state, live, charger_id), live.head.plan.offline_timeout
        row, here = live.row(charger_id), state.presence.get(charger_id)
        waits = service_dispatch._may_be_triggered(live, row)  # noqa: SLF001
        if right is not None or wait is None or here is None or not waits:
            return right
        return float((live.head.resumed_at or 0.0) + wait)

    patch.attribute(service_dispatch, "_offline_due", offline_due)


# ---------------------------------------------------------------------- crashes


@wrong("R14", "R39", "R41")
def restart_gives_up_who_is_under_way(patch: Patch) -> None:
    """After a restart everyone on its way counts as timed out."""

    def given_up(state: Any, live: Any, row: Any, now: float) -> None:
        live.rows[row.charger_id] = changed(row, deadline=now)
        state.apply(live, row.charger_id, Elapsed(), now)

    _after_a_restart(patch, given_up)


@wrong("R14", "R39", "R41")
def restart_takes_who_is_under_way_for_installed(patch: Patch) -> None:
    """After a restart everyone on its way counts as installed: it has had its time."""

    def installed(state: Any, live: Any, row: Any, now: float) -> None:
        state.apply(live, row.charger_id, StatusReported("Installed", None), now)

    _after_a_restart(patch, installed)


@wrong("L5", rare=True)
def restart_forgets_whose_time_runs(patch: Patch) -> None:
    """After a restart nobody is timed out any more who does not say anything first."""
    load = service_state.State.load

    def loaded(state: Any, now: float, *, alive: bool = False) -> None:
        arm = service_state.State.arm
        service_state.State.arm = lambda *_: None  # type: ignore[method-assign]
        try:
            load(state, now, alive=alive)
        finally:
            service_state.State.arm = arm  # type: ignore[method-assign]

    patch.attribute(service_state.State, "load", loaded)


def _at_every_turn(patch: Patch, act: Any) -> None:
    """Do something more whenever the service looks at the clock."""
    wake = service.Service.wake

    def woken(one: Any, now: float) -> None:
        wake(one, now)
        act(one._state, now)  # noqa: SLF001 - what the decision is about

    patch.attribute(service.Service, "wake", woken)


def _after_a_restart(patch: Patch, decide: Any) -> None:
    """Decide about every charger that was on its way when the process died."""
    load = service_state.State.load

    def loaded(state: Any, now: float, *, alive: bool = False) -> None:
        load(state, now, alive=alive)
        for live in [] if alive else list(state.open.values()):
            for row in list(live.rows.values()):
                if row.told and not row.settled and row.intent is not Intent.UNSURE:
                    decide(state, live, row, now)

    patch.attribute(service_state.State, "load", loaded)
