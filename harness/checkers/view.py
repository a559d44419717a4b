"""The shared fold: from raw events to rollouts, triggers, connections, and the facts about them.

A core. `View.fold(event)` updates the view and returns the facts of that event, in order; two
helpers do the work: `plan.PlanFold` reads the operator's requests, `wire.WireFold` the frames.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from harness.checkers import facts
from harness.checkers.model import Station
from harness.checkers.plan import PlanFold
from harness.checkers.telling import tell
from harness.checkers.wirefold import WireFold, adopt
from harness.contract import Profile
from harness.history import CHARGER, FIELD_LOG
from harness.verdict import Step, Subject

if TYPE_CHECKING:
    from harness.checkers.facts import Fact
    from harness.checkers.model import Member, Op, Rollout, Trigger
    from harness.history import Event, Header


class View:
    """Everything the checkers share about one history."""

    def __init__(self, header: Header) -> None:
        """Start before the first event."""
        self.header = header
        self.profile = Profile(header.profile)
        self.field = header.target.get("kind") == FIELD_LOG
        # Whether the times are good enough to judge by: those inside messages are not.
        self.timed = not self.field or header.target.get("clock") == "log"
        self.dated = self.timed and header.target.get("zone") != "assumed"
        self.quirky = frozenset(header.quirky)
        self.under_test = frozenset(header.under_test)
        self.ops: dict[str, Op] = {}  # open, or with unknown outcome
        self.rollouts: list[Rollout] = []
        self.by_url: dict[str, Rollout] = {}
        self.by_id: dict[str, Rollout] = {}
        self.stations: dict[str, Station] = {}
        self._spoken: dict[str, Station] = {}  # the same by the source of their events
        self.kills: list[int] = []  # event indexes
        self.starts: list[int] = []  # event indexes of `up`
        self.up_since = 0.0  # when the system under test was last started
        self.killed: Event | None = None  # the latest kill
        self.interfered = False  # someone used an extension that may end chargers or rollouts
        self.now = 0.0
        self.events = 0
        self.last: Event | None = None
        self.shared: dict[str, Any] = {}  # what several checkers fold once
        self._plan = PlanFold(self)
        self._wire = WireFold(self)

    def fold(self, event: Event) -> list[Fact]:
        """Take one event in and say what it means."""
        self.last = event
        self.now = event.time
        self.events += 1
        source = event.source
        station = self._spoken.get(source)
        if station is not None:
            return self._wire.fold(event, station)
        if source.startswith(CHARGER):
            return self._wire.fold(event, self._heard_first(source))
        if source == "operator":
            return self._plan.fold(event)
        if source == "firmware":
            path = str(event.data.get("path", event.name))
            return [facts.Served(event, str(event.data.get("client", event.ref)), path)]
        if source == "harness":
            return self._harness(event)
        return []

    def _heard_first(self, source: str) -> Station:
        """Take in a charger that has not been heard of before."""
        charger = source[len(CHARGER) :]
        station = self._spoken[source] = self.stations[charger] = Station(charger)
        return station

    def finish(self) -> list[Fact]:
        """Close what is still open when the history ends."""
        return self._plan.finish()

    def decides(self, subject: Subject) -> bool:
        """Whether findings against this side decide the verdict."""
        return subject is Subject.HARNESS or subject.value in self.under_test

    def killed_between(self, first: int, last: int) -> bool:
        """Whether the CSMS was killed between two event indexes."""
        return bool(self.kills) and any(first < kill < last for kill in self.kills)

    def swallowed(self, member: Member, before: float = inf) -> bool:
        """Whether a kill may have swallowed its command: written down, and never sent.

        Only kills before the event of this index count.
        """
        return self.swallowed_at(member, before) is not None

    def swallowed_at(self, member: Member, before: float = inf) -> int | None:
        """Return the index of the first kill that may have swallowed its command."""
        if member.triggers:
            return None
        return member.rollout.struck(member.stage, before)

    def unsure(self, member: Member) -> bool:
        """Whether the CSMS may not dare to send a command again (D21).

        A kill may have swallowed it, and a charger that was asked since did not say Idle: it
        refused, or the question, or the answer to it, was lost.
        """
        station = self.stations.get(member.charger)
        if station is None or station.idle >= station.asked:
            return False
        return self.swallowed(member, before=station.asked)

    def was_down(self, first: int, last: int) -> bool:
        """Whether the CSMS was down from one event index to another."""
        kill = max((k for k in self.kills if k < first), default=None)
        return kill is not None and not any(kill < up < last for up in self.starts)

    def step(self, event: Event) -> Step:
        """Return one event as a line of a witness."""
        return Step(event.index, event.time, event.source, tell(event))

    def known_rollout(self, rollout_id: Any) -> Rollout | None:
        """Return the rollout with this id, if a body named it."""
        return self.by_id.get(rollout_id) if isinstance(rollout_id, str) else None

    @staticmethod
    def adopt(trigger: Trigger) -> None:
        """Give a trigger to the member of its rollout."""
        adopt(trigger)

    def _harness(self, event: Event) -> list[Fact]:
        """Fold marks, fences, kills and starts of the system under test."""
        if event.kind == "fence":
            return []  # every answered CALL is a fence already: see WireFold
        if event.kind == "kill":
            self.kills.append(event.index)
            self.killed = event
            self._plan.killed(event)
        elif event.kind == "up":
            self.starts.append(event.index)
            self.up_since = event.time
        name = event.name if event.kind == "mark" else event.kind
        return [facts.Marked(event, name)]
