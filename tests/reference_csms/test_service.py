"""The whole service against hostile schedules of commits, crashes, pauses and lost frames.

The machine plays operators, chargers and the network. Its chargers are honest but their frames may
be lost, so "was triggered" has a truth that the service cannot see: a charger must never *receive*
two commands of one rollout, whatever it was told.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reference_csms.errors import Problem
from reference_csms.model import (
    Answered,
    AskStatus,
    Boot,
    CallResult,
    CreateRollout,
    Hangup,
    NewCharger,
    Reply,
    SendUpdate,
    Settings,
    Ticket,
)
from tests.reference_csms.rig import Rig

CHARGERS = [f"CP-{number}" for number in range(4)]
WAYS = [
    ["Downloading"],
    ["Downloading", "DownloadFailed"],
    ["Downloading", "Downloaded"],
    ["Downloading", "Downloaded", "Installing", "Installed"],
    ["InstallationFailed"],
]
chargers = st.sampled_from(CHARGERS)
rollouts = st.integers(0, 2)


class Wire(Rig):
    """A rig that lets the machine see every item before it is delivered."""

    machine: ServiceMachine

    def deliver(self, item: Any) -> None:
        """Deliver one released item and tell the machine."""
        before = len(self.log)
        if isinstance(item, Answered):
            self.machine.answering(item)
        super().deliver(item)
        if len(self.log) > before and isinstance(item, SendUpdate):
            self.machine.sent(item)


class ServiceMachine(RuleBasedStateMachine):
    """Operators, chargers and a network over one service."""

    @initialize(
        batch=st.integers(1, 3),
        strategy=st.sampled_from(["canary", "rolling", "all_at_once"]),
        window=st.none() | st.integers(1, 3),
        here=st.lists(chargers, min_size=3, unique=True),
    )
    def begin(self, batch: int, strategy: str, window: int | None, here: list[str]) -> None:
        """Start a CSMS with four registered chargers, some connected, and a first rollout."""
        self.rig = Wire(settings=Settings(instance="machine", batch=batch))
        self.rig.machine = self
        self.ids: list[str] = []
        self.members: dict[str, list[list[str]]] = {}
        # How many execute-stages were accepted, and how many were called at all.
        self.executes: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        # Rollouts whose pause was answered and that no execute-stage was called on since.
        self.silent: set[str] = set()
        self.received: dict[tuple[str, str], int] = {}
        self.lose_next = False
        # What each charger is doing: the rollout whose command it holds.
        self.holds: dict[str, str | None] = dict.fromkeys(CHARGERS)
        self.last: dict[str, str] = dict.fromkeys(CHARGERS, "Idle")
        self.tickets: dict[int, tuple[str, str, int]] = {}
        self.overlapped: set[int] = set()
        self.kept: list[Ticket] = []
        self.rig.ok(
            lambda: self.rig.service.register(self.rig.now, [NewCharger(one) for one in CHARGERS])
        )
        for one in here:
            self.rig.connect(one, "1.0")
        self.create(CHARGERS, strategy, window, None)

    # ---------------------------------------------- what is judged when it happens

    def sent(self, item: SendUpdate) -> None:
        """Judge a command that has just left."""
        assert item.rollout_id not in self.silent, "a charger was triggered after the pause"
        stages = self.members[item.rollout_id]
        stage = next(number for number, ids in enumerate(stages) if item.charger_id in ids)
        assert self.executes[item.rollout_id] > stage, "a stage ran that nobody executed"
        if self.lose_next:
            self.lose_next = False
            return
        key = (item.rollout_id, item.charger_id)
        self.received[key] = self.received.get(key, 0) + 1
        assert self.received[key] == 1, "a charger received its command twice"
        # An honest charger that holds a command never answers Idle (it is downloading soon).
        self.holds[item.charger_id], self.last[item.charger_id] = item.rollout_id, "Downloading"

    def answering(self, item: Answered) -> None:
        """Judge an answer that is about to be given."""
        kind, rollout_id, since = self.tickets.pop(id(item.ticket), ("", "", 0))
        # An execute-stage that was called before the pause was answered may come after it.
        overtaken = kind == "pause" and self.calls[rollout_id] != since
        if kind == "pause" and isinstance(item.outcome, Reply) and not overtaken:
            self.silent.add(rollout_id)
        if kind == "execute" and isinstance(item.outcome, Reply):
            frames = [i for k, i in self.rig.log[since:] if k == "frame"]
            sent = {
                i.charger_id
                for i in frames
                if isinstance(i, SendUpdate) and i.rollout_id == rollout_id
            }
            told = item.outcome.body["chargers_triggered"]
            assert len(told) == len(set(told))
            if id(item.ticket) in self.overlapped:
                # The frames belong to either of two calls that overlap: each lists its own.
                assert set(told) <= sent, "chargers_triggered names someone who was not sent"
            else:
                assert set(told) == sent, "chargers_triggered is not who was sent"

    # ---------------------------------------------- operators

    @rule(
        ids=st.lists(chargers, min_size=1, max_size=4, unique=True),
        strategy=st.sampled_from(["canary", "rolling", "all_at_once"]),
        window=st.none() | st.integers(1, 3),
        offline=st.none() | st.just(500.0),
    )
    def create(self, ids: list[str], strategy: str, window: int | None, offline: Any) -> None:
        """Plan a rollout, if its chargers are free."""
        if len(self.ids) == 3:
            return
        request = CreateRollout(
            tuple(ids),
            f"https://e/{len(self.ids)}",
            strategy,
            batch_size=2 if strategy == "rolling" else None,
            max_in_flight=window,
            offline_timeout=offline,
            update_timeout=1000.0,
        )
        try:
            ticket = self.rig.ask(lambda: self.rig.service.create_rollout(self.rig.now, request))
        except Problem as problem:
            assert problem.status == 409  # noqa: PT017 - either outcome is legal here
            return
        if isinstance(ticket.outcome, Problem):
            assert ticket.outcome.status == 503
            return
        assert isinstance(ticket.outcome, Reply)
        body = msgspec.json.decode(ticket.outcome.encoded())
        self.ids.append(body["rollout_id"])
        self.members[body["rollout_id"]] = [stage["charger_ids"] for stage in body["stages"]]
        self.executes[body["rollout_id"]] = self.calls[body["rollout_id"]] = 0
        assert [one for stage in body["stages"] for one in stage["charger_ids"]] == ids

    @rule(which=rollouts)
    def execute(self, which: int) -> None:
        """Call execute-stage and leave its turns to chance."""
        if which >= len(self.ids):
            return
        rollout_id = self.ids[which]
        was_silent = rollout_id in self.silent
        self.silent.discard(rollout_id)
        self.executes[rollout_id] += 1
        self.calls[rollout_id] += 1
        try:
            ticket = self.rig.service.execute_stage(self.rig.now, rollout_id)
        except Problem as problem:
            assert problem.status == 409  # noqa: PT017 - either outcome is legal here
            self.executes[rollout_id] -= 1
            if was_silent:
                self.silent.add(rollout_id)
            return
        self.kept.append(ticket)
        others = [
            i
            for i, (kind, one, _) in self.tickets.items()
            if (kind, one) == ("execute", rollout_id)
        ]
        if others:
            self.overlapped |= {id(ticket), *others}
        self.tickets[id(ticket)] = ("execute", rollout_id, len(self.rig.log))

    @rule(which=rollouts)
    def pause(self, which: int) -> None:
        """Call pause and leave its turns to chance."""
        if which >= len(self.ids):
            return
        rollout_id = self.ids[which]
        try:
            ticket = self.rig.service.pause(self.rig.now, rollout_id, "because")
        except Problem as problem:
            assert problem.status == 409  # noqa: PT017 - either outcome is legal here
            return
        self.kept.append(ticket)
        self.tickets[id(ticket)] = ("pause", rollout_id, self.calls[rollout_id])

    # ---------------------------------------------- the process

    @rule()
    def half_a_turn(self) -> None:
        """Let the service decide without committing."""
        self.rig.service.wake(self.rig.now)

    @rule()
    def turn(self) -> None:
        """Let the service come to rest."""
        self.rig.turn()

    @rule(decided=st.booleans())
    def crash(self, *, decided: bool) -> None:
        """Kill the process, perhaps in the middle of a turn, and start it again."""
        if decided:
            self.rig.service.wake(self.rig.now)
        self.tickets.clear()
        self.rig.crash()

    @rule()
    def crash_after_commit(self) -> None:
        """Kill the process when all is durable and nothing has left."""
        self.rig.service.wake(self.rig.now)
        self.rig.service.commit(self.rig.now)
        self.tickets.clear()
        self.rig.crash()

    @rule()
    def refuse_next_write(self) -> None:
        """Let the database refuse the next transaction that has anything in it."""
        self.rig.refuse_next_write()

    @rule(seconds=st.sampled_from([1.0, 6.0, 100.0, 600.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.rig.pass_time(seconds)

    @rule()
    def lose(self) -> None:
        """Let the network swallow the next command."""
        self.lose_next = True

    # ---------------------------------------------- chargers

    @rule(one=chargers, boot=st.booleans())
    def connect(self, one: str, *, boot: bool) -> None:
        """Open a (new) connection."""
        if one in self.rig.links:
            self.rig.disconnect(one)
        self.rig.connect(one, "1.0" if boot else None)

    @rule(one=chargers)
    def disconnect(self, one: str) -> None:
        """Drop the connection."""
        if one in self.rig.links:
            self.rig.disconnect(one)

    @rule(one=chargers)
    def respond(self, one: str) -> None:
        """Answer the outstanding call honestly: one that was lost is never answered."""
        call = self.rig.calls.get(one)
        if isinstance(call, AskStatus):
            self.rig.answer(one)
            # It says again what it last said, a failure too: Idle is for who has nothing to tell
            # (OCPP 2.0.1 L01.FR.25, L01.FR.26, F06.FR.16).
            self.rig.report(one, "Idle" if self.last[one] == "Installed" else self.last[one])
        elif call is not None and self.holds[one] == call.rollout_id:
            self.rig.answer(one, CallResult("Accepted"))
        elif call is not None:
            self.rig.time_out(one)

    @rule(one=chargers, way=st.sampled_from(WAYS))
    def work(self, one: str, way: list[str]) -> None:
        """Report statuses of the update that the charger holds."""
        if one in self.rig.links and self.holds[one]:
            self.rig.service.heard(self.rig.now, one, self.rig.links[one])
            for status in way:
                self.last[one] = status
                self.rig.report(one, status)
            if way[-1].startswith("Install") and way[-1] != "Installing":
                self.holds[one] = None

    @rule(way=st.sampled_from(WAYS))
    def everyone_works(self, way: list[str]) -> None:
        """Let all connected chargers answer and go on."""
        for one in CHARGERS:
            self.respond(one)
            self.work(one, way)

    @rule(one=chargers)
    def mumble(self, one: str) -> None:
        """Say Idle unasked, truthfully: a command may be on its way at this very moment."""
        if one in self.rig.links and not self.holds[one]:
            self.rig.service.firmware_status(self.rig.now, one, "Idle")

    @rule(one=chargers, which=rollouts, what=st.sampled_from(["mumble", "vanish", "pause"]))
    def race(self, one: str, which: int, what: str) -> None:
        """Let something happen between the decision to trigger and the frame."""
        self.execute(which)
        self.rig.service.wake(self.rig.now)
        if what == "mumble":
            for charger_id in CHARGERS:
                self.mumble(charger_id)
        elif what == "pause":
            self.pause(which)
        elif one in self.rig.links:
            self.rig.service.disconnected(self.rig.now, one, self.rig.links.pop(one))
            self.rig.calls.pop(one, None)
        self.rig.turn()

    # ---------------------------------------------- what always holds

    @invariant()
    def readers_see_one_consistent_rollout(self) -> None:
        """Write-ahead, prefix of stages, settled predecessors, and pauses that show."""
        for rollout_id in getattr(self, "ids", []):
            state = self.rig.service._state
            if state.rollouts[rollout_id].head.terminal:
                state.take_down(state.rollouts[rollout_id])  # its rows may be on the shelf
            body = {
                one: state.rollouts[rollout_id].row(one)
                for stage in self.members[rollout_id]
                for one in stage
            }
            head = state.rollouts[rollout_id].head
            if rollout_id in self.silent:
                assert head.status in {"paused", "completed", "failed"}
            for one, row in body.items():
                if self.received.get((rollout_id, one)):
                    assert row.started_at is not None, "a frame left before its intent was durable"
            if all(row.settled for row in body.values()):
                assert head.terminal, "everyone is settled and the rollout is not over"
            started = [any(body[one].triggered for one in s) for s in self.members[rollout_id]]
            assert started == sorted(started, reverse=True), "the stages begun are not a prefix"
            for number in range(1, len(started)):
                if started[number]:
                    before = self.members[rollout_id][number - 1]
                    assert all(body[one].settled for one in before), "overtook its predecessor"

    def teardown(self) -> None:
        """Heal everything and see every rollout come to its end."""
        if not getattr(self, "ids", None):
            return
        self.rig.store.__dict__.pop("_write", None)
        self.rig.pass_time(2.0)
        for one in CHARGERS:
            self.connect(one, boot=True)
        for _ in range(40):
            self.lose_next = False
            for one in CHARGERS:
                for _ in range(3):
                    self.respond(one)
                self.work(one, WAYS[3])
            for which in range(len(self.ids)):
                self.execute(which)
                self.rig.turn()
            self.rig.pass_time(1100.0)
            ends = [self.rig.service._state.rollouts[one].head.terminal for one in self.ids]
            if all(ends):
                return
        raise AssertionError("a rollout never ends although every charger is well")


TestService = ServiceMachine.TestCase
# A busy machine is not a finding.
TestService.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_a_removed_charger_is_hung_up_on() -> None:
    """Its connection is closed with the removal, not before it is durable."""
    rig = Rig()
    rig.fleet(1)
    link = rig.links["CP-001"]
    rig.ok(lambda: rig.service.remove_charger(rig.now, "CP-001"))
    assert [item for kind, item in rig.log if kind == "other"] == [Hangup("CP-001", link)]
    assert rig.service.known("CP-001") is None
    assert rig.service.booted(rig.now, "CP-001", link, Boot()).status == "Rejected"


def test_a_failure_that_could_not_be_written_is_asked_for_and_not_told_again() -> None:
    """A charger says its failure again when asked (L01.FR.26): it did get the command."""
    rig = Rig()
    (one,) = rig.fleet(1)
    rollout_id = rig.create([one])
    rig.execute(rollout_id)
    rig.refuse_next_write()
    rig.report(one, "InstallationFailed")
    rig.time_out(one)
    rig.answer(one)
    rig.report(one, "InstallationFailed")
    assert rig.charger(rollout_id, one)["status"] == "failed"
    assert rig.asks() == rig.updates() == [one]
