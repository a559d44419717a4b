"""What a scenario says is too slow, compared with what was measured. A core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.load.figures import Figures
    from harness.load.histogram import Histogram
    from simulator.scenario_load import Threshold

_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Measured:
    """One limit and what was measured; `samples` 0 means that nothing was."""

    name: str  # `BootNotification p99`
    limit: str
    seen: str
    met: bool
    samples: int


def measured(thresholds: Mapping[str, Threshold], figures: Figures) -> list[Measured]:
    """Compare every threshold with the figures, in the scenario's order."""
    return [
        one
        for name, threshold in thresholds.items()
        for one in _compare(name, threshold, figures.named(name))
    ]


def _compare(name: str, threshold: Threshold, samples: Histogram) -> Iterator[Measured]:
    for which in ("p50", "p95", "p99", "longest"):
        limit = getattr(threshold, which)
        if limit is not None:
            share = _SHARES.get(which)
            seen = samples.longest if share is None else samples.percentile(share)
            yield _said(f"{name} {which}", _ms(limit), _ms(seen), samples, seen <= limit)
    if threshold.errors is not None:
        seen = samples.error_share
        limit, told = f"{threshold.errors:.2%}", f"{seen:.2%}"
        yield _said(f"{name} errors", limit, told, samples, seen <= threshold.errors)


def _said(name: str, limit: str, seen: str, samples: Histogram, met: bool) -> Measured:
    if not samples.count:
        return Measured(name, f"<= {limit}", "no samples", met=False, samples=0)
    return Measured(name, f"<= {limit}", seen, met=met, samples=samples.count)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
