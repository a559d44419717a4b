"""Which creates make no sense: what D14 and D15 refuse whatever state the CSMS is in.

A core.
"""

from __future__ import annotations

from typing import Any

STRATEGIES = {"canary": "canary_count", "rolling": "batch_size", "all_at_once": None}


def senseless(body: Any) -> tuple[str, str] | None:
    """Say what makes no sense in the body of a create, and which decision says so; else None."""
    if not isinstance(body, dict):
        return "no object", "D14"
    ids, strategy = body.get("charger_ids"), str(body.get("strategy"))
    if not isinstance(ids, list) or not ids:
        return "no chargers", "D14"
    if len(set(map(str, ids))) < len(ids):
        return "a charger named twice", "D14"
    if strategy not in STRATEGIES:
        return f"the strategy {strategy!r:.40}", "D14"
    for name in ("canary_count", "batch_size"):
        count = body.get(name)
        if count is None:
            continue
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            return f"{name} {count!r:.40}", "D15"
        if STRATEGIES[strategy] != name:
            return f"{name} beside the strategy {strategy}", "D15"
    return None
