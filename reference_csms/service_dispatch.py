"""Who is triggered when: reachable chargers, batches, windows, questions, timers. A core.

A charger may be triggered if it is connected, accepted and has no CALL of ours outstanding (D11,
D31), its stage was executed, and it was not told before. Such chargers stand in `Live.waiting`, and
`step` takes a batch from each rollout a turn, so that a stage of thousands neither blocks the API
nor other rollouts. The guard against pauses is not here but in the core: `decide` refuses.
"""

from __future__ import annotations

from heapq import heappop
from typing import TYPE_CHECKING

from reference_csms.model import Answered, AskStatus, Reply, RolloutStatus
from reference_csms.rollout_values import Dispatched, Elapsed, Intent, OfflineTooLong
from reference_csms.service_live import next_deadline
from reference_csms.service_views import executed_body
from reference_csms.store_changes import KeyRecord

if TYPE_CHECKING:
    from reference_csms.rollout_values import Row
    from reference_csms.service_live import Dispatch, Live, Timer
    from reference_csms.service_state import State


def available(state: State, charger_id: str) -> None:
    """Consider a charger that has just become able to take a CALL."""
    presence = state.presence.get(charger_id)
    live = state.engagement(charger_id)
    if presence is None or live is None or not (presence.usable and presence.free):
        return
    row = live.row(charger_id)
    if row.settled or live.head.terminal:
        return
    if row.intent is Intent.UNSURE and not presence.asked:
        # Not at once: the answer to the boot that brought us here must leave first (B01.FR.08).
        state.questions[charger_id] = None
    elif _may_be_triggered(live, row):
        queue = live.again if row.triggered else live.waiting
        queue[charger_id] = None
        state.ready[live.rollout_id] = None


def unavailable(state: State, charger_id: str) -> None:
    """Stop considering a charger: it is gone or its CALL slot is taken."""
    state.questions.pop(charger_id, None)
    live = state.engagement(charger_id)
    if live is not None:
        live.waiting.pop(charger_id, None)
        live.again.pop(charger_id, None)


def _may_be_triggered(live: Live, row: Row) -> bool:
    running = live.head.status is RolloutStatus.IN_PROGRESS
    return running and not row.told and not row.settled and row.stage == live.head.current_stage


def fill(state: State, live: Live) -> None:
    """Consider every charger of the stage that was just started or resumed, and start clocks."""
    for charger_id in live.members(live.head.current_stage):
        available(state, charger_id)
        arm_offline(state, live, charger_id)


def step(state: State, now: float) -> None:
    """Ask who must be asked; dispatch one batch of every rollout that has something to dispatch."""
    for charger_id in state.questions:
        _ask(state, charger_id, now)
    state.questions.clear()
    leaving, state.leaving = state.leaving, []
    for live, ended in leaving:
        if ended.sequence == state.store.sequence:
            state.leaving.append((live, ended))
        else:
            conclude(state, live, ended)
    for rollout_id in list(state.ready):
        live = state.rollouts[rollout_id]
        dispatch = state.dispatches.get(rollout_id)
        if _batch(state, live, dispatch, now) or (
            dispatch is not None and dispatch.sequence == state.store.sequence
        ):
            continue
        # Nothing more can leave now, and what left before is on its way (D31).
        del state.ready[rollout_id]
        if dispatch is not None:
            del state.dispatches[rollout_id]
            conclude(state, live, dispatch)


def _ask(state: State, charger_id: str, now: float) -> None:
    """Ask an unsure charger what it is doing, once a connection, also while paused (D21)."""
    presence, live = state.presence[charger_id], state.engagement(charger_id)
    if live is None or live.row(charger_id).intent is not Intent.UNSURE or live.head.terminal:
        return
    presence.asked = state.message_id()
    presence.free = False
    state.release(AskStatus(charger_id, presence.connection, presence.asked))
    state.record("asked", live, charger_id, time=now)


def _batch(state: State, live: Live, dispatch: Dispatch | None, now: float) -> int:
    """Dispatch up to a batch; return how many were sent."""
    sent = 0
    while sent < state.settings.batch and (queue := _queue(live)):
        charger_id = next(iter(queue))
        del queue[charger_id]
        if trigger(state, live, charger_id, now):
            sent += 1
            if dispatch is not None and dispatch.halted is None:
                dispatch.messages[charger_id] = live.row(charger_id).message_id or ""
                dispatch.sequence = state.store.sequence
    return sent


def _queue(live: Live) -> dict[str, None] | None:
    """Return where the next charger to trigger stands; None if nobody may be triggered."""
    if live.again:
        return live.again
    most = live.head.plan.max_in_flight
    return live.waiting if most is None or live.head.active < most else None


def trigger(state: State, live: Live, charger_id: str, now: float) -> bool:
    """Write the intent and put the command into the outbox, unless the core refuses."""
    presence = state.presence[charger_id]
    charger = state.chargers[charger_id]
    event = Dispatched(
        connection=presence.connection,
        message_id=state.message_id(),
        request_id=state.next_number("request"),
        version="" if charger.version_stale else charger.firmware_version,
        image=state.images.get(live.head.plan.firmware_url),
    )
    return bool(state.apply(live, charger_id, event, now).commands)


def conclude(state: State, live: Live, dispatch: Dispatch) -> None:
    """Answer an execute-stage and remember the answer under its key (D19)."""
    reply = Reply(200, executed_body(live, dispatch))
    if dispatch.key is not None:
        record = KeyRecord(
            key=dispatch.key,
            operation="execute",
            fingerprint=live.rollout_id,
            rollout_id=live.rollout_id,
            stage=dispatch.stage,
            time=dispatch.begun,
            body=reply.encoded().decode(),
        )
        state.store.put_key(record)
    state.release(Answered(dispatch.ticket, reply))


# ------------------------------------------------------------------ time


def arm_offline(state: State, live: Live, charger_id: str) -> None:
    """Start the offline clock of an unreachable charger that was told nothing (D11)."""
    due = _offline_due(state, live, charger_id)
    if due is not None:
        state.timer(due, "offline", live.rollout_id, charger_id)


def _offline_due(state: State, live: Live, charger_id: str) -> float | None:
    """Return when the charger has been unreachable for too long; None if no clock runs (R24)."""
    wait, head = live.head.plan.offline_timeout, live.head
    row = live.row(charger_id)
    if wait is None or not _may_be_triggered(live, row):
        return None
    presence, charger = state.presence.get(charger_id), state.chargers.get(charger_id)
    if charger is None or (presence is not None and presence.usable):
        return None
    since = presence.since if presence is not None else charger.last_seen
    return max(head.resumed_at or 0.0, since or 0.0) + wait


def run_timers(state: State, now: float) -> None:
    """Do what is due."""
    while state.timers and state.timers[0].due <= now:
        timer = heappop(state.timers)
        if timer.kind == "row":
            _row_due(state, timer, now)
        elif timer.kind == "offline":
            _offline_due_now(state, timer, now)
        else:
            _grace_over(state, timer)


def _row_due(state: State, timer: Timer, now: float) -> None:
    state.disarm(timer)
    live = state.rollouts[timer.rollout_id]
    row = live.rows.get(timer.charger_id)
    if row is None:  # on the shelf: it was settled
        return
    due = next_deadline(row)
    if due is not None and due <= now:
        state.apply(live, timer.charger_id, Elapsed(), now)
    else:
        state.arm(row)


def _offline_due_now(state: State, timer: Timer, now: float) -> None:
    live = state.rollouts[timer.rollout_id]
    if live.head.terminal:
        return
    due = _offline_due(state, live, timer.charger_id)
    if due is not None and due <= now:
        state.apply(live, timer.charger_id, OfflineTooLong(), now)
    elif due is not None:
        state.timer(due, "offline", timer.rollout_id, timer.charger_id)


def _grace_over(state: State, timer: Timer) -> None:
    presence = state.presence.get(timer.charger_id)
    if presence is not None and presence.connection == timer.connection and not presence.usable:
        presence.usable = True
        available(state, timer.charger_id)
