"""R07-R12: stages start in order, when told to, one a call, and only after the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered, Triggered
from harness.checkers.settling import Settled, failed_for_good, settled, timed_out, told
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Op, Rollout, Stage, Trigger
    from harness.checkers.view import View


def started(fact: Triggered) -> tuple[Rollout, Stage] | None:
    """Return the rollout and stage that this trigger is the very first of, if it is."""
    member = fact.trigger.member
    if member is None:
        return None
    stage = member.rollout.stages[member.stage - 1]
    return (member.rollout, stage) if stage.first_trigger is fact.trigger else None


class R07(Checker):
    """Prefix."""

    requirement = Requirement(
        "R07",
        "Prefix",
        "The stages that have begun are always the first ones: no stage is skipped.",
        "API, Execute rollout stage: 'Advances the rollout to the next pending stage'",
    )

    def __init__(self) -> None:
        """Start with no stage that looks skipped."""
        super().__init__()
        self._skipped: list[tuple[Rollout, Stage, Trigger]] = []

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Note stages that were passed over; judge those that begin after all."""
        began = started(fact)
        if began is None:
            return
        rollout, stage = began
        self.exercised += 1
        for earlier in rollout.stages[: stage.number - 1]:
            # A stage whose chargers all ended without a trigger (removed, offline) is no skip.
            if earlier.first_trigger is None and any(
                settled(m, fact.event.time, view.profile) is Settled.NO for m in earlier.members
            ):
                self._skipped.append((rollout, earlier, fact.trigger))
        for item in [s for s in self._skipped if s[1] is stage]:
            self._skipped.remove(item)
            connection = fact.trigger.connection
            # Triggers to two chargers may overtake each other; a fence tells late from overtaken.
            if connection is not None and connection.proves_after(item[2].event.index):
                self._accuse(view, *item, late=fact.trigger)

    def end(self, view: View) -> None:
        """Accuse stages that never began although a later one did."""
        for item in self._skipped:
            self._accuse(view, *item, late=None)

    def _accuse(
        self, view: View, rollout: Rollout, skipped: Stage, by: Trigger, late: Trigger | None
    ) -> None:
        later = by.member.stage if by.member else 0
        calls = [e.invoked for e in rollout.executes if e.invoked.index < by.event.index]
        self.accuse(
            view,
            who=rollout.name,
            charger=by.station.id,
            expected=f"stage {skipped.number} ({skipped.label}) begins before stage {later}",
            seen=f"stage {later} began with {by.station.id} while no charger of stage "
            f"{skipped.number} had been triggered" + ("" if late else ", and none ever was"),
            events=(*calls[-2:], by.event, late.event if late else None),
        )


class R08(Checker):
    """Authorisation."""

    requirement = Requirement(
        "R08",
        "Authorisation",
        "A charger is triggered only for a stage that an execute-stage call released: at every "
        "trigger in stage k, k stages were announced by calls that succeeded or are still open.",
        "API, Execute rollout stage: each call releases the next stage; D33 executed_stage",
    )

    def __init__(self) -> None:
        """Start with nothing accused."""
        super().__init__()
        self._accused: set[tuple[str, int]] = set()

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Judge a trigger against the calls so far."""
        member = fact.trigger.member
        if member is None or not member.rollout.executes:
            return  # without any execute-stage: R04
        self.exercised += 1
        self._judge(view, member.rollout, member.stage, fact.trigger)

    @sees(Answered, about=("execute_stage",))
    def answered(self, view: View, fact: Answered) -> None:
        """Judge again: an open call may have been refused, or have announced another stage."""
        rollout = fact.rollout
        if rollout is None:
            return
        for stage in rollout.stages:
            if stage.first_trigger is not None:
                self._judge(view, rollout, stage.number, stage.first_trigger)

    def _judge(self, view: View, rollout: Rollout, stage: int, trigger: Trigger) -> None:
        acting = [e for e in rollout.executes if e.may_act]
        announced = {n for e in acting if (n := executed_stage(e)) is not None}
        silent = sum(1 for e in acting if executed_stage(e) is None)
        unexplained = [n for n in range(1, stage + 1) if n not in announced]
        if len(unexplained) <= silent or (rollout.name, stage) in self._accused:
            return
        self._accused.add((rollout.name, stage))
        shown = [e for op in rollout.executes[-3:] for e in (op.invoked, op.answered)]
        self.accuse(
            view,
            who=rollout.name,
            charger=trigger.station.id,
            expected=f"stage {stage} waits for the execute-stage call that releases it",
            seen=f"{trigger.station.id} of stage {stage} was triggered although successful calls "
            f"had released only {sorted(announced) or 'no stage'}",
            events=(*shown, trigger.event),
        )


def executed_stage(op: Op) -> int | None:
    """Return the stage that an ok execute-stage announced, None if it does not say."""
    number = op.reply.get("executed_stage") if isinstance(op.reply, dict) else None
    return number if op.outcome == "ok" and isinstance(number, int) else None


class R09(Checker):
    """Predecessor settled."""

    requirement = Requirement(
        "R09",
        "Predecessor settled",
        "A stage begins only after every charger of the stage before it is settled: installed, "
        "failed for good, or shown as such.",
        "API, strategies: 'then waits for manual promotion', 'sequential batches'; contract D1",
        level="PROFILE",
        switches=("D1",),
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """At the first trigger of a stage, look for unsettled chargers in the one before."""
        began = started(fact)
        if began is None or began[1].number == 1:
            return
        rollout, stage = began
        self.exercised += 1
        now = fact.event.time
        before = rollout.stages[stage.number - 2]
        states = [(m, settled(m, now, view.profile)) for m in before.members]
        unsettled = [m for m, state in states if state is Settled.NO]
        early = [
            m
            for m, state in states
            if state is Settled.PERHAPS and not timed_out(m, now, view.profile)
        ]
        for members, switch in ((unsettled, None), (early, "D30")):
            if not members:
                continue
            one = members[0]
            last = one.reported or (one.triggers[-1].event if one.triggers else None)
            shown = one.shown.answer if one.shown else None
            self.accuse(
                view,
                who=rollout.name,
                charger=one.charger,
                expected=f"stage {stage.number} begins after stage {before.number} is settled",
                seen=f"{fact.trigger.station.id} of stage {stage.number} was triggered while "
                f"{one.charger} of stage {before.number} was "
                f"{one.status or ('triggered' if one.triggers else 'not even triggered')}"
                + (f" ({len(members)} chargers unsettled)" if len(members) > 1 else ""),
                events=(last, shown, fact.event),
                switch=switch,
            )
            return


class R10(Checker):
    """One step per call."""

    requirement = Requirement(
        "R10",
        "One step per call",
        "Each successful execute-stage call begins at most one new stage.",
        "API, Execute rollout stage: 'each call releases the next batch'",
    )

    def __init__(self) -> None:
        """Start with no stages begun."""
        super().__init__()
        self._begun: dict[str, list[Trigger]] = {}

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Compare the stages begun with the calls that could have begun them."""
        began = started(fact)
        if began is None:
            return
        rollout, _ = began
        self.exercised += 1
        firsts = self._begun.setdefault(rollout.name, [])
        firsts.append(fact.trigger)
        acting = [e for e in rollout.executes if e.may_act]
        latest = acting[-1] if acting else None
        # Calls that overlap the latest may have begun the stages in either order.
        rivals = [e for e in acting if latest is not None and e.overlaps(latest)]
        start = min((e.invoked.index for e in rivals), default=0)
        # What an earlier call began may have had nobody online until now.
        known = {executed_stage(e) for e in acting if e not in rivals and e.answered}
        recent = [t for t in firsts if t.event.index > start and _stage(t) not in known]
        # A call that nobody answered overlaps later ones that were: those count as well.
        calls = [e for e in acting if not e.done or (e.answered and e.answered.index > start)]
        if len(firsts) <= len(acting) and len(recent) <= max(1, len(calls)):
            return
        self.accuse(
            view,
            who=rollout.name,
            charger=fact.trigger.station.id,
            expected="one execute-stage call begins at most one stage",
            seen=f"{len(recent)} stages began after {len(calls)} call(s)",
            events=(*(e.invoked for e in calls), *(t.event for t in recent[-3:])),
        )


def _stage(trigger: Trigger) -> int:
    return trigger.member.stage if trigger.member is not None else 0


class R11(Checker):
    """Blast radius."""

    requirement = Requirement(
        "R11",
        "Blast radius",
        "At no time are more chargers triggered and unsettled than the largest stage holds.",
        "API, rolling: 'sequential batches of a configurable size'; contract D1, D32",
        level="PROFILE",
        switches=("D1",),
    )

    def __init__(self) -> None:
        """Start with nothing in flight."""
        super().__init__()
        self._open: dict[str, set[str]] = {}

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Count the chargers in flight, sweeping those that settled only when it matters."""
        member = fact.trigger.member
        if member is None:
            return
        rollout = member.rollout
        self.exercised += 1
        flying = self._open.setdefault(rollout.name, set())
        flying.add(member.charger)
        most = max(len(s.members) for s in rollout.stages)
        asked = rollout.request.get("max_in_flight")
        capped = isinstance(asked, int) and asked < most
        limit = asked if capped and isinstance(asked, int) else most
        if len(flying) <= limit:
            return
        now = fact.event.time
        members = [rollout.members[one] for one in flying]
        flying.intersection_update(
            one.charger
            for one in members
            if told(one) and settled(one, now, view.profile) is Settled.NO
        )
        if len(flying) > limit:
            self.accuse(
                view,
                who=rollout.name,
                charger=member.charger,
                expected=f"at most {limit} chargers updating at once",
                seen=f"{len(flying)} were triggered and not settled",
                events=(rollout.create.invoked if rollout.create else None, fact.event),
                switch="D32" if capped else None,
            )


class R12(Checker):
    """Canary gate."""

    requirement = Requirement(
        "R12",
        "Canary gate",
        "If every charger of the canary stage failed, no other charger is ever triggered.",
        "API, canary: 'waits for manual promotion'; contract D6",
        level="PROFILE",
        switches=("D6",),
    )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """At the first trigger after the canary, ask whether anyone there succeeded."""
        began = started(fact)
        if began is None or began[1].number == 1 or began[0].strategy != "canary":
            return
        rollout, stage = began
        self.exercised += 1
        canary = rollout.stages[0].members
        if canary and all(failed_for_good(m, fact.event.time) for m in canary):
            self.accuse(
                view,
                who=rollout.name,
                charger=canary[0].charger,
                expected="a rollout whose whole canary failed triggers nobody else",
                seen=f"{fact.trigger.station.id} of stage {stage.number} was triggered after "
                f"every canary charger had failed",
                events=(*(m.final_event for m in canary[:3]), fact.event),
            )

    def end(self, view: View) -> None:
        """Count the canaries that failed and held the rest back."""
        for rollout in view.rollouts:
            if rollout.strategy == "canary" and rollout.begun == 1 and len(rollout.stages) > 1:
                canary = rollout.stages[0].members
                self.exercised += bool(canary) and all(failed_for_good(m, view.now) for m in canary)
