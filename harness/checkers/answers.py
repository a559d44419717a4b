"""R35, R38, R43, R45: what the CSMS answers, to chargers and to the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.facts import (
    Answered,
    Booted,
    Invoked,
    Replied,
    Reported,
    TriggerAnswered,
    Triggered,
)
from harness.checkers.plan import texts
from harness.checkers.schemas import invalid
from harness.checkers.sense import senseless
from harness.checkers.settling import ENDED, Settled, no_retry_left, settled
from harness.checkers.wirefold import REPORTS
from harness.verdict import CSMS, Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Call, Member, Op, Rollout
    from harness.checkers.view import View


class R35(Checker):
    """Always answer."""

    requirement = Requirement(
        "R35",
        "Always answer",
        "Every firmware status and every boot is answered with a CALLRESULT, whatever the CSMS "
        "thinks of it: duplicate, stale, unsolicited, with request id 0 or an unknown one.",
        "OCPP 2.0.1 L01.FR.20, Part 4 4.2.3; OCPP 1.6 4.5",
    )

    @sees(Replied, about=(*REPORTS, "BootNotification"))
    def replied(self, view: View, fact: Replied) -> None:
        """Accuse an error in answer to a status or a boot."""
        call = fact.call
        if fact.sender is not CSMS or call is None:
            return
        self.exercised += 1
        # B01.FR.10: before its boot was accepted, SecurityError is the right answer.
        known = call.action == "BootNotification" or fact.station.accepted
        if fact.frame[0] == 4 and known and _sound(fact, call):  # noqa: PLR2004 - CALLERROR
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected=f"a CALLRESULT to {call.action}",
                seen=f"CALLERROR {fact.frame[2]}",
                events=(call.event, fact.event),
            )


def _sound(fact: Replied, call: Call) -> bool:
    """Whether a CALL was one that the CSMS has to understand: an error may answer any other."""
    version = fact.connection.subprotocol if fact.connection is not None else ""
    return not invalid(version, call.action, call.payload, answer=False)


class R38(Checker):
    """Codes."""

    requirement = Requirement(
        "R38",
        "Codes",
        "No request makes the CSMS answer 5xx; a rollout that does not exist is 404, a request "
        "that makes no sense 422 or 400, one that the state forbids 409; who waits for chargers "
        "says for whom.",
        "API: errors; contract D1, D8, D9, D14, D28",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Judge the code of one answer."""
        op = fact.op
        if not op.status:
            return
        self.exercised += 1
        if op.status >= 500:  # noqa: PLR2004 - HTTP
            expected, seen, switch = "never a 5xx", f"{op.name} answered {op.status}", None
        elif op.status in {409, 404} and _refuses_wrongly(view, op, fact.rollout):
            expected, seen = f"{op.name} of a known rollout is found", f"{op.status}"
            switch = "D28"
        elif op.status == 404 and op.name == "create":  # noqa: PLR2004 - HTTP
            expected, seen, switch = "create exists", "404", None
        elif op.outcome == "ok" and _unknown(view, op):
            expected, seen, switch = "404 for an unknown rollout", f"{op.status}", "D28"
        elif op.outcome == "ok" and op.name == "create" and (told := senseless(op.request)):
            expected, (seen, switch) = "422 for a create that makes no sense", told
            seen = f"{op.status} for {seen}"
        elif op.status == 409 and (waited := _waited_for(view, op, fact.rollout)):  # noqa: PLR2004
            expected, seen = "a refusal that names the unsettled chargers", f"{waited} is not named"
            switch = "D1"
        else:
            return
        self.accuse(
            view,
            who=op.id,
            expected=expected,
            seen=seen,
            events=(op.invoked, fact.event),
            switch=switch,
        )


ROLLOUT_OPS = frozenset({"read", "execute_stage", "pause"})


def _refuses_wrongly(view: View, op: Op, rollout: Rollout | None) -> bool:
    """Whether a known rollout was not found, or reading one was called a conflict."""
    known = rollout is not None and rollout.id is not None and rollout.id == op.rollout_id
    if not known or op.name not in ROLLOUT_OPS or view.interfered:
        return False
    return op.status == 404 or op.name == "read"  # noqa: PLR2004 - HTTP


def _waited_for(view: View, op: Op, rollout: Rollout | None) -> str:
    """Return a charger that a refused execute-stage has to wait for, if its answer names none."""
    if op.name != "execute_stage" or rollout is None or rollout.status != "in_progress":
        return ""
    others = [*rollout.executes, *rollout.pauses]
    if view.kills or any(one is not op and one.overlaps(op) for one in others):
        return ""
    left = [
        m.charger
        for m in rollout.members.values()
        if m.triggers and settled(m, view.now, view.profile) is Settled.NO
    ]
    said = str(op.reply)
    return left[0] if left and not any(one in said for one in left) else ""


def _unknown(view: View, op: Op) -> bool:
    """Whether the operator asked for a rollout that no body ever named."""
    asked = op.rollout_id
    return op.name in ROLLOUT_OPS and isinstance(asked, str) and asked not in view.by_id


def _given_up(view: View, member: Member) -> bool:
    """Whether time may have freed the slot of a member, and no GET has shown it yet."""
    if not member.triggers or (member.shown is not None and member.shown.status in ENDED):
        return False
    return settled(member, view.now, view.profile) is Settled.PERHAPS or no_retry_left(
        member, view.now
    )


class R43(Checker):
    """Triggered list."""

    requirement = Requirement(
        "R43",
        "Triggered list",
        "chargers_triggered lists exactly the chargers of the stage that were sent the update "
        "between the execute-stage call and its answer.",
        "API, Execute rollout stage: chargers_triggered, 'have been sent the update command'",
    )

    def __init__(self) -> None:
        """Start with nothing listed."""
        super().__init__()
        self._waiting: dict[str, dict[str, Op]] = {}  # charger -> rollout -> the answer
        self._keys: set[tuple[str, str]] = set()  # rollout and Idempotency-Key of ok answers
        self._got: dict[str, dict[str, Triggered]] = {}  # rollout -> charger -> since the call
        self._ready: dict[str, set[str]] = {}  # op -> who was ready when it was called
        self._freed: dict[str, int] = {}  # rollout -> when a charger last freed its slot

    @sees(Invoked, about=("execute_stage",))
    def invoked(self, view: View, fact: Invoked) -> None:
        """From here on triggers of the rollout may belong to this call."""
        rollout = fact.rollout
        if rollout is None:
            return
        if all(e.answered is not None for e in rollout.executes[:-1]):
            self._got[rollout.name] = {}
        self._ready[fact.op.id] = {
            m.charger
            for m in rollout.members.values()
            if not m.triggers and _ready(view, m.charger)
        }

    @sees(Triggered)
    def triggered(self, _view: View, fact: Triggered) -> None:
        """Collect the triggers of a rollout since its call."""
        rollout = fact.trigger.rollout
        if rollout is not None and rollout.executes:
            charger = fact.trigger.station.id
            self._got.setdefault(rollout.name, {})[charger] = fact
            self._waiting.get(charger, {}).pop(rollout.name, None)

    @sees(Reported, TriggerAnswered)
    def freed(self, _view: View, fact: Reported | TriggerAnswered) -> None:
        """A charger that ends or refuses frees its slot for one that is not of the call."""
        trigger = fact.trigger
        member = trigger.member if trigger is not None else None
        if trigger is not None and member is not None and (member.final or trigger.refused):
            self._freed[member.rollout.name] = fact.event.index

    @sees(Booted)
    def booted(self, _view: View, fact: Booted) -> None:
        """So does one that boots, perhaps into the new version."""
        for trigger in fact.station.triggers[-1:]:
            if trigger.member is not None:
                self._freed[trigger.member.rollout.name] = fact.event.index

    @sees(Answered, about=("execute_stage",))
    def answered(self, view: View, fact: Answered) -> None:
        """Compare the list of an ok answer with what chargers received."""
        op, rollout = fact.op, fact.rollout
        if rollout is None or op.outcome != "ok":
            return
        if op.key is not None:  # a repeat tells of an earlier moment (D19)
            again = (rollout.name, op.key) in self._keys
            self._keys.add((rollout.name, op.key))
            if again:
                return
        body = op.reply if isinstance(op.reply, dict) else {}
        listed = texts(body.get("chargers_triggered"))
        self.exercised += 1
        stage = body.get("executed_stage")
        foreign = [c for c in listed if c not in rollout.members]
        elsewhere = [
            c for c in listed
            if c in rollout.members and isinstance(stage, int) and rollout.members[c].stage != stage
        ]  # fmt: skip
        early = [c for c in listed if self._before(rollout, c, op)]
        twice = len(listed) != len(set(listed))
        for wrong, seen in (
            (foreign, "no charger of the rollout"),
            (elsewhere, f"not in stage {stage}"),
            (early, "triggered before the call, and not since"),
            (["a charger"] if twice else [], "listed twice"),
        ):
            if wrong:
                self._accuse(view, rollout, op, wrong, seen)
        got = self._got.get(rollout.name, {})
        for charger in listed:
            if charger in rollout.members and charger not in got and charger not in early:
                self._waiting.setdefault(charger, {})[rollout.name] = op
        self._unlisted(view, rollout, op, set(listed))

    def _unlisted(self, view: View, rollout: Rollout, op: Op, listed: set[str]) -> None:
        """Look for chargers that were ready, received the command during the call, yet miss.

        A frame that is recorded before the answer may still have been sent after it; a target
        that answers first and sends later differs from D31, and only slots or a reconnect
        explain a late command otherwise.
        """
        ready = self._ready.pop(op.id, set())
        freed = self._freed.get(rollout.name, -1) > op.invoked.index
        if freed or any(e.overlaps(op) for e in rollout.executes if e is not op):
            return
        got = self._got.get(rollout.name, {})
        missing = sorted((set(got) & ready) - listed)
        if missing and not any(_given_up(view, m) for m in rollout.members.values()):
            last = got[missing[0]].event
            self.accuse(
                view,
                who=rollout.name,
                charger=missing[0],
                expected="every charger that was sent the command is listed",
                seen=f"{', '.join(missing[:5])} received it during the call and is not listed",
                events=(op.invoked, last, op.answered),
                switch="D31",
            )

    @staticmethod
    def _before(rollout: Rollout, charger: str, op: Op) -> bool:
        member = rollout.members.get(charger)
        last = member.triggers[-1:] if member is not None else []
        return bool(last) and last[0].event.index < op.invoked.index

    @sees(Replied)
    def replied(self, view: View, fact: Replied) -> None:
        """A fence after the answer: what was listed has arrived by now, or was never sent."""
        waiting = self._waiting.get(fact.station.id)
        connection = fact.connection
        if not waiting or connection is None or fact.sender is not CSMS:
            return
        for name, op in list(waiting.items()):
            rollout = op.rollout_id and view.known_rollout(op.rollout_id)
            if not rollout or connection.opened.index > op.invoked.index:
                waiting.pop(name)  # it reconnected: the command may have been lost on the way
            elif op.answered is not None and connection.proves_after(op.answered.index):
                waiting.pop(name)
                seen = "listed, yet no command arrived before its next round trip"
                self._accuse(view, rollout, op, [fact.station.id], seen)

    def _accuse(self, view: View, rollout: Rollout, op: Op, who: list[str], seen: str) -> None:
        self.accuse(
            view,
            who=rollout.name,
            charger=who[0] if who[0] in rollout.members else None,
            expected="exactly the chargers that were sent the command",
            seen=f"{', '.join(who[:5])}: {seen}",
            events=(op.invoked, op.answered, view.last),
        )


def _ready(view: View, charger: str) -> bool:
    """Whether a charger could take a command at once: accepted, with a free CALL slot."""
    station = view.stations.get(charger)
    connection = station.connection if station else None
    if station is None or connection is None:
        return False
    return station.accepted and not connection.theirs and connection.fences > 0


class R45(Checker):
    """Keys."""

    requirement = Requirement(
        "R45",
        "Keys",
        "Without a valid bearer key every endpoint answers 401 and does nothing.",
        "API: Authorization: Bearer <key>",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Judge the answer to a probe; its invoke says `key: missing` or `key: wrong`."""
        op = fact.op
        key = str(op.invoked.data.get("key"))
        if key not in {"missing", "wrong"} or op.outcome == "info":
            return
        self.exercised += 1
        if op.status != 401:  # noqa: PLR2004 - HTTP
            where = f"{op.invoked.data.get('method', '')} {op.invoked.data.get('path', '')}"
            self.accuse(
                view,
                who=op.id,
                expected=f"401 with a {key} key",
                seen=f"{where.strip()} answered {op.status}",
                events=(op.invoked, fact.event),
            )
