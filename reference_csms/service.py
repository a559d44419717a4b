"""The use cases: one method per API operation and per fact about a charger. Synchronous, a core.

`now` is Unix seconds and never steps back. Every operation returns a `Ticket` that is resolved by
the outbox once it is durable, or raises `Problem` at once without any effect. Facts about chargers
change state and return nothing but what the session needs for its own answer.

The shell does one *turn* whenever something happened or `next_wake()` has come:

    service.wake(now)                     # timers and dispatch batches
    for item in service.commit(now):      # one durable transaction, then what it releases, in order
        match item: ...                   # frames are written to the transport without awaiting

and again as long as `next_wake()` is in the past. A frame never leaves before its intent is
durable, and a reply never precedes a frame it speaks of (Seam 7, D10, D31).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms import problems, service_chargers, service_operators, service_rollouts
from reference_csms.errors import StoreUnavailable
from reference_csms.model import Answered, AskStatus, SendUpdate
from reference_csms.outbox import Outbox
from reference_csms.service_dispatch import fill, run_timers, step
from reference_csms.service_state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reference_csms.model import (
        Acceptance,
        Answer,
        Boot,
        Charger,
        CreateRollout,
        Image,
        NewCharger,
        Released,
        Settings,
        Ticket,
    )
    from reference_csms.store import Store

_BACK_OFF = 1.0  # seconds between attempts to write after the database refused


class Service:
    """The CSMS without sockets: state, timers and the outbox over one store."""

    def __init__(self, store: Store, settings: Settings, now: float) -> None:
        """Load the durable state and recover what was on its way when the last process ended.

        `queued` chargers (their stage was executed, they have no row) are waited for again;
        `sending` ones are ambiguous and are asked before anything is resent (D21).
        """
        self._store = store
        self._settings = settings
        self._outbox = Outbox()
        self._state = State(store, self._outbox, settings)
        # The database could not even be read back after a failed write.
        self._broken = False
        # Refusals that a failed recovery left to give.
        self._owed: list[Released] = []
        # After a failed write nothing is dispatched until then (0.0: go ahead).
        self._blocked_until = 0.0
        self._state.load(now)
        self._resume()

    def _resume(self) -> None:
        for live in self._state.open.values():
            # Paused ones too: they trigger nobody, but unsure chargers are asked (D21).
            if live.head.current_stage:
                fill(self._state, live)

    def _do(self, operation: Callable[..., Ticket], *arguments: Any) -> Ticket:
        """Run an operation; a database that cannot be read is a 503."""
        if self._broken:
            raise problems.unavailable("the database cannot be read")
        try:
            return operation(self._state, *arguments)
        except StoreUnavailable as error:
            raise problems.unavailable(str(error)) from error

    # -------------------------------------------------- a database that refuses

    def _abandon(self, now: float, why: str) -> list[Released]:
        """Undo the open transaction: a crash without the death. Return the refusals to give."""
        dropped = self._outbox.abandoned()
        self._store.forget()
        for item in dropped:
            if isinstance(item, SendUpdate | AskStatus):
                self._free(item)
        self._blocked_until = now + _BACK_OFF
        lost = [item.ticket for item in dropped if isinstance(item, Answered)]
        lost += self._reload(now)
        return [Answered(ticket, problems.unavailable(why)) for ticket in lost]

    def _free(self, command: SendUpdate | AskStatus) -> None:
        presence = self._state.presence.get(command.charger_id)
        if presence is not None and presence.connection == command.connection:
            presence.free = True
            presence.asked = "" if presence.asked == command.message_id else presence.asked

    def _reload(self, now: float) -> list[Ticket]:
        """Go back to the last durable state; connections live on. Return the tickets it lost."""
        before, state = self._state, State(self._store, self._outbox, self._settings)
        state.presence = before.presence
        state.publishing = before.publishing
        open_calls, before.dispatches = before.dispatches, {}
        lost = [dispatch.ticket for _, dispatch in before.leaving]
        before.leaving.clear()
        try:
            state.load(now, alive=True)
        except StoreUnavailable:
            self._broken = True
            return lost + [dispatch.ticket for dispatch in open_calls.values()]
        self._broken, self._state = False, state
        state.continue_from(before, now)
        for rollout_id, dispatch in open_calls.items():
            if not state.readopt(rollout_id, dispatch):
                lost.append(dispatch.ticket)
        self._resume()
        return lost

    # -------------------------------------------------- the turn

    def wake(self, now: float) -> None:
        """Do what time and free slots allow: one batch per rollout, due timers."""
        if self._broken and now >= self._blocked_until:
            self._owed += self._abandon(now, "the database could not be read")
        elif now >= self._blocked_until:
            run_timers(self._state, now)
            step(self._state, now)

    def next_wake(self) -> float | None:
        """Return when `wake` is next needed (0.0: at once), or None."""
        if self._broken or self._blocked_until:
            return self._blocked_until
        if self._state.busy or self._outbox.waiting:
            return 0.0
        return self._state.timers[0].due if self._state.timers else None

    @property
    def idle(self) -> bool:
        """Whether a turn before `next_wake()` would find nothing to do and nothing to commit."""
        return not (
            self._store.changes
            or self._outbox.waiting
            or self._state.busy
            or self._owed
            or self._broken
            or self._blocked_until
        )

    def commit(self, now: float) -> list[Released]:
        """Make the open transaction durable and return what waited for it, in order.

        If the database refuses, nothing of it has happened: state goes back to the last durable
        one and every waiting ticket is answered with a 503 `Problem`.
        """
        if self._broken:
            # What was decided since stands on a state that may not be the durable one.
            self._store.forget()
            self._outbox.abandoned()
        try:
            sequence = self._store.commit()
        except StoreUnavailable as error:
            return self._abandon(now, str(error))
        owed, self._owed = self._owed, []
        if not self._broken:
            self._blocked_until = 0.0
        return owed + self._outbox.committed(sequence)

    def after_commit(self, item: Released) -> None:
        """Release `item` with the open transaction (a session's answer to a status)."""
        self._state.release(item)

    def message_id(self) -> str:
        """Return a CALL id that this CSMS has never used (<= 36 characters, across restarts)."""
        return self._state.message_id()

    # -------------------------------------------------- operators: the published API

    def create_rollout(
        self, now: float, request: CreateRollout, idempotency_key: str | None = None
    ) -> Ticket:
        """Create a pending rollout: 201 with Location, or 422/409 (D13-D18)."""
        return self._do(service_rollouts.create, now, request, idempotency_key)

    # Every operation takes the time, needed or not: callers need not know which.
    def read_rollout(self, now: float, rollout_id: str) -> Ticket:  # noqa: ARG002 - see above
        """Return the rollout as published, or 404."""
        return self._do(service_rollouts.read, rollout_id)

    def execute_stage(
        self, now: float, rollout_id: str, idempotency_key: str | None = None
    ) -> Ticket:
        """Start or resume a stage (D1-D4, D8, D13, D19); answers when D31 says."""
        return self._do(service_rollouts.execute, now, rollout_id, idempotency_key)

    def pause(self, now: float, rollout_id: str, reason: str | None = None) -> Ticket:
        """Stop triggering chargers of this rollout (D8-D10)."""
        return self._do(service_rollouts.pause, now, rollout_id, reason)

    def fleet_firmware(
        self,
        now: float,  # noqa: ARG002 - see read_rollout
        site_id: str | None = None,
        vendor: str | None = None,
    ) -> Ticket:
        """Return the versions that run in the fleet and who runs them (D33)."""
        return self._do(service_operators.fleet, site_id, vendor)

    # -------------------------------------------------- operators: extensions (D29)

    def register(self, now: float, chargers: Sequence[NewCharger]) -> Ticket:
        """Register chargers or change registered ones: 200 with `{"chargers": [...]}`."""
        return self._do(service_operators.register, now, chargers)

    def list_chargers(
        self,
        now: float,  # noqa: ARG002 - see read_rollout
        site_id: str | None = None,
        vendor: str | None = None,
    ) -> Ticket:
        """Return `{"chargers": [...], "total": n}` with versions and connection state."""
        return self._do(service_operators.list_chargers, site_id, vendor)

    def remove_charger(self, now: float, charger_id: str) -> Ticket:
        """Forget a charger; it fails with reason `removed` in unfinished rollouts (D24)."""
        return self._do(service_operators.remove_charger, now, charger_id)

    def put_image(self, now: float, image: Image) -> Ticket:
        """Catalogue an image: 200 with the image."""
        return self._do(service_operators.put_image, now, image)

    def list_images(self, now: float) -> Ticket:  # noqa: ARG002 - see read_rollout
        """Return `{"images": [...]}`."""
        return self._do(service_operators.list_images)

    def list_rollouts(
        self,
        now: float,  # noqa: ARG002 - see read_rollout
        status: str | None = None,
    ) -> Ticket:
        """Return `{"rollouts": [...]}`, newest first, without chargers."""
        return self._do(service_rollouts.list_all, status)

    def cancel(self, now: float, rollout_id: str, reason: str | None = None) -> Ticket:
        """Fail every untriggered charger with reason `cancelled`; the rollout ends failed."""
        return self._do(service_rollouts.cancel_rollout, now, rollout_id, reason)

    def retry(self, now: float, rollout_id: str) -> Ticket:
        """Create a new pending rollout over the failed chargers of a terminal one."""
        return self._do(service_rollouts.retry, now, rollout_id)

    def audit(
        self,
        now: float,  # noqa: ARG002 - see read_rollout
        rollout_id: str | None = None,
        *,
        after: int = 0,
        limit: int = 1000,
    ) -> Ticket:
        """Return `{"entries": [...]}`, oldest first."""
        return self._do(service_operators.audit, rollout_id, after, limit)

    def progress(self, now: float, charger_id: str, percent: int) -> Ticket:
        """Take a download percentage of 1-80 from a progress source (D26)."""
        return self._do(service_operators.progress, now, charger_id, percent)

    def record_call(self, now: float, charger_id: str, action: str, answer: Any) -> None:
        """Write into the audit trail that an operator sent one OCPP call (D29)."""
        service_operators.record_call(self._state, now, charger_id, action, answer)

    def subscribe(self) -> None:
        """From now on `commit` also hands out `Published` changes."""
        self._state.publishing = True

    # -------------------------------------------------- facts about chargers

    def known(self, charger_id: str) -> Charger | None:
        """Return the registered charger, or None (the upgrade is answered 404)."""
        return self._state.chargers.get(charger_id)

    def connected(self, now: float, charger_id: str, connection: str, ocpp_version: str) -> None:
        """A WebSocket of this charger is open; it replaces an earlier one. Its slot is free."""
        service_chargers.connected(self._state, now, charger_id, connection, ocpp_version)

    def disconnected(self, now: float, charger_id: str, connection: str) -> None:
        """That WebSocket is gone. Call `unanswered` for its outstanding CALL as well, before."""
        service_chargers.disconnected(self._state, now, charger_id, connection)

    def heard(self, now: float, charger_id: str, connection: str) -> None:  # noqa: ARG002 - see read_rollout
        """The charger sent a message other than BootNotification (D11)."""
        service_chargers.heard(self._state, charger_id, connection)

    def extended(self, charger_id: str) -> None:
        """The charger, a 1.6 one, showed that it speaks the security extension."""
        service_chargers.extended(self._state, charger_id)

    def booted(self, now: float, charger_id: str, connection: str, boot: Boot) -> Acceptance:
        """The charger sent BootNotification; answer it with the result."""
        return service_chargers.booted(self._state, now, charger_id, connection, boot)

    def slot(
        self,
        now: float,  # noqa: ARG002 - see read_rollout
        charger_id: str,
        connection: str,
        *,
        free: bool,
    ) -> None:
        """The CALL slot was taken or freed, by whatever CALL of ours (D31)."""
        service_chargers.slot(self._state, charger_id, connection, free=free)

    def firmware_status(
        self,
        now: float,
        charger_id: str,
        status: str,
        request_id: int | None = None,
        detail: str = "",
    ) -> None:
        """A (Signed)FirmwareStatusNotification arrived; always answered {} (D22)."""
        service_chargers.firmware_status(
            self._state, now, charger_id, status=status, request_id=request_id, detail=detail
        )

    def undelivered(self, now: float, charger_id: str, message_id: str) -> None:
        """The frame of this command certainly did not leave the process."""
        service_chargers.undelivered(self._state, now, charger_id, message_id)

    def answered(self, now: float, charger_id: str, message_id: str, answer: Answer) -> None:
        """The charger answered the CALL of a `SendUpdate` or `AskStatus` (D20), maybe late."""
        service_chargers.answered(self._state, now, charger_id, message_id, answer)

    def unanswered(self, now: float, charger_id: str, message_id: str, why: str) -> None:
        """No answer: `why` is timeout or closed; the charger may have it (D21)."""
        service_chargers.unanswered(self._state, now, charger_id, message_id, why)
