"""Wrong decisions about dispatch and about what chargers say, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yarl import URL

from harness.mutants.registry import changed_request, handler, wrong
from reference_csms import (
    rollout,
    rollout_row,
    service_chargers,
    service_dispatch,
    service_state,
)
from reference_csms.model import CallError, CallResult, ChargerStatus, RolloutStatus
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

    from harness.mutants.patching import Patch

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


def _sends(patch: Patch, tidied: Callable[[str], str]) -> None:
    command = rollout_row.update_command

    def sent(head: Any, row: Any, event: Any) -> Any:
        out = command(head, row, event)
        return changed_request(out, url=tidied(out.url))

    patch.attribute(rollout, "update_command", sent)


@wrong("R16")
def url_loses_its_query(patch: Patch) -> None:
    """Chargers are sent the url without what stands behind its question mark."""
    _sends(patch, lambda url: url.partition("?")[0])


@wrong("R16")
def url_is_tidied_up(patch: Patch) -> None:
    """Chargers are sent the url as a library writes it: escapes that need not be are undone."""
    _sends(patch, lambda url: str(URL(url)))


@wrong("R16")
def url_is_cut_at_255(patch: Patch) -> None:
    """A column of 255 characters holds the url."""
    _sends(patch, lambda url: url[:255])


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
