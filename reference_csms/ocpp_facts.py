"""What the sessions count, wait for and read out of payloads. Values.

Payloads have passed their schema when they come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import Boot, CallError, CallResult

if TYPE_CHECKING:
    from collections.abc import Callable

ID_LIMIT = 36  # OCPP-J: characters of a message id
_BIGGEST = 2**63
DEEPEST = 200  # levels of a message: validators stop at 255, and an answer may repeat a part of it
SHALLOW = 2 * DEEPEST  # characters: each level takes two, so what is no longer is not deeper


@dataclass(slots=True)
class Counters:
    """What passed over all connections since the start."""

    calls: int = 0  # CALLs of stations that were answered with a CALLRESULT
    refused: int = 0  # CALLs of stations that were answered with a CALLERROR
    ignored: int = 0  # frames passed over in silence
    late: int = 0  # replies after the time-out, or that nobody asked for
    sent: int = 0  # CALLs of ours
    timeouts: int = 0  # CALLs of ours that were not answered in time
    odd_answers: int = 0  # answers to our CALLs that break their schema


class Outcome(msgspec.Struct, frozen=True):
    """What became of an operator's call: exactly one of the three is set."""

    result: dict[str, Any] | None = None
    error: CallError | None = None
    missing: str | None = None  # timeout | closed


class Outstanding(msgspec.Struct, frozen=True):
    """The CALL of ours that a station has not answered yet."""

    message_id: str
    action: str
    deadline: float
    # Who waits for the answer; None: the service does, it was a command of a rollout.
    listener: Callable[[Outcome], None] | None


def is_id(value: Any) -> bool:
    """Whether `value` can be a message id."""
    return type(value) is str and 0 < len(value) <= ID_LIMIT


def deep(text: str, message: Any) -> bool:
    """Whether what was decoded from this text is nested too deeply to be handled."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    level = [message]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def request_id(value: Any) -> int | None:
    """Return a request id as an integer a database holds; 3.0 is an integer to JSON schema."""
    if isinstance(value, float):
        value = int(value) if abs(value) < _BIGGEST else None
    return value if isinstance(value, int) and abs(value) < _BIGGEST else None


def boot_facts(version: str, payload: dict[str, Any]) -> Boot:
    """Return what a schema-valid BootNotification says."""
    if version == "ocpp1.6":
        return Boot(
            payload["chargePointVendor"],
            payload["chargePointModel"],
            payload.get("firmwareVersion", ""),
        )
    station = payload["chargingStation"]
    return Boot(
        station["vendorName"],
        station["model"],
        station.get("firmwareVersion", ""),
        payload["reason"],
    )


def answer_of(outcome: Outcome) -> CallResult | CallError:
    """Return what the service wants to know of an answer to a command."""
    if outcome.error is not None:
        return outcome.error
    status = (outcome.result or {}).get("status", "")
    return CallResult(status if isinstance(status, str) else "")
