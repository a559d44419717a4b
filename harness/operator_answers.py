"""What an operator makes of answers: what fails a step, what a body shows. A core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.contract import objects
from harness.progress import begun_stage, finished, settled_stages
from harness.world import Ok, Outcome, Refused, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.scenario_steps import CallStep, StepBase


class StepFailed(Exception):
    """A step did not do what the scenario wants of it; the rest of the plan makes no sense."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; {seen}")
        self.expected = expected
        self.seen = seen


@dataclass(frozen=True, slots=True)
class Trouble:
    """Where the plan broke: `number` counts steps from 1."""

    number: int
    step: str
    expected: str
    seen: str


def name_of(step: StepBase) -> str:
    """Return the step's name as the scenario writes it."""
    return str(getattr(step, "do", type(step).__name__))


def outline(body: Mapping[str, Any]) -> str:
    """Say in a few words what a GET body shows."""
    if not body:
        return "nothing"
    unsettled = [
        str(row.get("charge_point_id"))
        for stage in objects(body.get("stages"))
        if stage.get("stage") == body.get("current_stage")
        for row in objects(stage.get("chargers"))
        if str(row.get("status")) not in {"installed", "failed"}
    ]
    named = ", ".join(unsettled[:5]) + (", …" if len(unsettled) > 5 else "")  # noqa: PLR2004
    return f"{body.get('status')}, stage {body.get('current_stage')}" + (
        f", {len(unsettled)} unsettled in it ({named})" if unsettled else ""
    )


def demand(outcome: Outcome, expected: str) -> dict[str, Any]:
    """Return the body of an accepted request, or fail the step."""
    match outcome:
        case Ok(body=dict() as body):
            return body
        case Ok(status=status, body=body):
            raise StepFailed(expected, f"the answer was {status} without a JSON object: {body!r}")
        case Refused(status, body):
            raise StepFailed(expected, f"it was refused: {status} {_short(body)}")
        case Unknown(error):
            raise StepFailed(expected, f"its outcome is unknown: {error}")


def refusal(step: CallStep, outcome: Outcome) -> bool:
    """Whether a refusal is what this step wants, or takes; StepFailed if it wants one in vain."""
    if not step.refused:
        return False
    if step.refused == "maybe":
        return not isinstance(outcome, Ok)
    if not isinstance(outcome, Refused):
        status = getattr(outcome, "status", None)
        raise StepFailed("a refusal without any effect", f"the answer was {status}")
    return True


def stage_settled(body: dict[str, Any]) -> bool:
    """Whether the current stage of a GET body is settled."""
    current, stages = begun_stage(body), settled_stages(body)
    return finished(body) or (0 < current <= len(stages) and stages[current - 1])


def shows(body: dict[str, Any], wanted: str) -> bool:
    """Whether a GET body shows this status (`terminal`: either end)."""
    return finished(body) if wanted == "terminal" else body.get("status") == wanted


def _short(body: Any) -> str:
    text = str(body)
    return text if len(text) <= 300 else text[:299] + "…"  # noqa: PLR2004 - a line of the report
