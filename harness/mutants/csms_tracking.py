"""Wrong decisions about what chargers report, crashes and dispatch under way, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.registry import handler, wrong
from reference_csms import (
    rollout,
    rollout_row,
    service_chargers,
    service_dispatch,
    service_state,
)
from reference_csms.model import CallError, ChargerStatus, RolloutStatus
from reference_csms.rollout_values import (
    BootReported,
    Dispatched,
    Intent,
    StatusReported,
    UpdateAnswered,
    changed,
)

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- statuses


@wrong("R30")
def progress_falls(patch: Patch) -> None:
    """Installing stands below downloading."""

    def lower(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return changed(after, progress=5) if event.status == "Installing" else after

    handler(patch, StatusReported, lower)


@wrong("R31")
def end_comes_before_the_start(patch: Patch) -> None:
    """completed_at lies a minute before started_at."""
    end = rollout_row._end  # noqa: SLF001 - the decision under mutation

    def earlier(row: Any, status: Any, now: float, **fields: Any) -> Any:
        return end(row, status, (row.started_at or now) - 60.0, **fields)

    patch.attribute(rollout_row, "_end", earlier)


@wrong("R36", "R29", "R14")
def repeated_status_fails(patch: Patch) -> None:
    """A status that comes a second time is taken for a failure."""

    def failed(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        known = rollout_row.STATUSES.get(event.status)
        again = known is not None and row.triggered and known[0] == row.rank and not row.settled
        return rollout_row._fail(after, now, "confused") if again else after  # noqa: SLF001

    handler(patch, StatusReported, failed)


@wrong("R14", "R36", "R37")
def idle_fails(patch: Patch) -> None:
    """A charger that says Idle is given up."""

    def given_up(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if event.status == "Idle" and row.triggered:
            return rollout_row._fail(row, now, "idle")  # noqa: SLF001
        return original(head, row, event, now)

    handler(patch, StatusReported, given_up)


@wrong("R34", "L3", "L4", "R33")
def skipped_steps_are_refused(patch: Patch) -> None:
    """Installed counts only after Installing."""

    def strict(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if event.status == "Installed" and row.rank < 50:  # noqa: PLR2004 - the rank of Installing
            raise rollout_row.Ignored("out of order")
        return original(head, row, event, now)

    def unread(*_: Any) -> Any:
        raise rollout_row.Ignored("the boot says nothing")

    handler(patch, StatusReported, strict)
    handler(patch, BootReported, unread)


@wrong("L3", "R34", "L4")
def failed_installations_are_ignored(patch: Patch) -> None:
    """InstallationFailed changes nothing."""

    def deaf(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if event.status == "InstallationFailed":
            raise rollout_row.Ignored("unknown")
        return original(head, row, event, now)

    handler(patch, StatusReported, deaf)


@wrong("R14", "R19", "R29")
def first_failed_download_is_final(patch: Patch) -> None:
    """Retries are not waited for."""

    def final(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        tried = event.status == "DownloadFailed" and after.detail == "retrying"
        return rollout_row._fail(after, now, "download_failed") if tried else after  # noqa: SLF001

    handler(patch, StatusReported, final)


@wrong("R14")
def any_boot_means_installed(patch: Patch) -> None:
    """A charger that boots while it is updated counts as installed."""

    def done(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if row.triggered and not row.settled:
            return rollout_row._end(row, ChargerStatus.INSTALLED, now, progress=100)  # noqa: SLF001
        return original(head, row, event, now)

    handler(patch, BootReported, done)


@wrong("L3", "R33", "R34", "L4", "R14")
def refusals_count_as_accepted(patch: Patch) -> None:
    """A charger that answers Rejected is waited for."""

    def sent(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if not isinstance(event.answer, CallError) and row.message_id == event.message_id:
            return changed(row, intent=Intent.SENT)
        return original(head, row, event, now)

    handler(patch, UpdateAnswered, sent)


@wrong("R14", "L1", "R29")
def refusal_puts_back_in_line(patch: Patch) -> None:
    """A charger that refuses becomes pending again."""

    def pending(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        if after.status is not ChargerStatus.FAILED:
            return after
        return changed(row, status=ChargerStatus.PENDING, intent=Intent.LOST)

    handler(patch, UpdateAnswered, pending)


@wrong("R29")
def installed_counts_after_a_failure(patch: Patch) -> None:
    """An Installed that comes after all turns a failure into a success."""
    decide = rollout.decide

    def after_all(head: Any, stage: Any, row: Any, event: Any, now: float) -> Any:
        decision = decide(head, stage, row, event, now)
        late = isinstance(event, StatusReported) and event.status == "Installed"
        if not late or row.status is not ChargerStatus.FAILED or head.verdict:
            return decision
        after = changed(row, status=ChargerStatus.INSTALLED, progress=100, reason=None, detail=None)
        head, stage = (
            changed(one, installed=one.installed + 1, failed=one.failed - 1)
            for one in (head, stage)
        )
        return changed(decision, head=head, stage=stage, row=after, ignored=None)

    patch.attribute(service_state, "decide", after_all)


# ---------------------------------------------------------------------- dispatch


@wrong("R13", "R19", "R23")
def resume_sends_to_everyone_again(patch: Patch) -> None:
    """A resume repeats the command to chargers that are already updating."""

    def again(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if row.triggered and head.resumed_at is not None and row.sends == 1:
            row = changed(row, intent=Intent.IDLE, version_before=event.version)
        return original(head, row, event, now)

    handler(patch, Dispatched, again)
    allowed = service_dispatch._may_be_triggered  # noqa: SLF001 - the decision under mutation

    def may(live: Any, row: Any) -> bool:
        resumed = live.head.resumed_at is not None and live.head.status is RolloutStatus.IN_PROGRESS
        mine = row.stage == live.head.current_stage and not row.settled
        return allowed(live, row) or (resumed and mine and row.sends == 1)

    patch.attribute(service_dispatch, "_may_be_triggered", may)


@wrong("R13", "R39", "W02")
def reconnect_sends_again(patch: Patch) -> None:
    """Who comes back in the middle of an update is told once more."""
    connected = service_chargers.connected

    def back(state: Any, now: float, charger_id: str, connection: str, version: str) -> None:
        live = state.engagement(charger_id)
        if live is not None:
            row = live.row(charger_id)
            if row.triggered and not row.settled and row.sends == 1:
                known = state.chargers[charger_id].firmware_version
                live.rows[charger_id] = changed(row, intent=Intent.IDLE, version_before=known)
        connected(state, now, charger_id, connection, version)

    patch.attribute(service_chargers, "connected", back)


@wrong("W09", "R15")
def boot_is_not_waited_for(patch: Patch) -> None:
    """A charger is told to update as soon as it connects."""
    connected = service_chargers.connected

    def at_once(state: Any, now: float, charger_id: str, connection: str, version: str) -> None:
        connected(state, now, charger_id, connection, version)
        presence = state.presence.get(charger_id)
        if presence is not None:
            presence.usable = True
            service_dispatch.available(state, charger_id)

    patch.attribute(service_chargers, "connected", at_once)


@wrong("R28", "L1", "L2")
def one_refusal_holds_up_the_stage(patch: Patch) -> None:
    """Once a charger has refused, nobody else of the stage is told."""
    allowed = service_dispatch._may_be_triggered  # noqa: SLF001 - the decision under mutation

    def may(live: Any, row: Any) -> bool:
        return allowed(live, row) and not live.stage(row.stage).failed

    patch.attribute(service_dispatch, "_may_be_triggered", may)
    batch = service_dispatch._batch  # noqa: SLF001 - the decision under mutation

    def stopped(state: Any, live: Any, dispatch: Any, now: float) -> int:
        if live.stage(max(live.head.current_stage, 1)).failed:
            live.hold_back()
        return batch(state, live, dispatch, now)

    patch.attribute(service_dispatch, "_batch", stopped)


@wrong("L7", "L1")
def one_rollout_at_a_time(patch: Patch) -> None:
    """While one rollout has chargers on their way, the others wait."""
    allowed = service_dispatch._queue  # noqa: SLF001 - the decision under mutation
    busy: dict[str, Any] = {}

    def alone(live: Any) -> Any:
        others = [one for name, one in busy.items() if name != live.rollout_id]
        if any(one.head.active for one in others):
            return None
        busy[live.rollout_id] = live
        return allowed(live)

    patch.attribute(service_dispatch, "_queue", alone)


# ---------------------------------------------------------------------- crashes


@wrong("L1", "L2", "R39", "R15")
def crash_forgets_who_waits(patch: Patch) -> None:
    """After a restart nobody of a stage under way is triggered any more."""
    load = service_state.State._load_rollout  # noqa: SLF001 - the decision under mutation
    allowed = service_dispatch._may_be_triggered  # noqa: SLF001
    restarted: set[str] = set()

    def remember(state: Any, number: int, ids: Any, head: Any) -> None:
        if head.current_stage:
            restarted.add(head.plan.rollout_id)
        load(state, number, ids, head)

    def may(live: Any, row: Any) -> bool:
        return allowed(live, row) and live.rollout_id not in restarted

    patch.attribute(service_state.State, "_load_rollout", remember)
    patch.attribute(service_dispatch, "_may_be_triggered", may)


@wrong("R39", "R13")
def crash_sends_again(patch: Patch) -> None:
    """After a restart every charger on its way is told once more."""
    load = service_state.State._load_row  # noqa: SLF001 - the decision under mutation

    def idle(state: Any, row: Any) -> None:
        if row.triggered and not row.settled:
            known = state.chargers[row.charger_id].firmware_version
            row = changed(row, intent=Intent.IDLE, version_before=known)
        load(state, row)

    patch.attribute(service_state.State, "_load_row", idle)


@wrong("R41", "R34", "L3")
def crash_loses_track(patch: Patch) -> None:
    """What a charger reports after a restart about an older update is dropped."""
    load = service_state.State._load_row  # noqa: SLF001 - the decision under mutation
    lost: set[tuple[str, str]] = set()

    def remember(state: Any, row: Any) -> None:
        if row.triggered and not row.settled:
            lost.add((row.rollout_id, row.charger_id))
        load(state, row)

    def deaf(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if (row.rollout_id, row.charger_id) in lost:
            raise rollout_row.Ignored("unknown")
        return original(head, row, event, now)

    patch.attribute(service_state.State, "_load_row", remember)
    handler(patch, StatusReported, deaf)


@wrong("W02")
def crash_counts_messages_anew(patch: Patch) -> None:
    """Message ids are counted from one again after every start."""

    def counted(state: Any) -> str:
        return f"csms-{state.next_number('message')}"

    patch.attribute(service_state.State, "message_id", counted)


@wrong("R22", "R38")
def crash_loses_what_is_over(patch: Patch) -> None:
    """Only rollouts that are under way are read back after a crash: those that ended are gone."""
    start_up = service_state.State.load

    def under_way(state: Any, *arguments: Any, **named: Any) -> None:
        start_up(state, *arguments, **named)
        over = [name for name, live in state.rollouts.items() if live.head.terminal]
        state.engaged = {one: name for one, name in state.engaged.items() if name not in over}
        for name in over:
            del state.rollouts[name]

    patch.attribute(service_state.State, "load", under_way)


@wrong("R22", "R27", "R40")
def crash_forgets_the_stage(patch: Patch) -> None:
    """After a restart a rollout is pending again."""
    load = service_state.State._load_rollout  # noqa: SLF001 - the decision under mutation

    def anew(state: Any, number: int, ids: Any, head: Any) -> None:
        if not head.terminal:
            head = changed(head, status=RolloutStatus.PENDING, current_stage=0, started_at=None)
        load(state, number, ids, head)

    patch.attribute(service_state.State, "_load_rollout", anew)
