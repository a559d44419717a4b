"""What operators do with chargers, images and the audit trail (D29). A core."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms import problems
from reference_csms.model import Charger, Hangup, Image, NewCharger, Reply, Ticket, clean
from reference_csms.rollout_values import ProgressReported, Removed
from reference_csms.service_dispatch import unavailable
from reference_csms.service_live import audit_line
from reference_csms.service_rollouts import answer, find
from reference_csms.service_views import charger_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference_csms.service_state import State

_ID_LIMIT = 255
_LARGEST = 2**53
_LIMITS = {"url": 2000, "signature": 2000, "signing_certificate": 10_000}
_FIELDS = ("site_id", "vendor", "model")


def register(state: State, now: float, chargers: Sequence[NewCharger]) -> Ticket:
    """Register chargers, or change registered ones; all of them or none."""
    errors = [error for new in chargers for error in _problems(new)]
    if errors:
        raise problems.invalid(errors)
    for new in chargers:
        old = state.chargers.get(new.charger_id)
        charger = _merged(old, new, now)
        if charger != old:
            state.set_charger(charger)
            state.record("registered", None, new.charger_id, time=now)
    views = [_view(state, new.charger_id) for new in chargers]
    return answer(state, Reply(200, {"chargers": views, "total": len(views)}))


def _problems(new: NewCharger) -> list[dict[str, str]]:
    one, errors = new.charger_id, []
    if not one or clean(one, _ID_LIMIT) != one:
        problem = f"{clean(one, 60)!r} is empty, too long or has control characters"
        errors.append({"field": "charge_point_id", "problem": problem})
    for field in _FIELDS:
        text = getattr(new, field)
        if clean(text, _ID_LIMIT) != text:
            problem = f"of {clean(one, 60)!r} is too long or has control characters"
            errors.append({"field": field, "problem": problem})
    return errors


def _merged(old: Charger | None, new: NewCharger, now: float) -> Charger:
    fields: dict[str, Any] = {name: getattr(new, name) for name in (*_FIELDS, "password_hash")}
    if old is None:
        return Charger(charger_id=new.charger_id, registered_at=now, **fields)
    given = {name: value for name, value in fields.items() if value}
    return msgspec.structs.replace(old, **given)


def _view(state: State, charger_id: str) -> dict[str, Any]:
    return charger_body(state.chargers[charger_id], state.presence.get(charger_id))


def list_chargers(state: State, site_id: str | None, vendor: str | None) -> Ticket:
    """List registered chargers."""
    views = [
        _view(state, one)
        for one, charger in state.chargers.items()
        if site_id in {None, charger.site_id} and vendor in {None, charger.vendor}
    ]
    return answer(state, Reply(200, {"chargers": views, "total": len(views)}))


def remove_charger(state: State, now: float, charger_id: str) -> Ticket:
    """Forget a charger; where a rollout still needs it, it fails (D24)."""
    if charger_id not in state.chargers:
        raise problems.unknown_charger(charger_id)
    body = _view(state, charger_id)
    unavailable(state, charger_id)
    for live in list(state.open.values()):
        if charger_id in live.position:
            state.apply(live, charger_id, Removed(), now)
    presence = state.presence.get(charger_id)
    state.drop_charger(charger_id)
    state.record("removed", None, charger_id, time=now)
    if presence is not None:
        state.release(Hangup(charger_id, presence.connection))
    return answer(state, Reply(200, body))


def put_image(state: State, now: float, image: Image) -> Ticket:
    """Catalogue an image under its url."""
    errors = [
        {"field": name, "problem": "is empty, too long or not plain text"}
        for name in image.__struct_fields__
        if not _storable(name, getattr(image, name))
    ]
    if errors:
        raise problems.invalid(errors)
    state.images[image.url] = image
    state.store.put_image(image)
    state.record("catalogued", None, None, time=now, url=image.url, version=image.version)
    return answer(state, Reply(200, image))


def _storable(name: str, value: object) -> bool:
    """Tell whether a field of an image is text we can keep; PEM may have several lines."""
    if not isinstance(value, str):
        return value is None or (isinstance(value, int) and 0 <= value < _LARGEST)
    limit = _LIMITS.get(name, _ID_LIMIT)
    lines = value.splitlines() if name == "signing_certificate" else [value]
    return 0 < len(value) <= limit and all(clean(line, limit) == line for line in lines)


def audit(state: State, rollout_id: str | None, after: int, limit: int) -> Ticket:
    """Read durable lines of the audit trail."""
    if rollout_id is not None:
        find(state, rollout_id)
    entries = state.store.audit(rollout_id, after, limit)
    return answer(state, Reply(200, {"entries": [audit_line(entry) for entry in entries]}))


def record_call(state: State, now: float, charger_id: str, action: str, outcome: Any) -> None:
    """Note that an operator had one OCPP call sent, and what became of it."""
    # json escapes what clean would replace: an answer is kept as it came.
    text = json.dumps(outcome, default=str)
    state.record("call", None, charger_id, time=now, action=clean(action, 60), answer=text)


def list_images(state: State) -> Ticket:
    """List the catalogue."""
    return answer(state, Reply(200, {"images": list(state.images.values())}))


def fleet(state: State, site_id: str | None, vendor: str | None) -> Ticket:
    """Tell which versions run where (D33)."""
    return answer(state, Reply(200, state.fleet.view(state.images, site_id, vendor)))


def progress(state: State, now: float, charger_id: str, percent: int) -> Ticket:
    """Take a download percentage from a progress source (D26)."""
    if charger_id not in state.chargers:
        raise problems.unknown_charger(charger_id)
    live = state.engagement(charger_id)
    if live is not None:
        state.apply(live, charger_id, ProgressReported(percent), now)
    shown = live.row(charger_id).progress if live else 0
    return answer(state, Reply(200, {"charge_point_id": charger_id, "progress_percent": shown}))
