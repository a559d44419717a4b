"""R32-R34: the rollout's own status: its edges, its derivation from the chargers, its freshness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers.base import Checker, sees
from harness.checkers.ending import wrong_end
from harness.checkers.facts import Answered, Booted, Read, Replied, Reported, Triggered
from harness.checkers.settling import ENDED, told
from harness.checkers.wirefold import REPORTS
from harness.contract import REACHED, SHOWN_RANK, STAGE_STATUSES, TERMINAL, objects
from harness.verdict import CSMS, Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Call, Member, Op, Rollout
    from harness.checkers.view import View
    from harness.history import Event


class R32(Checker):
    """Rollout edges."""

    requirement = Requirement(
        "R32",
        "Rollout edges",
        "A rollout goes from pending to in_progress by execute-stage, to paused by pause, back by "
        "execute-stage, and ends in completed or failed for ever; a refused call has no effect.",
        "API, status: one of pending, in_progress, paused, completed, failed; contract D8",
        level="PROFILE",
        switches=("D8",),
    )

    def __init__(self) -> None:
        """Start with no status seen."""
        super().__init__()
        self._seen: dict[str, Op] = {}

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Compare an answer's status with the one before it."""
        rollout, op = fact.rollout, fact.op
        if rollout is None or op.outcome != "ok" or not isinstance(op.reply, dict):
            return
        status = op.reply.get("status")
        if not isinstance(status, str) or rollout.repeats(op):
            return
        last = self._seen.get(rollout.name)
        if last is not None and not last.before(op):
            return  # overlapping: either order is legal
        self._seen[rollout.name] = op
        if last is None:
            return
        old = last.reply["status"]
        self.exercised += old != status
        problem = _edge(view, rollout, last, op, (old, status))
        if problem:
            self.accuse(
                view,
                who=rollout.name,
                expected="pending, in_progress, paused and the end in the published order",
                seen=problem,
                events=(last.answered, op.invoked, fact.event),
            )

    @sees(Triggered)
    def triggered(self, view: View, fact: Triggered) -> None:
        """Accuse a trigger after the end."""
        rollout, connection = fact.trigger.rollout, fact.trigger.connection
        if rollout is None or rollout.finished is None or connection is None:
            return
        ended = rollout.finished.answered
        if ended is not None and connection.proves_after(ended.index):
            self.accuse(
                view,
                who=rollout.name,
                charger=fact.trigger.station.id,
                expected=f"a {rollout.status} rollout triggers nobody",
                seen=f"{fact.trigger.station.id} was triggered afterwards",
                events=(ended, fact.event),
            )


def _edge(view: View, rollout: Rollout, last: Op, op: Op, edge: tuple[str, str]) -> str:
    """Say why a status may not follow another, '' if it may."""
    old, new = edge
    if old == new:
        return ""
    if old in TERMINAL:
        return f"{old} became {new}"
    if new == "pending":
        return f"{old} became pending again"
    executed = any(e.may_act and not e.before(last) for e in rollout.executes if e is not last)
    paused = any(p.may_act and not p.before(last) for p in rollout.pauses if p is not last)
    executed = executed or op.name == "execute_stage"
    paused = paused or op.name == "pause"
    if old == "pending" and not executed and not (new == "failed" and view.interfered):
        return f"pending became {new} without execute-stage"
    if old == "in_progress" and new == "paused" and not paused:
        return "in_progress became paused without pause"
    if old == "paused" and new == "in_progress" and not executed:
        return "paused became in_progress without execute-stage"
    return ""


class R33(Checker):
    """Derivation."""

    requirement = Requirement(
        "R33",
        "Derivation",
        "Every GET is one snapshot: the overall status, how the rollout ended, and the stages' "
        "statuses agree with the chargers it shows.",
        "API, Get rollout status; contract D5, D6, D7, D33",
        level="PROFILE",
        switches=("D33",),
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge one body against itself."""
        self.exercised += 1
        problem, switch = _torn(fact.body)
        if not problem and not view.interfered:  # a cancelled rollout ends otherwise (D29)
            problem, switch = wrong_end(fact.body, fact.rollout.request)
        if problem:
            self.accuse(
                view,
                who=fact.rollout.name,
                expected="statuses that follow from the chargers shown",
                seen=problem,
                events=(fact.op.invoked, fact.event),
                switch=switch,
            )


def _torn(body: dict[str, Any]) -> tuple[str, str | None]:
    """Say what contradicts itself in a body, '' if nothing does, and the decision it hangs on."""
    status, current = body.get("status"), body.get("current_stage")
    stages = objects(body.get("stages"))
    if status == "pending" and current is None:
        current = 0
    if isinstance(current, int) and current > len(stages):
        return f"current_stage is {current} of {len(stages)}", None
    moving = 0
    for stage in stages:
        rows = [str(r.get("status")) for r in objects(stage.get("chargers"))]
        moving += sum(row not in {"pending", "installed", "failed"} for row in rows)
        problem, switch = _unsaid(stage, rows)
        # A rollout that has ended may have left stages behind in any state.
        if not problem and str(status) not in TERMINAL:
            problem = _torn_stage(stage, rows, current)
        if problem:
            return f"stage {stage.get('stage')} is {stage.get('status')} {problem}", switch
    if status in ("completed", "pending") and moving:
        return f"{status} while {moving} charger(s) are updating", None
    return "", None


def _unsaid(stage: dict[str, Any], rows: list[str]) -> tuple[str, str | None]:
    """Say what no stage may say, whatever became of its rollout, '' if that is well."""
    said = stage.get("status")
    if isinstance(said, str) and said not in STAGE_STATUSES:
        return "(no status of a stage, D33)", None
    if not rows or not all(row in ENDED for row in rows):
        return "", None
    if said == "completed" and "installed" not in rows:
        return "although nobody in it succeeded", "D5"
    if said == "failed" and "installed" in rows:
        return "although a charger in it succeeded", "D5"
    return "", None


def _torn_stage(stage: dict[str, Any], rows: list[str], current: Any) -> str:
    """Say what in a stage contradicts its status, '' if nothing does."""
    said, number = stage.get("status"), stage.get("stage")
    ended = [row in ENDED for row in rows]
    begun = next((row for row in rows if row != "pending"), None)
    waits = isinstance(current, int) and isinstance(number, int) and number > current
    for wrong, why in (
        (str(said) in TERMINAL and not all(ended), "while chargers in it have not ended"),
        (said == "in_progress" and all(ended), "although every charger in it has ended"),
        (said == "pending" and begun and not all(ended), f"while a charger in it is {begun}"),
        (said != "pending" and waits and not all(ended), f"before its turn: stage {current} runs"),
    ):
        if rows and wrong:
            return why
    return ""


class R34(Checker):
    """Freshness."""

    requirement = Requirement(
        "R34",
        "Freshness",
        "Once a firmware status of a charger was answered, a later GET shows it or something "
        "later, within the target's freshness bound; so it does after a boot with the new version.",
        "API, Get rollout status: current status; contract D34",
        level="PROFILE",
        switches=("D34",),
    )

    def __init__(self) -> None:
        """Start with nothing acknowledged."""
        super().__init__()
        self._sent: dict[int, tuple[Member, str]] = {}  # index of the status's event
        self._known: dict[Member, tuple[int, str, Event]] = {}  # rank, status, its answer
        self._boots: dict[str, Member] = {}  # charger -> whose new version its boot shows

    @sees(Reported, about=REACHED)
    def reported(self, _view: View, fact: Reported) -> None:
        """Remember a status that moved its update on."""
        member = fact.member
        if member is not None and member.status == fact.status:
            self._sent[fact.event.index] = (member, fact.status)

    @sees(Booted)
    def booted(self, view: View, fact: Booted) -> None:
        """Remember a boot that can only mean that the update succeeded (D23)."""
        station, wanted = fact.station, view.header.scenario.get("firmware_version")
        self._boots.pop(station.id, None)
        # With more than one update the CSMS may not know which version ran before this one.
        if len(station.triggers) != 1 or station.strays or wanted is None:
            return
        member = station.triggers[0].member
        if member is None or not told(member) or fact.version != wanted:
            return
        if fact.before not in {None, "", wanted} and view.profile.judges("D23"):
            self._boots[station.id] = member

    @sees(Replied, about=("BootNotification",))
    def accepted(self, _view: View, fact: Replied) -> None:
        """From the answer on, the version is known to the CSMS."""
        member = self._boots.pop(fact.station.id, None) if fact.sender is CSMS else None
        result = fact.frame[2] if len(fact.frame) > 2 else None  # noqa: PLR2004 - [3, id, {}]
        if member is not None and isinstance(result, dict) and result.get("status") == "Accepted":
            self._known[member] = (REACHED["Installed"], "a boot with the new version", fact.event)

    @sees(Replied, about=REPORTS)
    def replied(self, _view: View, fact: Replied) -> None:
        """From the answer on, the status is known to the CSMS."""
        call: Call | None = fact.call
        if fact.sender is not CSMS or call is None:
            return
        sent = self._sent.pop(call.event.index, None)
        if sent is not None and fact.frame[0] == 3:  # noqa: PLR2004 - a CALLRESULT
            member, status = sent
            self._known[member] = (REACHED[status], status, fact.event)

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Compare every row with what the CSMS has acknowledged long enough ago."""
        bound = view.profile.number("D34", "freshness")
        if bound is None:
            return
        for member, row, _ in fact.rows:
            known = self._known.get(member)
            if known is None:
                continue
            rank, status, answer = known
            if fact.op.invoked.time < answer.time + bound:
                continue
            del self._known[member]
            self.exercised += 1
            shown = str(row.get("status"))
            if SHOWN_RANK.get(shown, 99) < rank:
                self.accuse(
                    view,
                    who=member.rollout.name,
                    charger=member.charger,
                    expected=f"{status} was acknowledged: GET shows at least that",
                    seen=f"{member.charger} is still shown as {shown} "
                    f"{fact.op.invoked.time - answer.time:.1f} s later",
                    events=(answer, fact.op.invoked, fact.event),
                )
