"""R44: the bodies have the published fields and types.

A core. A shape is a mapping from field name to a predicate; a field in `OPTIONAL` may be missing.
Unknown extra fields are allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import instant
from harness.checkers.facts import Answered
from harness.contract import CHARGER_STATUSES, STATUSES, STRATEGIES
from harness.verdict import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.checkers.model import Op
    from harness.checkers.view import View

    Predicate = Callable[[Any], bool]
    Shape = dict[str, Predicate]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _time(value: Any) -> bool:
    return instant(value) is not None


def _maybe(predicate: Predicate) -> Predicate:
    return lambda value: value is None or predicate(value)


def _one_of(allowed: frozenset[str]) -> Predicate:
    return lambda value: isinstance(value, str) and value in allowed


HEAD: Shape = {
    "rollout_id": _text,
    "strategy": _one_of(STRATEGIES),
    "firmware_url": _text,
    "status": _one_of(STATUSES),
    "stages": _rows,
    "created_at": _time,
}
BODIES: dict[str, Shape] = {
    "create": HEAD | {"total_chargers": _number},
    "read": HEAD | {"current_stage": _maybe(_number), "updated_at": _time},
    "execute_stage": {
        "rollout_id": _text,
        "executed_stage": _number,
        "status": _one_of(STATUSES),
        "chargers_triggered": _texts,
        "triggered_at": _time,
    },
    "pause": {
        "rollout_id": _text,
        "status": _one_of(STATUSES),
        "paused_at": _time,
        "reason": _maybe(_text),
    },
    "fleet": {"versions": _rows, "total_chargers": _number},
}
STAGE: Shape = {"stage": _number, "label": _text, "status": _text}
ROW: Shape = {
    "charge_point_id": _text,
    "status": _one_of(frozenset(CHARGER_STATUSES)),
}
STARTED: Shape = {
    "progress_percent": _number,
    "started_at": _maybe(_time),
    "completed_at": _maybe(_time),
}
BEGUN = ROW | STARTED
STAGE_CREATED = STAGE | {"charger_ids": _texts}
STAGE_READ = STAGE | {"chargers": _rows}
VERSION: Shape = {
    "firmware_version": _text,
    "charger_count": _number,
    "vendor": _maybe(_text),
    "model": _maybe(_text),
    "release_date": _maybe(_text),
}
OPTIONAL = frozenset({"reason", "current_stage"})


def misfit(body: Any, shape: Shape, where: str = "") -> str:
    """Say the first thing that is wrong with a body, '' if nothing is."""
    if not isinstance(body, dict):
        return f"{where or 'the body'} is no JSON object"
    for name, fits in shape.items():
        if name not in body:
            if name in OPTIONAL:
                continue
            return f"{where}{name} is missing"
        if not fits(body[name]):
            return f"{where}{name} is {body[name]!r}"
    return ""


class R44(Checker):
    """Shapes."""

    requirement = Requirement(
        "R44",
        "Shapes",
        "Every body has the published fields, types, labels and defaults; more fields are allowed.",
        "API: the example bodies and their field lists; contract D25, D33",
    )

    def __init__(self) -> None:
        """Start with no rows known to fit."""
        super().__init__()
        self._fitting: dict[str, dict[str, Any]] = {}  # charger -> a row of its that fits

    @sees(Answered, about=BODIES)
    def answered(self, view: View, fact: Answered) -> None:
        """Judge one ok body."""
        op = fact.op
        if op.outcome != "ok":
            return
        self.exercised += 1
        problem, switch = _problem(op, self._fitting)
        if problem:
            self.accuse(
                view,
                who=op.id,
                expected="the published shape",
                seen=f"{op.name}: {problem}",
                events=(op.invoked, fact.event),
                switch=switch,
            )


def _problem(op: Op, fitting: dict[str, dict[str, Any]]) -> tuple[str, str | None]:
    """Say what is wrong with an answer, and which profile switch it hangs on."""
    body = op.reply
    problem = misfit(body, BODIES[op.name])
    if problem:
        return problem, None
    if op.name == "fleet":
        found = (misfit(row, VERSION, f"versions[{k}].") for k, row in enumerate(body["versions"]))
        return next(filter(None, found), ""), None
    if op.name == "pause" and body["status"] not in {"paused", "completed", "failed"}:
        return f"status is {body['status']!r} after a pause", None
    if op.rollout_id is not None and body["rollout_id"] != op.rollout_id:
        return f"rollout_id is {body['rollout_id']!r}, asked for {op.rollout_id!r}", None
    if op.name == "create":
        return _created(op, body)
    return _stages(body, fitting) if op.name == "read" else ("", None)


def _created(op: Op, body: dict[str, Any]) -> tuple[str, str | None]:
    """Judge what a create echoes."""
    asked = op.request if isinstance(op.request, dict) else {}
    for name in ("strategy", "firmware_url"):
        if name in asked and body[name] != asked[name]:
            return f"{name} is {body[name]!r}, asked for {asked[name]!r}", None
    if body["status"] != "pending" and not op.key:
        return f"a new rollout is {body['status']!r}", None
    for k, stage in enumerate(body["stages"]):
        problem = misfit(stage, STAGE_CREATED, f"stages[{k}].")
        if problem:
            return problem, None
    return _labels(body)


def _labels(body: dict[str, Any]) -> tuple[str, str | None]:
    """Judge numbers and labels of stages: Canary and Rollout are published, the rest is D33."""
    for k, stage in enumerate(body["stages"], start=1):
        if stage["stage"] != k:
            return f"stages[{k - 1}].stage is {stage['stage']!r}", None
        wanted = {1: "Canary", 2: "Rollout"}.get(k) if body["strategy"] == "canary" else None
        if wanted is not None and stage["label"] != wanted:
            return f"stages[{k - 1}].label is {stage['label']!r} instead of {wanted!r}", None
        usual = "All" if body["strategy"] == "all_at_once" else f"Batch {k}"
        if wanted is None and stage["label"] != usual:
            return f"stages[{k - 1}].label is {stage['label']!r} instead of {usual!r}", "D33"
    return "", None


def _stages(body: dict[str, Any], fitting: dict[str, dict[str, Any]]) -> tuple[str, str | None]:
    """Judge the stages and rows of a read; a row that has not changed since it fitted, fits."""
    for k, stage in enumerate(body["stages"]):
        where = f"stages[{k}]."
        problem = misfit(stage, STAGE_READ, where)
        if problem:
            return problem, None
        for row in stage["chargers"]:
            charger = str(row.get("charge_point_id"))
            known = fitting.get(charger)
            if known is row or known == row:
                continue
            shape = ROW if row.get("status") == "pending" else BEGUN
            if row.get("status") == "failed" and "started_at" not in row:
                shape = ROW  # failed without ever being started: D25 lets it omit the rest
            problem = misfit(row, shape, where + f"chargers[{row.get('charge_point_id')!r}].")
            if problem:
                return problem, "D25" if ".status" in problem else None
            fitting[charger] = row
    return _labels(body)
