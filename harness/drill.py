"""The phases of a drill: connect, baseline, act, heal, drain, final reads.

A core, like the operator: it awaits only a World, so sockets and virtual time run the same drill.
The judge works on the history afterwards; here is only what a scenario wants of the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import TargetError
from harness.operator import Operator
from harness.progress import finished
from harness.run_record import Ending
from harness.world import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.world import World
    from simulator.faults import ChargerSpec, Distribution
    from simulator.scenario import Scenario

BOOT_WITHIN = 30.0  # seconds for a fleet to connect and boot, beside its own planned delays
DRAIN_WITHIN = 10.0
INTERRUPTED_DRAIN = 3.0
SETTLED = 5.0  # an offline window that begins earlier may begin before the boot
SHOWN = 3  # chargers named in a message


class NotConnected(TargetError):
    """Chargers did not connect or boot in time; `first` is the first of them."""

    def __init__(self, message: str, first: str) -> None:
        super().__init__(message)
        self.first = first


@dataclass(slots=True)
class Drill:
    """One drill in one world; `run` once, then read `phases`, `operator` and `ending`."""

    world: World
    scenario: Scenario
    chargers: Sequence[ChargerSpec]
    firmware_url: Callable[[str], str]
    extensions: bool = True
    aliases: Mapping[str, str] = field(default_factory=dict)
    ending: Ending = Ending.NOT_STARTED
    where: str = "set-up"  # the phase, and in `act` the step: for the live view
    boot_within: float = field(default_factory=lambda: BOOT_WITHIN)  # as it is then
    operator: Operator = field(init=False)

    def __post_init__(self) -> None:
        self.operator = Operator(
            self.world,
            self.chargers,
            self.firmware_url,
            extensions=self.extensions,
            aliases=self.aliases,
        )

    async def run(self) -> None:
        """Go through all phases; raises TargetError if the fleet never came up."""
        interrupted = False
        for phase in (self.connect, self.baseline, self.act, self.heal):
            if not await self.world.interruptible(phase()):
                interrupted = True
                self.world.recorder.mark("interrupted")
                break
        self.ending = Ending.INTERRUPTED if interrupted else Ending.COMPLETED
        within = INTERRUPTED_DRAIN if interrupted else self.patience()
        await self.world.interruptible(self.drain(within))
        await self.world.interruptible(self.final())
        self.world.recorder.mark("end")

    # ------------------------------------------------------------------ the phases

    async def connect(self) -> None:
        """Power the fleet on and wait until it is accepted; raises TargetError if it never is."""
        self._begin("connect")
        await self.world.start_fleet()
        expected = [spec for spec in self.chargers if not _starts_offline(spec)]
        planned = max((_longest_delay(spec) for spec in expected), default=0.0)
        booted = self.world.progress.booted
        awaited = [spec.id for spec in expected]

        def up() -> bool:
            # Asked after every event: look only at those not yet seen accepted.
            while awaited and booted.get(awaited[-1]) == "Accepted":
                awaited.pop()
            return not awaited

        if not await self.world.until(up, self.boot_within + planned):
            raise self._not_connected([spec.id for spec in expected])

    def _not_connected(self, expected: list[str]) -> NotConnected:
        progress = self.world.progress
        missing = [charger for charger in expected if progress.booted.get(charger) != "Accepted"]
        reasons = "; ".join(f"{charger}: {self._why(charger)}" for charger in missing[:SHOWN])
        more = f"; and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        waited = f"{self.world.now():.0f} s"
        return NotConnected(
            f"{len(missing)} of {len(expected)} chargers are not accepted by the CSMS after "
            f"{waited} ({reasons}{more})",
            missing[0],
        )

    def _why(self, charger: str) -> str:
        progress = self.world.progress
        if charger in progress.trouble:
            return f"cannot connect: {progress.trouble[charger]}"
        if charger in progress.booted:
            return f"BootNotification was answered {progress.booted[charger]}"
        if charger in progress.online:
            return "connected, but its BootNotification was not answered"
        return "never connected"

    async def baseline(self) -> None:
        """Look at the fleet before anything happens to it."""
        self._begin("baseline")
        await self.operator.fleet()
        await self._probe_keys("GET", "/fleet/firmware")

    async def act(self) -> None:
        """Follow the operator's plan."""
        self._begin("act")
        await self.operator.follow(self.scenario.operator, self._at_step)

    def _at_step(self, number: int, name: str) -> None:
        self.where = f"step {number}/{len(self.scenario.operator)} {name}"

    async def heal(self) -> None:
        """Lines are sound again; whatever is on its way must come to an end by itself."""
        begun = self._begin("heal")
        if not self.operator.troubles and self._should_end():
            for rollout in self.operator.rollouts:
                left = begun + self.scenario.heal.within - self.world.now()
                await self.operator.watch(rollout, finished, max(left, 0.0))

    def _should_end(self) -> bool:
        """Whether the scenario wants its rollouts to come to an end."""
        return self.scenario.expect.rollout in {"completed", "failed"}

    def patience(self) -> float:
        """Return how long chargers in flight may take to report their end."""
        ended = all(map(finished, self.rollouts()))
        return DRAIN_WITHIN if ended or self.operator.troubles else self.scenario.heal.within

    async def drain(self, within: float) -> None:
        """Let the chargers on their way report their end."""
        self._begin("drain")
        await self.world.until(lambda: not self.world.progress.in_flight, within)
        # Behind this round trip every CALL that a charger had sent is answered, or never will be.
        await self.operator.fence("")

    async def final(self) -> None:
        """Read everything once more, and try the doors."""
        self._begin("final")
        await self._probe_keys("POST", "/firmware/rollout", body={"charger_ids": []})
        for rollout, rollout_id in self.operator.rollouts.items():
            path = f"/firmware/rollout/{rollout_id}"
            await self._probe_keys("GET", path, rollout_id)
            if finished(self.world.progress.rollout(rollout_id)):  # where a breach does no harm
                await self._probe_keys("POST", f"{path}/execute-stage", rollout_id)
                await self._probe_keys("POST", f"{path}/pause", rollout_id, {})
            await self.operator.read(rollout)
        await self.operator.fleet()
        for site, vendor in _filters(self.chargers):
            await self.operator.fleet(site, vendor)

    async def _probe_keys(
        self,
        method: str,
        path: str,
        rollout: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> None:
        """Try without a key and with a wrong one (R45)."""
        for key in ("missing", "wrong"):
            await self.operator.call(Request("other", method, path, body, rollout, key=key))

    def _begin(self, name: str) -> float:
        self.where = name
        self.world.mark(name)
        return self.world.now()

    def rollouts(self) -> tuple[dict[str, Any], ...]:
        """Return what the last GET of each rollout showed."""
        return tuple(self.world.progress.rollout(i) for i in self.operator.rollouts.values())


def _starts_offline(spec: ChargerSpec) -> bool:
    """Whether this charger is not even meant to be connected when the drill begins."""
    return any(window.from_mark is None and (window.from_s or 0.0) <= SETTLED
               for window in spec.offline)  # fmt: skip


def _longest_delay(spec: ChargerSpec) -> float:
    """Return how late the first connect of this charger may be planned, roughly."""
    return _longest(spec.connect_after)


def _longest(distribution: Distribution) -> float:
    match distribution.kind:
        case "fixed":
            return distribution.value
        case "uniform":
            return distribution.high
        case "lognormal":
            return 3.0 * distribution.p95
        case "exponential":
            return 10.0 * distribution.mean
        case "mixture":
            return max(_longest(part) for _, part in distribution.parts)


def _filters(chargers: Sequence[ChargerSpec]) -> list[tuple[str | None, str | None]]:
    """Return a few filters for the fleet list: one site, one vendor, both."""
    if not chargers:
        return []
    first = chargers[0]
    sites = [(first.site_id, None)] if first.site_id else []
    both = [(first.site_id, first.vendor)] if first.site_id else []
    return [*sites, (None, first.vendor), *both]
