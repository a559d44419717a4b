"""Updates without a rollout: in a field log nobody sees what the operator asked for.

A core. Each update command gets a member of its own, in a rollout that is known by nothing but its
url and that no checker of rollouts is told of, so that a charger's update can be followed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.model import Member, Rollout

if TYPE_CHECKING:
    from harness.checkers.model import Trigger

FROM_FRAMES = frozenset({"R35"})  # what frames alone can settle of the rollouts' properties
UNSEEN = "a field log does not show what the operator asked for"


def attempt_of(trigger: Trigger) -> Member:
    """Return the member that stands for this update; a repeated url is the same update again."""
    before = trigger.station.triggers[-2].member if len(trigger.station.triggers) > 1 else None
    same = before is not None and before.rollout.url == trigger.location
    rollout = before.rollout if before is not None and same else Rollout(trigger.location, {})
    trigger.rollout = rollout
    return Member(trigger.station.id, 0, rollout, triggers=[trigger])


def judgeable(requirement: str) -> bool:
    """Whether a field log can settle a property at all."""
    return requirement[0] in "CW" or requirement in FROM_FRAMES
