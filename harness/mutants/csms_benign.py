"""What another sound CSMS may do otherwise: the judge must not mind. One variant a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.registry import benign, changed_request, handler
from reference_csms import (
    ocpp_answers,
    ocpp_commands,
    ocpp_hub,
    ocpp_session,
    rollout_row,
    service_chargers,
    service_dispatch,
    service_rollouts,
    service_state,
    service_views,
)
from reference_csms.model import AskStatus, rfc3339
from reference_csms.rollout_values import StatusReported, changed

if TYPE_CHECKING:
    from harness.mutants.patching import Patch


@benign
def ids_are_long(patch: Patch) -> None:
    """Rollout ids are 40 characters long and look like nothing in particular."""
    short = service_rollouts._rollout_id  # noqa: SLF001 - the decision that varies
    patch.attribute(
        service_rollouts, "_rollout_id", lambda state, n: short(state, n).lower() + "-" + "f" * 22
    )


@benign
def message_ids_have_36_characters(patch: Patch) -> None:
    """Message ids are as long as they may be."""
    short = service_state.State.message_id
    patch.attribute(service_state.State, "message_id", lambda state: short(state).rjust(36, "0"))


@benign
def more_fields_everywhere(patch: Patch) -> None:
    """Bodies carry fields that nobody published."""
    body = service_views.rollout_body

    def more(live: Any) -> dict[str, Any]:
        return body(live) | {"links": {"self": "/x"}, "tenant": 7, "tags": ["night"]}

    patch.attribute(service_rollouts, "rollout_body", more)


@benign
def untouched_chargers_say_more(patch: Patch) -> None:
    """A pending charger carries all fields, empty."""
    piece = service_views._charger_piece  # noqa: SLF001 - the decision that varies

    def whole(live: Any, charger_id: str) -> Any:
        shown = piece(live, charger_id)
        if not isinstance(shown, dict):
            return shown
        return shown | {"progress_percent": 0, "started_at": None, "completed_at": None}

    patch.attribute(service_views, "_charger_piece", whole)


@benign
def progress_is_fine_grained(patch: Patch) -> None:
    """Progress moves in other steps, upwards."""
    for status, percent in (("Downloaded", 71), ("Installing", 77), ("InstallRebooting", 99)):
        rank, shown, _, detailed = rollout_row.STATUSES[status]
        patch.entry(rollout_row.STATUSES, status, (rank, shown, percent, detailed))


@benign
def request_ids_are_far_apart(patch: Patch) -> None:
    """Request ids start at a million and go up in steps."""
    number = service_state.State.next_number

    def far(state: Any, name: str) -> int:
        return 1_000_000 + 997 * number(state, name) if name == "request" else number(state, name)

    patch.attribute(service_state.State, "next_number", far)


@benign
def stations_are_told_to_beat_often(patch: Patch) -> None:
    """The heartbeat interval is ten seconds."""
    boot = ocpp_session.Session._with_commit  # noqa: SLF001 - the decision that varies

    def often(session: Any, message_id: str, answer: dict[str, Any]) -> None:
        boot(session, message_id, answer | ({"interval": 10} if "interval" in answer else {}))

    patch.attribute(ocpp_session.Session, "_with_commit", often)


@benign
def errors_say_little(patch: Patch) -> None:
    """A CALLERROR carries no description."""
    refuse = ocpp_session.Session._refuse  # noqa: SLF001 - the decision that varies

    def brief(session: Any, message_id: str, code: str, _: str) -> str:
        return refuse(session, message_id, code, "")

    patch.attribute(ocpp_session.Session, "_refuse", brief)


@benign
def one_charger_a_batch(patch: Patch) -> None:
    """A stage is dispatched one charger a turn."""
    batch = service_dispatch._batch  # noqa: SLF001 - the decision that varies

    def single(state: Any, live: Any, dispatch: Any, now: float) -> int:
        before = state.settings
        state.settings = changed_request(before, batch=1)
        try:
            return batch(state, live, dispatch, now)
        finally:
            state.settings = before

    patch.attribute(service_dispatch, "_batch", single)


@benign
def clock_is_a_second_ahead(patch: Patch) -> None:
    """The CSMS tells its stations a time that is a second ahead."""
    written = rfc3339
    patch.attribute(ocpp_answers, "rfc3339", lambda moment: written(moment + 1.0))


@benign
def failures_have_no_reason(patch: Patch) -> None:
    """A failed charger does not say why."""
    end = rollout_row._end  # noqa: SLF001 - the decision that varies

    def silent(row: Any, status: Any, now: float, **fields: Any) -> Any:
        return changed(end(row, status, now, **fields), reason=None, detail=None)

    patch.attribute(rollout_row, "_end", silent)


@benign
def details_are_spelled_otherwise(patch: Patch) -> None:
    """The detail beside a status is in the CSMS's own words."""

    def worded(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return changed(after, detail=f"last heard: {event.status}") if after.rank else after

    handler(patch, StatusReported, worded)


@benign
def answers_leave_in_another_order(patch: Patch) -> None:
    """Answers to different stations leave in another order within a turn."""
    turn = ocpp_hub.Hub.turn

    def shuffled(hub: Any, now: float) -> None:
        waiting: list[Any] = []
        answer, deliver = hub._answer, hub._deliver  # noqa: SLF001 - the decision that varies
        hub._answer = waiting.append  # noqa: SLF001

        def first(at: float, item: Any) -> None:
            while waiting:
                answer(waiting.pop())
            deliver(at, item)

        hub._deliver = first  # noqa: SLF001
        try:
            turn(hub, now)
        finally:
            del hub._answer, hub._deliver  # noqa: SLF001
        while waiting:
            answer(waiting.pop())

    patch.attribute(ocpp_hub.Hub, "turn", shuffled)


@benign
def times_have_an_offset(patch: Patch) -> None:
    """UTC is written as +00:00."""

    def written(moment: float) -> str:
        return rfc3339(moment).replace("Z", "+00:00")

    for module in (service_views, ocpp_commands, ocpp_answers, ocpp_session):
        patch.attribute(module, "rfc3339", written)


@benign
def updated_at_is_the_answer(patch: Patch) -> None:
    """updated_at is a minute later than the last change: whoever asks is told of now."""
    body = service_views.rollout_body

    def later(live: Any) -> dict[str, Any]:
        return body(live) | {"updated_at": rfc3339(live.head.updated_at + 60.0)}

    patch.attribute(service_rollouts, "rollout_body", later)


@benign
def triggered_are_listed_backwards(patch: Patch) -> None:
    """chargers_triggered has no order."""
    body = service_views.executed_body

    def backwards(live: Any, dispatch: Any) -> dict[str, Any]:
        shown = body(live, dispatch)
        return shown | {"chargers_triggered": shown["chargers_triggered"][::-1]}

    patch.attribute(service_dispatch, "executed_body", backwards)


@benign
def whoever_comes_back_is_asked(patch: Patch) -> None:
    """A charger that reconnects in the middle of its update is asked for its status."""
    booted = service_chargers.booted

    def back(state: Any, now: float, charger_id: str, connection: str, boot: Any) -> Any:
        accepted = booted(state, now, charger_id, connection, boot)
        live, presence = state.engagement(charger_id), state.presence.get(charger_id)
        if live is None or presence is None or not presence.free or presence.asked:
            return accepted
        if live.row(charger_id).told and not live.row(charger_id).settled:
            presence.asked, presence.free = state.message_id(), False
            state.release(AskStatus(charger_id, presence.connection, presence.asked))
        return accepted

    patch.attribute(service_chargers, "booted", back)
