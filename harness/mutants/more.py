"""More wrong decisions of the CSMS, one a function: what drawn drills must find.

Each is registered with the properties of which at least one must kill it. They live under the door
of `csms.py`: `mutated(name)` and `main` take them like the first eight.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from harness.mutants import Mutant
from reference_csms import (
    problems,
    rollout,
    rollout_plan,
    rollout_row,
    service_chargers,
    service_dispatch,
    service_rollouts,
    service_state,
    service_views,
)
from reference_csms.model import CallError, CallResult, ChargerStatus, RolloutStatus
from reference_csms.rollout import Move, Situation
from reference_csms.rollout_values import (
    Dispatched,
    Elapsed,
    Intent,
    OfflineTooLong,
    StatusReported,
    UpdateAnswered,
    UpdateUnanswered,
    changed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.mutants.csms import Patch
    from reference_csms.rollout_values import Head, Row

    Decision = Callable[[Patch], None]

MORE: list[Mutant] = []
DECISIONS: dict[str, Decision] = {}


def wrong(*kills: str) -> Callable[[Decision], Decision]:
    """Register a wrong decision that one of these properties must kill."""

    def register(decide: Decision) -> Decision:
        said = (decide.__doc__ or "").strip().rstrip(".")
        MORE.append(Mutant(decide.__name__, said, kills, ""))
        DECISIONS[decide.__name__] = decide
        return decide

    return register


def handler(patch: Patch, event: type, change: Callable[..., Any]) -> None:
    """Put `change(original, head, row, event, now)` in the place of a row's handler."""
    original = rollout_row.HANDLERS[event]

    def replaced(head: Head, row: Row, event: Any, now: float) -> Row:
        return change(original, head, row, event, now)  # type: ignore[no-any-return]

    patch.entry(rollout_row.HANDLERS, event, replaced)


def verdicts(patch: Patch, **instead: str | None) -> None:
    """Replace reasons for which a rollout fails."""
    verdict = rollout._verdict  # noqa: SLF001 - the decision under mutation

    def replaced(*arguments: Any, **named: Any) -> str | None:
        found = verdict(*arguments, **named)
        return instead.get(found, found) if found is not None else None

    patch.attribute(rollout, "_verdict", replaced)


# ---------------------------------------------------------------------- the plan


@wrong("R02")
def default_batch_rounds_down(patch: Patch) -> None:
    """The default batch is a tenth rounded down."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def floor(request: Any, total: int) -> tuple[int, int]:
        if request.strategy == "rolling" and request.batch_size is None:
            return max(1, total // 10), max(1, total // 10)
        return sizes(request, total)

    patch.attribute(rollout_plan, "_sizes", floor)


@wrong("R02")
def default_canary_is_two(patch: Patch) -> None:
    """A canary without a count has two chargers."""
    sizes = rollout_plan._sizes  # noqa: SLF001 - the decision under mutation

    def two(request: Any, total: int) -> tuple[int, int]:
        if request.strategy == "canary" and request.canary_count is None:
            return min(2, total), max(total - 2, 1)
        return sizes(request, total)

    patch.attribute(rollout_plan, "_sizes", two)


@wrong("R03")
def order_is_sorted_backwards(patch: Patch) -> None:
    """The chargers of a rollout are put into another order."""
    new = service_rollouts._new  # noqa: SLF001 - the decision under mutation

    def backwards(state: Any, request: Any, now: float) -> Any:
        ids = tuple(sorted(request.charger_ids, reverse=True))
        return new(state, changed_request(request, charger_ids=ids), now)

    patch.attribute(service_rollouts, "_new", backwards)


def changed_request(request: Any, **fields: Any) -> Any:
    """Return a copy of a create request, whatever kind of value it is."""
    out = copy.copy(request)
    for name, value in fields.items():
        object.__setattr__(out, name, value)
    return out


@wrong("R44")
def label_is_wrong(patch: Patch) -> None:
    """The second stage of a canary is not labelled as published."""
    label = rollout_plan.stage_label

    def other(plan: Any, number: int) -> str:
        return label(plan, number).replace("Rollout", "Rest")

    patch.attribute(service_views, "stage_label", other)


# ---------------------------------------------------------------------- ends


@wrong("R12", "R27", "R33")
def failing_canary_goes_on(patch: Patch) -> None:
    """A canary that fails does not end the rollout."""
    verdicts(patch, canary_failed=None)


@wrong("R33", "R27")
def failure_counts_as_completed(patch: Patch) -> None:
    """A rollout in which nobody was installed is called completed."""
    verdicts(patch, no_success=None)


@wrong("R33", "R27")
def threshold_ignored(patch: Patch) -> None:
    """The failure threshold is stored and never looked at."""
    verdicts(patch, failure_threshold=None)


@wrong("L4", "R33", "R27")
def never_completes(patch: Patch) -> None:
    """The rollout stays in progress although everyone has settled."""
    patch.attribute(rollout, "_conclude", lambda head, *_: head)


@wrong("L4", "R33", "R27")
def never_completes_while_paused(patch: Patch) -> None:
    """The last charger settles during a pause and nobody notices."""
    conclude = rollout._conclude  # noqa: SLF001 - the decision under mutation

    def unnoticed(head: Any, *rest: Any) -> Any:
        return head if head.status is RolloutStatus.PAUSED else conclude(head, *rest)

    patch.attribute(rollout, "_conclude", unnoticed)


@wrong("R32", "R27")
def terminal_can_be_paused(patch: Patch) -> None:
    """A rollout that is over can be paused."""
    patch.entry(rollout.PAUSE, Situation.TERMINAL, Move.HOLD)


# ---------------------------------------------------------------------- execute and pause


@wrong("R26", "R27", "R43")
def execute_is_never_refused(patch: Patch) -> None:
    """Execute-stage on a running stage answers 200 and does nothing."""
    patch.entry(rollout.EXECUTE, Situation.UNSETTLED, Move.CONTINUE)


@wrong("R09", "R23", "R27")
def resume_goes_to_the_next_stage(patch: Patch) -> None:
    """A resume leaves what the paused stage still had to do."""
    patch.entry(rollout.EXECUTE, Situation.PAUSED_UNTRIGGERED, Move.NEXT_STAGE)
    patch.entry(rollout.EXECUTE, Situation.PAUSED_UNSETTLED, Move.NEXT_STAGE)


@wrong("R23", "L1", "R15")
def resume_does_nothing(patch: Patch) -> None:
    """A resume says in_progress and triggers nobody."""
    fill = service_dispatch.fill

    def nobody(state: Any, live: Any, *rest: Any) -> None:
        if live.head.paused_at is None:
            fill(state, live, *rest)

    patch.attribute(service_rollouts, "fill", nobody)


@wrong("R46")
def reason_is_lost(patch: Patch) -> None:
    """The pause's reason is not kept."""
    hold = rollout.hold
    patch.attribute(service_rollouts, "hold", lambda head, _, now: hold(head, None, now))


@wrong("R46", "R27", "R31")
def second_pause_overwrites(patch: Patch) -> None:
    """Pausing again replaces the first time and reason."""
    for one in ("PAUSED_UNTRIGGERED", "PAUSED_UNSETTLED", "PAUSED_SETTLED"):
        patch.entry(rollout.PAUSE, Situation[one], Move.HOLD)


@wrong("R38")
def refusal_is_a_500(patch: Patch) -> None:
    """Execute-stage on a running stage ends with an internal error."""
    refuse = problems.stage_unsettled

    def crash(*arguments: Any) -> Any:
        problem = refuse(*arguments)
        problem.status = 500
        return problem

    patch.attribute(problems, "stage_unsettled", crash)


@wrong("R43")
def all_are_listed_as_triggered(patch: Patch) -> None:
    """Execute-stage lists the whole stage, sent or not."""
    body = service_views.executed_body

    def everyone(live: Any, dispatch: Any) -> dict[str, Any]:
        return body(live, dispatch) | {"chargers_triggered": live.members(dispatch.stage)}

    patch.attribute(service_dispatch, "executed_body", everyone)


@wrong("R43")
def nobody_is_listed_as_triggered(patch: Patch) -> None:
    """Execute-stage lists nobody."""
    body = service_views.executed_body

    def nobody(live: Any, dispatch: Any) -> dict[str, Any]:
        return body(live, dispatch) | {"chargers_triggered": []}

    patch.attribute(service_dispatch, "executed_body", nobody)


# ---------------------------------------------------------------------- dispatch


@wrong("L2", "R15")
def latecomers_are_forgotten(patch: Patch) -> None:
    """Who connects after the execute is never triggered."""
    patch.attribute(service_chargers, "available", lambda *_: None)


@wrong("R16")
def url_is_changed(patch: Patch) -> None:
    """Chargers are sent another url."""
    command = rollout_row.update_command

    def elsewhere(head: Any, row: Any, event: Any) -> Any:
        out = command(head, row, event)
        return changed_request(out, url=out.url + "?v=2")

    patch.attribute(rollout, "update_command", elsewhere)


@wrong("R16")
def date_is_long_past(patch: Patch) -> None:
    """Without a date, chargers are told to begin years ago."""
    command = rollout_row.update_command

    def past(head: Any, row: Any, event: Any) -> Any:
        return changed_request(command(head, row, event), retrieve_at=86400.0)

    patch.attribute(rollout, "update_command", past)


@wrong("W02", "R13", "W04")
def message_ids_repeat(patch: Patch) -> None:
    """Every CALL to a charger has the same message id."""
    patch.attribute(service_state.State, "message_id", lambda _: "always-the-same")


@wrong("R13", "R39")
def unsure_is_sent_again(patch: Patch) -> None:
    """A command without an answer is simply sent again."""

    def idle(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        return changed(after, intent=Intent.IDLE)

    handler(patch, UpdateUnanswered, idle)

    def again(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        return original(head, changed(row, version_before=event.version), event, now)

    handler(patch, Dispatched, again)


@wrong("R22", "R40", "R20", "R18")
def pause_is_forgotten_in_a_crash(patch: Patch) -> None:
    """After a crash a paused rollout runs on."""
    load = service_state.State._load_rollout  # noqa: SLF001 - the decision under mutation

    def running(state: Any, number: int, ids: Any, head: Any) -> None:
        if head.status is RolloutStatus.PAUSED:
            head = changed(head, status=RolloutStatus.IN_PROGRESS)
        load(state, number, ids, head)

    patch.attribute(service_state.State, "_load_rollout", running)


# ---------------------------------------------------------------------- what chargers say


@wrong("R30", "R44")
def never_a_hundred_percent(patch: Patch) -> None:
    """An installed charger stands at 99 percent."""
    end = rollout_row._end  # noqa: SLF001 - the decision under mutation

    def almost(row: Any, status: Any, now: float, **fields: Any) -> Any:
        return end(
            row, status, now, **(fields | ({"progress": 99} if "progress" in fields else {}))
        )

    patch.attribute(rollout_row, "_end", almost)


@wrong("R31")
def end_has_no_time(patch: Patch) -> None:
    """A settled charger shows no completed_at."""
    end = rollout_row._end  # noqa: SLF001 - the decision under mutation

    def timeless(*arguments: Any, **fields: Any) -> Any:
        return changed(end(*arguments, **fields), completed_at=None)

    patch.attribute(rollout_row, "_end", timeless)


@wrong("R31")
def start_moves(patch: Patch) -> None:
    """Every status writes started_at anew."""

    def restarted(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        return changed(original(head, row, event, now), started_at=now)

    handler(patch, StatusReported, restarted)


@wrong("R37", "R14", "R29")
def foreign_request_id_counts(patch: Patch) -> None:
    """A status with somebody else's request id moves this update."""

    def mine(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        return original(head, row, changed_request(event, request_id=row.request_id), now)

    handler(patch, StatusReported, mine)


@wrong("R33", "R14", "L3", "R09", "R27")
def call_error_is_ignored(patch: Patch) -> None:
    """A charger that answers CALLERROR stays scheduled until it times out."""

    def sent(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        if isinstance(event.answer, CallError):
            return changed(row, intent=Intent.SENT)
        return original(head, row, event, now)

    handler(patch, UpdateAnswered, sent)


@wrong("R14", "R33", "R27", "R19")
def accepted_counts_as_installed(patch: Patch) -> None:
    """The answer to the command is taken for the end of the update."""

    def done(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        after = original(head, row, event, now)
        if isinstance(event.answer, CallResult) and not after.settled:
            return rollout_row._end(after, ChargerStatus.INSTALLED, now, progress=100)  # noqa: SLF001
        return after

    handler(patch, UpdateAnswered, done)


@wrong("R14", "R09", "R29", "R33")
def downloaded_counts_as_installed(patch: Patch) -> None:
    """A charger that has downloaded is called installed."""
    patch.entry(rollout_row.STATUSES, "Downloaded", (90, ChargerStatus.INSTALLED, 100, False))


@wrong("R34", "L3")
def installing_is_not_shown(patch: Patch) -> None:
    """Installing is never shown: the charger stays downloaded until the end."""
    patch.entry(rollout_row.STATUSES, "Installing", (30, ChargerStatus.DOWNLOADED, 80, False))


@wrong("L5")
def nobody_times_out(patch: Patch) -> None:
    """A silent charger is waited for for ever."""

    def never(_: Any, __: Any, row: Any, ___: Any, ____: float) -> Any:
        raise rollout_row.Ignored(f"{row.charger_id} has time")

    handler(patch, Elapsed, never)


@wrong("R14", "R19", "R09")
def everyone_times_out_early(patch: Patch) -> None:
    """Patience is a tenth of what was asked for."""
    patch.attribute(
        rollout_row, "_deadline", lambda head, _, now: now + head.plan.update_timeout / 10
    )


@wrong("R24")
def offline_clock_runs_while_paused(patch: Patch) -> None:
    """An offline charger fails during a pause."""

    def anyway(original: Any, head: Any, row: Any, event: Any, now: float) -> Any:
        running = changed(head, status=RolloutStatus.IN_PROGRESS)
        return original(running, row, event, now)

    handler(patch, OfflineTooLong, anyway)
    due = service_dispatch._offline_due  # noqa: SLF001 - the decision under mutation

    def counted(state: Any, live: Any, charger_id: str) -> Any:
        head = live.head
        live.head = changed(head, status=RolloutStatus.IN_PROGRESS)
        try:
            return due(state, live, charger_id)
        finally:
            live.head = head

    patch.attribute(service_dispatch, "_offline_due", counted)


@wrong("R42")
def fleet_shows_the_first_version(patch: Patch) -> None:
    """The version of the first boot is shown for ever."""
    booted = service_chargers.booted

    def first(state: Any, now: float, charger_id: str, connection: str, boot: Any) -> Any:
        known = state.chargers.get(charger_id)
        if known is not None and known.firmware_version:
            boot = changed_request(boot, firmware_version=known.firmware_version)
        return booted(state, now, charger_id, connection, boot)

    patch.attribute(service_chargers, "booted", first)
