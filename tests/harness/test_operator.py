"""The operator against a scripted world: what it asks, in which order, and when it gives up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from harness.history import Header, History
from harness.operator import Operator
from harness.progress import Progress
from harness.recorder import Recorder
from harness.world import Ok, Outcome, Refused, Request, Unknown
from simulator.scenario import load

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

SCENARIO = """
version: 1
name: scripted
firmware: {version: "2"}
fleet:
  - {cohort: a, count: 2}
  - {cohort: b, count: 1}
operator:
"""


def body(*statuses: str, status: str = "in_progress", stage: int = 1) -> dict[str, Any]:
    """What a GET shows: one stage with these chargers."""
    rows = [{"charge_point_id": f"a-{n}", "status": shown} for n, shown in enumerate(statuses)]
    return {
        "rollout_id": "r1",
        "status": status,
        "current_stage": stage,
        "stages": [{"stage": 1, "chargers": rows}],
    }


class Spawned:
    """A coroutine that a scripted world runs at once, to its end."""

    finished = True

    async def join(self) -> None:
        """It has ended."""

    def cancel(self) -> None:
        """It has ended."""


class Script:
    """A world that answers from a table and remembers what it was asked."""

    def __init__(self, **answers: list[Outcome]) -> None:
        self.time = 0.0
        self.epoch = 1_700_000_000.0
        self.progress = Progress(3)
        history = History(Header())
        history.subscribe(self.progress.see)
        self.recorder = Recorder(history, lambda: self.time)
        self.answers = answers
        self.asked: list[str] = []
        self.requests: list[Request] = []

    def now(self) -> float:
        """Return the scripted time."""
        return self.time

    async def request(self, request: Request) -> Outcome:
        """Answer from the table; the last answer is repeated."""
        self.asked.append(request.operation)
        self.requests.append(request)
        self.time += 0.1
        default: Outcome = Ok(200, {"rollout_id": "r1"})
        left = self.answers.get(request.operation, [default])
        return left.pop(0) if len(left) > 1 else left[0]

    async def settle(self) -> None:
        """Everything is recorded already."""

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Nothing ever happens by itself here."""
        self.time += within
        return condition()

    async def sleep(self, seconds: float) -> None:
        """Let scripted time pass."""
        self.time += seconds

    async def ask(self, ids: Iterable[str], action: str, payload: dict[str, Any]) -> dict[str, str]:
        """Every charger answers."""
        assert payload == {}
        self.asked.append(action)
        return dict.fromkeys(ids, "answered")

    def online(self) -> list[str]:
        """Two of three chargers are connected."""
        return ["a-0001", "a-0002"]

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> Spawned:
        """Run it at once."""
        drive(coroutine)
        return Spawned()

    async def interruptible(self, coroutine: Coroutine[Any, Any, None]) -> bool:
        """Nobody interrupts."""
        await coroutine
        return True

    async def start_fleet(self) -> None:
        """There is no fleet."""

    async def kill_target(self, *, at_commit: bool = False) -> None:
        """Remember it."""
        self.asked.append("kill at a commit" if at_commit else "kill")

    async def restart_target(self) -> None:
        """Remember it."""
        self.asked.append("restart")

    def mark(self, name: str) -> None:
        """Remember it."""
        self.asked.append(f"mark {name}")
        self.recorder.mark(name)


def drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never really waits."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def follow(steps: str, *, extensions: bool = True, **answers: list[Outcome]) -> tuple[Any, Any]:
    """Walk through these steps; return the world and the operator."""
    world = Script(**answers)
    scenario = load(SCENARIO + steps)
    operator = Operator(
        world, scenario.chargers(1), lambda tag: f"https://x/{tag}/f", extensions=extensions
    )
    drive(operator.follow(scenario.operator))
    return world, operator


CREATE = "  - create: {strategy: canary, canary_count: 1, retries: 1}\n"


def test_a_create_names_the_fleet_in_order_and_its_own_url() -> None:
    """The published fields, and the extensions that the scenario gives."""
    world, operator = follow(CREATE)
    assert world.requests[0].body == {
        "charger_ids": ["a-0001", "a-0002", "b-0001"],
        "firmware_url": "https://x/main-1/f",
        "strategy": "canary",
        "canary_count": 1,
        "retries": 1,
    }
    assert operator.rollouts == {"main": "r1"}
    assert operator.troubles == []


def test_a_foreign_system_gets_no_extension_fields() -> None:
    """Strict systems refuse what the published API does not know."""
    world, _ = follow(CREATE, extensions=False)
    assert "retries" not in world.requests[0].body


def test_a_create_may_choose_cohorts_or_chargers_in_the_order_given() -> None:
    """The order of explicit ids is the operator's choice of the canary."""
    world, _ = follow(
        "  - create: {strategy: rolling, cohorts: [b], rollout: one}\n"
        "  - create: {strategy: rolling, chargers: [b-0001, a-0001], rollout: two}\n"
    )
    assert [r.body["charger_ids"] for r in world.requests] == [["b-0001"], ["b-0001", "a-0001"]]
    urls = [r.body["firmware_url"] for r in world.requests]
    assert urls == ["https://x/one-1/f", "https://x/two-2/f"]


def test_a_retrieve_date_is_in_the_future_by_the_worlds_clock() -> None:
    """Its zone is explicit: dates without one are refused by careful systems."""
    world, _ = follow("  - create: {strategy: all_at_once, retrieve_in: 60 s}\n")
    assert world.requests[0].body["retrieve_date"] == "2023-11-14T22:14:20+00:00"


def test_the_rollout_is_read_right_before_every_execute() -> None:
    """Time-outs show nowhere but in a GET."""
    world, _ = follow(CREATE + "  - execute_stage\n")
    assert world.asked == ["create", "mark create", "read", "execute_stage", "mark execute_stage"]


def test_an_answered_pause_is_followed_by_a_fence_and_so_is_the_wait_before_the_resume() -> None:
    """Silence is proved by round trips on every online charger's own socket, never by sleeping."""
    world, _ = follow(CREATE + "  - execute_stage\n  - pause: why\n  - execute_stage\n")
    assert world.asked[5:] == [
        "pause", "mark pause", "Heartbeat",
        "Heartbeat", "read", "execute_stage", "mark resume",
    ]  # fmt: skip
    assert world.requests[3].body == {"reason": "why"}
    fences = [e for e in world.recorder.history.events if e.kind == "fence"]
    assert [e.data["charger"] for e in fences] == ["a-0001", "a-0002"] * 2
    assert fences[0].ref == "op-4"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Refused(409, {"title": "no"}), "it was refused: 409"),
        (Unknown("no answer within 30 s"), "its outcome is unknown: no answer"),
        (Ok(200, "text"), "without a JSON object"),
        (Ok(200, {}), "it was None"),
    ],
)
def test_a_create_that_gives_no_rollout_ends_the_plan(outcome: Outcome, said: str) -> None:
    """The trouble names the step and what was seen instead, and it is in the history."""
    world, operator = follow(CREATE + "  - execute_stage\n", create=[outcome])
    (trouble,) = operator.troubles
    assert (trouble.number, trouble.step) == (1, "create")
    assert said in trouble.seen
    assert world.asked == ["create"]
    marks = [e for e in world.recorder.history.events if e.name == "step_failed"]
    assert marks[0].data["number"] == 1


def test_a_step_may_want_a_refusal() -> None:
    """A refusal is then what it wants, and anything else is the trouble."""
    steps = CREATE + "  - execute_stage: {refused: true}\n"
    _, operator = follow(steps, execute_stage=[Refused(409, {})])
    assert operator.troubles == []
    _, operator = follow(steps, execute_stage=[Ok(200, {})])
    assert operator.troubles[0].seen == "the answer was 200"


def test_a_date_may_be_written_in_another_zone() -> None:
    """It is the same moment."""
    dates = []
    for zone in ("", ", retrieve_zone: 2", ", retrieve_zone: -5"):
        step = "  - create: {strategy: all_at_once, retrieve_in: 60 s" + zone + "}\n"
        world, _ = follow(step)
        dates.append(world.requests[0].body["retrieve_date"])
    assert [date[-6:] for date in dates] == ["+00:00", "+02:00", "-05:00"]
    assert len({datetime.fromisoformat(date) for date in dates}) == 1


def test_an_execute_may_carry_a_key() -> None:
    """Two with the same key are one request to the CSMS."""
    step = "  - execute_stage: {idempotency_key: once}\n"
    world, _ = follow(CREATE + step + "  - execute_stage\n")
    sent = [one.headers for one in world.requests if one.operation == "execute_stage"]
    assert sent == [{"Idempotency-Key": "once"}, {}]


def test_a_plan_goes_on_without_what_may_come_to_nothing() -> None:
    """A moment that never comes, and a rollout that was refused as it might be, end no plan."""
    other = "  - create: {strategy: all_at_once, rollout: other, refused: maybe}\n"
    steps = (
        "  - execute_stage: {rollout: other, refused: maybe}\n"
        "  - read: {rollout: other}\n"
        "  - {when: {Installed: 1}, pause: {within: 1 s, refused: maybe}}\n"
        "  - fleet\n"
    )
    refused: list[Outcome] = [Ok(201, {"rollout_id": "r1"}), Refused(409, {})]
    world, operator = follow(CREATE + other + steps, create=[*refused])
    assert operator.troubles == []
    assert world.asked.count("create") == 2
    assert world.asked[-1] == "fleet"
    assert not {"execute_stage", "read", "pause"} & set(world.asked)
    needed = steps.replace("1 s, refused: maybe", "1 s")
    _, operator = follow(CREATE + other + needed, create=[*refused])
    assert [trouble.step for trouble in operator.troubles] == ["pause"]


def test_a_refused_resume_leaves_the_rollout_paused() -> None:
    """The next execute-stage is a resume again: it needs its fence."""
    steps = "  - execute_stage: {refused: true}\n  - execute_stage\n"
    answers: list[Outcome] = [Refused(409, {}), Ok(200, {})]
    world, _ = follow(CREATE + "  - pause\n" + steps, execute_stage=answers)
    assert world.asked.count("Heartbeat") == 3
    assert world.asked[-1] == "mark resume"


def test_a_wait_reads_until_the_stage_is_settled() -> None:
    """Installed and failed both settle; everything else does not."""
    reads: list[Outcome] = [
        Ok(200, body("downloading", "failed")),
        Unknown("late"),
        Ok(200, body("installed", "failed")),
    ]
    world, operator = follow(CREATE + "  - wait: {stage: settled, within: 60 s}\n", read=reads)
    assert world.asked.count("read") == 3
    assert operator.troubles == []


def test_a_wait_that_lasts_too_long_names_who_is_missing() -> None:
    """The user learns which chargers were not settled, not only that time was up."""
    reads: list[Outcome] = [Ok(200, body("installed", "downloading"))]
    _, operator = follow(CREATE + "  - wait: {stage: settled, within: 20 s}\n", read=reads)
    (trouble,) = operator.troubles
    assert trouble.expected == "the stage to settle within 20 s"
    assert trouble.seen == "GET shows in_progress, stage 1, 1 unsettled in it (a-1)"


def test_a_terminal_rollout_needs_no_settled_stage() -> None:
    """A canary that failed leaves its later chargers pending for ever."""
    reads: list[Outcome] = [Ok(200, body("failed", "pending", status="failed"))]
    _, operator = follow(
        CREATE + "  - wait: {stage: settled}\n  - wait: {status: terminal}\n", read=reads
    )
    assert operator.troubles == []


def test_a_condition_that_never_holds_says_what_was_counted() -> None:
    """`when` and `wait: {until}` name the counters as they stand."""
    world, operator = follow("  - when: {UpdateFirmware: 4}\n    fence: {}\n")
    (trouble,) = operator.troubles
    assert trouble.seen == "seen: UpdateFirmware 0"
    assert world.asked == []


def test_steps_about_a_rollout_that_was_never_created_are_troubles() -> None:
    """No traceback, no request with an id made up."""
    world, operator = follow("  - pause: {rollout: other}\n")
    assert "none was created" in operator.troubles[0].seen
    assert world.requests == []


def test_the_other_steps_do_what_they_say() -> None:
    """Hold, mark, fleet with quoted filters, kill and restart."""
    world, operator = follow(
        "  - hold: 5 s\n  - mark: noon\n  - fleet: {site_id: a b&c, vendor: Ä}\n"
        "  - kill\n  - kill\n  - restart\n  - restart\n  - kill: {at: commit}\n  - fence\n"
    )
    assert operator.troubles == []
    once = ["kill", "restart"]  # what is down is not killed again; a restart is a crash as well
    assert world.asked == ["mark noon", "fleet", *once, *once, "kill at a commit", "Heartbeat"]
    assert world.requests[0].path == "/fleet/firmware?site_id=a%20b%26c&vendor=%C3%84"
    assert world.time >= 5.0


def test_an_interrupted_request_is_recorded_as_unknown() -> None:
    """It may have had its effect: the judge must not take it as never sent."""

    class Cut(Script):
        async def request(self, request: Request) -> Outcome:
            raise KeyboardInterrupt(request.operation)

    world = Cut()
    operator = Operator(world, [], str)
    with pytest.raises(KeyboardInterrupt):
        operator.fleet().send(None)
    assert [event.kind for event in world.recorder.history.events] == ["invoke", "info"]
