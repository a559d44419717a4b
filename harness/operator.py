"""The operator: walks through a scenario's steps, awaiting only what a World offers.

A core. Requests are recorded before they are sent and after they are answered. Silence is never
proved by sleeping: after an answered pause, and again right before the next execute-stage, every
online charger makes a Heartbeat round trip on its own socket (the fence of R18). Right before each
execute-stage the rollout is read, because time-outs show nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from harness.operator_answers import (
    StepFailed,
    Trouble,
    demand,
    name_of,
    outline,
    refusal,
    shows,
    stage_settled,
)
from harness.world import Ok, Request, Unknown
from simulator import scenario_steps as steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from harness.world import Outcome, Running, World
    from simulator.faults import ChargerSpec
    from simulator.scenario_steps import Step, StepBase

POLL = 0.5  # seconds between two reads while something moves
POLL_EACH = 0.002  # and so much more for every charger: a read costs the more, the more it shows
QUIET = 5.0  # seconds between two reads while nothing moves
_CREATE = (
    "strategy", "canary_count", "batch_size", "max_in_flight", "failure_threshold",
    "update_timeout", "offline_timeout", "retries", "retry_interval",
)  # fmt: skip
EXTENSIONS = frozenset(_CREATE[3:])
_OF_A_ROLLOUT = (steps.ExecuteStep, steps.PauseStep, steps.ReadStep, steps.WaitStep)


class Operator:
    """One person at the desk of a rollout.

    `firmware_url(tag)` gives every rollout a URL of its own. With `extensions` False the fields of
    `create` that the published API does not know are left out. `aliases` maps the ids that the
    scenario names to those of the fleet, where a target knows other ones.
    """

    def __init__(
        self,
        world: World,
        chargers: Sequence[ChargerSpec],
        firmware_url: Callable[[str], str],
        *,
        extensions: bool = True,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._aliases = aliases or {}
        self._world = world
        self._chargers = chargers
        self._firmware_url = firmware_url
        self._extensions = extensions
        self.rollouts: dict[str, str] = {}  # the scenario's name -> the id that the CSMS gave
        self.troubles: list[Trouble] = []
        self._creates = 0
        self._keyed: dict[str, int] = {}  # Idempotency-Key -> number of the first create with it
        self._down = False  # the CSMS was killed and not started again
        self._paused: set[str] = set()  # rollouts whose last answered request was a pause
        self._background: list[tuple[str, Running]] = []
        self._turned_down: set[str] = set()  # rollouts whose create was refused, as it might be

    # ------------------------------------------------------------------ the plan

    async def follow(
        self, plan: Sequence[Step], at_step: Callable[[int, str], None] = lambda *_: None
    ) -> None:
        """Walk through the plan; stops at the first step that fails (`troubles` says which).

        `at_step(number, name)` is told of every step before it begins.
        """
        for number, step in enumerate(plan, start=1):
            at_step(number, name_of(step))
            self._say(number, step)
            if not await self._attempt(number, step):
                break
        for _, running in self._background:
            await running.join()
        self._background.clear()

    def _say(self, number: int, step: StepBase) -> None:
        """Record where the plan is; a mark for reports, chargers do not hear of it."""
        self._world.recorder.mark("step", number=number, step=name_of(step))

    async def _attempt(self, number: int, step: Step) -> bool:
        """Do one step, in the background if it says so; False if it failed."""
        if step.rollout in self._turned_down and isinstance(step, _OF_A_ROLLOUT):
            self._leave_out(number, step, "its rollout was refused")
            return True
        try:
            await self._when(step)
        except StepFailed as failed:
            if isinstance(step, steps.CallStep) and step.refused == "maybe":
                self._leave_out(number, step, failed.seen)
                return True
            self._trouble(number, step, failed)
            return False
        if step.background:
            running = self._world.spawn(self._beside(number, step))
            self._background.append((step.rollout, running))
            return True
        try:
            await self._do(step)
        except StepFailed as failed:
            self._trouble(number, step, failed)
            return False
        return True

    async def _beside(self, number: int, step: Step) -> None:
        try:
            await self._do(step)
        except StepFailed as failed:
            self._trouble(number, step, failed)

    def _leave_out(self, number: int, step: StepBase, why: str) -> None:
        """Go on without a step that may come to nothing."""
        self._world.recorder.mark("step_left_out", number=number, step=name_of(step), why=why)

    def _trouble(self, number: int, step: StepBase, failed: StepFailed) -> None:
        trouble = Trouble(number, name_of(step), failed.expected, failed.seen)
        self.troubles.append(trouble)
        self._world.recorder.mark(
            "step_failed",
            number=number,
            step=trouble.step,
            expected=trouble.expected,
            seen=trouble.seen,
        )

    async def _when(self, step: StepBase) -> None:
        if step.when:
            await self._until(step.when, step.within)

    async def _until(self, wanted: Mapping[str, steps.Bound], within: float) -> None:
        """Wait until all counters hold."""
        progress, whole = self._world.progress, len(self._chargers)

        def hold() -> bool:
            return all(bound.holds(progress.count(name), whole) for name, bound in wanted.items())

        if not await self._world.until(hold, within):
            seen = ", ".join(f"{name} {progress.count(name)}" for name in wanted)
            asked = ", ".join(f"{name} {bound}" for name, bound in wanted.items())
            raise StepFailed(f"{asked} within {within:g} s", f"seen: {seen}")

    async def _do(self, step: Step) -> None:
        await self._DOERS[type(step)](self, step)

    async def _hold(self, step: steps.HoldStep) -> None:
        await self._world.sleep(step.seconds)

    async def _read(self, step: steps.ReadStep) -> None:
        await self.read(step.rollout)

    async def _fleet(self, step: steps.FleetStep) -> None:
        await self.fleet(step.site_id, step.vendor)

    async def _fence(self, _: steps.FenceStep) -> None:
        await self.fence("")

    async def _mark(self, step: steps.MarkStep) -> None:
        self._world.mark(step.name)

    async def _kill(self, step: steps.KillStep | None = None) -> None:
        if not self._down:
            self._down = True
            await self._world.kill_target(at_commit=step is not None and step.at == "commit")

    async def _restart(self, _: steps.RestartStep) -> None:
        await self._kill()  # a restart of what still runs is a crash as well
        await self._world.restart_target()
        self._down = False

    # ------------------------------------------------------------------ requests

    async def call(self, request: Request) -> tuple[str, Outcome]:
        """Send one request, recorded on both ends; return its operation id and its outcome."""
        recorder = self._world.recorder
        await self._world.settle()
        ref = recorder.invoke(request)
        try:
            outcome = await self._world.request(request)
            answered = self._world.now()
            await self._world.settle()
        except BaseException:  # interrupted: it may have had its effect or not
            recorder.outcome(request, ref, Unknown("interrupted before the answer came"))
            raise
        recorder.outcome(request, ref, outcome, late=self._world.now() - answered)
        return ref, outcome

    async def read(self, rollout: str) -> dict[str, Any]:
        """GET a rollout; {} if no usable body came."""
        rollout_id = self._id(rollout)
        path = f"/firmware/rollout/{rollout_id}"
        _, outcome = await self.call(Request("read", "GET", path, rollout=rollout_id))
        return outcome.body if isinstance(outcome, Ok) and isinstance(outcome.body, dict) else {}

    async def fleet(self, site_id: str | None = None, vendor: str | None = None) -> None:
        """GET the fleet's firmware versions."""
        filters = {"site_id": site_id, "vendor": vendor}
        query = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in filters.items() if value
        )
        path = "/fleet/firmware" + (f"?{query}" if query else "")
        await self.call(Request("fleet", "GET", path))

    async def fence(self, after: str) -> None:
        """Let every online charger make a round trip, so that silence on its socket is proved."""
        outcomes = await self._world.ask(self._world.online(), "Heartbeat", {})
        for charger, outcome in outcomes.items():
            self._world.recorder.fence(after, charger, outcome)

    async def _create(self, step: steps.CreateStep) -> None:
        self._creates += 1
        key = step.idempotency_key
        number = self._creates if key is None else self._keyed.setdefault(key, self._creates)
        headers = {} if key is None else {"Idempotency-Key": key}
        body = self._plan(step, number)
        request = Request("create", "POST", "/firmware/rollout", body, headers=headers)
        _, outcome = await self.call(request)
        if refusal(step, outcome):
            if step.rollout not in self.rollouts:
                self._turned_down.add(step.rollout)
            return
        self._turned_down.discard(step.rollout)
        rollout_id = demand(outcome, "the rollout to be created").get("rollout_id")
        if not isinstance(rollout_id, str) or not rollout_id:
            raise StepFailed("a rollout_id in the answer to create", f"it was {rollout_id!r}")
        self.rollouts[step.rollout] = rollout_id
        self._world.mark("create")

    def _plan(self, step: steps.CreateStep, number: int) -> dict[str, Any]:
        """Return the body of a create; its number makes the url its own."""
        if step.chargers is not None:  # in the order given: it chooses the canary
            chosen = [self._aliases.get(charger, charger) for charger in step.chargers]
        else:
            wanted = step.cohorts
            chosen = [s.id for s in self._chargers if wanted is None or s.cohort in wanted]
        body: dict[str, Any] = {
            "charger_ids": chosen,
            "firmware_url": self._firmware_url(f"{step.rollout}-{number}"),
        }
        for name in _CREATE:
            value = getattr(step, name)
            if value is not None and (self._extensions or name not in EXTENSIONS):
                body[name] = value
        if step.retrieve_in is not None:
            begin = self._world.epoch + self._world.now() + step.retrieve_in
            zone = timezone(timedelta(hours=step.retrieve_zone)) if step.retrieve_zone else UTC
            body["retrieve_date"] = datetime.fromtimestamp(begin, zone).isoformat()
        return body

    async def _execute(self, step: steps.ExecuteStep) -> None:
        rollout_id = self._id(step.rollout)
        resumes = step.rollout in self._paused
        if resumes:
            await self.fence("")
        if not step.background:  # who races does not look first: the calls have to overlap
            await self.read(step.rollout)
        path = f"/firmware/rollout/{rollout_id}/execute-stage"
        key = step.idempotency_key
        headers = {} if key is None else {"Idempotency-Key": key}
        request = Request("execute_stage", "POST", path, rollout=rollout_id, headers=headers)
        _, outcome = await self.call(request)
        if refusal(step, outcome):
            return
        self._paused.discard(step.rollout)
        demand(outcome, "execute-stage to be accepted")
        self._world.mark("resume" if resumes else "execute_stage")

    async def _pause(self, step: steps.PauseStep) -> None:
        rollout_id = self._id(step.rollout)
        body = {} if step.reason is None else {"reason": step.reason}
        path = f"/firmware/rollout/{rollout_id}/pause"
        ref, outcome = await self.call(Request("pause", "POST", path, body, rollout=rollout_id))
        if refusal(step, outcome):
            return
        demand(outcome, "the pause to be accepted")
        self._world.mark("pause")
        self._paused.add(step.rollout)
        await self.fence(ref)

    def _id(self, rollout: str) -> str:
        rollout_id = self.rollouts.get(rollout)
        if rollout_id is None:
            raise StepFailed(f"a rollout called {rollout!r}", "none was created before this step")
        return rollout_id

    # ------------------------------------------------------------------ waiting

    async def _wait(self, step: steps.WaitStep) -> None:
        if step.until:
            await self._until(step.until, step.within)
        if step.stage is not None:
            # Until execute-stage is answered, GET may still show the stage before.
            await self._executed(step)
            await self._watch(step, stage_settled, "the stage to settle")
        if step.status is not None:
            wanted = step.status
            await self._watch(step, lambda body: shows(body, wanted), f"status {wanted}")

    async def _executed(self, step: StepBase) -> None:
        for rollout, running in self._background:
            if rollout == step.rollout:
                await self._world.until(partial(_finished, running), step.within)

    async def _watch(
        self, step: StepBase, done: Callable[[dict[str, Any]], bool], expected: str
    ) -> None:
        if not await self.watch(step.rollout, done, step.within):
            body = self._world.progress.rollout(self._id(step.rollout))
            raise StepFailed(f"{expected} within {step.within:g} s", f"GET shows {outline(body)}")

    async def watch(
        self, rollout: str, done: Callable[[dict[str, Any]], bool], within: float
    ) -> bool:
        """Read a rollout again and again until its body satisfies `done`; False if time is up."""
        world = self._world
        deadline = world.now() + within
        while not done(await self.read(rollout)):
            left = deadline - world.now()
            if left <= 0.0:
                return False
            before = world.progress.movement
            await world.until(partial(self._moved, before), min(left, QUIET))
            await world.sleep(min(left, POLL))
            # Large fleets are read less often, unless nobody is on its way any more.
            rest = POLL_EACH * len(self._chargers) - POLL
            await world.until(self._nobody_moves, min(deadline - world.now(), rest))
        return True

    def _nobody_moves(self) -> bool:
        return not self._world.progress.in_flight

    def _moved(self, before: int) -> bool:
        """Whether anything happened since that a GET may show."""
        return self._world.progress.movement != before

    _DOERS: ClassVar[dict[type, Callable[[Operator, Any], Awaitable[None]]]] = {
        steps.CreateStep: _create,
        steps.ExecuteStep: _execute,
        steps.PauseStep: _pause,
        steps.WaitStep: _wait,
        steps.HoldStep: _hold,
        steps.ReadStep: _read,
        steps.FleetStep: _fleet,
        steps.FenceStep: _fence,
        steps.MarkStep: _mark,
        steps.KillStep: _kill,
        steps.RestartStep: _restart,
    }


def _finished(running: Running) -> bool:
    return running.finished
