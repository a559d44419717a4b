"""Registers wrong decisions, and the few ways in which they replace a right one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from harness.mutants import Mutant
from reference_csms import problems, rollout, rollout_row, service_rollouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.mutants.patching import Patch
    from reference_csms.rollout_values import Head, Row

    Decision = Callable[[Patch], None]

MORE: list[Mutant] = []
DECISIONS: dict[str, Decision] = {}


def wrong(*kills: str, rare: bool = False) -> Callable[[Decision], Decision]:
    """Register a wrong decision that one of these properties must kill.

    `rare`: drawn drills hardly ever show it but in rarer circumstances.
    """

    def register(decide: Decision) -> Decision:
        said = (decide.__doc__ or "").strip().rstrip(".")
        MORE.append(Mutant(decide.__name__, said, kills, "", rare=rare))
        DECISIONS[decide.__name__] = decide
        return decide

    return register


def benign(decide: Decision) -> Decision:
    """Register a decision that is open: nothing may be accused."""
    said = (decide.__doc__ or "").strip().rstrip(".")
    MORE.append(Mutant(decide.__name__, said, (), ""))
    DECISIONS[decide.__name__] = decide
    return decide


def handler(patch: Patch, event: type, change: Callable[..., Any]) -> None:
    """Put `change(original, head, row, event, now)` in the place of a row's handler."""
    original = rollout_row.HANDLERS[event]

    def replaced(head: Head, row: Row, event: Any, now: float) -> Row:
        return change(original, head, row, event, now)  # type: ignore[no-any-return]

    patch.entry(rollout_row.HANDLERS, event, replaced)


def refuses_past_the_last(patch: Patch) -> None:
    """Refuse an execute-stage that a wrong decision lets through, where no stage is left."""
    following = service_rollouts._next_stage  # noqa: SLF001 - what the reference never asks then

    def next_stage(live: Any) -> int:
        try:
            return following(live)
        except StopIteration:
            raise problems.stage_unsettled(live.rollout_id, live.head.current_stage, []) from None

    patch.attribute(service_rollouts, "_next_stage", next_stage)


def verdicts(patch: Patch, **instead: str | None) -> None:
    """Replace reasons for which a rollout fails."""
    verdict = rollout._verdict  # noqa: SLF001 - the decision under mutation

    def replaced(*arguments: Any, **named: Any) -> str | None:
        found = verdict(*arguments, **named)
        return instead.get(found, found) if found is not None else None

    patch.attribute(rollout, "_verdict", replaced)


def changed_request(request: Any, **fields: Any) -> Any:
    """Return a copy of a create request, whatever kind of value it is."""
    if isinstance(request, msgspec.Struct):
        return msgspec.structs.replace(request, **fields)
    return dataclasses.replace(request, **fields)
