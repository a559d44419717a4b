"""L3-L6, L8: stages, rollouts and silences end, and answers come, within stated bounds."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from harness.checkers.base import Checker, sees
from harness.checkers.clocks import CLOCK_SKEW
from harness.checkers.facts import (
    Answered,
    Read,
)
from harness.checkers.knowing import known_settled
from harness.checkers.settling import ENDED, SLACK, last_sign, patience, told, update_timeout
from harness.contract import TERMINAL, objects
from harness.verdict import Requirement

if TYPE_CHECKING:
    from harness.checkers.model import Member, Op, Rollout
    from harness.checkers.view import View
    from harness.contract import Profile

INSTALLS = frozenset({"InstallScheduled", "Installing", "InstallRebooting"})


def liveness(number: str, title: str, sentence: str, source: str, *switches: str) -> Requirement:
    """Make a liveness requirement: always against the target's time bounds."""
    return Requirement(number, title, sentence, source, level="PROFILE", switches=switches)


class L3(Checker):
    """Stages end."""

    requirement = liveness(
        "L3",
        "Stages end",
        "Once every charger of a stage has reported its end, GET shows the stage as ended.",
        "API, stages: status; contract D5, D34",
        "D5",
        "D34",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge each stage whose chargers the CSMS knows to be settled."""
        fresh = view.profile.number("D34", "freshness")
        if fresh is None:
            return
        shown = objects(fact.body.get("stages"))
        at = fact.op.invoked.time
        for stage, row in zip(fact.rollout.stages, shown, strict=False):
            if not stage.triggered or not all(known_settled(m, at, fresh) for m in stage.members):
                continue
            self.exercised += 1
            if str(row.get("status")) not in TERMINAL:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    expected=f"stage {stage.number} has ended",
                    seen=f"GET shows it as {row.get('status')}",
                    events=(*(m.acknowledged for m in stage.members[-2:]), fact.event),
                )


class L4(Checker):
    """Rollouts end."""

    requirement = liveness(
        "L4",
        "Rollouts end",
        "Once the last charger is settled the rollout ends by itself, with no further call, also "
        "while it is paused.",
        "API, status: completed, failed; contract D7, D34",
        "D7",
        "D34",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge the overall status once everyone is known to be settled."""
        fresh, rollout = view.profile.number("D34", "freshness"), fact.rollout
        if fresh is None or not rollout.members:
            return
        at = fact.op.invoked.time
        if not all(known_settled(m, at, fresh) for m in rollout.members.values()):
            return
        self.exercised += 1
        if str(fact.body.get("status")) not in TERMINAL:
            last = max(
                (m.acknowledged for m in rollout.members.values() if m.acknowledged),
                key=lambda event: event.index,
                default=None,
            )
            self.accuse(
                view,
                who=rollout.name,
                expected="completed or failed, all chargers being settled",
                seen=f"GET says {fact.body.get('status')}",
                events=(last, fact.op.invoked, fact.event),
            )


class L5(Checker):
    """Silence times out."""

    requirement = liveness(
        "L5",
        "Silence times out",
        "A charger that falls silent is shown as failed once its time-out has passed, and so is "
        "one that is away while its stage runs, where the rollout limits that, and one whose "
        "download has failed and is not tried again.",
        "contract D11, D12, D30",
        "D12",
    )

    @sees(Read)
    def read(self, view: View, fact: Read) -> None:
        """Judge every triggered charger whose last sign of life is too old."""
        limit = update_timeout(fact.rollout.request, view.profile)
        fresh = view.profile.number("D34", "freshness")
        if limit is None or fresh is None:
            self.doubt = "" if self.exercised else "the target's time-out is unknown"
            return
        self._away(view, fact, fresh, limit)
        dated = fact.rollout.request.get("retrieve_date") is not None
        if dated and fact.rollout.due == -inf:
            return  # nobody knows when the clock starts
        for member, row, _ in fact.rows:
            if not told(member) or member.final not in {"", "DownloadFailed"}:
                continue
            wait, switch = _longest_wait(member, limit, view.profile)
            # A restart may start the clock anew, but not forget it (D35).
            heard = max(last_sign(member), fact.rollout.due + CLOCK_SKEW, view.up_since)
            quiet = fact.op.invoked.time - heard
            if quiet < wait + fresh + SLACK:
                continue
            self.exercised += 1
            if str(row.get("status")) not in ENDED:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    charger=member.charger,
                    expected=f"failed after {wait:.0f} s of silence",
                    seen=f"{row.get('status')} after {quiet:.0f} s",
                    events=(member.triggers[-1].event, member.reported, fact.event),
                    switch=switch,
                )

    def _away(self, view: View, fact: Read, fresh: float, limit: float) -> None:
        """Judge every charger of the running stage that has been away for too long (D11).

        One whose command a kill may have swallowed counts as told: it has `limit` seconds (D21).
        """
        asked = fact.rollout.request.get("offline_timeout")
        begun = _running_since(fact)
        if not isinstance(asked, int | float) or begun is None:
            return
        for member, row, _ in fact.rows:
            if member.triggers or member.stage != fact.body.get("current_stage"):
                continue
            station = view.stations.get(member.charger)
            if station is not None and station.connection is not None:
                continue
            wait = max(asked, limit) if view.swallowed(member) else asked
            since = max(begun, view.up_since, station.left if station is not None else 0.0)
            absent = fact.op.invoked.time - since
            if absent < wait + fresh + SLACK:
                continue
            self.exercised += 1
            if str(row.get("status")) not in ENDED:
                self.accuse(
                    view,
                    who=fact.rollout.name,
                    charger=member.charger,
                    expected=f"failed after {wait:g} s of absence",
                    seen=f"{row.get('status')} after {absent:.0f} s",
                    events=(fact.rollout.executes[-1].answered, fact.event),
                    switch="D11",
                )


def _longest_wait(member: Member, limit: float, profile: Profile) -> tuple[float, str | None]:
    """Return how long a member may be silent, and the switch on which that hangs.

    After a failed download that the CSMS has heard of it waits for the next attempt only (D30).
    """
    heard, failed, trigger = member.acknowledged, member.final_event, member.triggers[-1]
    counts = (
        member.final == "DownloadFailed"
        and failed is not None
        and heard is not None
        and heard.index > failed.index
        and not member.said & INSTALLS  # behind its time: it changes nothing (D22)
        and trigger.retry_interval is not None
    )
    if not counts or not profile.judges("D30") or patience(trigger) >= limit:
        return limit, None
    return patience(trigger), "D30"


def _running_since(fact: Read) -> float | None:
    """Return when the stage that a read shows as running was last begun or resumed for certain."""
    rollout = fact.rollout
    running = fact.body.get("status") == "in_progress" and rollout.paused_since is None
    ends = [op.answered.time for op in rollout.executes if op.answered is not None]
    return max(ends) if running and ends and len(ends) == len(rollout.executes) else None


class L6(Checker):
    """Answers in time."""

    requirement = liveness(
        "L6",
        "Answers in time",
        "Every request of the API is answered within the target's bound, whatever chargers do.",
        "contract D31, D34",
        "D34",
    )

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Measure one request."""
        op = fact.op
        limit = self._limit(view, op, fact.rollout)
        if limit is None or view.killed_between(op.invoked.index, fact.event.index):
            return
        self.exercised += 1
        took = duration(op)
        if took > limit:
            self.accuse(
                view,
                who=op.id,
                expected=f"an answer within {limit:.1f} s",
                seen=f"{op.name} took {took:.1f} s",
                events=(op.invoked, fact.event),
            )

    @staticmethod
    def _limit(view: View, op: Op, rollout: Rollout | None) -> float | None:
        base = view.profile.number("D34", "http")
        size = len(rollout.members) if rollout is not None else 0
        more = view.profile.dispatch_bound(size) if op.name == "execute_stage" else 0.0
        return None if base is None or more is None else base + more


def duration(op: Op) -> float:
    """Return how long an answered request took, in seconds: not when it was recorded counts."""
    if op.answered is None:
        return 0.0
    late = op.answered.data.get("late")
    waited = op.answered.time - op.invoked.time
    return waited - late if isinstance(late, int | float) and 0 < late <= waited else waited


class L8(Checker):
    """Bounded under load."""

    requirement = liveness(
        "L8",
        "Bounded under load",
        "With a thousand chargers or more, 99 of 100 reads are answered within the bound.",
        "contract D34",
        "D34",
    )
    LOAD = 1000  # chargers
    ENOUGH = 100  # reads

    def __init__(self) -> None:
        """Start with no reads."""
        super().__init__()
        self._times: list[float] = []
        self._slowest: tuple[float, Op] | None = None

    @sees(Answered, about=("read",))
    def answered(self, view: View, fact: Answered) -> None:
        """Collect the times of reads under load."""
        if len(view.stations) < self.LOAD:
            return
        took = duration(fact.op)
        self._times.append(took)
        if self._slowest is None or took > self._slowest[0]:
            self._slowest = (took, fact.op)

    def end(self, view: View) -> None:
        """Judge the 99th percentile."""
        bound = view.profile.number("D34", "http")
        if bound is None or self._slowest is None or len(self._times) < self.ENOUGH:
            self.doubt = f"needs {self.ENOUGH} reads beside {self.LOAD} chargers"
            return
        self.exercised = len(self._times)
        slow = sorted(self._times)[int(0.99 * len(self._times))]
        if slow > bound:
            op = self._slowest[1]
            self.accuse(
                view,
                who="API",
                expected=f"99 % of the reads within {bound:.1f} s",
                seen=f"99 % took up to {slow:.1f} s",
                events=(op.invoked, op.answered),
            )
