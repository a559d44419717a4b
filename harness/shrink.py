"""Makes a failing scenario small: fewer chargers, faults and steps, the same property broken.

A core. Greedy and deterministic: every way to make the scenario smaller is tried in a fixed order,
the first one that still fails is taken, until none does. What counts as the same failure is the
caller's question; sliding onto a different bug is prevented there.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from simulator.scenario_steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fields = dict[str, Any]

_KEPT = frozenset({"version", "name", "seed", "firmware", "fleet", "operator", "heal", "expect"})
_LIMITS = ("max_in_flight", "batch_size", "canary_count")
_NEEDED = frozenset({"cohort", "count", "strategy", "kind", *STEPS})  # nothing is valid without


def shrink(
    fields: Fields, fails: Callable[[Fields], bool], *, attempts: int = 400
) -> tuple[Fields, int]:
    """Return the smallest scenario found for which `fails` holds, and how many were tried."""
    tried = 0
    smaller = True
    while smaller and tried < attempts:
        smaller = False
        for candidate in _smaller(fields):
            tried += 1
            if fails(candidate):
                fields, smaller = candidate, True
                break
            if tried >= attempts:
                break
    return fields, tried


def size(fields: Fields) -> int:
    """Return how large a scenario is, as a number that shrinking lowers."""
    chargers: int = sum(cohort["count"] for cohort in fields["fleet"])
    return chargers + 3 * len(fields["operator"]) + _leaves(fields)


def _smaller(fields: Fields) -> Iterator[Fields]:
    """Yield scenarios that are a little smaller, the boldest cuts first."""
    yield from _without_items(fields, "fleet", least=1)
    yield from _without_items(fields, "operator", least=1)
    for number, cohort in enumerate(fields["fleet"]):
        for count in sorted({1, cohort["count"] // 2, cohort["count"] - 1}):
            if 0 < count < cohort["count"]:
                fewer = _with(fields, ("fleet", number, "count"), count)
                yield fewer
                # A limit that the fleet only just exceeds keeps it from becoming smaller alone.
                yield from _tighter(fewer, cohort["count"] - count)
    for path in _optional(fields):
        yield _without(fields, path)


def _tighter(fields: Fields, by: int) -> Iterator[Fields]:
    """Yield the scenario with each limit of its creates lowered by so many chargers."""
    for number, step in enumerate(fields["operator"]):
        create = step.get("create", {}) if isinstance(step, dict) else {}
        for name in [limit for limit in _LIMITS if limit in create]:
            left = create[name] - by
            if left > 0:
                yield _with(fields, ("operator", number, "create", name), left)


def _without_items(fields: Fields, name: str, *, least: int) -> Iterator[Fields]:
    items = fields[name]
    half = len(items) // 2
    spans = [(half, len(items))] if half else []
    spans += [(number, number + 1) for number in reversed(range(len(items)))]
    for begin, end in spans:
        left = items[:begin] + items[end:]
        if len(left) >= least and len(left) < len(items):
            yield {**fields, name: copy.deepcopy(left)}


def _optional(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of everything that may be left out, outermost first."""
    items: list[tuple[Any, Any]] = []
    if isinstance(node, dict | list):
        items = list(node.items() if isinstance(node, dict) else enumerate(node))
    for key, value in items:
        here = (*path, key)
        if isinstance(node, dict) and key not in (_NEEDED if path else _KEPT):
            yield here
        yield from _optional(value, here)


def _without(fields: Fields, path: tuple[Any, ...]) -> Fields:
    out = copy.deepcopy(fields)
    node: Any = out
    for key in path[:-1]:
        node = node[key]
    del node[path[-1]]
    return out


def _with(fields: Fields, path: tuple[Any, ...], value: Any) -> Fields:
    out = copy.deepcopy(fields)
    node: Any = out
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return out


def _leaves(node: Any) -> int:
    if isinstance(node, dict):
        return sum(map(_leaves, node.values()))
    return sum(map(_leaves, node)) if isinstance(node, list) else 1
