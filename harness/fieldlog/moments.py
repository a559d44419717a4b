"""Reads times as logs write them. A core: the zone of times without one is handed in.

Seconds since 1970 throughout. Logs without a year (syslog) get the year that is handed in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from datetime import tzinfo

_OFFSET = re.compile(r"(?:UTC)?([+-])(\d{1,2}):?(\d{2})?$", re.IGNORECASE)
_SYSLOG = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(\.\d+)?$")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_MILLIS = 1e11  # an epoch beyond this is in milliseconds, micro- or nanoseconds
_DATE = 8  # digits of 20260314; more of them and nothing else are an epoch
_YEAR_2100 = 4_102_444_800.0


class UnknownZone(ValueError):
    """A time zone that nobody knows; the message says how to write one."""


def zone(name: str) -> tzinfo:
    """Return a time zone by name (Europe/Berlin), offset (+02:00) or UTC; raises UnknownZone."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    offset = _OFFSET.match(name)
    if offset is not None:
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        if hours < 24 and minutes < 60:  # noqa: PLR2004 - a day, an hour
            ahead = timedelta(hours=hours, minutes=minutes)
            return timezone(ahead if offset[1] == "+" else -ahead)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(
            f"the time zone {name!r:.40} is unknown; write it as UTC, +02:00 or Europe/Berlin"
        ) from error


def seconds(text: str | float | None, where: tzinfo = UTC, year: int = 1970) -> float | None:
    """Return a time as seconds since 1970, None if it is unreadable.

    Years in which no charger can have written a log are no times either: a clock that was never
    set says 0001, and what goes beyond 9999 in another zone is no date at all.
    """
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        return _number(text)
    moment = _moment(text.strip(), year)
    if moment is None:
        return _number(text)
    try:
        return _sane((moment if moment.tzinfo else moment.replace(tzinfo=where)).timestamp())
    except (OverflowError, ValueError, OSError):
        return None


def dated(text: str | float | None) -> bool:
    """Whether a time says its own zone, or needs none."""
    if not isinstance(text, str):
        return True
    moment = _moment(text.strip(), 1970)
    return moment is None or moment.tzinfo is not None


def _moment(text: str, year: int) -> datetime | None:
    if len(text) > _DATE and text.isdecimal():
        return None  # Python would read 1773121510412 as a day of the year 1773
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        # 2025-12-13 15:50:19,715 / 2026/07/23 10:21:46 / 2026-01-02T03:04:05.123456789Z
        plain = re.sub(r"([.,]\d{1,6})\d*", r"\1", text.replace("/", "-", 2))
        plain = re.sub(r" ?UTC$", "Z", plain)
        return datetime.fromisoformat(plain)
    except ValueError:
        return _syslog(text, year)


def _syslog(text: str, year: int) -> datetime | None:
    found = _SYSLOG.match(text)
    if found is None or found[1] not in _MONTHS:
        return None
    try:
        month = _MONTHS.index(found[1]) + 1
        whole = datetime(year, month, int(found[2]), int(found[3]), int(found[4]), int(found[5]))  # noqa: DTZ001 - the zone comes later
    except ValueError:
        return None
    return whole + timedelta(seconds=float(found[6] or 0))


def _number(text: str | float) -> float | None:
    try:
        return _epoch(float(text))
    except (ValueError, OverflowError):
        return None


def _epoch(number: float) -> float | None:
    for _ in range(3):
        if number > _MILLIS:
            number /= 1000.0
    return _sane(number)


def _sane(number: float) -> float | None:
    return number if 0 <= number < _YEAR_2100 else None
