"""Times that a CSMS and chargers write, and how they relate to those of the history.

A core.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from typing import Any

from simulator.remembering import remembered

CLOCK_SKEW = 5.0  # seconds between the CSMS's clock and the harness's
LONGEST_TIME = 64  # characters of a time that is remembered: others are no times, or odd


def instant(text: Any) -> datetime | None:
    """Read an RFC 3339 time; None if it is none. Without an offset it counts as UTC."""
    return _instant(text) if isinstance(text, str) else None


@remembered(4096, longest=LONGEST_TIME)  # a charger's times stand in every read
def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def in_history(text: Any, started_at: Any) -> float:
    """Return a written time in seconds of a history that started then; -inf if there is none."""
    moment, start = instant(text), instant(started_at)
    if moment is None or start is None:
        return -inf
    return (moment - start).total_seconds()
