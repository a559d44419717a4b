"""What operators do with rollouts: create, execute, pause, cancel, retry. A core."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms import problems
from reference_csms.model import (
    Answered,
    ChargerStatus,
    CreateRollout,
    Reply,
    RolloutStatus,
    Ticket,
    clean,
    rfc3339,
)
from reference_csms.rollout import EXECUTE, PAUSE, Move, cancel, hold, situation, start
from reference_csms.rollout_plan import make_plan, problems_of, stage_count
from reference_csms.rollout_values import Cancelled, Head
from reference_csms.service_dispatch import conclude, fill
from reference_csms.service_live import Dispatch, Live
from reference_csms.service_views import created_body, paused_body, rollout_body, summary
from reference_csms.store_changes import KeyRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reference_csms.service_state import State

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no letters taken for digits


def answer(state: State, reply: Reply) -> Ticket:
    """Return a ticket that is resolved with the open transaction."""
    ticket = Ticket()
    state.release(Answered(ticket, reply))
    return ticket


def find(state: State, rollout_id: str) -> Live:
    """Return the rollout with all of its rows, or raise the 404."""
    live = state.rollouts.get(rollout_id)
    if live is None:
        raise problems.unknown_rollout(rollout_id)
    if live.head.terminal:
        state.take_down(live)
    return live


# ------------------------------------------------------------------ create


def create(state: State, now: float, request: CreateRollout, key: str | None) -> Ticket:
    """Create a pending rollout (D13-D19)."""
    fingerprint = _fingerprint(request)
    key = None if key is None else clean(key, 200)
    if key is not None and (seen := _seen(state, "create", key, fingerprint)):
        return answer(state, _created(state.rollouts[seen.rollout_id]))
    errors = problems_of(request, state.chargers, state.settings)
    if errors:
        raise problems.invalid(errors)
    conflicts = _conflicts(state, request.charger_ids, None)
    if conflicts:
        raise problems.busy(conflicts)
    live = _new(state, request, now)
    state.record("created", live, None, time=now, strategy=request.strategy)
    if key is not None:
        record = KeyRecord(
            key=key,
            operation="create",
            fingerprint=fingerprint,
            rollout_id=live.rollout_id,
            stage=0,
            time=now,
        )
        state.store.put_key(record)
    return answer(state, _created(live))


def _new(state: State, request: CreateRollout, now: float) -> Live:
    number = state.next_number("rollout")
    plan = make_plan(_rollout_id(state, number), request, state.settings, now)
    head = Head(plan=plan, updated_at=now)
    # One copy of an id for all rollouts: the registered charger's own.
    ids = tuple(state.chargers[one].charger_id for one in request.charger_ids)
    live = Live(number, head, ids)
    state.add_rollout(live)
    state.store.add_rollout(number, request.charger_ids, head)
    return live


def _rollout_id(state: State, number: int) -> str:
    """Return a short id that tells nothing about how many rollouts there are."""
    instance = state.settings.instance or state.store.instance
    salt = 0
    while True:
        digest = blake2b(f"{instance}/{number}/{salt}".encode(), digest_size=8).digest()
        bits = int.from_bytes(digest, "big")
        name = "rollout_" + "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, 40, 5))
        if name not in state.rollouts:
            return name
        salt += 1


def _created(live: Live) -> Reply:
    location = f"/api/v1/cpo/firmware/rollout/{live.rollout_id}"
    return Reply(201, created_body(live), {"Location": location})


def _fingerprint(request: CreateRollout) -> str:
    return blake2b(repr(request).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


def _seen(state: State, operation: str, key: str, fingerprint: str) -> KeyRecord | None:
    """Return what was done under this key before (D19); the same key must mean the same."""
    record = state.store.key(operation, key)
    if record is not None and record.fingerprint != fingerprint:
        raise problems.key_reused(key)
    return record


def _conflicts(state: State, charger_ids: Iterable[str], own: Live | None) -> dict[str, str]:
    """Return the chargers that belong to a running stage of another rollout (D13)."""
    busy = {}
    for charger_id in charger_ids:
        live = state.engagement(charger_id)
        if live is None or live is own or live.head.terminal:
            continue
        stage = live.stage(live.row(charger_id).stage)
        if stage.number == live.head.current_stage and stage.unsettled:
            busy[charger_id] = live.rollout_id
    return busy


# ------------------------------------------------------------------ execute and pause


def execute(state: State, now: float, rollout_id: str, key: str | None) -> Ticket:
    """Start or resume a stage, as the table EXECUTE says."""
    live = find(state, rollout_id)
    key = None if key is None else clean(key, 200)
    if key is not None and (seen := _seen(state, "execute", key, rollout_id)):
        return _executed_before(state, live, seen)
    move = EXECUTE[situation(live.head, live.current)]
    if move is Move.REFUSE_TERMINAL:
        raise problems.terminal(rollout_id, live.head.status)
    if move is Move.REFUSE_UNSETTLED:
        raise problems.stage_unsettled(rollout_id, live.head.current_stage, _blockers(live))
    number = live.head.current_stage
    if move is Move.NEXT_STAGE:
        number = _next_stage(live)
        conflicts = _conflicts(state, live.members(number), live)
        if conflicts:
            raise problems.busy(conflicts)
    return _begin(state, live, number, now, key)


def _begin(state: State, live: Live, number: int, now: float, key: str | None) -> Ticket:
    # An earlier call whose batches a pause stopped gets its own answer first.
    _halt(state, live)
    kind = "resumed" if live.head.status is RolloutStatus.PAUSED else "executed"
    state.set_head(live, start(live.head, number, now))
    state.engage(live)
    state.record(kind, live, None, time=now, stage=number)
    dispatch = Dispatch(Ticket(), number, now, key=key)
    state.dispatches[live.rollout_id] = dispatch
    if key is not None:
        record = KeyRecord(
            key=key,
            operation="execute",
            fingerprint=live.rollout_id,
            rollout_id=live.rollout_id,
            stage=number,
            time=now,
        )
        state.store.put_key(record)
    fill(state, live)
    state.ready[live.rollout_id] = None
    return dispatch.ticket


def _blockers(live: Live) -> list[str]:
    members = live.members(live.head.current_stage)
    return [one for one in members if not live.row(one).settled]


def _next_stage(live: Live) -> int:
    """Return the next pending stage: one emptied by removals is settled and is passed over."""
    first = live.head.current_stage + 1
    numbers = range(first, stage_count(live.head.plan) + 1)
    return next(number for number in numbers if live.stage(number).unsettled)


def _executed_before(state: State, live: Live, seen: KeyRecord) -> Ticket:
    """Repeat the answer given under this key, or reconstruct one that a crash swallowed."""
    dispatch = state.dispatches.get(live.rollout_id)
    if dispatch is not None and dispatch.key == seen.key:
        return dispatch.ticket
    if seen.body:
        return answer(state, Reply(200, msgspec.Raw(seen.body.encode())))
    rows = [live.row(one) for one in live.members(seen.stage)]
    since = seen.time
    sent = {row.charger_id: "" for row in rows if (row.started_at or 0.0) >= since}
    dispatch = Dispatch(Ticket(), seen.stage, since, sent, key=seen.key)
    conclude(state, live, dispatch)
    return dispatch.ticket


def pause(state: State, now: float, rollout_id: str, reason: str | None) -> Ticket:
    """Stop triggering, as the table PAUSE says."""
    live = find(state, rollout_id)
    move = PAUSE[situation(live.head, live.current)]
    if move is Move.REFUSE_PENDING:
        raise problems.not_started(rollout_id)
    if move is Move.REFUSE_TERMINAL:
        raise problems.terminal(rollout_id, live.head.status)
    reason = None if reason is None else clean(reason)
    if move is Move.HOLD:
        state.set_head(live, hold(live.head, reason, now))
        live.hold_back()
        dispatch = state.dispatches.get(rollout_id)
        if dispatch is not None:
            dispatch.halted = live.head.status
            state.ready[rollout_id] = None
    kind = "paused" if move is Move.HOLD else "pause_repeated"
    state.record(kind, live, None, time=now, reason=reason)
    return answer(state, Reply(200, paused_body(live)))


def _halt(state: State, live: Live) -> None:
    dispatch = state.dispatches.pop(live.rollout_id, None)
    if dispatch is not None:
        state.leaving.append((live, dispatch))


# ------------------------------------------------------------------ the extensions


def cancel_rollout(state: State, now: float, rollout_id: str, reason: str | None) -> Ticket:
    """Fail every untriggered charger; the triggered ones finish."""
    live = find(state, rollout_id)
    if live.head.terminal:
        raise problems.terminal(rollout_id, live.head.status)
    state.record(
        "cancelled", live, None, time=now, reason=None if reason is None else clean(reason)
    )
    state.set_head(live, cancel(live.head, now))
    live.hold_back()
    for charger_id in live.charger_ids:
        row = live.row(charger_id)
        if not row.triggered and not row.settled:
            state.apply(live, charger_id, Cancelled(), now)
    return answer(state, Reply(200, summary(live)))


def retry(state: State, now: float, rollout_id: str) -> Ticket:
    """Create a pending rollout over the failed chargers that are still registered."""
    live = find(state, rollout_id)
    if not live.head.terminal:
        raise problems.not_terminal(rollout_id, live.head.status)
    failed = [one for one in live.charger_ids if live.row(one).status is ChargerStatus.FAILED]
    failed = [one for one in failed if one in state.chargers]
    if not failed:
        raise problems.nothing_failed(rollout_id)
    return create(state, now, _again(live, tuple(failed)), None)


def _again(live: Live, charger_ids: tuple[str, ...]) -> CreateRollout:
    plan = live.head.plan
    sizes: dict[str, Any] = {
        "canary": {"canary_count": plan.first},
        "rolling": {"batch_size": plan.batch},
    }
    return CreateRollout(
        charger_ids=charger_ids,
        firmware_url=plan.firmware_url,
        strategy=plan.strategy,
        retrieve_date=None if plan.retrieve_at is None else rfc3339(plan.retrieve_at),
        max_in_flight=plan.max_in_flight,
        failure_threshold=plan.failure_threshold,
        update_timeout=plan.update_timeout,
        offline_timeout=plan.offline_timeout,
        retries=plan.retries,
        retry_interval=plan.retry_interval,
        **sizes.get(plan.strategy, {}),
    )


def read(state: State, rollout_id: str) -> Ticket:
    """Return the rollout as published."""
    return answer(state, Reply(200, rollout_body(find(state, rollout_id))))


def list_all(state: State, status: str | None) -> Ticket:
    """List rollouts, newest first."""
    chosen = [one for one in state.rollouts.values() if status in {None, one.head.status}]
    return answer(state, Reply(200, {"rollouts": [summary(one) for one in reversed(chosen)]}))
