"""R01-R06: what a create promises: the plan's content, sizes and order; its inertness; identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Invoked, Read, Triggered
from harness.checkers.plan import charger_ids
from harness.contract import STRATEGIES, stage_sizes
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event


def shown_stages(body: Any) -> list[list[str]]:
    """Return the charger ids stage by stage, as a body shows them."""
    stages = body.get("stages") if isinstance(body, dict) else None
    return (
        [charger_ids(s) for s in stages if isinstance(s, dict)] if isinstance(stages, list) else []
    )


def requested(rollout: Rollout) -> list[str]:
    """Return the charger ids that create asked for, without duplicates, in order."""
    ids = rollout.request.get("charger_ids")
    known = [c for c in ids if isinstance(c, str)] if isinstance(ids, list) else []
    return list(dict.fromkeys(known))


class R01(Checker):
    """Conservation."""

    requirement = Requirement(
        "R01",
        "Conservation",
        "In every body of a rollout the stages are disjoint and not empty, together they hold "
        "exactly the requested chargers, and no charger ever changes its stage.",
        "API, Create a firmware rollout: charger_ids, stages, total_chargers",
    )

    def __init__(self) -> None:
        """Start with no plan known to be sound."""
        super().__init__()
        self._sound: dict[str, dict[str, Any]] = {}  # url -> the request that the plan carries out

    @sees(Answered, about=("create",))
    def created(self, view: View, fact: Answered) -> None:
        """Judge the plan that create shows."""
        if fact.op.outcome == "ok" and fact.rollout is not None:
            self._judge(view, fact.rollout, fact.op, fact.event)

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every read against the plan."""
        self._judge(view, fact.rollout, fact.op, fact.event)

    def _judge(self, view: View, rollout: Rollout, op: Op, event: Event) -> None:
        self.exercised += 1
        stages = shown_stages(op.reply)
        problem = self._problem(rollout, stages, op)
        if problem:
            self.accuse(
                view,
                who=rollout.name,
                expected="stages that are disjoint, not empty and hold exactly the requested "
                "chargers, each always in the same stage",
                seen=problem,
                events=(rollout.create.invoked if rollout.create else None, event),
            )

    def _problem(self, rollout: Rollout, stages: list[list[str]], op: Op) -> str:
        plan = [[m.charger for m in stage.members] for stage in rollout.stages]
        if self._sound.get(rollout.url) is rollout.request and stages == plan:
            return ""
        problem = self._flaws(rollout, stages, plan, op)
        if not problem and stages == plan and rollout.request:
            self._sound[rollout.url] = rollout.request
        return problem

    @staticmethod
    def _flaws(rollout: Rollout, stages: list[list[str]], plan: list[list[str]], op: Op) -> str:
        flat = [c for stage in stages for c in stage]
        wanted = requested(rollout)
        total = op.reply.get("total_chargers") if isinstance(op.reply, dict) else None
        twice = sorted({c for c in flat if flat.count(c) > 1}) if len(set(flat)) < len(flat) else []
        moved = [] if stages == plan else [
            c for k, stage in enumerate(stages, 1) for c in stage
            if c in rollout.members and rollout.members[c].stage != k
        ]  # fmt: skip
        missing = sorted(set(wanted or rollout.members) - set(flat))
        extra = sorted(set(flat) - set(wanted or rollout.members))
        checks = (
            (not stages, "no stages at all"),
            (any(not stage for stage in stages), "an empty stage"),
            (twice, f"in more than one place: {_some(twice)}"),
            (missing, f"missing: {_some(missing)}"),
            (extra, f"never asked for: {_some(extra)}"),
            (moved, f"changed its stage: {_some(moved)}"),
            (
                op.name == "create" and isinstance(total, int) and total != len(flat),
                f"total_chargers {total} beside {len(flat)} chargers listed",
            ),
        )
        return "; ".join(text for wrong, text in checks if wrong)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004


class R02(Checker):
    """Stage sizes."""

    requirement = Requirement(
        "R02",
        "Stage sizes",
        "all_at_once makes one stage; rolling makes batches of batch_size (default 10 % of the "
        "chargers) of which only the last may be smaller; canary makes a first stage of "
        "canary_count (default 1) and one with the rest.",
        "API, Create a firmware rollout: strategy, batch_size, canary_count",
    )

    @sees(Answered, about=("create",))
    def created(self, view: View, fact: Answered) -> None:
        """Compare the sizes of a new plan with what was asked for."""
        rollout = fact.rollout
        if fact.op.outcome != "ok" or rollout is None:
            return
        asked = rollout.request
        strategy, total = str(asked.get("strategy")), len(requested(rollout))
        batch, canary = asked.get("batch_size"), asked.get("canary_count")
        if strategy not in STRATEGIES or not total or not _counts(batch, canary):
            return
        self.exercised += 1
        expected = stage_sizes(strategy, total, batch, canary)
        seen = [len(stage) for stage in shown_stages(fact.op.reply)]
        if seen == expected:
            return
        rounding = strategy == "rolling" and batch is None and total % 10 != 0
        clamped = (batch or 0) > total or (canary or 0) >= total
        self.accuse(
            view,
            who=rollout.name,
            expected=f"{strategy} over {total} chargers makes stages of {expected}",
            seen=f"stages of {seen}",
            events=(fact.op.invoked, fact.event),
            switch="D16" if rounding else "D15" if clamped else None,
        )


def _counts(*values: Any) -> bool:
    """Whether each is absent or a positive integer: anything else is R38's business."""
    return all(
        v is None or (isinstance(v, int) and not isinstance(v, bool) and v >= 1) for v in values
    )


class R03(Checker):
    """Order preserved."""

    requirement = Requirement(
        "R03",
        "Order preserved",
        "The stages, one after the other, list the chargers in the order of the request, so that "
        "the operator chooses the canary.",
        "contract D17",
        level="PROFILE",
        switches=("D17",),
    )

    @sees(Answered, about=("create",))
    def created(self, view: View, fact: Answered) -> None:
        """Compare the order of a new plan with the request's."""
        rollout = fact.rollout
        if fact.op.outcome != "ok" or rollout is None:
            return
        wanted = requested(rollout)
        seen = [c for stage in shown_stages(fact.op.reply) for c in stage]
        if len(wanted) < 2 or sorted(wanted) != sorted(seen):  # noqa: PLR2004 - no order in one
            return
        self.exercised += 1
        if wanted != seen:
            at = next(k for k, (a, b) in enumerate(zip(wanted, seen, strict=True)) if a != b)
            self.accuse(
                view,
                who=rollout.name,
                expected=f"charger {at + 1} of the plan is {wanted[at]}, as in the request",
                seen=f"{seen[at]} in its place",
                events=(fact.op.invoked, fact.event),
            )


class R04(Checker):
    """Create is inert."""

    requirement = Requirement(
        "R04",
        "Create is inert",
        "No charger receives the update of a rollout before its first execute-stage is called.",
        "API, Create a firmware rollout: 'The rollout does not begin automatically'",
    )

    @sees(Invoked, about=("execute_stage",))
    def executed(self, _view: View, fact: Invoked) -> None:
        """Count the rollouts that waited for their first execute-stage."""
        rollout = fact.rollout
        if rollout is not None and len(rollout.executes) == 1:
            self.exercised += 1

    def end(self, view: View) -> None:
        """Count the rollouts that nobody ever started."""
        self.exercised += sum(1 for r in view.rollouts if r.id and not r.executes)

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a trigger that no execute-stage precedes."""
        rollout = fact.trigger.rollout
        if rollout is None or rollout.executes or _refused(rollout):
            return
        self.accuse(
            view,
            who=rollout.name,
            charger=fact.trigger.station.id,
            expected="no UpdateFirmware before the first execute-stage",
            seen=f"{fact.trigger.station.id} received it after create alone",
            events=(rollout.create.invoked if rollout.create else None, fact.event),
        )


def _refused(rollout: Rollout) -> bool:
    return rollout.id is None and rollout.create is not None and rollout.create.outcome == "fail"


class R05(Checker):
    """Rejected leaves no trace."""

    requirement = Requirement(
        "R05",
        "Rejected leaves no trace",
        "A create that was refused gives no rollout id and no charger ever receives its url.",
        "contract D14",
        level="PROFILE",
        switches=("D14",),
    )

    @sees(Answered, about=("create",))
    def answered(self, view: View, fact: Answered) -> None:
        """Look for an id in a refusal."""
        op = fact.op
        if op.outcome != "fail":
            return
        self.exercised += 1
        if isinstance(op.reply, dict) and "rollout_id" in op.reply:
            self.accuse(
                view,
                who=op.id,
                expected="a refusal without a rollout id",
                seen=f"refused with {op.status} and rollout_id {op.reply['rollout_id']!r}",
                events=(op.invoked, fact.event),
            )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a trigger whose url only a refused create named."""
        rollout = fact.trigger.rollout
        if rollout is not None and _refused(rollout) and rollout.create is not None:
            self.accuse(
                view,
                who=rollout.name,
                charger=fact.trigger.station.id,
                expected="no effect of a refused create",
                seen=f"{fact.trigger.station.id} received its url",
                events=(rollout.create.invoked, rollout.create.answered, fact.event),
            )


class R06(Checker):
    """Create identity."""

    requirement = Requirement(
        "R06",
        "Create identity",
        "The same Idempotency-Key gives the same rollout, or repeats the answer to an "
        "execute-stage, and different creates give different ids.",
        "API: rollout_id is a unique identifier; contract D19",
        level="PROFILE",
        switches=("D19",),
    )

    def __init__(self) -> None:
        """Start with no creates."""
        super().__init__()
        self._first: dict[Any, Op] = {}  # key, or op id without a key
        self._owners: dict[str, tuple[Any, Op]] = {}
        self._executed: dict[tuple[str, str], Op] = {}  # rollout and key -> the first ok one

    @sees(Answered, about=("execute_stage",))
    def executed(self, view: View, fact: Answered) -> None:
        """Compare the answer to a repeated execute-stage with the first one."""
        op, rollout = fact.op, fact.rollout
        if op.key is None or rollout is None or op.outcome == "info":
            return
        first = self._executed.get((rollout.name, op.key))
        if first is None:
            if op.outcome == "ok":
                self._executed[rollout.name, op.key] = op
            return
        self.exercised += 1
        said = [
            one.reply.get("executed_stage") if isinstance(one.reply, dict) else None
            for one in (first, op)
        ]
        if first.before(op) and (op.outcome != "ok" or said[0] != said[1]):
            self.accuse(
                view,
                who=rollout.name,
                expected=f"the first answer again: stage {said[0]} was executed",
                seen=f"{op.status}, executed_stage {said[1]!r}",
                events=(first.invoked, first.answered, op.invoked, fact.event),
            )

    @sees(Answered, about=("create",))
    def answered(self, view: View, fact: Answered) -> None:
        """Compare the id of a create with those before."""
        op = fact.op
        if op.outcome != "ok" or not isinstance(op.reply, dict):
            return
        rollout_id = op.reply.get("rollout_id")
        if not isinstance(rollout_id, str):
            return
        key = op.key or ("op", op.id)
        self.exercised += 1 if self._owners else 0
        first = self._first.setdefault(key, op)
        owner, other = self._owners.setdefault(rollout_id, (key, op))
        problem = ""
        if owner != key:
            problem = f"two different creates both got {rollout_id}"
        elif first is not op and first.reply.get("rollout_id") != rollout_id:
            problem, other = f"the same key got {rollout_id} the second time", first
        if problem:
            self.accuse(
                view,
                who=rollout_id,
                expected="one id for each create, the same only for the same Idempotency-Key",
                seen=problem,
                events=(other.invoked, other.answered, op.invoked, fact.event),
            )
