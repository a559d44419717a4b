"""Draws drills around one question, for rarer circumstances: what chance alone hardly ever asks.

A core. Each theme writes the plan of its operator anew, and what its question hangs on; everything
else stays as it was drawn.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    Theme = Callable[[random.Random, dict[str, Any], dict[str, Any]], None]

OTHER = "other"  # the rollout after, or beside, the one of the drill
SETTLED = {"wait": {"stage": "settled", "within": "3 min"}}
LIMITS = (
    "canary_count", "batch_size", "max_in_flight", "idempotency_key", "retrieve_in", "cohorts",
    "failure_threshold",
)  # fmt: skip


def _half_done(draw: random.Random, out: dict[str, Any], create: dict[str, Any]) -> None:
    """Some of a stage are done, others are not, and somebody else wants the former."""
    quick, slow = _halves(out)
    for cohort, time in ((quick, "1 s"), (slow, "1 min")):
        _behave(cohort)
        cohort["install"]["time"] = time
    create["update_timeout"] = "2 min"
    wanted = _other(create) | {"cohorts": draw.choice(([quick["cohort"]], ["c0", "c1"]))}
    taken = [{"create": wanted}, execute(OTHER)]
    wait = {"hold": draw.choice(("15 s", "25 s"))}
    again = [{"create": {**wanted, "rollout": "later"}}, execute("later")]
    out["operator"] = [
        {"create": create}, execute(), wait, "read", *taken, SETTLED, "read", *again,
        settled("later", "3 min"),
    ]  # fmt: skip


def _to_the_line(draw: random.Random, out: dict[str, Any], create: dict[str, Any]) -> None:
    """As many fail as may, and not one more: none of them, or just half."""
    well, badly = _halves(out)
    badly["count"] = well["count"]
    _behave(well)
    _behave(badly)
    share = draw.choice((0.0, 0.5))
    if share:
        badly["install"]["fail"] = [{"p": "100 %", "how": "fails", "times": None}]
    create.update(failure_threshold=share, update_timeout="2 min")
    out["operator"] = [{"create": create}, execute(), SETTLED, "read", execute(), "read"]


def _once_more(draw: random.Random, out: dict[str, Any], create: dict[str, Any]) -> None:
    """All are updated, perhaps the CSMS dies, and the next update is cut short for some."""
    for cohort in out["fleet"]:
        _behave(cohort)
        lost = {"power_loss": "UpdateFirmware", "skip": 1}
        cohort["network"]["fail"] = [{"p": draw.choice(("50 %", "100 %")), **lost}]
    death: list[Any] = draw.choice(([], ["kill", {"hold": "1 s"}, "restart"]))
    out["operator"] = [
        {"create": create}, execute(), SETTLED, "read", *death, {"create": _other(create)},
        execute(OTHER), {"hold": "6 s"}, {"read": {"rollout": OTHER}},
        settled(OTHER, "3 min"),
    ]  # fmt: skip


THEMES: tuple[Theme, ...] = (_half_done, _to_the_line, _once_more)


def play(
    draw: random.Random, out: dict[str, Any], themes: Sequence[Theme] = THEMES
) -> dict[str, Any]:
    """Let a drill be about one of the themes, if there is a rollout that is to be created."""
    sound = [one for one in sensible(out["operator"]) if "chargers" not in one]
    if sound:
        draw.choice(themes)(draw, out, _one_stage(sound[0]))
    return out


def _one_stage(create: dict[str, Any]) -> dict[str, Any]:
    """Make one stage of everyone, without limits."""
    plain = {name: value for name, value in create.items() if name not in LIMITS}
    return {**plain, "strategy": "all_at_once", "refused": "maybe"}


def _halves(out: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make two cohorts of the fleet, of much the same size."""
    first, total = out["fleet"][0], sum(cohort["count"] for cohort in out["fleet"])
    sizes = ((total + 1) // 2, max(1, total // 2))
    out["fleet"] = [
        {**copy.deepcopy(first), "cohort": f"c{n}", "count": size} for n, size in enumerate(sizes)
    ]
    return out["fleet"][0], out["fleet"][1]


def _behave(cohort: dict[str, Any]) -> None:
    """Take out what would keep a charger from doing what it is told."""
    for name in ("offline", "quirks", "profile", "transactions"):
        cohort.pop(name, None)
    for section in ("download", "install", "network"):
        cohort.setdefault(section, {}).pop("fail", None)
    cohort["network"] = {"latency": "5 ms", "connect_after": "0 s"}
    cohort["download"]["rate"] = "1 MB/s"
    cohort["install"]["reboot"] = "1 s"


def _other(create: dict[str, Any]) -> dict[str, Any]:
    return {**copy.deepcopy(create), "rollout": OTHER, "refused": "maybe"}


def execute(rollout: str = "main") -> dict[str, Any]:
    """Return the step that executes a stage of a rollout, if it may be."""
    return {"execute_stage": {"rollout": rollout, "refused": "maybe"}}


def settled(rollout: str, within: str) -> dict[str, Any]:
    """Return the step that waits until a stage of a rollout has settled."""
    return {"wait": {"rollout": rollout, "stage": "settled", "within": within}}


def sensible(plan: list[Any]) -> list[Any]:
    """Return the creates that may be changed: one that makes no sense must stay nonsense."""
    creates = [step["create"] for step in plan if "create" in step]
    return [create for create in creates if create.get("refused") is not True]
