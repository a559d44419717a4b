"""Wrong decisions about when a stage, a slot or a rollout is free to go on, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.registry import handler, refuses_past_the_last, wrong
from reference_csms import (
    ocpp_hub,
    rollout,
    service_chargers,
    service_dispatch,
    service_live,
    service_rollouts,
    service_state,
)
from reference_csms.model import ChargerStatus, RolloutStatus
from reference_csms.rollout import Move, Situation
from reference_csms.rollout_plan import stage_count
from reference_csms.rollout_values import Dispatched, changed

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- stages


@wrong("R08", "R10", "R27")
def rollout_goes_on_by_itself(patch: Patch) -> None:
    """The next stage begins as soon as the last one has settled, without any call."""
    apply = service_state.State.apply

    def goes_on(state: Any, live: Any, charger_id: str, event: Any, now: float) -> Any:
        before = live.current.unsettled if live.current is not None else 0
        decision = apply(state, live, charger_id, event, now)
        more = 0 < live.head.current_stage < stage_count(live.head.plan)
        running = live.head.status is RolloutStatus.IN_PROGRESS
        if before and more and running and not live.current.unsettled:
            number = service_rollouts._next_stage(live)  # noqa: SLF001 - as execute-stage does
            service_rollouts._begin(state, live, number, now, None)  # noqa: SLF001
        return decision

    patch.attribute(service_state.State, "apply", goes_on)


@wrong("R10", "R08", "R09", "R11", "R27", "R43")
def one_call_begins_two_stages(patch: Patch) -> None:
    """Execute-stage begins its stage and the one after it."""
    begin = service_rollouts._begin  # noqa: SLF001 - the decision under mutation

    def both(state: Any, live: Any, number: int, now: float, key: str | None) -> Any:
        ticket = begin(state, live, number, now, key)
        if number < stage_count(live.head.plan):
            state.set_head(live, changed(live.head, current_stage=number + 1))
            state.engage(live)
            service_dispatch.fill(state, live)
        return ticket

    def in_its_stage(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if row.stage < head.current_stage:
            head = changed(head, current_stage=row.stage)
        return original(head, row, event, now)

    allowed = service_dispatch._may_be_triggered  # noqa: SLF001 - the decision under mutation

    def may(live: Any, row: Any) -> bool:
        head = live.head
        live.head = changed(head, current_stage=min(row.stage, head.current_stage))
        try:
            return allowed(live, row)
        finally:
            live.head = head

    patch.attribute(service_rollouts, "_begin", both)
    handler(patch, Dispatched, in_its_stage)
    patch.attribute(service_dispatch, "_may_be_triggered", may)
    refuses_past_the_last(patch)


@wrong("R27")
def settled_stage_is_only_resumed(patch: Patch) -> None:
    """Execute-stage ends a pause and does no more, even if the stage has nothing left to do."""
    patch.entry(rollout.EXECUTE, Situation.PAUSED_SETTLED, Move.CONTINUE)


# ---------------------------------------------------------------------- slots


@wrong("R11")
def window_is_ignored_on_resume(patch: Patch) -> None:
    """A resume tells everyone who waits at once, whatever max_in_flight says."""
    queue = service_dispatch._queue  # noqa: SLF001 - the decision under mutation

    def whole(live: Any) -> Any:
        resumed = live.head.paused_at is not None and live.head.resumed_at > live.head.paused_at
        return live.waiting if resumed and not live.again else queue(live)

    patch.attribute(service_dispatch, "_queue", whole)


@wrong("R18")
def freed_slots_are_filled_while_paused(patch: Patch) -> None:
    """A pause begins nothing, but a charger that ends hands its slot to the next one in line."""
    empty = service_live.Live.hold_back

    def hold_back(live: Any) -> None:
        if live.head.status is not RolloutStatus.PAUSED or live.head.plan.max_in_flight is None:
            empty(live)

    def told(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if head.status is RolloutStatus.PAUSED:  # only the queue leads here during a pause
            head = changed(head, status=RolloutStatus.IN_PROGRESS)
        return original(head, row, event, now)

    patch.attribute(service_live.Live, "hold_back", hold_back)
    handler(patch, Dispatched, told)


@wrong("R28", "L1", "L2")
def stage_waits_until_all_are_online(patch: Patch) -> None:
    """Nobody of a stage is told as long as one of it is offline."""
    queue = service_dispatch._queue  # noqa: SLF001 - the decision under mutation

    def complete(live: Any) -> Any:
        rows = [live.row(one) for one in live.members(max(live.head.current_stage, 1))]
        due = [row for row in rows if not row.triggered and not row.settled]
        return queue(live) if live.again or len(due) == len(live.waiting) else None

    patch.attribute(service_dispatch, "_queue", complete)


# ---------------------------------------------------------------------- before and after


@wrong("R04", "R33")
def first_charger_is_told_at_create(patch: Patch) -> None:
    """A create tells its first charger at once, to see whether the image can be fetched."""
    new = service_rollouts._new  # noqa: SLF001 - the decision under mutation

    def tried(state: Any, request: Any, now: float) -> Any:
        live = new(state, request, now)
        first = live.charger_ids[0]
        presence, other = state.presence.get(first), state.engagement(first)
        ready = presence is not None and presence.usable and presence.free
        if ready and (other is None or other.head.terminal):
            state.engaged[first] = live.rollout_id
            live.waiting[first] = None
            state.ready[live.rollout_id] = None
        return live

    def begun(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if head.status is RolloutStatus.PENDING:
            head = changed(head, status=RolloutStatus.IN_PROGRESS, current_stage=row.stage)
        return original(head, row, event, now)

    patch.attribute(service_rollouts, "_new", tried)
    handler(patch, Dispatched, begun)


# ---------------------------------------------------------------------- beside others


@wrong("R17")
def charger_is_in_two_rollouts(patch: Patch) -> None:
    """Two rollouts may update a charger at once: its statuses are told apart by their ids."""
    engagement = service_state.State.engagement
    first: dict[tuple[int, str], Any] = {}

    def engage(state: Any, live: Any) -> None:
        for charger_id in live.members(live.head.current_stage):
            before = engagement(state, charger_id)
            if before is not None and before is not live:
                first[id(state), charger_id] = before
        engaged(state, live)

    def reported(state: Any, now: float, charger_id: str, **status: Any) -> None:
        other, number = first.get((id(state), charger_id)), status["request_id"]
        row = None if other is None else other.rows.get(charger_id)
        if other is not None and row is not None and row.request_id == (number or -1):
            state.engaged[charger_id], latest = other.rollout_id, state.engaged[charger_id]
            try:
                told(state, now, charger_id, **status)
            finally:
                state.engaged[charger_id] = latest
        else:
            told(state, now, charger_id, **status)

    engaged, told = service_state.State.engage, service_chargers.firmware_status
    patch.attribute(service_rollouts, "_conflicts", lambda *_: {})
    patch.attribute(service_state.State, "engage", engage)
    patch.attribute(service_chargers, "firmware_status", reported)


@wrong("R19")
def pause_resets_who_downloads(patch: Patch) -> None:
    """Whoever goes on downloading during a pause is stopped with a Reset."""
    receive = ocpp_hub.Hub.receive

    def stopped(hub: Any, now: float, line: Any, data: str | bytes) -> None:
        receive(hub, now, line, data)
        session = line.session
        live = hub.service._state.engagement(session.charger_id)  # noqa: SLF001 - no other door
        if live is None or live.head.status is not RolloutStatus.PAUSED:
            return
        if live.row(session.charger_id).status is ChargerStatus.DOWNLOADING and (
            "FirmwareStatusNotification" in str(data)
        ):
            kind = "Hard" if session.version == "ocpp1.6" else "Immediate"
            hub.call(now, session.charger_id, "Reset", {"type": kind}, lambda _: None)

    patch.attribute(ocpp_hub.Hub, "receive", stopped)
