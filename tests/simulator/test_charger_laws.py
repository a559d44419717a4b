"""Whatever the world does, a charger keeps the laws of its protocol: searched, not sampled.

The machine plays driver, network and CSMS: it may answer well, badly, late or not at all, cut the
line, restart downloads and let any time pass. Around every step it checks what a stranger sees.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simulator import effects, wire
from simulator.charger import Charger
from simulator.dialect import rfc3339
from simulator.faults import Fixed, InstallFault, NetworkFault, Reconnect, Window
from simulator.firmware import TABLES, legal
from tests.simulator.lab import IMAGE, START, URL, signed_by_somebody, spec

SECONDS = st.floats(0.0, 400.0)
FATES = [None, "fails", "verification_fails", "hangs", "old_version", "boot_loop", "power_loss",
         "rolls_back"]  # fmt: skip
ODD_CALLS = st.sampled_from([
    ("Reset", {"type": "Hard"}), ("Reset", {"type": "OnIdle"}), ("Reset", {}),
    ("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}),
    ("TriggerMessage", {"requestedMessage": "BootNotification"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    ("TriggerMessage", {}), ("ChangeAvailability", {"type": "Inoperative"}),
    ("GetConfiguration", {}), ("SetVariables", {}), ("Whatever", {}),
])  # fmt: skip
ODD_TEXTS = st.sampled_from([
    "", "{", "[]", "[2]", '[2,"x","Reset"]', '[3,"nobody",{}]', '[4,"nobody","E","",{}]',
    '[3,"x"]', '[6,"x","Heartbeat",{}]', '[5,"x","E","",{}]', '[9,"x",{}]',
])  # fmt: skip


class World(RuleBasedStateMachine):
    """One charger and everything around it."""

    faults: ClassVar[dict[str, Any]] = {}  # what is wrong with its line

    @initialize(
        dialect=st.sampled_from(
            [("ocpp1.6", False), ("ocpp1.6", True), ("ocpp2.0.1", False), ("ocpp2.1", False)]
        ),
        fate=st.sampled_from(FATES),
        each=st.booleans(),
        session=st.none() | st.just(Fixed(value=90.0)),
        early=st.booleans(),
        kind=st.integers(0, 8),
    )
    def power_on(
        self,
        *,
        dialect: tuple[str, bool],
        fate: Any,
        each: bool,
        session: Any,
        early: bool,
        kind: int,
    ) -> None:
        """Begin with some charger."""
        self.now = START
        self.spec = spec(
            ocpp=dialect[0],
            signed=dialect[1],
            install_faults=(InstallFault(how=fate),) if fate else (),
            reports_each_attempt=each,
            transaction=session,
            installed_before_reboot=early and fate is None,
            reconnect=Reconnect(first=1.0, most=8.0),
            offline=(Window(from_mark="away", until_mark="back"),),
            **self.faults,
        )
        self.table = TABLES["core" if dialect == ("ocpp1.6", False) else "plain"]
        self.table = TABLES["secure"] if dialect[1] else self.table
        self.charger = Charger(self.spec, seed=3, start=START)
        self.open = self.connecting = self.fetching = False
        self.accepted = False  # a boot was accepted since the last one was needed
        self.wake: float | None = None
        self.outstanding: str | None = None
        self.called: str = ""
        self.ids: set[str] = set()
        self.count = 0
        self.unanswered: set[str] = set()
        self.asked: set[str] = set()
        self.previous: dict[Any, str] = {}
        self.request = 0
        self.feed(effects.PoweredOn())
        self.all_goes_well(kind)

    # ------------------------------------------------------------------ the stranger

    def feed(self, incoming: effects.Input) -> None:
        """Hand in one input and look at everything that comes of it."""
        for action in self.charger.handle(self.now, incoming):
            match action:
                case effects.Send():
                    assert self.open, "sent without a connection"
                    self.seen(wire.decode(action.text))
                case effects.Connect():
                    assert not self.open, "connected twice"
                    assert not self.connecting, "two attempts at once"
                    self.connecting = True
                case effects.Disconnect():
                    self.closed()
                case effects.WakeAt(time=time):
                    self.wake = time
                case effects.Fetch() | effects.CancelFetch():
                    self.fetching = isinstance(action, effects.Fetch)
                case effects.Note(kind=kind, data=data):
                    self.noted(kind, data)

    def noted(self, kind: str, data: dict[str, Any]) -> None:
        """Each fence ends exactly once."""
        if kind in {"answered", "unanswered"}:
            self.asked.remove(data["ref"])
        elif kind == "call_timeout":
            self.outstanding = None

    def closed(self) -> None:
        """Forget what a connection carried."""
        self.open = self.connecting = False
        self.outstanding = None
        self.unanswered.clear()

    def seen(self, frame: wire.Frame) -> None:
        """Check one frame of the charger's."""
        if isinstance(frame, wire.CallResult | wire.CallError):
            self.unanswered.remove(frame.message_id)  # exactly once
            return
        assert isinstance(frame, wire.Call)
        assert self.outstanding is None, "two CALLs outstanding"
        assert frame.message_id not in self.ids, "an id twice"
        self.ids.add(frame.message_id)
        self.outstanding, self.called = frame.message_id, frame.action
        if frame.action == "BootNotification":
            if frame.payload.get("reason") != "Triggered":
                self.accepted = self.accepted and self.spec.ocpp == "ocpp1.6"
        else:
            assert self.accepted, f"{frame.action} before the boot was accepted"
        if frame.action.endswith("FirmwareStatusNotification"):
            self.reported(frame.payload)

    def reported(self, payload: dict[str, Any]) -> None:
        """Check that a status may follow the one before it of the same update."""
        status, request = payload["status"], payload.get("requestId")
        if status == "Idle":
            return
        if self.spec.ocpp == "ocpp1.6" and not self.spec.signed:
            return  # 1.6 does not say to which update a status belongs
        before = self.previous.get(request, "")
        assert self.skippable(before, status), f"{before} -> {status}"
        self.previous[request] = status

    def skippable(self, before: str, status: str) -> bool:
        """Whether `status` may come after `before`, statuses lost with the line in between."""
        seen, todo = set[str](), [before]
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                if legal(self.table, at, status):
                    return True
                todo += self.table.get(at, ())
        return False

    @invariant()
    def every_call_was_answered(self) -> None:
        """A CALL is answered before the charger does anything else."""
        assert not getattr(self, "unanswered", None)

    # ------------------------------------------------------------------ the driver

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        """Wake the charger whenever it asked for it."""
        until = self.now + seconds
        for _ in range(200):
            if self.wake is None or self.wake > until:
                break
            assert self.wake >= self.now - 1e-6, "a time that has passed"
            self.now, self.wake = max(self.now, self.wake), None
            self.feed(effects.Woke())
        else:
            raise AssertionError("it never sleeps")
        self.now = until

    @precondition(lambda self: self.connecting)
    @rule(good=st.booleans())
    def an_attempt_ends(self, good: bool) -> None:
        """Accept or refuse a connection."""
        self.connecting, self.open = False, good
        result = effects.Connected(self.spec.ocpp) if good else effects.ConnectFailed("refused")
        self.feed(result)

    @precondition(lambda self: self.open)
    @rule()
    def the_line_breaks(self) -> None:
        """Cut the connection."""
        self.closed()
        self.feed(effects.Disconnected(1006))

    @rule(mark=st.sampled_from(["away", "back"]))
    def a_mark_passes(self, mark: str) -> None:
        """Open and close the charger's offline window."""
        self.feed(effects.Marked(mark))

    @precondition(lambda self: self.fetching)
    @rule(good=st.booleans())
    def a_download_ends(self, good: bool) -> None:
        """Finish or break the download."""
        self.fetching = False
        done = effects.Fetched(IMAGE.size, IMAGE.sha256, IMAGE.head, IMAGE.body_sha256)
        self.feed(done if good else effects.FetchFailed("cut", 10))

    @rule()
    def the_harness_asks(self) -> None:
        """Set a fence."""
        self.count += 1
        self.asked.add(f"fence-{self.count}")
        self.feed(effects.Asked("Heartbeat", {}, f"fence-{self.count}"))

    @rule(steps=st.integers(1, 25))
    def all_goes_well(self, steps: int) -> None:
        """Let the world be kind for a while: without it nothing deep would ever be reached."""
        for _ in range(steps):
            if self.outstanding is not None:
                self.a_call_is_answered("Accepted")
            elif self.connecting:
                self.an_attempt_ends(good=True)
            elif self.fetching:
                self.a_download_ends(good=True)
            elif self.wake is not None:
                self.time_passes(max(0.0, self.wake - self.now))

    # ------------------------------------------------------------------ the CSMS

    @precondition(lambda self: self.outstanding is not None)
    @rule(status=st.sampled_from(["Accepted", "Accepted", "Accepted", "Pending", "error"]))
    def a_call_is_answered(self, status: str) -> None:
        """Answer what is outstanding."""
        assert self.outstanding is not None
        message_id, self.outstanding = self.outstanding, None
        if status == "error":
            self.feed(effects.Received(wire.encode(wire.CallError(message_id, "InternalError"))))
            return
        payload: dict[str, Any] = {"currentTime": rfc3339(self.now), "interval": 60}
        if self.called == "BootNotification":
            payload["status"] = status
            self.accepted = self.accepted or status == "Accepted"
        elif self.called == "StartTransaction":
            payload = {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}
        self.feed(effects.Received(wire.encode(wire.CallResult(message_id, payload))))

    @precondition(lambda self: self.open)
    @rule(call=ODD_CALLS)
    def the_csms_calls(self, call: tuple[str, dict[str, Any]]) -> None:
        """Ask for anything."""
        self.ask(*call)

    @precondition(lambda self: self.open)
    @rule(
        retries=st.integers(0, 2), ahead=st.sampled_from([0.0, 0.0, 50.0]), kind=st.integers(0, 25)
    )
    def the_csms_wants_an_update(self, retries: int, ahead: float, kind: int) -> None:
        """Request an update in the charger's own words, each with an id of its own."""
        self.request += 1
        date = rfc3339(self.now + ahead)
        payload: dict[str, Any] = {"location": URL, "retrieveDate": date, "retries": retries}
        action = "UpdateFirmware"
        if self.spec.signed or self.spec.ocpp != "ocpp1.6":
            firmware = {"location": URL, "retrieveDateTime": date, "installDateTime": date}
            firmware |= signed_by_somebody() if self.spec.signed else {}
            payload = {"requestId": self.request, "firmware": firmware, "retries": retries,
                       "retryInterval": 5}  # fmt: skip
            action = "SignedUpdateFirmware" if self.spec.signed else action
        self.ask(action, payload)
        self.all_goes_well(kind)

    def ask(self, action: str, payload: dict[str, Any]) -> None:
        """Call the charger."""
        self.count += 1
        message_id = f"csms-{self.count}"
        self.unanswered.add(message_id)
        self.feed(effects.Received(wire.encode(wire.Call(message_id, action, payload))))

    @precondition(lambda self: self.open)
    @rule(text=ODD_TEXTS)
    def nonsense_arrives(self, text: str) -> None:
        """Send what is no frame, or one that nobody waits for."""
        self.unanswered |= {"-1", "x"}  # it may refuse; it must not do more
        self.feed(effects.Received(text))
        self.unanswered.clear()


class BadLine(World):
    """The same laws hold on a line that breaks, is forgotten, and loses its power."""

    faults: ClassVar[dict[str, Any]] = {
        "nat_timeout": 40.0,
        "heartbeat": 50.0,
        "call_timeout": 7.0,
        "network_faults": (
            NetworkFault(kind="disconnect", action="FirmwareStatusNotification", skip=1, times=2),
            NetworkFault(kind="half_open", action="Heartbeat", skip=1),
            NetworkFault(kind="power_loss", action="FirmwareStatusNotification", skip=5),
            NetworkFault(kind="power_loss", action="BootNotification", frame="answer", skip=1),
            NetworkFault(kind="disconnect", action="UpdateFirmware", skip=1),
        ),
    }


TestBadLine = BadLine.TestCase
TestBadLine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
