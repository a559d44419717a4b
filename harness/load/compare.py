"""Two load runs beside each other: what became slower, what broke, what changed. A core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FEWEST = 20  # samples on both sides, below which a percentile is chance
LEAST = 1.0  # ms: less of a difference is nobody's business


@dataclass(frozen=True, slots=True)
class Row:
    """One name in both runs; None where a run has no sample of it."""

    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def ratio(self, which: str) -> float | None:
        """Return after / before of a percentile; None where there are too few samples."""
        if self.before is None or self.after is None or not self.before[which]:
            return None
        if min(self.before["count"], self.after["count"]) < FEWEST:
            return None
        return float(self.after[which] / self.before[which])


def rows(before: dict[str, Any], after: dict[str, Any]) -> list[Row]:
    """Return every name of either run."""
    old, new = _by_name(before), _by_name(after)
    return [Row(f"{k[0]}: {k[1]}", old.get(k), new.get(k)) for k in sorted({*old, *new})]


def _by_name(said: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["type"], row["name"]): row for row in said["latencies"]}


def slower(found: list[Row], worse: float) -> list[str]:
    """Name what is slower by more than `worse` (a share) at p95 or p99, or errs more often."""
    out = []
    for row in found:
        for which in ("p95", "p99"):
            ratio = row.ratio(which)
            if ratio is not None and ratio > 1.0 + worse and _matters(row, which):
                out.append(f"{row.name} {which} is {ratio:.2f} times what it was")
        if row.before is not None and row.after is not None and _errs(row) > worse:
            out.append(f"{row.name} has {row.after['errors']} errors of {row.after['count']}")
    return out


def _matters(row: Row, which: str) -> bool:
    assert row.before is not None  # noqa: S101 - it has a ratio
    assert row.after is not None  # noqa: S101
    return bool(row.after[which] - row.before[which] >= LEAST)


def _errs(row: Row) -> float:
    """Return by how much the share of errors grew."""
    shares = [one["errors"] / one["count"] for one in (row.before, row.after) if one]
    return float(shares[1] - shares[0])


def lines(before: dict[str, Any], after: dict[str, Any], found: list[Row]) -> Iterator[str]:
    """Yield the comparison for a terminal."""
    for name, told in (("A", before), ("B", after)):
        yield (
            f"{name}  {told['verdict']}, {told['chargers']['booted']} chargers, "
            f"{told['ocpp_calls']} OCPP calls in {told['duration']:.1f} s: "
            f"{told['scenario']['name']}"
        )
    if before["chargers"] != after["chargers"] or before["scenario"] != after["scenario"]:
        yield "NOTE the runs are not alike: ratios tell about both the system and the difference"
    width = max((len(row.name) for row in found), default=4)
    heads = [f"{f'{which} {run}':>9}" for which in ("p50", "p95", "p99") for run in "AB"]
    yield f"{'':{width}}  {' '.join(heads)}  p95 B/A"
    for row in found:
        cells = [
            f"{one[which]:>9.1f}" if one else f"{'-':>9}"
            for which in ("p50", "p95", "p99")
            for one in (row.before, row.after)
        ]
        ratio = row.ratio("p95")
        yield f"{row.name:{width}}  {' '.join(cells)}  {'-' if ratio is None else f'{ratio:.2f}'}"
