"""The operator's half of the view: requests, rollouts and stages, what GET showed, pauses.

A core. A rollout is known by its url from the moment its create is invoked, and by its id from the
first body that names it. `paused_since` is set only where every legal order of overlapping requests
leaves the rollout paused: see `_certain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.checkers import facts
from harness.checkers.clocks import in_history
from harness.checkers.model import Member, Op, Rollout, Shown, Stage, Trigger
from harness.contract import TERMINAL, objects

if TYPE_CHECKING:
    from harness.checkers.facts import Fact
    from harness.checkers.view import View
    from harness.history import Event
    from harness.verdict import Step

FEW = 100  # chargers of a rollout whose bodies may be kept


class PlanFold:
    """Folds the operator's events into the view."""

    def __init__(self, view: View) -> None:
        """Write into this view."""
        self._view = view

    def fold(self, event: Event) -> list[Fact]:
        """Take one operator event in."""
        if event.kind == "invoke":
            return self._invoke(event)
        op = self._view.ops.get(event.ref)
        if op is None or op.answered is not None or event.kind not in {"ok", "fail", "info"}:
            return []
        op.answered = event
        op.outcome = event.kind
        op.status = _status(event.data.get("status"))
        op.reply = event.data.get("body")
        if op.done:
            del self._view.ops[op.id]  # bodies are large: who still needs one keeps it
        return self._answered(event, op)

    def finish(self) -> list[Fact]:
        """End the pauses that are still on."""
        last = self._view.last
        if last is None:
            return []
        return [
            facts.PauseEnded(last, rollout, rollout.paused_since)
            for rollout in self._view.rollouts
            if rollout.paused_since is not None
        ]

    def killed(self, kill: Event) -> None:
        """Settle what the kill settles: a request that is unknown cannot act afterwards."""
        for op in self._view.ops.values():
            if op.outcome in {"open", "info"} and op.cut is None:
                op.cut = kill
            if op.outcome == "info":
                op.outcome = "lost"

    # ------------------------------------------------------------------ requests

    def _invoke(self, event: Event) -> list[Fact]:
        view = self._view
        rollout_id = event.data.get("rollout")
        op = Op(event.ref, event.name, event, rollout_id, event.data.get("body"))
        view.ops[op.id] = op
        out: list[Fact] = []
        rollout = view.known_rollout(rollout_id)
        if op.name == "create":
            rollout = self._created(op)
        elif rollout is not None and op.name == "execute_stage":
            rollout.executes.append(op)
            if rollout.paused_since is not None:
                out.append(facts.PauseEnded(event, rollout, rollout.paused_since))
                rollout.paused_since = None
            rollout.tentative, rollout.suspects = None, []
        elif rollout is not None and op.name == "pause":
            rollout.pauses.append(op)
        if op.name == "other" and _ends_things(event.data):
            view.interfered = True
        out.append(facts.Invoked(event, op, rollout))
        return out

    def _created(self, op: Op) -> Rollout | None:
        """Know a rollout by the url that its create asks for."""
        body = op.request if isinstance(op.request, dict) else {}
        url = body.get("firmware_url")
        if not isinstance(url, str):
            return None
        rollout = self._view.by_url.get(url)
        if rollout is None:
            rollout = Rollout(url, body, op, self._due(body), kills=self._view.kills)
            self._view.by_url[url] = rollout
            self._view.rollouts.append(rollout)
        elif rollout.id is None:
            rollout.request, rollout.create = body, op  # an earlier create was refused
            rollout.due = self._due(body)
        return rollout

    def _due(self, body: dict[str, Any]) -> float:
        return in_history(body.get("retrieve_date"), self._view.header.started_at)

    # ------------------------------------------------------------------ answers

    def _answered(self, event: Event, op: Op) -> list[Fact]:
        body = op.reply if isinstance(op.reply, dict) else {}
        rollout = self._rollout_of(op, body)
        out: list[Fact] = [facts.Answered(event, op, rollout)]
        if rollout is None or event.kind != "ok":
            return out + (self._pause_began(rollout, op, event) if rollout else [])
        if op.name in {"create", "read"}:
            self._learn(rollout, body)
        status = body.get("status")
        if isinstance(status, str) and not rollout.repeats(op):
            rollout.status = status
            if status in TERMINAL and rollout.finished is None:
                rollout.finished = op
        if op.name == "read":
            # The line of a witness is shorter than a large body, and telling it takes longer.
            answer = event if len(rollout.members) <= FEW else self._view.step(event)
            shown = self._show(rollout, op, answer, body)
            out.append(facts.Read(event, op, rollout, body, *shown))
        return out + self._pause_began(rollout, op, event)

    def _rollout_of(self, op: Op, body: dict[str, Any]) -> Rollout | None:
        """Find the rollout that an answer is about, learning its id."""
        view = self._view
        rollout_id = body.get("rollout_id") if op.name == "create" else op.rollout_id
        known = view.known_rollout(rollout_id)
        if known is not None:
            return known
        url = body.get("firmware_url")
        if op.name == "create" and isinstance(op.request, dict):
            url = op.request.get("firmware_url")
        rollout = view.by_url.get(url) if isinstance(url, str) else None
        if rollout is None and op.name == "read" and op.outcome == "ok" and isinstance(url, str):
            rollout = Rollout(url, {}, kills=view.kills)
            view.by_url[url] = rollout
            view.rollouts.append(rollout)
        if rollout is None or op.outcome != "ok" or not isinstance(rollout_id, str):
            return rollout
        if rollout.id is None:
            rollout.id = rollout_id
            if op.name == "create":
                rollout.create = op
        view.by_id[rollout_id] = rollout
        return rollout

    def _learn(self, rollout: Rollout, body: dict[str, Any]) -> None:
        """Learn the plan from the first body that shows it; it never changes (R01)."""
        if rollout.stages:
            return
        rollout.strategy = str(body.get("strategy") or rollout.request.get("strategy") or "")
        for position, shown in enumerate(objects(body.get("stages"))):
            stage = Stage(position + 1, str(shown.get("label", "")), [])
            for charger in charger_ids(shown):
                member = rollout.members.get(charger)
                if member is None:
                    member = Member(charger, stage.number, rollout)
                    rollout.members[charger] = member
                    stage.members.append(member)
            rollout.stages.append(stage)
        for station in self._view.stations.values():  # triggered before the plan was known
            for trigger in station.triggers:
                if trigger.rollout is rollout and trigger.member is None:
                    self._view.adopt(trigger)

    @staticmethod
    def _show(
        rollout: Rollout, op: Op, answer: Event | Step, body: dict[str, Any]
    ) -> tuple[list[facts.ShownRow], list[facts.ShownRow]]:
        """Remember what a read shows of every charger; return all rows, and those that changed."""
        rows: list[facts.ShownRow] = []
        changed: list[facts.ShownRow] = []
        members = rollout.members
        earlier: Op | None = None  # most rows were last shown by the same read
        overlapping = False
        one: facts.ShownRow
        for stage in objects(body.get("stages")):
            for row in objects(stage.get("chargers")):
                member = members.get(str(row.get("charge_point_id")))
                if member is None:
                    continue
                shown = member.shown
                if shown is None:
                    status = str(row.get("status"))
                    member.shown = Shown(status, answer, op, _reason(row), row, answer)
                    one = (member, row, None)
                    rows.append(one)
                    changed.append(one)
                    continue
                if shown.op is not earlier:
                    earlier, overlapping = shown.op, shown.op.overlaps(op)
                # Overlapping reads may show either order: they are compared with nothing.
                before = None if overlapping else shown.row
                one = (member, row, before)
                rows.append(one)
                if not overlapping:
                    shown.asked = shown.op.invoked.time
                    shown.previous, shown.answer, shown.op = shown.answer, answer, op
                if before is None or (row is not before and row != before):
                    changed.append(one)
                    if not overlapping:
                        _renew(shown, row)
        return rows, changed

    # ------------------------------------------------------------------ pauses

    def _pause_began(self, rollout: Rollout, op: Op, event: Event) -> list[Fact]:
        """Start a certain pause where this answer is the one that settles it.

        Where a pause and an execute-stage overlapped, a later read tells which came last: if it
        says paused, the rollout has been paused since both were answered (`tentative`), for
        nothing that was invoked in between could have paused it.
        """
        if rollout.paused_since is not None:
            return []
        acting = self._acting(rollout)
        if any(not e.done and e.cut is None for e in acting):
            return []
        shown = op.name == "read" and op.outcome == "ok"
        if self._certain(rollout, op, acting):
            since, suspects = event, list[Trigger]()
            if rollout.tentative is not None and shown and self._nothing_else(rollout):
                since, suspects = rollout.tentative, rollout.suspects
            began = facts.PauseBegan(event, rollout, since, suspects)
            rollout.paused_since, rollout.tentative, rollout.suspects = since, None, []
            return [began]
        if shown and rollout.tentative and op.invoked.index > rollout.tentative.index:
            rollout.tentative, rollout.suspects = None, []  # it ran on
        elif rollout.tentative is None and not shown and _answered_pause(rollout):
            rollout.tentative = event
        return []

    @staticmethod
    def _acting(rollout: Rollout) -> list[Op]:
        """Return the executes that had or may have an effect after which nothing paused them.

        Refused ones have none; one whose own answer says paused ended after the pause (D31).
        """
        return [e for e in rollout.executes if e.may_act and not _says_paused(e)]

    @staticmethod
    def _certain(rollout: Rollout, op: Op, acting: list[Op]) -> bool:
        """Whether, with `op` just answered, every legal order leaves the rollout paused."""
        candidates = [p for p in rollout.pauses if p.outcome == "ok"][-1:]
        if op.outcome == "ok" and op.name == "read" and _says_paused(op):
            candidates.append(op)
        return any(all(e.before(p) for e in acting) for p in candidates)

    @staticmethod
    def _nothing_else(rollout: Rollout) -> bool:
        """Whether no pause was invoked after the overlapping one was answered."""
        start = rollout.tentative
        return start is not None and all(
            p.invoked.index < start.index for p in rollout.pauses if p.may_act
        )


def _renew(shown: Shown, row: dict[str, Any]) -> None:
    """Take a changed row in."""
    status = str(row.get("status"))
    if status != shown.status:
        shown.status, shown.since = status, shown.answer
    shown.reason, shown.row = _reason(row), row


def _reason(row: dict[str, Any]) -> str | None:
    """Return the reason in a charger's row, if it gives one."""
    reason = row.get("reason")
    return reason if isinstance(reason, str) else None


def _answered_pause(rollout: Rollout) -> bool:
    """Whether the last acting pause succeeded and overlapped the last acting execute-stage."""
    pauses = [p for p in rollout.pauses if p.may_act]
    executes = [e for e in rollout.executes if e.may_act]
    return (
        bool(pauses and executes)
        and pauses[-1].outcome == "ok"
        and (pauses[-1].overlaps(executes[-1]))
    )


def charger_ids(stage: dict[str, Any]) -> list[str]:
    """Return the charger ids of one stage of a create or a read body, in the order shown."""
    if isinstance(stage.get("charger_ids"), list):
        return texts(stage["charger_ids"])
    return [
        row["charge_point_id"]
        for row in objects(stage.get("chargers"))
        if isinstance(row.get("charge_point_id"), str)
    ]


def _ends_things(data: dict[str, Any]) -> bool:
    """Whether an extension call may end chargers or rollouts by itself (D24, D29)."""
    path = str(data.get("path"))
    return data.get("method") == "DELETE" or "cancel" in path or "retry" in path


def _says_paused(op: Op) -> bool:
    return isinstance(op.reply, dict) and op.reply.get("status") == "paused"


def texts(value: Any) -> list[str]:
    """Return the texts in what should be a list of texts."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _status(value: Any) -> int:
    return value if isinstance(value, int) else 0
