"""From a create request to a plan: what is refused, which defaults, how stages are cut. Pure."""

from __future__ import annotations

import math
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reference_csms.model import Settings, Strategy, clean, parse_date
from reference_csms.rollout_values import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reference_csms.model import Charger, CreateRollout

Errors = list[dict[str, str]]

_LONGEST_URL = 2000  # the longest location any OCPP version can carry
_LONGEST_LOCATION = {"ocpp2.0.1": 512}  # where a version takes less
_LONGEST_WAIT = 366 * 86400.0
_MOST_RETRIES = 100
_LATEST = 4102444800.0  # the year 2100: later dates are typing errors and overflow some chargers


def make_plan(rollout_id: str, request: CreateRollout, settings: Settings, now: float) -> Plan:
    """Return the plan of a request that has no problems (D15, D16, D18, D30)."""
    total = len(request.charger_ids)
    first, batch = _sizes(request, total)
    date = request.retrieve_date
    return Plan(
        rollout_id=rollout_id,
        strategy=Strategy(request.strategy),
        firmware_url=request.firmware_url,
        total=total,
        first=first,
        batch=batch,
        created_at=now,
        retrieve_at=None if date is None else parse_date(date),
        max_in_flight=request.max_in_flight,
        failure_threshold=request.failure_threshold,
        update_timeout=_or(request.update_timeout, settings.update_timeout),
        offline_timeout=request.offline_timeout,
        retries=int(_or(request.retries, settings.retries)),
        retry_interval=int(_or(request.retry_interval, settings.retry_interval)),
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _sizes(request: CreateRollout, total: int) -> tuple[int, int]:
    """Return the sizes of the first and of every later stage."""
    if request.strategy == Strategy.CANARY:
        first = min(request.canary_count or 1, total)
        return first, max(total - first, 1)
    if request.strategy == Strategy.ROLLING:
        batch = min(request.batch_size or -(-total // 10), total)
        return batch, batch
    return total, total


# ------------------------------------------------------------------ stages


def stage_count(plan: Plan) -> int:
    """Return the number of stages."""
    return 1 + -(-(plan.total - plan.first) // plan.batch)


def stage_of(plan: Plan, position: int) -> int:
    """Return the number (from 1) of the stage that holds this position."""
    return 1 if position < plan.first else 2 + (position - plan.first) // plan.batch


def stage_span(plan: Plan, number: int) -> tuple[int, int]:
    """Return the positions [begin, end) of a stage."""
    if number == 1:
        return 0, plan.first
    begin = plan.first + (number - 2) * plan.batch
    return begin, min(begin + plan.batch, plan.total)


def stage_label(plan: Plan, number: int) -> str:
    """Return the published label of a stage (D33)."""
    if plan.strategy is Strategy.CANARY:
        return "Canary" if number == 1 else "Rollout"
    return f"Batch {number}" if plan.strategy is Strategy.ROLLING else "All"


# ------------------------------------------------------------------ what is refused


def problems_of(request: CreateRollout, known: Mapping[str, Charger], settings: Settings) -> Errors:
    """Return every problem of a well-typed create request (D14, D15, D18, D32)."""
    return [
        *_charger_problems(request, known, settings),
        *_url_problems(request, known, settings),
        *_strategy_problems(request),
        *_date_problems(request.retrieve_date),
        *_number_problems(request),
    ]


def _error(field: str, problem: str) -> dict[str, str]:
    return {"field": field, "problem": problem}


def _charger_problems(
    request: CreateRollout, known: Mapping[str, Charger], settings: Settings
) -> Errors:
    ids = request.charger_ids
    if not ids:
        return [_error("charger_ids", "the list is empty; name at least one charger")]
    if len(ids) > settings.max_chargers:
        most = settings.max_chargers
        return [_error("charger_ids", f"{len(ids)} chargers; a rollout takes at most {most}")]
    twice = [one for one, times in Counter(ids).items() if times > 1]
    strangers = [one for one in dict.fromkeys(ids) if one not in known]
    errors = [_error("charger_ids", f"{clean(one, 60)!r} is listed twice") for one in twice]
    errors += [_error("charger_ids", f"{clean(one, 60)!r} is not registered") for one in strangers]
    return errors


def _url_problems(
    request: CreateRollout, known: Mapping[str, Charger], settings: Settings
) -> Errors:
    problem = _url_problem(request.firmware_url, settings) or _too_long_for(request, known)
    return [_error("firmware_url", problem)] if problem else []


def _too_long_for(request: CreateRollout, known: Mapping[str, Charger]) -> str | None:
    """Say which charger could never be told this URL, by the version it last spoke."""
    length = len(request.firmware_url)
    if length <= min(_LONGEST_LOCATION.values()):
        return None
    for charger_id in request.charger_ids:
        charger = known.get(charger_id)
        most = _LONGEST_LOCATION.get(charger.ocpp_version, length) if charger else length
        if length > most:
            return f"{length} characters; {charger_id} speaks a version that takes {most}"
    return None


def _url_problem(url: str, settings: Settings) -> str | None:
    if len(url) > _LONGEST_URL:
        return f"longer than {_LONGEST_URL} characters"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "not a URL: write other characters percent-encoded"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return "not a URL"
    if not host or parts.scheme not in {"http", "https"}:
        return "must be an https:// URL with a host"
    if "@" in parts.netloc:
        return "must not carry credentials"
    if parts.scheme == "http" and not (settings.insecure_firmware_url and _loopback(host)):
        return "must be https:// (http:// only to loopback and with --insecure-firmware-url)"
    return None


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _strategy_problems(request: CreateRollout) -> Errors:
    strategy, errors = request.strategy, []
    if strategy not in set(Strategy):
        kinds = ", ".join(Strategy)
        return [_error("strategy", f"{clean(strategy, 60)!r} is unknown; use one of {kinds}")]
    sizes = {"canary_count": Strategy.CANARY, "batch_size": Strategy.ROLLING}
    for field, owner in sizes.items():
        value = getattr(request, field)
        if value is None:
            continue
        if strategy != owner:
            errors.append(_error(field, f"has no meaning for {strategy}; leave it out"))
        elif value < 1:
            errors.append(_error(field, f"is {value}; at least 1"))
    return errors


def _date_problems(text: str | None) -> Errors:
    if text is None:
        return []
    try:
        moment = parse_date(text)
    except (ValueError, OverflowError) as error:
        return [_error("retrieve_date", clean(str(error), 120))]
    if not 0 <= moment <= _LATEST:
        return [_error("retrieve_date", "must lie between 1970 and 2100")]
    return []


def _number_problems(request: CreateRollout) -> Errors:
    bounds: list[tuple[str, float, float]] = [
        ("max_in_flight", 1, math.inf),
        ("failure_threshold", 0, 1),
        ("update_timeout", 1, _LONGEST_WAIT),
        ("offline_timeout", 1, _LONGEST_WAIT),
        ("retries", 0, _MOST_RETRIES),
        ("retry_interval", 0, _LONGEST_WAIT),
    ]
    errors = []
    for field, low, high in bounds:
        value = getattr(request, field)
        if value is not None and not low <= value <= high:
            limit = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
            errors.append(_error(field, f"is {value}; {limit}"))
    return errors
