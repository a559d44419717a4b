"""Requests that a CSMS must refuse, one a case: nonsense, wrong ids, wrong keys. A core.

Nothing that a sound CSMS takes is ever sent, so a probe leaves nothing behind. Every request and
answer is recorded, and the judge sees them like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.world import Ok, Refused, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.world import Outcome

NOBODY = "firmdrill-no-such-rollout"
URL = "https://firmware.example/probe/firmware.bin"


@dataclass(frozen=True, slots=True)
class Probe:
    """One request that must be refused with one of `statuses`."""

    id: str
    title: str
    operation: str
    method: str
    path: str
    statuses: tuple[int, ...]
    body: Mapping[str, Any] | None = None  # of a create: beside what a sound one has
    without: tuple[str, ...] = ()  # what a sound create has and this one lacks
    key: str = "right"
    level: str = "MUST"
    requirement: str = "API: errors; contract D14, D28"
    properties: tuple[str, ...] = field(default=("R38",))

    def request(self, chargers: tuple[str, ...]) -> Request:
        """Return the request, over chargers that the system knows."""
        body = self.body
        if self.operation == "create":
            sound = {"charger_ids": list(chargers), "firmware_url": URL, "strategy": "all_at_once"}
            body = {k: v for k, v in sound.items() if k not in self.without} | dict(body or {})
            if body.get("charger_ids") == "twice":
                body["charger_ids"] = [chargers[0], chargers[0]]
        return Request(self.operation, self.method, self.path, body, key=self.key)

    def unmet(self, outcome: Outcome) -> str:
        """Return what is wrong about an answer, '' if nothing."""
        wanted = " or ".join(map(str, self.statuses))
        if isinstance(outcome, Refused) and outcome.status in self.statuses:
            return ""
        if isinstance(outcome, Ok):
            return f"expected {wanted}; it was accepted with {outcome.status}"
        return f"expected {wanted}; seen: {outcome.status or getattr(outcome, 'error', '')}"


SENSELESS = (400, 422)
_CREATES: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
    ("Without chargers", "MUST", {}, ("charger_ids",)),
    ("Without a firmware url", "MUST", {}, ("firmware_url",)),
    ("Without a strategy", "MUST", {}, ("strategy",)),
    ("With a strategy that does not exist", "MUST", {"strategy": "firmdrill"}, ()),
    ("With an empty list of chargers", "SHOULD", {"charger_ids": []}, ()),
    ("With chargers that are no list", "MUST", {"charger_ids": "firmdrill"}, ()),
    ("With a charger that does not exist", "SHOULD", {"charger_ids": ["firmdrill-nobody"]}, ()),
    ("With a charger named twice", "SHOULD", {"charger_ids": "twice"}, ()),
    ("With batches of nobody", "SHOULD", {"strategy": "rolling", "batch_size": 0}, ()),
    ("With batches of minus one", "SHOULD", {"strategy": "rolling", "batch_size": -1}, ()),
    ("With a canary of nobody", "SHOULD", {"strategy": "canary", "canary_count": 0}, ()),
    ("With a date that is none", "SHOULD", {"retrieve_date": "soon"}, ()),
    ("With a firmware url that is none", "SHOULD", {"firmware_url": "firmware"}, ()),
)
_STRANGERS = (
    ("Reading a rollout that does not exist", "read", "GET", f"/firmware/rollout/{NOBODY}"),
    ("Executing a rollout that does not exist", "execute_stage", "POST",
     f"/firmware/rollout/{NOBODY}/execute-stage"),
    ("Pausing a rollout that does not exist", "pause", "POST",
     f"/firmware/rollout/{NOBODY}/pause"),
)  # fmt: skip
_KEYED = (
    ("fleet", "GET", "/fleet/firmware"),
    ("create", "POST", "/firmware/rollout"),
    ("read", "GET", f"/firmware/rollout/{NOBODY}"),
    ("execute_stage", "POST", f"/firmware/rollout/{NOBODY}/execute-stage"),
    ("pause", "POST", f"/firmware/rollout/{NOBODY}/pause"),
)

PROBES: tuple[Probe, ...] = (
    *(
        Probe(f"api/create/{n}", title, "create", "POST", "/firmware/rollout", SENSELESS, body,
              without, level=level)
        for n, (title, level, body, without) in enumerate(_CREATES, 1)
    ),
    *(
        Probe(f"api/unknown/{n}", title, operation, method, path, (404,))
        for n, (title, operation, method, path) in enumerate(_STRANGERS, 1)
    ),
    *(
        Probe(f"api/key/{n}", f"{operation} with {'no key' if key == 'missing' else 'a wrong key'}",
              "other", method, path, (401,), {"charger_ids": []} if operation == "create" else None,
              key=key, properties=("R45",), requirement="API: Authorization: Bearer <key>")
        for n, (operation, method, path, key) in enumerate(
            [(*row, key) for row in _KEYED for key in ("missing", "wrong")], 1)
    ),
)  # fmt: skip
