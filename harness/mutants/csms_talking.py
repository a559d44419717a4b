"""Wrong decisions about frames and requests, one a function."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from harness.inprocess import InProcessCsms
from harness.mutants.registry import changed_request, wrong
from reference_csms import (
    auth,
    ocpp_commands,
    ocpp_hub,
    ocpp_session,
    problems,
    rollout,
    rollout_plan,
    rollout_row,
    service_rollouts,
    service_state,
)
from reference_csms.model import SendUpdate, rfc3339

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- OCPP


@wrong("W06")
def request_id_is_constant(patch: Patch) -> None:
    """Every update command carries request id 7."""
    number = service_state.State.next_number

    def seven(state: Any, name: str) -> int:
        return 7 if name == "request" else number(state, name)

    patch.attribute(service_state.State, "next_number", seven)


@wrong("W02")
def message_ids_are_too_long(patch: Patch) -> None:
    """Message ids have 44 characters."""
    short = service_state.State.message_id
    patch.attribute(service_state.State, "message_id", lambda state: short(state).rjust(44, "0"))


@wrong("W03")
def two_calls_at_once(patch: Patch) -> None:
    """A command is followed by a TriggerMessage before it is answered."""
    send = ocpp_hub.Hub._send  # noqa: SLF001 - the decision under mutation

    def twice(hub: Any, now: float, line: Any, text: str) -> None:
        send(hub, now, line, text)
        frame = msgspec.json.decode(text)
        if frame[2] in {"UpdateFirmware", "SignedUpdateFirmware"}:
            ask = [2, f"{frame[1]}+", "TriggerMessage", {"requestedMessage": "Heartbeat"}]
            line.link.write(msgspec.json.encode(ask).decode())

    patch.attribute(ocpp_hub.Hub, "_send", twice)


@wrong("R16", "W01")
def retries_are_negative(patch: Patch) -> None:
    """The command asks for minus one retry."""
    command = rollout_row.update_command

    def negative(head: Any, row: Any, event: Any) -> Any:
        return changed_request(command(head, row, event), retries=-1)

    patch.attribute(rollout, "update_command", negative)


@wrong("R16")
def explicit_date_is_ignored(patch: Patch) -> None:
    """Every date is a day later than it should be."""
    command = rollout_row.update_command

    def later(head: Any, row: Any, event: Any) -> Any:
        out = command(head, row, event)
        return changed_request(out, retrieve_at=out.retrieve_at + 86400.0)

    patch.attribute(rollout, "update_command", later)


@wrong("W07")
def dates_have_no_zone(patch: Patch) -> None:
    """Retrieve dates are written without a zone."""
    written = rfc3339
    patch.attribute(ocpp_commands, "rfc3339", lambda moment: written(moment).rstrip("Z"))


@wrong("W01")
def status_is_answered_with_a_status(patch: Patch) -> None:
    """The reply to a firmware status is not empty."""
    reply = ocpp_session.Session._with_commit  # noqa: SLF001 - the decision under mutation

    def accepted(session: Any, message_id: str, answer: dict[str, Any]) -> None:
        reply(session, message_id, answer or {"status": "Accepted"})

    patch.attribute(ocpp_session.Session, "_with_commit", accepted)


@wrong("R35", "W04")
def statuses_stay_unanswered(patch: Patch) -> None:
    """Firmware statuses are taken and never answered."""
    reply = ocpp_session.Session._with_commit  # noqa: SLF001 - the decision under mutation

    def silent(session: Any, message_id: str, answer: dict[str, Any]) -> None:
        if answer:
            reply(session, message_id, answer)

    patch.attribute(ocpp_session.Session, "_with_commit", silent)


@wrong("R35")
def missing_request_id_is_an_error(patch: Patch) -> None:
    """A status of 2.x without a request id is refused with a CALLERROR."""
    take = ocpp_session.Session._take_call  # noqa: SLF001 - the decision under mutation

    def strict(session: Any, now: float, message_id: str, action: str, payload: Any) -> Any:
        status = action == "FirmwareStatusNotification" and session.version != "ocpp1.6"
        if status and payload.get("requestId") is None:
            return session._refuse(message_id, "GenericError", "requestId is missing")  # noqa: SLF001
        return take(session, now, message_id, action, payload)

    patch.attribute(ocpp_session.Session, "_take_call", strict)


@wrong("R35")
def unsolicited_status_is_an_error(patch: Patch) -> None:
    """A firmware status of a charger that no rollout has told anything is refused."""
    take = ocpp_session.Session._take_call  # noqa: SLF001 - the decision under mutation

    def expected(session: Any, now: float, message_id: str, action: str, payload: Any) -> Any:
        state = session._service._state  # noqa: SLF001 - it has no other door
        live = state.engagement(session.charger_id)
        idle = live is None or not live.row(session.charger_id).triggered
        if action.endswith("FirmwareStatusNotification") and idle:
            return session._refuse(message_id, "GenericError", "no update is known")  # noqa: SLF001
        return take(session, now, message_id, action, payload)

    patch.attribute(ocpp_session.Session, "_take_call", expected)


@wrong("W05")
def errors_have_invented_codes(patch: Patch) -> None:
    """A CALLERROR carries a code that OCPP does not have."""
    patch.attribute(ocpp_session, "spelled", lambda _version, _code: "SomethingWentWrong")


@wrong("W04")
def answers_come_twice(patch: Patch) -> None:
    """Every answer that waits for the disk is sent twice."""
    answer = ocpp_hub.Hub._answer  # noqa: SLF001 - the decision under mutation

    def twice(hub: Any, item: Any) -> None:
        answer(hub, item)
        answer(hub, item)

    patch.attribute(ocpp_hub.Hub, "_answer", twice)


@wrong("W08")
def subprotocol_is_invented(patch: Patch) -> None:
    """An upgrade is answered with the subprotocol ocpp2.0, which nobody offered."""
    handshake = InProcessCsms.handshake

    def answer(csms: Any, *arguments: Any) -> Any:
        chosen = handshake(csms, *arguments)
        return "ocpp2.0" if chosen == "ocpp2.0.1" else chosen

    patch.attribute(InProcessCsms, "handshake", answer)


@wrong("W09")
def command_leaves_before_the_boot_answer(patch: Patch) -> None:
    """Commands overtake the answers of the same turn."""
    turn = ocpp_hub.Hub.turn

    def hurried(hub: Any, now: float) -> None:
        waiting: list[Any] = []
        answer = hub._answer  # noqa: SLF001 - the decision under mutation
        hub._answer = waiting.append  # noqa: SLF001
        try:
            turn(hub, now)
        finally:
            del hub._answer  # noqa: SLF001
        for item in waiting:
            answer(item)

    patch.attribute(ocpp_hub.Hub, "turn", hurried)


@wrong("R13", "W02", "W04")
def command_is_sent_twice(patch: Patch) -> None:
    """Every update command goes out in two copies with two ids."""
    command = ocpp_hub.Hub._command  # noqa: SLF001 - the decision under mutation

    def twice(hub: Any, now: float, item: Any) -> None:
        command(hub, now, item)
        line = hub._current(item)  # noqa: SLF001
        if isinstance(item, SendUpdate) and line is not None and line.session._outstanding:  # noqa: SLF001
            session = line.session
            kept, session._outstanding = session._outstanding, None  # noqa: SLF001
            text = session.command(now, changed_request(item, message_id=f"{item.message_id}x"))
            session._outstanding = kept  # noqa: SLF001
            if text is not None:
                line.link.write(text)

    patch.attribute(ocpp_hub.Hub, "_command", twice)


# ---------------------------------------------------------------------- requests


@wrong("R45")
def any_key_opens(patch: Patch) -> None:
    """The bearer key is not looked at."""
    request = InProcessCsms.request

    def let_in(csms: Any, asked: Any, done: Any) -> None:
        request(csms, dataclasses.replace(asked, key="right"), done)

    patch.attribute(InProcessCsms, "request", let_in)
    patch.attribute(auth.ApiKeys, "check", lambda *_, **__: None)


@wrong("W10")
def any_password_opens(patch: Patch) -> None:
    """The password of a station is not looked at, as long as it gives one."""
    given = auth.StationPasswords.matches

    def let_in(doors: Any, charger_id: str, known: str, header: str | None) -> bool:
        return header is not None or given(doors, charger_id, known, header)

    patch.attribute(auth.StationPasswords, "matches", let_in)


@wrong("W10")
def no_password_is_needed(patch: Patch) -> None:
    """A station that gives no password is let in; a wrong one is refused."""
    given = auth.StationPasswords.matches

    def let_in(doors: Any, charger_id: str, known: str, header: str | None) -> bool:
        return header is None or given(doors, charger_id, known, header)

    patch.attribute(auth.StationPasswords, "matches", let_in)


@wrong("L6")
def requests_take_long(patch: Patch) -> None:
    """Every answer of the API takes seven seconds."""
    request = InProcessCsms.request

    def slow(csms: Any, asked: Any, done: Any) -> None:
        csms.scheduler.at(csms.scheduler.now + 7.0, lambda _: request(csms, asked, done))

    patch.attribute(InProcessCsms, "request", slow)


@wrong("R06")
def idempotency_key_is_ignored(patch: Patch) -> None:
    """The same create with the same key makes another rollout."""
    create = service_rollouts.create
    patch.attribute(
        service_rollouts, "create", lambda state, now, asked, _: create(state, now, asked, None)
    )


@wrong("R04", "R08", "R32", "R27")
def create_begins_at_once(patch: Patch) -> None:
    """A create starts its first stage."""
    create = service_rollouts.create

    def begun(state: Any, now: float, request: Any, key: str | None) -> Any:
        before = set(state.rollouts)
        ticket = create(state, now, request, key)
        for name in set(state.rollouts) - before:
            service_rollouts._begin(state, state.rollouts[name], 1, now, None)  # noqa: SLF001
        return ticket

    patch.attribute(service_rollouts, "create", begun)


@wrong("R38", "R27")
def nonsense_is_accepted(patch: Patch) -> None:
    """Duplicates, zero counts and parameters that do not fit are taken as they come."""

    def few(request: Any, known: Any, settings: Any) -> list[dict[str, str]]:
        strange = [one for one in request.charger_ids if one not in known]
        return problems_of(request, known, settings) if strange else []

    problems_of = rollout_plan.problems_of
    patch.attribute(service_rollouts, "problems_of", few)
    create = service_rollouts.create

    def sound(state: Any, now: float, request: Any, key: str | None) -> Any:
        fields = {"charger_ids": tuple(dict.fromkeys(request.charger_ids))}
        counts = {
            name: None for name in ("canary_count", "batch_size") if not getattr(request, name)
        }
        return create(state, now, changed_request(request, **fields, **counts), key)

    patch.attribute(service_rollouts, "create", sound)


@wrong("R05")
def refused_creates_are_carried_out(patch: Patch) -> None:
    """A create that makes no sense is answered 422, and its sound half begun all the same."""
    create = service_rollouts.create

    def half(state: Any, now: float, request: Any, key: str | None) -> Any:
        errors = rollout_plan.problems_of(request, state.chargers, state.settings)
        known = tuple(one for one in dict.fromkeys(request.charger_ids) if one in state.chargers)
        if errors and known:
            sound = changed_request(
                request,
                charger_ids=known,
                canary_count=None,
                batch_size=None,
                strategy="all_at_once",
            )
            live = service_rollouts._new(state, sound, now)  # noqa: SLF001
            service_rollouts._begin(state, live, 1, now, None)  # noqa: SLF001
        return create(state, now, request, key)

    patch.attribute(service_rollouts, "create", half)


@wrong("R05")
def refusal_has_an_id(patch: Patch) -> None:
    """A create that makes no sense is refused, and its answer names a rollout all the same."""
    invalid = problems.invalid

    def named(errors: Any) -> Any:
        problem = invalid(errors)
        problem.members["rollout_id"] = "rollout_REFUSED1"
        return problem

    patch.attribute(problems, "invalid", named)


@wrong("R17", "R27")
def busy_chargers_are_taken(patch: Patch) -> None:
    """Nobody looks whether a charger is being updated by another rollout."""
    patch.attribute(service_rollouts, "_conflicts", lambda *_: {})
