"""Many nights of one rollout in virtual time, under several strategies. A core.

The fleet is the scenario's; its operator is replaced by one who follows a strategy: execute a
stage, look at the rollout every so often, go on when the stage is settled. As soon as a look shows
too many failures, somebody has to notice, decide and press pause: that takes the reaction time.
What was triggered in between is the price of the strategy.

Every night has its own seed, so what fails where, and how slow everything is, differs from night to
night; all strategies live through the same nights.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.contract import objects
from harness.errors import TargetError, UsageError
from harness.operator import Operator
from harness.operator_answers import stage_settled
from harness.progress import SETTLED_ROW, finished, in_flight
from harness.virtual_site import set_up
from simulator.event_loop import patient_collector
from simulator.faults import Fixed, Lognormal
from simulator.scenario_steps import CreateStep, ExecuteStep, PauseStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.history import Event
    from harness.virtual_site import VirtualSite
    from simulator.faults import ChargerSpec, Distribution
    from simulator.scenario import Scenario

DEFAULTS = (
    "canary:1%@mixed", "canary:5%@mixed", "canary:20%@mixed", "canary:5%", "rolling:10%@mixed",
    "all_at_once@mixed/40", "all_at_once",
)  # fmt: skip
CONNECT_WITHIN = 600.0  # seconds that a fleet may take to connect before the rollout begins
GIVE_UP = 7 * 86_400.0  # no night is longer than a week
SET_BY_STRATEGIES = frozenset({"create", "execute_stage"})  # marks
UPDATE_TIMEOUT = 3_600.0  # seconds a CSMS waits for a charger, where the scenario does not say
# How a night ends. Spared is who would still have been triggered.
THROUGH, SPARED, TOO_LATE = "went through", "pause spared some", "pause too late"
GAVE_UP, ENDLESS = "ended by the CSMS", "not over after a week"
NOT_KEPT = (  # what a create says that is the strategy's, or belongs to the plan that is replaced
    "canary_count", "batch_size", "chargers", "cohorts",
    "when", "within", "background", "rollout", "refused", "idempotency_key",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to roll out: `canary:5%`, `rolling:20`, `all_at_once`.

    `@mixed` behind it takes the chargers in random order, not in the scenario's, cohort by cohort;
    `/40` lets at most 40 of them update at the same time.
    """

    name: str
    kind: str
    amount: float | None  # chargers, or a share of the fleet below 1
    mixed: bool = False
    in_flight: int | None = None

    def create(self, base: CreateStep, ids: Sequence[str], seed: int) -> CreateStep:
        """Return the create step of one night."""
        given = base.model_dump(exclude_unset=True, exclude=set(NOT_KEPT))
        given |= {"do": "create", "strategy": self.kind}
        if self.amount is not None:
            count = max(1, round(self.amount * len(ids) if self.amount < 1 else self.amount))
            given["canary_count" if self.kind == "canary" else "batch_size"] = count
        if self.in_flight is not None:
            given["max_in_flight"] = self.in_flight
        order = list(ids)
        if self.mixed:
            random.Random(seed).shuffle(order)
        return CreateStep(**given, chargers=tuple(order))


_STRATEGY = re.compile(
    r"(?:(?P<kind>canary|rolling):(?P<amount>[0-9]+(?:\.[0-9]+)?)(?P<unit>%?)|all_at_once)"
    r"(?P<mixed>@mixed)?(?:/(?P<in_flight>[1-9][0-9]{0,6}))?"
)


def strategy(text: str) -> Strategy:
    """Read a strategy; `UsageError` if it is none."""
    match = _STRATEGY.fullmatch(text)
    amount = (
        float(match["amount"]) / (100.0 if match["unit"] else 1.0) if match and match[1] else 1.0
    )
    whole = match is not None and (bool(match["unit"]) or amount.is_integer())
    if match is None or amount <= 0.0 or not whole or (match["unit"] and amount >= 1.0):
        raise _no_strategy(text)
    return Strategy(
        text,
        kind=match["kind"] or "all_at_once",
        amount=amount if match["kind"] else None,
        mixed=match["mixed"] is not None,
        in_flight=int(match["in_flight"]) if match["in_flight"] else None,
    )


def _no_strategy(text: str) -> UsageError:
    return UsageError(
        f"'{text}' is no strategy; write canary:5%, canary:10, rolling:20%, rolling:50 or "
        "all_at_once, then @mixed to take the chargers in random order and /40 to update at most "
        "40 at a time"
    )


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks, how often, at what, and how long it takes from seeing to pressing pause."""

    failures: int = 3  # failed chargers that GET shows before anybody worries
    every: float = 60.0  # seconds between two looks
    reaction: Distribution = field(default_factory=lambda: Lognormal(median=600.0, p95=1800.0))

    def delay(self, seed: int) -> float:
        """Draw the reaction time of one night, in seconds."""
        if isinstance(self.reaction, Fixed):
            return self.reaction.value
        return self.reaction.draw(random.Random(f"{seed}/reaction"))


@dataclass(slots=True)
class Night:
    """What came of one night. Times are seconds since the create; counts are chargers."""

    strategy: str
    seed: int
    fleet: int
    duration: float = 0.0  # until a look showed an end of every charger that was triggered
    updated: int = 0
    bricked: int = 0  # never came back
    failed: Counter[str] = field(default_factory=Counter)  # cause -> chargers that came back
    untouched: int = 0  # never triggered
    ending: str = THROUGH
    seen: float | None = None  # when a look first showed too many failures
    paused: float | None = None  # when the pause was answered
    hit_unseen: int = 0  # harmed, triggered before anybody could see it
    hit_seen: int = 0  # harmed, triggered between then and the pause
    late: int = 0  # triggered between then and the pause, harmed or not

    @property
    def harmed(self) -> int:
        """Chargers that did not get the new firmware although they were triggered."""
        return self.bricked + sum(self.failed.values())


def night(scenario: Scenario, plan: Strategy, watch: Watch, seed: int) -> Night:
    """Live through one night; `TargetError` if its rollout cannot be created."""
    with patient_collector():
        site = set_up(scenario, seed, keep=False)
        eyes = _Eyes()
        site.history.subscribe(eyes.see)
        ids = [spec.id for spec in site.specs]
        out = Night(plan.name, seed, len(ids))
        create = plan.create(_base(scenario), ids, seed)
        try:
            site.world.run(_roll_out(site, eyes, create, watch, out))
        finally:
            site.system.close()
    _count(out, site, eyes, scenario.firmware.image.version)
    return out


def _base(scenario: Scenario) -> CreateStep:
    """Return the scenario's own create, whose patience and retries every strategy keeps."""
    for step in scenario.operator:
        if isinstance(step, CreateStep) and step.refused is not True:
            if step.update_timeout is not None:
                return step
            return step.model_copy(update={"update_timeout": UPDATE_TIMEOUT})
    return CreateStep(strategy="all_at_once", update_timeout=UPDATE_TIMEOUT)


async def _roll_out(
    site: VirtualSite, eyes: _Eyes, create: CreateStep, watch: Watch, out: Night
) -> None:
    world, progress = site.world, site.progress
    await world.start_fleet()
    for mark in _awaited(site.specs):
        world.mark(mark)
    everyone = len(site.specs)
    await world.until(lambda: progress.count("booted") >= everyone, CONNECT_WITHIN)
    operator = Operator(world, site.specs, site.image_url)
    await operator.follow([create])
    if operator.troubles:
        raise TargetError(f"{out.strategy} cannot be rolled out: {operator.troubles[0].seen}")
    await operator.follow([ExecuteStep()])
    body = await _watch(site, operator, eyes, watch, out)
    out.ending = _ending(body, out, eyes)
    # Whom the CSMS has given up may only be slow: what became of it counts, not what shows.
    patience = create.update_timeout or UPDATE_TIMEOUT
    await world.until(lambda: progress.in_flight <= eyes.bricked, patience)


async def _watch(
    site: VirtualSite, operator: Operator, eyes: _Eyes, watch: Watch, out: Night
) -> dict[str, Any]:
    """Look, go on, worry and pause until the night is over; return what the last look showed."""
    world, pause_at = site.world, math.inf
    while True:
        body = await operator.read("main")
        now = world.now()
        out.duration = now - eyes.created
        if out.seen is None and _failures(body) >= watch.failures:
            out.seen = now - eyes.created
            pause_at = now + watch.delay(out.seed)
        over = finished(body) or (out.paused is not None and not in_flight(body))
        if over or out.duration >= GIVE_UP:
            return body
        if now >= pause_at:
            pause_at = math.inf
            await operator.follow([PauseStep(reason="too many failures", refused="maybe")])
            out.paused = eyes.paused
            continue
        if out.seen is None and stage_settled(body):
            await operator.follow([ExecuteStep(refused="maybe")])
        await world.sleep(min(watch.every, pause_at - now))


def _ending(body: dict[str, Any], out: Night, eyes: _Eyes) -> str:
    waiting = {
        row.get("charge_point_id")
        for stage in objects(body.get("stages"))
        for row in objects(stage.get("chargers"))
        if row.get("status") not in SETTLED_ROW
    }
    spared = bool(waiting - eyes.triggered.keys())
    if out.paused is not None:
        return SPARED if spared else TOO_LATE
    if not finished(body):
        return ENDLESS
    return GAVE_UP if spared else THROUGH


def _awaited(specs: Sequence[ChargerSpec]) -> list[str]:
    """Return the marks that chargers wait for to come online and that no strategy sets.

    The plan that would have set them is replaced; without them they would stay away for ever.
    """
    windows = [window for spec in specs for window in spec.offline]
    opening = {window.from_mark for window in windows} | SET_BY_STRATEGIES
    return sorted({w.until_mark for w in windows if w.until_mark is not None} - opening)


def _failures(body: dict[str, Any]) -> int:
    stages = body.get("stages") or ()
    return sum(row.get("status") == "failed" for stage in stages for row in stage["chargers"])


class _Eyes:
    """What nobody at the desk can see: when each charger was triggered, and what became of it."""

    def __init__(self) -> None:
        self.triggered: dict[str, float] = {}
        self.bricked: set[str] = set()
        self.why: dict[str, str] = {}  # charger -> why its last download failed
        self.created = 0.0
        self.paused: float | None = None  # since the create

    def see(self, event: Event) -> None:
        charger = event.charger
        if charger is None:
            if event.kind == "mark" and event.name == "create":
                self.created = event.time
            elif event.kind == "mark" and event.name == "pause":
                self.paused = event.time - self.created
        elif event.kind == "recv" and event.name in {"UpdateFirmware", "SignedUpdateFirmware"}:
            self.triggered.setdefault(charger, event.time)
        elif event.kind == "note" and event.name == "bricked":
            self.bricked.add(charger)
        elif event.kind == "note" and event.name == "download_failed":
            self.why[charger] = str(event.data.get("reason"))


def _count(out: Night, site: VirtualSite, eyes: _Eyes, new: str) -> None:
    wanted = site.fleet.slots
    for charger in wanted:
        when = eyes.triggered.get(charger)
        if when is None:
            out.untouched += 1
            continue
        late = out.seen is not None and when - eyes.created >= out.seen
        out.late += late
        if charger in eyes.bricked:
            out.bricked += 1
        elif wanted[charger].charger.firmware_version == new:
            out.updated += 1
            continue
        else:
            out.failed[_cause(site.progress.state.get(charger, ""), eyes.why.get(charger))] += 1
        if late:
            out.hit_seen += 1
        else:
            out.hit_unseen += 1


def _cause(status: str, why: str | None) -> str:
    match status:
        case "DownloadFailed":
            return f"download: {why or 'unknown'}"
        case "InvalidSignature":
            return "signature"
        case "InstallationFailed" | "InstallVerificationFailed":
            return "installation"
        case "Installed":
            return "old version in spite of Installed"
        case _:
            return "no end reported"


# ---------------------------------------------------------------------- over all nights


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all nights: its median, and what 5 and 95 of 100 nights stay below."""

    p5: float
    median: float
    p95: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of some values; at least one."""
        ordered = sorted(values)
        return cls(*(ordered[min(len(ordered) - 1, int(q * len(ordered)))]
                     for q in (0.05, 0.5, 0.95)))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outlook:
    """One strategy over all nights."""

    strategy: str
    nights: int
    fleet: int
    duration: Spread
    updated: Spread
    harmed: Spread
    bricked: Spread
    hit_seen: Spread
    untouched: Spread
    paused: int  # nights in which a pause landed
    endings: dict[str, int]  # how it ended -> nights
    causes: dict[str, float]  # cause -> mean number of chargers a night

    @property
    def for_all(self) -> int:
        """Nights in which the rollout came to everybody, for better or worse."""
        return self.endings.get(THROUGH, 0) + self.endings.get(TOO_LATE, 0)


def outlook(nights: Sequence[Night]) -> Outlook:
    """Sum the nights of one strategy up."""
    causes: Counter[str] = Counter()
    for one in nights:
        causes.update(one.failed)
        causes["bricked"] += one.bricked
    return Outlook(
        strategy=nights[0].strategy,
        nights=len(nights),
        fleet=nights[0].fleet,
        duration=Spread.of(one.duration for one in nights),
        updated=Spread.of(one.updated for one in nights),
        harmed=Spread.of(one.harmed for one in nights),
        bricked=Spread.of(one.bricked for one in nights),
        hit_seen=Spread.of(one.hit_seen for one in nights),
        untouched=Spread.of(one.untouched for one in nights),
        paused=sum(one.paused is not None for one in nights),
        endings=dict(Counter(one.ending for one in nights).most_common()),
        causes={name: count / len(nights) for name, count in causes.most_common() if count},
    )
