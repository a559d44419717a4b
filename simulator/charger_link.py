"""The lower half of a charger: power, offline windows, connecting and coming back. A sans-IO core.

`Link` keeps what every layer needs (time, chance, the CALL bookkeeping, the actions to return) and
decides when the charger wants a connection. What it says on one is `charger.Charger`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator import effects, wire
from simulator.dialect import dialect_of
from simulator.faults import Dice, Fixed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.faults import ChargerSpec, Distribution, Window

LEAVE_ANYWAY = 10.0  # seconds a reboot waits for answers that do not come
ASK = "ask:"  # prefix of the ref of a CALL that the harness asked for
SECURITY_REF = "security:"  # prefix of the ref of a security event: its time and its kind follow
TERMINAL_REF = "terminal:"  # prefix of the ref of a CALL that reports the end of an update


class Link:
    """A charger as far as its power and its connection go; `Charger` completes it."""

    __slots__ = (
        "_connecting", "_counters", "_dead", "_forgotten", "_leaving", "_marked", "_now", "_online",
        "_out", "_rebooting", "_refused", "_wake", "_windows_open", "boot_reason", "booted",
        "dialect", "endpoint", "firmware_version", "seed", "spec", "timers", "undelivered",
        "untold",
    )  # fmt: skip

    def __init__(self, spec: ChargerSpec, *, seed: int, start: float) -> None:
        self.spec = spec
        self.seed = seed
        self.dialect = dialect_of(spec)
        self.endpoint = wire.Endpoint(f"{int(start * 1000):x}", spec.call_timeout)
        self.firmware_version = spec.firmware_version
        self.booted = False  # the CSMS accepted our boot, and we have not rebooted since
        self.boot_reason: str | None = "PowerUp"  # None: a plain reconnect needs no boot
        self.untold: tuple[tuple[float, str], ...] = ()  # security events: time, kind
        self.undelivered: tuple[str, int | None] | None = None  # an end that is not yet told
        self.timers: dict[str, float] = {}
        self._online = self._connecting = self._rebooting = self._dead = False
        self._forgotten = False  # a router on the way forgot the connection; we do not know yet
        self._windows_open: frozenset[int] = frozenset()  # offline windows, by their place in spec
        self._leaving: tuple[str, float] | None = None  # (reason, away) once all calls are answered
        self._refused = 0  # connections in a row that failed, or ended without any answer
        self._marked: tuple[str, ...] = ()
        self._counters: dict[str, int] = {}
        self._out: list[effects.Action] = []
        self._wake: float | None = None
        self._now = start

    @property
    def now(self) -> float:
        """The time of the input that is being handled."""
        return self._now

    @property
    def ready(self) -> bool:
        """Whether it may send any CALL: connected, and accepted by the CSMS."""
        return self._online and self.booted

    @property
    def online(self) -> bool:
        """Whether a WebSocket is open."""
        return self._online

    @property
    def healed(self) -> bool:
        """Whether the drill's heal phase has begun: lines are sound from then on."""
        return "heal" in self._marked

    @property
    def _away(self) -> bool:
        """Whether it wants no connection: bricked, rebooting, or in an offline window."""
        return self._dead or self._rebooting or bool(self._windows_open)

    def act(self, action: effects.Action) -> None:
        """Have the driver do something."""
        self._out.append(action)

    def note(self, kind: str, **data: Any) -> None:
        """Tell the history what the wire does not show."""
        self._out.append(effects.Note(kind, data))

    def draw(self, purpose: str, distribution: Distribution) -> float:
        """Draw a value from a stream of its own: the n-th decision with this purpose."""
        if type(distribution) is Fixed:  # cheaper than to ask what it is an instance of
            return distribution.value
        number = self.count(purpose)
        return distribution.draw(Dice(self.seed, self.spec.id, f"{purpose}/{number}"))

    def count(self, purpose: str) -> int:
        """Count one more of something; return how many that makes."""
        number = self._counters[purpose] = self._counters.get(purpose, 0) + 1
        return number

    @property
    def clock(self) -> float:
        """What the charger takes the time to be."""
        return self._now + self.spec.clock_skew

    def reboot(self, reason: str, *, away: float, abort: bool = False) -> None:
        """Go down now and come back after `away` seconds with a BootNotification."""
        self._rebooting = True
        self._leaving = None
        self.booted = False
        self.boot_reason = reason
        kept = ("offline/", "online/", "update", "transaction")
        self.timers = {k: t for k, t in self.timers.items() if k.startswith(kept)}
        self.timers["power"] = self._now + away
        self.note("reboot", reason=reason, away=away)
        self._hang_up(abort=abort)

    def go_down(self, reason: str, away: float, *, abort: bool) -> None:
        """Reboot: at once (`abort`), or as soon as every CALL of ours is answered."""
        if abort or not self._online:
            self.reboot(reason, away=away, abort=abort)
        else:
            self._leaving = (reason, away)
            self.timers["leave"] = self._now + LEAVE_ANYWAY

    def die(self) -> None:
        """Never come back."""
        self._dead = True
        self.booted = False
        self.timers = {}
        self.note("bricked")
        self._hang_up(abort=True)

    # ------------------------------------------------------------------ what the upper half does

    def online_now(self) -> None:
        """Do what a charger does first on a new connection."""
        raise NotImplementedError

    def end_lost(self, status: str) -> None:
        """Remember the end of an update whose report was lost with the connection."""
        raise NotImplementedError

    # ------------------------------------------------------------------ power and connection

    def power_on(self, _: effects.PoweredOn) -> None:
        """Begin: plan the first connect and the offline windows."""
        self.timers["connect"] = self._now + self.draw("connect_after", self.spec.connect_after)
        for number, window in enumerate(self.spec.offline):
            if window.from_s:
                self.timers[f"offline/{number}"] = self._now + window.from_s
            elif window.from_mark is None:
                self.open_window(number, window)

    def heeds(self, mark: str) -> bool:
        """Whether this mark means anything to the charger; most mean nothing to most."""
        windows = self.spec.offline
        return mark == "heal" or (
            bool(windows) and any(mark in {one.from_mark, one.until_mark} for one in windows)
        )

    def marked_by(self, marked: effects.Marked) -> None:
        """Open and close the offline windows that wait for this mark."""
        mark = marked.name
        for number, window in enumerate(self.spec.offline):
            begins = f"offline/{number}"
            if number not in self._windows_open and window.from_mark == mark:
                if window.delay > 0:
                    self.timers.setdefault(begins, self._now + window.delay)
                else:
                    self.open_window(number, window)
            if window.until_mark == mark and (
                number in self._windows_open or (window.from_mark and begins in self.timers)
            ):
                self.timers.setdefault(f"online/{number}", self._now + window.plus)
        if mark not in self._marked:
            self._marked = (*self._marked, mark)

    def open_window(self, number: int, window: Window) -> None:
        """Go offline until the window's end."""
        self._windows_open |= {number}
        self.note("offline")
        if window.until_s is not None:
            self.timers[f"online/{number}"] = self._now + window.until_s - (window.from_s or 0.0)
        elif window.from_mark is None and window.until_mark in self._marked:
            self.timers[f"online/{number}"] = self._now + window.plus
        self.timers.pop("connect", None)
        self._hang_up(abort=True)

    def close_window(self, number: int) -> None:
        """Come back online, unless another window is open."""
        self._windows_open -= {number}
        self.timers.pop(f"offline/{number}", None)  # its end came before its delayed beginning
        self.note("online")
        self._refused = 0
        self.connect()

    def connect(self) -> None:
        """Ask for a connection, unless there is one or none is wanted."""
        if self._online or self._connecting or self._away:
            return
        self._connecting = True
        self.timers.pop("connect", None)
        self.act(effects.Connect((self.dialect.subprotocol,)))

    def _plan_connect(self) -> None:
        """Try again after the policy's wait (fixed or exponential, part of it random)."""
        policy = self.spec.reconnect
        wait = policy.wait(self._refused)
        if policy.random:
            dice = Dice(self.seed, self.spec.id, f"reconnect/{self.count('reconnect')}")
            wait = policy.vary(wait, dice)
        if not self._away:
            self.timers["connect"] = self._now + wait

    def connected(self, _: effects.Connected) -> None:
        """Take a fresh connection."""
        self._connecting = False
        self._online = True
        if self._away:  # it went away while connecting
            self._hang_up(abort=True)
        else:
            self.online_now()

    def welcomed(self) -> None:
        """Take an answer as the end of the trouble: an open socket alone would not be."""
        self._refused = 0

    def connect_failed(self, _: effects.ConnectFailed) -> None:
        """Try again later."""
        self._connecting = False
        self._refused += 1
        self._plan_connect()

    def disconnected(self, gone: effects.Disconnected) -> None:
        """Forget what was under way, and try again later."""
        if not (self._online or self._connecting):
            return
        self._online = self._connecting = self._forgotten = False
        self._lost(self.endpoint.reset(), gone.code)
        ended = ("call", "boot", "heartbeat", "nat", "break/", "arrive")
        self.timers = {k: t for k, t in self.timers.items() if not k.startswith(ended)}
        self._refused += 1
        self._plan_connect()

    def lose_connection(self, *, silent: bool) -> None:
        """Lose the connection now and come back as after any loss; `silent`: the CSMS holds on."""
        if self._online:
            if not self._forgotten:
                self.act(effects.Disconnect(abort=True, silent=silent))
            self.disconnected(effects.Disconnected(1006, "the network is gone"))

    def traffic(self) -> None:
        """Note that a frame passed: a router on the way remembers us for a while longer."""
        if self.spec.nat_timeout is not None:
            self.timers["nat"] = self._now + self.spec.nat_timeout

    def forgotten(self) -> None:
        """Lose the connection to a router that saw no frame for too long; nobody is told.

        The charger finds out when a CALL of its own stays unanswered, the CSMS in its own way.
        """
        if self._online and not self._forgotten:
            self._forgotten = True
            self.note("nat_timeout")
            self.act(effects.Disconnect(abort=True, silent=True))

    def _hang_up(self, *, abort: bool) -> None:
        if self._online:
            told, self._forgotten = not self._forgotten, False
            self._online = False
            self.timers.pop("nat", None)
            self.timers.pop("arrive", None)
            self._lost(self.endpoint.reset(), 1000)
            if told:
                self.act(effects.Disconnect(abort=abort))

    def _lost(self, calls: Iterable[tuple[str, str | None]], code: int) -> None:
        """Remember what a broken connection swallowed: fences, and ends that must be told."""
        for _, ref in calls:
            if ref is None:
                continue
            if ref.startswith(ASK):
                self.note("unanswered", ref=ref.removeprefix(ASK), why=f"closed ({code})")
            elif ref.startswith(TERMINAL_REF):
                self.end_lost(ref.removeprefix(TERMINAL_REF))
            elif ref.startswith(SECURITY_REF):
                time, _, kind = ref.removeprefix(SECURITY_REF).partition(" ")
                self.untold = (*self.untold, (float(time), kind))

    def power_back(self) -> None:
        """Come back after a reboot."""
        self._rebooting = False
        self.connect()

    def leave_anyway(self) -> None:
        """Reboot although a CALL of ours is still unanswered."""
        if self._leaving is not None:
            self.reboot(self._leaving[0], away=self._leaving[1])

    def set_wake(self) -> None:
        """Ask the driver for the next timer, unless it knows."""
        wake = min(self.timers.values()) if self.timers else None
        if wake is not None and wake != self._wake:
            self._wake = wake
            self._out.append(effects.WakeAt(wake))
