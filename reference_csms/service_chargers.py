"""Facts about chargers, as the sessions report them. A core.

Every text a charger wrote passes `clean` here, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from reference_csms.model import Acceptance, Boot, CallResult, Charger, ChargerStatus, clean
from reference_csms.rollout_values import (
    AskRefused,
    BootReported,
    Intent,
    StatusReported,
    Undelivered,
    UpdateAnswered,
    UpdateUnanswered,
)
from reference_csms.service_dispatch import arm_offline, available, unavailable
from reference_csms.service_live import Presence

if TYPE_CHECKING:
    from reference_csms.model import Answer
    from reference_csms.service_live import Live
    from reference_csms.service_state import State

_VERSION_LIMIT = 100
_NAME_LIMIT = 100
# In place of a question's message id once it is answered: one question a connection, so that a
# charger that answers Idle to everything is not resent to for ever.
SPENT = "spent"


def _current(state: State, charger_id: str, connection: str) -> Presence | None:
    """Return the presence if `connection` is the charger's current one."""
    presence = state.presence.get(charger_id)
    return presence if presence is not None and presence.connection == connection else None


def _change(state: State, charger: Charger, **fields: object) -> None:
    after = msgspec.structs.replace(charger, **fields)
    if after != charger:
        state.set_charger(after)


def connected(state: State, now: float, charger_id: str, connection: str, version: str) -> None:
    """Note a new connection, which replaces an earlier one."""
    charger = state.chargers.get(charger_id)
    if charger is None:
        return
    unavailable(state, charger_id)
    _lose(state, now, charger_id)
    state.presence[charger_id] = Presence(connection, now)
    _change(state, charger, last_seen=None, ocpp_version=clean(version, 20))
    if charger.accepted:
        due = now + state.settings.reconnect_grace
        state.timer(due, "grace", "", charger_id, connection)


def disconnected(state: State, now: float, charger_id: str, connection: str) -> None:
    """Note that a connection is gone; an older one than the current says nothing."""
    if _current(state, charger_id, connection) is None:
        return
    unavailable(state, charger_id)
    _lose(state, now, charger_id)
    del state.presence[charger_id]
    charger = state.chargers.get(charger_id)
    if charger is not None:
        _change(state, charger, last_seen=now)
    live = state.engagement(charger_id)
    if live is not None and not live.head.terminal:
        arm_offline(state, live, charger_id)


def _lose(state: State, now: float, charger_id: str) -> None:
    """Give up the answer to a command on a connection that is gone (D21)."""
    live = state.engagement(charger_id)
    if live is None or live.row(charger_id).intent is not Intent.SENDING:
        return
    state.apply(live, charger_id, UpdateUnanswered(live.row(charger_id).message_id or ""), now)


def heard(state: State, charger_id: str, connection: str) -> None:
    """Note life: a charger accepted before is usable from its first message (D11)."""
    presence = _current(state, charger_id, connection)
    charger = state.chargers.get(charger_id)
    if presence is None or presence.usable or charger is None or not charger.accepted:
        return
    presence.usable = True
    available(state, charger_id)


def extended(state: State, charger_id: str) -> None:
    """Note that a 1.6 station speaks the security extension: a restart must not forget it."""
    charger = state.chargers.get(charger_id)
    if charger is not None:
        _change(state, charger, security_extension=True)


def booted(state: State, now: float, charger_id: str, connection: str, boot: Boot) -> Acceptance:
    """Note a boot: who it is, what it runs, and that it may be used from now on."""
    interval = state.settings.heartbeat_interval
    charger = state.chargers.get(charger_id)
    if charger is None:
        return Acceptance("Rejected", interval)
    version = clean(boot.firmware_version, _VERSION_LIMIT)
    _change(
        state,
        charger,
        vendor=clean(boot.vendor, _NAME_LIMIT) or charger.vendor,
        model=clean(boot.model, _NAME_LIMIT) or charger.model,
        firmware_version=version,
        version_stale=False,
        accepted=True,
    )
    live = state.engagement(charger_id)
    if live is not None and live.row(charger_id).triggered:
        image = state.images.get(live.head.plan.firmware_url)
        event = BootReported(version, image.version if image else None)
        state.apply(live, charger_id, event, now)
    presence = _current(state, charger_id, connection)
    if presence is not None:
        presence.usable = True
        available(state, charger_id)
    return Acceptance("Accepted", interval)


def slot(state: State, charger_id: str, connection: str, *, free: bool) -> None:
    """Note that the CALL slot of a connection was taken or freed (D31)."""
    presence = _current(state, charger_id, connection)
    if presence is None:
        return
    presence.free = free
    if free:
        available(state, charger_id)
    else:
        unavailable(state, charger_id)


def firmware_status(
    state: State,
    now: float,
    charger_id: str,
    *,
    status: str,
    request_id: int | None,
    detail: str,
) -> None:
    """Take a firmware status; one that belongs to no update is only recorded (D22)."""
    status = clean(status, 60)
    presence = state.presence.get(charger_id)
    asked = presence is not None and presence.asked not in {"", SPENT}
    live = state.engagement(charger_id)
    if live is None:
        state.record_ignored(None, charger_id, now, status, "no update is known")
        return
    if asked and presence is not None:
        presence.asked = SPENT
    event = StatusReported(status, request_id, clean(detail), asked)
    row = state.apply(live, charger_id, event, now).row
    charger = state.chargers.get(charger_id)
    if charger is not None and status == "Installed" and row.status is ChargerStatus.INSTALLED:
        # Reported before the reboot (some do): the next boot says nothing about later updates.
        old = charger.firmware_version == row.version_before
        _change(state, charger, version_stale=charger.version_stale or old)
    available(state, charger_id)


# ------------------------------------------------------------------ what became of our CALLs


def _update(state: State, charger_id: str, message_id: str) -> Live | None:
    """Return the rollout whose latest command to this charger has this message id."""
    live = state.engagement(charger_id)
    found = live is not None and live.row(charger_id).message_id == message_id
    return live if found else None


def _asked(state: State, charger_id: str, message_id: str) -> Presence | None:
    presence = state.presence.get(charger_id)
    return presence if presence is not None and presence.asked == message_id else None


def undelivered(state: State, now: float, charger_id: str, message_id: str) -> None:
    """Take a command back that never left: the charger may be triggered later."""
    presence = _asked(state, charger_id, message_id)
    if presence is not None:
        presence.asked = ""
        return
    live = _update(state, charger_id, message_id)
    if (
        live is not None
        and state.apply(live, charger_id, Undelivered(message_id), now).ignored is None
    ):
        open_ones = [state.dispatches.get(live.rollout_id), *(one for _, one in state.leaving)]
        for dispatch in open_ones:
            if dispatch is not None and dispatch.messages.get(charger_id) == message_id:
                del dispatch.messages[charger_id]


def answered(state: State, now: float, charger_id: str, message_id: str, answer: Answer) -> None:
    """Take the answer to a command or to a question (D20, D21)."""
    live = _update(state, charger_id, message_id)
    if live is not None:
        state.apply(live, charger_id, UpdateAnswered(message_id, answer), now)
    elif _asked(state, charger_id, message_id) is not None:
        accepted = isinstance(answer, CallResult) and answer.status == "Accepted"
        if not accepted:
            _give_up(state, charger_id, now)


def unanswered(state: State, now: float, charger_id: str, message_id: str, why: str) -> None:
    """Take a missing answer: a command becomes unsure, a timed-out question is hopeless (D21)."""
    live = _update(state, charger_id, message_id)
    if live is not None:
        state.apply(live, charger_id, UpdateUnanswered(message_id), now)
        available(state, charger_id)
    elif _asked(state, charger_id, message_id) is not None and why == "timeout":
        _give_up(state, charger_id, now)


def _give_up(state: State, charger_id: str, now: float) -> None:
    live = state.engagement(charger_id)
    if live is not None and live.row(charger_id).intent is Intent.UNSURE:
        state.apply(live, charger_id, AskRefused(), now)
