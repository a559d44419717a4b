"""How a rollout may end: what its status must be, from the chargers of one body."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checkers.ending import wrong_end

GOOD, BAD, BUSY, WAITS = "installed", "failed", "downloading", "pending"


def body(status: str, *stages: list[str], current: int | None = None) -> dict[str, Any]:
    """Return the body of a GET; the last stage that has begun is the current one."""
    begun = [n for n, rows in enumerate(stages, 1) if any(row != WAITS for row in rows)]
    return {
        "status": status,
        "current_stage": current or max(begun, default=None),
        "stages": [
            {"stage": n, "chargers": [{"charge_point_id": f"{n}-{i}", "status": row}
                                      for i, row in enumerate(rows)]}
            for n, rows in enumerate(stages, 1)
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shown", "request_body", "seen"),
    [
        (body("completed", [BAD, BAD]), {}, "completed although no charger was installed"),
        (body("completed", [GOOD], [GOOD, WAITS]), {}, "1 charger(s) have not ended"),
        (body("failed", [GOOD, BAD]), {}, "failed although 1 of 2 were installed"),
        (body("in_progress", [BAD], [WAITS]), {"strategy": "canary"}, "nobody of the canary"),
        (body("paused", [BAD], [WAITS]), {"strategy": "canary"}, "nobody of the canary"),
        (body("in_progress", [BAD, BAD]), {}, "nobody succeeded"),
        (body("in_progress", [GOOD, BAD, BAD], [WAITS]), {"failure_threshold": 0.5}, "more than"),
        (body("completed", [GOOD, BAD, BAD]), {"failure_threshold": 0.5}, "more than 0.5"),
        (body("failed", [GOOD, GOOD, BAD]), {"failure_threshold": 0.5}, "failed although 2 of 3"),
    ],
)
def test_a_status_that_does_not_follow(
    shown: dict[str, Any], request_body: dict[str, Any], seen: str
) -> None:
    """Each rule of D6 and D7 is broken by one body."""
    assert seen in wrong_end(shown, request_body)[0]


@pytest.mark.parametrize(
    ("shown", "request_body"),
    [
        (body("pending", [WAITS]), {}),
        (body("in_progress", [GOOD, BUSY]), {}),
        (body("completed", [GOOD, BAD]), {}),
        (body("failed", [BAD, BAD]), {}),
        (body("failed", [BAD], [WAITS]), {"strategy": "canary"}),
        (body("in_progress", [BAD], [WAITS]), {"strategy": "rolling"}),
        (body("failed", [GOOD, BAD, BAD], [WAITS]), {"failure_threshold": 0.5}),
        (body("in_progress", [GOOD, BAD, BUSY], [WAITS]), {"failure_threshold": 0.1}),
        (body("completed", [GOOD, BAD]), {"failure_threshold": 0.5}),  # not more than half
        # Over the stage it is too much, over the rollout it is not: either count is allowed.
        (body("in_progress", [GOOD, GOOD, GOOD], [BAD, GOOD], [WAITS]), {"failure_threshold": 0.4}),
        (body("failed", [GOOD, GOOD, GOOD], [BAD, GOOD], [WAITS]), {"failure_threshold": 0.4}),
        ({"status": "completed", "stages": "odd"}, {}),
        ({"status": "completed"}, {"failure_threshold": "odd"}),
    ],
)
def test_a_status_that_may_be(shown: dict[str, Any], request_body: dict[str, Any]) -> None:
    """What the rules allow, in either reading, is not accused."""
    assert wrong_end(shown, request_body)[0] == ""


@pytest.mark.parametrize(
    ("shown", "decision"),
    [
        (body("in_progress", [BAD], [WAITS]), "D6"),
        (body("in_progress", [BAD], [BAD]), "D7"),  # nobody at all: that is no canary's business
        (body("completed", [GOOD], [GOOD, WAITS]), "D7"),
    ],
)
def test_a_target_may_decide_otherwise_by_the_name_of_the_decision(
    shown: dict[str, Any], decision: str
) -> None:
    """What is said of a failed canary hangs on D6, everything else on D7."""
    problem, named = wrong_end(shown, {"strategy": "canary"})
    assert problem
    assert named == decision
