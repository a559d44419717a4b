"""A histogram of latencies that costs the same for a thousand samples and for a billion. A core.

Buckets grow by 3 %, so that a percentile is right within 1.5 %; the least bucket is 10 µs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

LEAST = 1e-5
GROWTH = math.log(1.03)


@dataclass(slots=True)
class Histogram:
    """Samples in seconds, counted by bucket, and how many of them were errors."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    errors: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float, *, error: bool = False) -> None:
        """Take one sample in."""
        place = 0 if seconds <= LEAST else math.ceil(math.log(seconds / LEAST) / GROWTH)
        self.buckets[place] = self.buckets.get(place, 0) + 1
        self.count += 1
        self.errors += error
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def merge(self, other: Histogram) -> None:
        """Take all samples of another one in."""
        for place, count in other.buckets.items():
            self.buckets[place] = self.buckets.get(place, 0) + count
        self.count += other.count
        self.errors += other.errors
        self.total += other.total
        self.longest = max(self.longest, other.longest)

    def percentile(self, share: float) -> float:
        """Return what `share` (0..1) of the samples do not exceed; 0.0 without samples."""
        rank, seen = math.ceil(share * self.count), 0
        for place in sorted(self.buckets):
            seen += self.buckets[place]
            if seen >= rank:
                middle = LEAST * math.exp(GROWTH * (place - 0.5)) if place else LEAST
                return min(middle, self.longest)
        return 0.0

    @property
    def mean(self) -> float:
        """Return the mean; 0.0 without samples."""
        return self.total / self.count if self.count else 0.0

    @property
    def error_share(self) -> float:
        """Return the share of errors; 0.0 without samples."""
        return self.errors / self.count if self.count else 0.0
