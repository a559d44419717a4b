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

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Service:
    """The CSMS without sockets: state, timers and the outbox over one store."""

    def __init__(self, store: Store, settings: Settings, now: float) -> None:
        """Load the durable state and recover what was on its way (crash safety, contract.md)."""

    # -------------------------------------------------- the turn

    def wake(self, now: float) -> None:
        """Do what time and free slots allow: one batch per rollout, due timers."""
        raise NotImplementedError

    def next_wake(self) -> float | None:
        """Return when `wake` is next needed (0.0: at once), or None."""
        raise NotImplementedError

    def commit(self, now: float) -> list[Released]:
        """Make the open transaction durable and return what waited for it, in order.

        If the database refuses, nothing of it has happened: state goes back to the last durable
        one and every waiting ticket is answered with a 503 `Problem`.
        """
        raise NotImplementedError

    def after_commit(self, item: Released) -> None:
        """Release `item` with the open transaction (a session's answer to a status)."""
        raise NotImplementedError

    def message_id(self) -> str:
        """Return a CALL id that this CSMS has never used (<= 36 characters, across restarts)."""
        raise NotImplementedError

    # -------------------------------------------------- operators: the published API

    def create_rollout(
        self, now: float, request: CreateRollout, idempotency_key: str | None = None
    ) -> Ticket:
        """Create a pending rollout: 201 with Location, or 422/409 (D13-D18)."""
        raise NotImplementedError

    def read_rollout(self, now: float, rollout_id: str) -> Ticket:
        """Return the rollout as published, or 404."""
        raise NotImplementedError

    def execute_stage(
        self, now: float, rollout_id: str, idempotency_key: str | None = None
    ) -> Ticket:
        """Start or resume a stage (D1-D4, D8, D13, D19); answers when D31 says."""
        raise NotImplementedError

    def pause(self, now: float, rollout_id: str, reason: str | None = None) -> Ticket:
        """Stop triggering chargers of this rollout (D8-D10)."""
        raise NotImplementedError

    def fleet_firmware(
        self, now: float, site_id: str | None = None, vendor: str | None = None
    ) -> Ticket:
        """Return the versions that run in the fleet and who runs them (D33)."""
        raise NotImplementedError

    # -------------------------------------------------- operators: extensions (D29)

    def register(self, now: float, chargers: Sequence[NewCharger]) -> Ticket:
        """Register chargers or change registered ones: 200 with `{"chargers": [...]}`."""
        raise NotImplementedError

    def list_chargers(
        self, now: float, site_id: str | None = None, vendor: str | None = None
    ) -> Ticket:
        """Return `{"chargers": [...], "total": n}` with versions and connection state."""
        raise NotImplementedError

    def remove_charger(self, now: float, charger_id: str) -> Ticket:
        """Forget a charger; it fails with reason `removed` in unfinished rollouts (D24)."""
        raise NotImplementedError

    def put_image(self, now: float, image: Image) -> Ticket:
        """Catalogue an image: 200 with the image."""
        raise NotImplementedError

    def list_images(self, now: float) -> Ticket:
        """Return `{"images": [...]}`."""
        raise NotImplementedError

    def list_rollouts(self, now: float, status: str | None = None) -> Ticket:
        """Return `{"rollouts": [...]}`, newest first, without chargers."""
        raise NotImplementedError

    def cancel(self, now: float, rollout_id: str, reason: str | None = None) -> Ticket:
        """Fail every untriggered charger with reason `cancelled`; the rollout ends failed."""
        raise NotImplementedError

    def retry(self, now: float, rollout_id: str) -> Ticket:
        """Create a new pending rollout over the failed chargers of a terminal one."""
        raise NotImplementedError

    def audit(
        self, now: float, rollout_id: str | None = None, *, after: int = 0, limit: int = 1000
    ) -> Ticket:
        """Return `{"entries": [...]}`, oldest first."""
        raise NotImplementedError

    def progress(self, now: float, charger_id: str, percent: int) -> Ticket:
        """Take a download percentage of 1-80 from a progress source (D26)."""
        raise NotImplementedError

    def record_call(self, now: float, charger_id: str, action: str, answer: Any) -> None:
        """Write into the audit trail that an operator sent one OCPP call (D29)."""
        raise NotImplementedError

    def subscribe(self) -> None:
        """From now on `commit` also hands out `Published` changes."""
        raise NotImplementedError

    # -------------------------------------------------- facts about chargers

    def known(self, charger_id: str) -> Charger | None:
        """Return the registered charger, or None (the upgrade is answered 404)."""
        raise NotImplementedError

    def connected(self, now: float, charger_id: str, connection: str, ocpp_version: str) -> None:
        """A WebSocket of this charger is open; it replaces an earlier one. Its slot is free."""
        raise NotImplementedError

    def disconnected(self, now: float, charger_id: str, connection: str) -> None:
        """That WebSocket is gone. Call `unanswered` for its outstanding CALL as well, before."""
        raise NotImplementedError

    def heard(self, now: float, charger_id: str, connection: str) -> None:
        """The charger sent a message other than BootNotification (D11)."""
        raise NotImplementedError

    def booted(self, now: float, charger_id: str, connection: str, boot: Boot) -> Acceptance:
        """The charger sent BootNotification; answer it with the result."""
        raise NotImplementedError

    def slot(self, now: float, charger_id: str, connection: str, *, free: bool) -> None:
        """The CALL slot was taken or freed, by whatever CALL of ours (D31)."""
        raise NotImplementedError

    def firmware_status(
        self,
        now: float,
        charger_id: str,
        status: str,
        request_id: int | None = None,
        detail: str = "",
    ) -> None:
        """A (Signed)FirmwareStatusNotification arrived; always answered {} (D22)."""
        raise NotImplementedError

    def undelivered(self, now: float, charger_id: str, message_id: str) -> None:
        """The frame of this command certainly did not leave the process."""
        raise NotImplementedError

    def answered(self, now: float, charger_id: str, message_id: str, answer: Answer) -> None:
        """The charger answered the CALL of a `SendUpdate` or `AskStatus` (D20), maybe late."""
        raise NotImplementedError

    def unanswered(self, now: float, charger_id: str, message_id: str, why: str) -> None:
        """No answer: `why` is timeout or closed; the charger may have it (D21)."""
        raise NotImplementedError
