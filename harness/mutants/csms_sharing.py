"""Wrong decisions about chargers that several rollouts share, or had before, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from harness.mutants.registry import wrong
from reference_csms import (
    rollout,
    rollout_row,
    service_chargers,
    service_dispatch,
    service_rollouts,
    service_state,
)
from reference_csms.model import ChargerStatus, RolloutStatus
from reference_csms.rollout_values import Dispatched, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.mutants.patching import Patch

    Conflicts = dict[str, str]

# ---------------------------------------------------------------------- who is free


def _conflicts(patch: Patch, decide: Callable[[Any, list[str], Any, Conflicts], Conflicts]) -> None:
    """Have `decide(state, ids, own, right)` say which chargers belong elsewhere, and where."""
    original = service_rollouts._conflicts  # noqa: SLF001 - the decision under mutation

    def replaced(state: Any, charger_ids: Iterable[str], own: Any) -> Conflicts:
        ids = list(charger_ids)
        return decide(state, ids, own, original(state, ids, own))

    patch.attribute(service_rollouts, "_conflicts", replaced)


@wrong("R17", rare=True)
def plans_reserve_their_chargers(patch: Patch) -> None:
    """Whoever waits in the plan of a rollout that is not over cannot be part of another one."""

    def reserved(state: Any, ids: list[str], own: Any, right: Conflicts) -> Conflicts:
        others = [live for live in state.open.values() if live is not own]
        return right | {
            one: live.rollout_id
            for live in others
            for one in ids
            if one in live.position and not live.row(one).settled
        }

    _conflicts(patch, reserved)


@wrong("R17", rare=True)
def who_is_done_is_free_at_once(patch: Patch) -> None:
    """A charger that has ended may be taken elsewhere, though others of its stage are under way."""

    def free(state: Any, _: list[str], __: Any, right: Conflicts) -> Conflicts:
        return {k: v for k, v in right.items() if not state.rollouts[v].row(k).settled}

    _conflicts(patch, free)


@wrong("R17", rare=True)
def pause_frees_the_chargers(patch: Patch) -> None:
    """What is paused holds nobody: its chargers may be taken elsewhere meanwhile."""

    def free(state: Any, _: list[str], __: Any, right: Conflicts) -> Conflicts:
        running = RolloutStatus.IN_PROGRESS
        return {k: v for k, v in right.items() if state.rollouts[v].head.status is running}

    _conflicts(patch, free)


@wrong("L7", "L1", "R28", rare=True)
def pause_holds_everybody(patch: Patch) -> None:
    """While one rollout is paused, no other one tells anybody either."""
    trigger = service_dispatch.trigger

    def held(state: Any, live: Any, charger_id: str, now: float) -> bool:
        paused = RolloutStatus.PAUSED
        others = [one for one in state.open.values() if one is not live]
        if any(one.head.status is paused for one in others):
            return False
        return trigger(state, live, charger_id, now)

    patch.attribute(service_dispatch, "trigger", held)


# ---------------------------------------------------------------------- whose is it


@wrong("R14", "R33", "R29", "R37", rare=True)
def statuses_move_every_rollout(patch: Patch) -> None:
    """What a charger reports is written into each rollout that it is part of, begun or not."""
    reported = service_chargers.firmware_status

    def everywhere(state: Any, now: float, charger_id: str, **said: Any) -> None:
        reported(state, now, charger_id, **said)
        known = rollout_row.STATUSES.get(said["status"])
        if known is None or known[1] is ChargerStatus.INSTALLED:
            return
        for live in state.open.values():
            if charger_id in live.position and not live.row(charger_id).triggered:
                row = changed(live.row(charger_id), status=known[1], progress=known[2])
                live.rows[charger_id] = row
                live.pieces.pop(charger_id, None)

    patch.attribute(service_chargers, "firmware_status", everywhere)


@wrong("W06", rare=True)
def request_ids_are_places_in_the_plan(patch: Patch) -> None:
    """A command's request id is the charger's place in its rollout: the next one repeats it."""
    trigger, number = service_dispatch.trigger, service_state.State.next_number
    place: list[int] = []

    def triggered(state: Any, live: Any, charger_id: str, now: float) -> bool:
        place[:] = [live.position[charger_id] + 1]
        return trigger(state, live, charger_id, now)

    def numbered(state: Any, name: str) -> int:
        following = number(state, name)
        return place[0] if name == "request" else following

    patch.attribute(service_dispatch, "trigger", triggered)
    patch.attribute(service_state.State, "next_number", numbered)


@wrong("W06", rare=True)
def crash_counts_requests_anew(patch: Patch) -> None:
    """Request ids are counted from one again after every start."""
    load = service_state.State.load

    def loaded(state: Any, now: float, *, alive: bool = False) -> None:
        load(state, now, alive=alive)
        if not alive:
            state._numbers["request"] = 0  # noqa: SLF001 - what the decision is about

    patch.attribute(service_state.State, "load", loaded)


@wrong("R14", rare=True)
def factory_version_is_what_ran_before(patch: Patch) -> None:
    """A boot counts as success if its version is not the charger's first, updates or not."""
    apply = service_state.State.apply
    first: dict[tuple[int, str], str] = {}

    def applied(state: Any, live: Any, charger_id: str, event: Any, now: float) -> Any:
        if isinstance(event, Dispatched):
            version = first.setdefault((id(state.store), charger_id), event.version)
            event = msgspec.structs.replace(event, version=version)
        return apply(state, live, charger_id, event, now)

    patch.attribute(service_state.State, "apply", applied)


@wrong("R06", rare=True)
def key_of_an_execute_is_ignored(patch: Patch) -> None:
    """An Idempotency-Key means something to a create only: an execute-stage is carried out anew."""
    execute = service_rollouts.execute

    def executed(state: Any, now: float, rollout_id: str, _: str | None) -> Any:
        return execute(state, now, rollout_id, None)

    patch.attribute(service_rollouts, "execute", executed)


# ---------------------------------------------------------------------- reasons


@wrong("R46", rare=True)
def last_reason_fills_in(patch: Patch) -> None:
    """A pause without a reason has the reason of the pause before."""
    hold = rollout.hold

    def held(head: Any, reason: str | None, now: float) -> Any:
        return hold(head, head.pause_reason if reason is None else reason, now)

    patch.attribute(service_rollouts, "hold", held)


@wrong("R46", rare=True)
def reasons_are_escaped(patch: Patch) -> None:
    """A reason is kept as it would stand in a page: letters and signs as entities."""
    pause = service_rollouts.pause

    def escaped(state: Any, now: float, rollout_id: str, reason: str | None) -> Any:
        text = None if reason is None else reason.replace("&", "&amp;").replace("<", "&lt;")
        kept = None if text is None else text.encode("ascii", "xmlcharrefreplace").decode()
        return pause(state, now, rollout_id, kept)

    patch.attribute(service_rollouts, "pause", escaped)
