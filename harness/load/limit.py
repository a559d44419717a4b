"""Where a system breaks: the search for its knee. A core; a probe is whatever tries one level.

The level is doubled until something breaks, then the gap between the highest level that held and
the lowest that broke is halved (on a logarithmic scale) until it is small enough. A level that
breaks is tried again first: one bad moment of a busy machine is no limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

FORMAT = "firmdrill-limit/1"


@dataclass(frozen=True, slots=True)
class Probe:
    """One try: the level, whether everything held, and if not, why."""

    level: float
    held: bool
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"level": self.level, "held": self.held, "reason": self.reason}


@dataclass(slots=True)
class Limit:
    """What was found: `held` is the highest level that held, `broke` the lowest that did not."""

    probes: list[Probe] = field(default_factory=list)
    held: float | None = None
    broke: float | None = None
    reason: str = ""

    @property
    def knee(self) -> float | None:
        """Return the middle of the gap; None if nothing broke, or nothing held."""
        if self.held is None or self.broke is None:
            return None
        return math.sqrt(self.held * self.broke)

    def take(self, probe: Probe) -> None:
        """Note the outcome of one level."""
        if probe.held:
            self.held = max(self.held or 0.0, probe.level)
        elif self.broke is None or probe.level < self.broke:
            self.broke, self.reason = probe.level, probe.reason

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: format firmdrill-limit/1."""
        return {
            "format": FORMAT,
            "held": self.held,
            "broke": self.broke,
            "knee": None if self.knee is None else round(self.knee, 3),
            "reason": self.reason,
            "probes": [one.to_dict() for one in self.probes],
        }


def search(
    attempt: Callable[[float], Probe],
    low: float,
    high: float,
    *,
    within: float = 0.1,
    whole: bool = False,
    limit: Limit | None = None,
) -> Limit:
    """Look for the limit between `low` and `high`; the gap left is at most `within` (a share).

    `whole` levels are integers. Nothing breaks at `high`: `broke` is None. Already `low` breaks:
    `held` is None. `limit` takes the result, so that it is there even if an attempt raises.
    """
    limit = Limit() if limit is None else limit

    def hold(level: float) -> bool:
        probe = attempt(level)
        limit.probes.append(probe)
        if not probe.held:
            probe = attempt(level)
            limit.probes.append(probe)
        limit.take(probe)
        return probe.held

    level = _level(low, whole=whole)
    while hold(level):
        if level >= high:
            return limit
        level = _level(min(level * 2, high), whole=whole)
    while limit.held is not None and limit.broke is not None:
        middle = _level(math.sqrt(limit.held * limit.broke), whole=whole)
        narrow = limit.broke / limit.held <= 1.0 + within
        if narrow or middle in {limit.held, limit.broke}:
            break
        hold(middle)
    return limit


def _level(level: float, *, whole: bool) -> float:
    return float(round(level)) if whole else level


def in_words(limit: Limit, what: str) -> str:
    """Return the result as a sentence."""
    if limit.broke is None:
        return f"no limit found: {_round(limit.held)} {what} held, the most that was tried"
    if limit.held is None:
        return f"already {_round(limit.broke)} {what} are too many: {limit.reason}"
    return (
        f"the knee is at about {_round(limit.knee)} {what}: {_round(limit.held)} held, "
        f"{_round(limit.broke)} did not: {limit.reason}"
    )


def _round(level: float | None) -> str:
    return "0" if level is None else f"{level:.4g}" if level < 1000 else f"{level:.0f}"  # noqa: PLR2004 - digits
