"""What the published API document says, restated as facts; and the switches it leaves open.

A core. It shares nothing with the reference CSMS: the judge must not inherit the defendant's
reading of the law. Field names, types, defaults, sizes and labels are those of the API document;
`Profile` holds what that text leaves open (`decisions.py`: D1..D35 of the contract) and any target
may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A tuple: whatever a body says can be looked up in it, unhashable or not.
TERMINAL = ("completed", "failed")
STATUSES = frozenset({"pending", "in_progress", "paused", *TERMINAL})
STAGE_STATUSES = ("pending", "in_progress", *TERMINAL)  # a pause shows in the rollout's alone (D33)
STRATEGIES = frozenset({"canary", "rolling", "all_at_once"})
CHARGER_STATUSES = (
    "pending", "scheduled", "downloading", "downloaded", "installing", "rebooting", "installed",
    "failed",
)  # fmt: skip
SHOWN_RANK = {
    "pending": 0, "scheduled": 1, "downloading": 2, "downloaded": 3, "installing": 4,
    "rebooting": 4, "installed": 5, "failed": 5,
}  # fmt: skip
"""How far a charger's status in a GET is; installing and rebooting are one rank (D25)."""


REACHED = {
    "Downloading": 2,
    "DownloadPaused": 2,
    "Downloaded": 3,
    "SignatureVerified": 3,
    "InstallScheduled": 4,
    "Installing": 4,
    "InstallRebooting": 4,
    "Installed": 5,
    "InstallationFailed": 5,
    "InvalidSignature": 5,
    "InstallVerificationFailed": 5,
}
"""The shown rank that a GET must have reached once this OCPP status was answered."""


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list in a body; nothing of what is no list, for a body may be odd."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def reason_of(body: Any, name: str = "reason") -> str | None:
    """Return the reason that a body gives, None if it gives none; an odd one as it is written."""
    reason = body.get(name) if isinstance(body, dict) else None
    return reason if reason is None or isinstance(reason, str) else repr(reason)


def stage_sizes(
    strategy: str, total: int, batch_size: int | None = None, canary_count: int | None = None
) -> list[int]:
    """Return the sizes of the stages of a rollout over `total` distinct chargers.

    `rolling`: sequential batches, 10 % of the total (rounded up, D16) unless `batch_size` says
    otherwise; `canary`: `canary_count` (default 1) first, then the rest; `all_at_once`: one stage.
    Sizes beyond the total are clamped (D15).
    """
    if strategy == "all_at_once":
        return [total]
    if strategy == "canary":
        first = min(canary_count if canary_count is not None else 1, total)
        return [first, total - first] if total > first else [first]
    size = batch_size if batch_size is not None else max(1, -(-total // 10))
    return [min(size, total - start) for start in range(0, total, size)]


DEFAULTS: dict[str, dict[str, Any]] = {
    "D12": {"update_timeout": 3600.0},
    "D34": {"http": 5.0, "dispatch": 5.0, "dispatch_per_charger": 0.001, "freshness": 2.0},
}


class Profile:
    """How a target settles what the API text leaves open.

    `{"D6": "any"}` stops judging a decision; `{"D34": {"freshness": 10}}` changes a number. What is
    not named is judged as the contract says.
    """

    def __init__(self, switches: Mapping[str, Any] | None = None) -> None:
        """Take the switches of a history's header."""
        self._switches = dict(switches or {})
        self._numbers: dict[tuple[str, str], float | None] = {}  # read once: they are asked often

    def judges(self, switch: str) -> bool:
        """Whether a difference in this decision is reported."""
        return self._switches.get(switch) != "any"

    def number(self, switch: str, name: str) -> float | None:
        """Return a number of a decision; None where the target's is unknown."""
        key = (switch, name)
        if key not in self._numbers:
            self._numbers[key] = self._read(switch, name)
        return self._numbers[key]

    def _read(self, switch: str, name: str) -> float | None:
        given = self._switches.get(switch)
        if given == "any":
            return None
        if isinstance(given, Mapping) and name in given:
            value = given[name]
            return float(value) if isinstance(value, int | float) else None
        return float(DEFAULTS[switch][name])

    def dispatch_bound(self, chargers: int) -> float | None:
        """Return how long dispatching a stage may take (D34), in seconds."""
        base, each = self.number("D34", "dispatch"), self.number("D34", "dispatch_per_charger")
        return None if base is None or each is None else base + each * chargers
