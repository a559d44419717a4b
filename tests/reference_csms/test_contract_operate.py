"""The contract's decisions about executing, pausing and settling, one test a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reference_csms.errors import Problem
from reference_csms.model import Reply, SendUpdate, Settings
from tests.reference_csms.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Callable

    from reference_csms.model import Ticket


def refusal(operation: Callable[[], Ticket]) -> Problem:
    """Return the problem that an operation raises."""
    with pytest.raises(Problem) as caught:
        operation()
    return caught.value


def conflict(rig: Rig, rollout_id: str, operation: str) -> Problem:
    """Return the 409 of execute-stage or pause, and prove that it changed nothing."""
    before, frames = rig.read(rollout_id), len(rig.updates())
    call = {"execute": rig.service.execute_stage, "pause": rig.service.pause}[operation]
    problem = refusal(lambda: call(rig.now, rollout_id))
    rig.pass_time(1)
    assert problem.status == 409
    assert rig.read(rollout_id) == before
    assert len(rig.updates()) == frames
    return problem


# ------------------------------------------------------------------ status x operation


def situations() -> dict[str, Callable[[], tuple[Rig, str]]]:
    """Return a builder for every row of the table: three chargers, rolling by two, last offline."""

    def build(*steps: str) -> Callable[[], tuple[Rig, str]]:
        def make() -> tuple[Rig, str]:
            rig = Rig()
            rig.fleet(4)
            if "offline" in steps:
                rig.disconnect("CP-002")
            ids = ["CP-001", "CP-002", "CP-003", "CP-004"]
            rollout_id = rig.create(ids, "rolling", batch_size=2)
            acts: dict[str, Callable[[], Any]] = {
                "execute": lambda: rig.execute(rollout_id),
                "pause": lambda: rig.pause(rollout_id, "first"),
                "settle": lambda: rig.install("CP-001", "CP-002"),
                "settle_rest": lambda: rig.install("CP-003", "CP-004"),
                "fail": lambda: rig.fail("CP-001", "CP-002"),
                "fail_rest": lambda: rig.fail("CP-003", "CP-004"),
                "offline": lambda: None,
            }
            for step in steps:
                acts[step]()
            return rig, rollout_id

        return make

    return {
        "pending": build(),
        "unsettled": build("execute"),
        "settled": build("execute", "settle"),
        "paused_untriggered": build("offline", "execute", "pause"),
        "paused_unsettled": build("execute", "pause"),
        "paused_settled": build("execute", "pause", "settle"),
        "completed": build("execute", "settle", "execute", "settle_rest"),
        "failed": build("execute", "fail", "execute", "fail_rest"),
    }


@pytest.mark.parametrize(
    ("situation", "status", "stage", "triggered"),
    [
        ("pending", 200, 1, ["CP-001", "CP-002"]),
        ("unsettled", 409, None, None),
        ("settled", 200, 2, ["CP-003", "CP-004"]),
        ("paused_untriggered", 200, 1, []),
        ("paused_unsettled", 200, 1, []),
        ("paused_settled", 200, 2, ["CP-003", "CP-004"]),
        ("completed", 409, None, None),
        ("failed", 409, None, None),
    ],
)
def test_execute_in_every_status(
    situation: str, status: int, stage: int | None, triggered: list[str] | None
) -> None:
    """The execute-stage column of the status x operation table."""
    rig, rollout_id = situations()[situation]()
    if status == 409:
        conflict(rig, rollout_id, "execute")
        return
    body = rig.execute(rollout_id)
    assert (body["executed_stage"], body["chargers_triggered"]) == (stage, triggered)
    assert body["status"] == rig.read(rollout_id)["status"] == "in_progress"
    assert set(body) == {
        "rollout_id",
        "executed_stage",
        "status",
        "chargers_triggered",
        "triggered_at",
    }


@pytest.mark.parametrize(
    ("situation", "status", "reason"),
    [
        ("pending", 409, None),
        ("unsettled", 200, "again"),
        ("settled", 200, "again"),
        ("paused_untriggered", 200, "first"),
        ("paused_unsettled", 200, "first"),
        ("paused_settled", 200, "first"),
        ("completed", 409, None),
        ("failed", 409, None),
    ],
)
def test_pause_in_every_status(situation: str, status: int, reason: str | None) -> None:
    """The pause column of the status x operation table."""
    rig, rollout_id = situations()[situation]()
    if status == 409:
        conflict(rig, rollout_id, "pause")
        return
    body = rig.pause(rollout_id, "again")
    assert set(body) == {"rollout_id", "status", "paused_at", "reason"}
    assert (body["status"], body["reason"]) == ("paused", reason)
    assert rig.read(rollout_id)["status"] == "paused"


# ------------------------------------------------------------------ D1 - D12


def test_d01_an_unsettled_stage_refuses_and_names_the_blockers() -> None:
    """409, the unsettled chargers by name, no effect."""
    rig, rollout_id = situations()["unsettled"]()
    rig.install("CP-001")
    problem = conflict(rig, rollout_id, "execute")
    assert problem.members["blockers"] == ["CP-002"]


def test_d02_resume_triggers_exactly_the_untriggered() -> None:
    """A charger that came back during the pause is triggered by the resume, no other is."""
    rig, rollout_id = situations()["paused_untriggered"]()
    rig.connect("CP-002")
    rig.pass_time(600)
    assert rig.updates() == ["CP-001"]
    body = rig.execute(rollout_id)
    assert (body["executed_stage"], body["chargers_triggered"]) == (1, ["CP-002"])
    assert rig.updates() == ["CP-001", "CP-002"]


def test_d03_resume_never_passes_an_unsettled_stage() -> None:
    """All triggered, some unsettled: in progress again, nobody triggered, next stage untouched."""
    rig, rollout_id = situations()["paused_unsettled"]()
    assert rig.execute(rollout_id)["chargers_triggered"] == []
    assert rig.updates() == ["CP-001", "CP-002"]
    conflict(rig, rollout_id, "execute")


def test_d04_resume_of_a_settled_stage_starts_the_next() -> None:
    """One call does both."""
    rig, rollout_id = situations()["paused_settled"]()
    assert rig.execute(rollout_id)["executed_stage"] == 2


def test_d05_a_stage_with_failures_waits_for_a_human() -> None:
    """It is completed if anyone succeeded, else failed; the rollout stays in progress."""
    rig, rollout_id = situations()["unsettled"]()
    rig.install("CP-001")
    rig.fail("CP-002")
    body = rig.read(rollout_id)
    assert (body["status"], body["stages"][0]["status"]) == ("in_progress", "completed")
    rig, rollout_id = situations()["unsettled"]()
    rig.fail("CP-001", "CP-002")
    body = rig.read(rollout_id)
    assert (body["status"], body["stages"][0]["status"]) == ("in_progress", "failed")
    assert rig.execute(rollout_id)["executed_stage"] == 2


@pytest.mark.parametrize("paused", [False, True])
def test_d06_a_canary_without_success_ends_the_rollout(*, paused: bool) -> None:
    """The rollout fails by itself, also while paused, and later stages stay pending for ever."""
    rig = Rig()
    ids = rig.fleet(5)
    rollout_id = rig.create(ids, "canary", canary_count=2)
    rig.execute(rollout_id)
    rig.fail("CP-001")
    if paused:
        rig.pause(rollout_id)
    assert rig.read(rollout_id)["status"] != "failed"
    rig.fail("CP-002")
    body = rig.read(rollout_id)
    assert (body["status"], body["stages"][1]["status"]) == ("failed", "pending")
    conflict(rig, rollout_id, "execute")
    rig.disconnect("CP-003")
    rig.connect("CP-003")
    rig.pass_time(100_000)
    assert rig.updates() == ids[:2]


@pytest.mark.parametrize(
    ("failing", "expected"),
    [([], "completed"), (["CP-001"], "completed"), (["CP-001", "CP-002"], "failed")],
)
def test_d07_the_end_comes_by_itself(failing: list[str], expected: str) -> None:
    """Completed if anyone succeeded, else failed; no further call is needed."""
    rig = Rig()
    ids = rig.fleet(2)
    rollout_id = rig.create(ids)
    rig.execute(rollout_id)
    rig.pause(rollout_id)
    rig.fail(*failing)
    rig.install(*[one for one in ids if one not in failing])
    assert rig.read(rollout_id)["status"] == expected


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, "in_progress"), (0.49, "failed")])
def test_d07_failure_threshold_is_judged_when_a_stage_settles(
    threshold: float, expected: str
) -> None:
    """Exceeded means more than the share of settled chargers; untriggered ones stay pending."""
    rig = Rig()
    ids = rig.fleet(4)
    rollout_id = rig.create(ids, "rolling", batch_size=2, failure_threshold=threshold)
    rig.execute(rollout_id)
    rig.fail("CP-001")
    assert rig.read(rollout_id)["status"] == "in_progress"
    rig.install("CP-002")
    assert rig.read(rollout_id)["status"] == expected
    assert rig.charger(rollout_id, "CP-003")["status"] == "pending"


@pytest.mark.parametrize("situation", ["completed", "failed"])
@pytest.mark.parametrize("operation", ["execute", "pause"])
def test_d08_a_finished_rollout_refuses_without_latent_effect(
    situation: str, operation: str
) -> None:
    """Nothing happens now, and nothing later."""
    rig, rollout_id = situations()[situation]()
    conflict(rig, rollout_id, operation)
    frames = len(rig.updates())
    for one in ("CP-001", "CP-004"):
        rig.disconnect(one)
        rig.connect(one)
    rig.pass_time(100_000)
    assert len(rig.updates()) == frames


def test_d09_a_repeated_pause_keeps_the_first_and_is_audited() -> None:
    """Same body, first reason and time; the trail shows both calls."""
    rig, rollout_id = situations()["paused_unsettled"]()
    first = rig.pause(rollout_id, "first")
    rig.pass_time(60)
    assert rig.pause(rollout_id, "second") == first
    entries = rig.ok(lambda: rig.service.audit(rig.now, rollout_id))["entries"]
    reasons = [one["data"].get("reason") for one in entries if "pause" in one["kind"]]
    assert reasons == ["first", "first", "second"]


def test_d10_nothing_leaves_after_a_pause_is_answered() -> None:
    """The answer to the pause stands behind every frame in the outbox, and no batch follows."""
    rig = Rig(settings=Settings(instance="rig", batch=2))
    ids = rig.fleet(9)
    rollout_id = rig.create(ids)
    execute = rig.service.execute_stage(rig.now, rollout_id)
    rig.service.wake(rig.now)  # the first batch is in the outbox, not on the wire
    pause = rig.service.pause(rig.now, rollout_id)
    assert rig.updates() == []
    rig.turn()
    assert rig.updates() == ids[:2]
    kinds = [item for _, item in rig.log if isinstance(item, SendUpdate) or item.ticket is pause]
    assert not isinstance(kinds[-1], SendUpdate)
    assert isinstance(execute.outcome, Reply)
    assert execute.outcome.body["status"] == "paused"
    assert execute.outcome.body["chargers_triggered"] == ids[:2]
    rig.pass_time(3600)
    assert rig.updates() == ids[:2]


def test_d10_a_resume_in_the_turn_of_the_last_frames_answers_both_calls() -> None:
    """Execute, pause and resume without a commit between them: each call lists its own frames."""
    rig = Rig(settings=Settings(instance="rig", batch=1))
    ids = rig.fleet(2)
    rollout_id = rig.create(ids)
    first = rig.service.execute_stage(rig.now, rollout_id)
    rig.service.wake(rig.now)
    rig.service.pause(rig.now, rollout_id)
    second = rig.service.execute_stage(rig.now, rollout_id)
    rig.turn()
    bodies = [one.outcome.body for one in (first, second) if isinstance(one.outcome, Reply)]
    assert [body["chargers_triggered"] for body in bodies] == [["CP-001"], ["CP-002"]]
    assert [body["status"] for body in bodies] == ["paused", "in_progress"]


def test_d11_an_offline_charger_waits_for_its_accepted_boot() -> None:
    """Not listed at execute, pending meanwhile, blocks the stage, triggered once it boots."""
    rig = Rig()
    rig.fleet(2, connect=False)
    rig.connect("CP-001")
    rollout_id = rig.create(["CP-001", "CP-002"])
    assert rig.execute(rollout_id)["chargers_triggered"] == ["CP-001"]
    rig.install("CP-001")
    assert conflict(rig, rollout_id, "execute").members["blockers"] == ["CP-002"]
    rig.connect("CP-002", version=None)
    rig.pass_time(60)
    assert rig.charger(rollout_id, "CP-002") == {"charge_point_id": "CP-002", "status": "pending"}
    rig.connect("CP-002")
    assert rig.updates() == ["CP-001", "CP-002"]


@pytest.mark.parametrize("heard", [False, True])
def test_d11_an_accepted_charger_may_reconnect_without_a_boot(*, heard: bool) -> None:
    """Its first message makes it usable, or five seconds do; also after a restart of the CSMS."""
    rig = Rig()
    rig.fleet(1)
    rig.disconnect("CP-001")
    rollout_id = rig.create(["CP-001"])
    rig.execute(rollout_id)
    rig.connect("CP-001", version=None)
    rig.pass_time(4.9)
    assert rig.updates() == []
    if heard:
        rig.service.heard(rig.now, "CP-001", rig.links["CP-001"])
        rig.turn()
    else:
        rig.pass_time(0.2)
    assert rig.updates() == ["CP-001"]


def test_d11_offline_timeout_fails_with_reason_and_stops_while_paused() -> None:
    """The clock runs from execute or resume, and never during a pause (R24)."""
    rig = Rig()
    rig.fleet(1, connect=False)
    rollout_id = rig.create(["CP-001"], offline_timeout=100.0)
    rig.execute(rollout_id)
    rig.pass_time(90)
    rig.pause(rollout_id)
    rig.pass_time(1000)
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"
    rig.execute(rollout_id)
    rig.pass_time(99)
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"
    rig.pass_time(2)
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"]) == ("failed", "offline")
    assert entry["started_at"] is None
    assert rig.read(rollout_id)["status"] == "failed"


def test_d11_offline_timeout_counts_from_the_last_connection() -> None:
    """A charger that shows up and leaves again gets the whole time anew."""
    rig = Rig()
    rig.fleet(1, connect=False)
    rollout_id = rig.create(["CP-001"], offline_timeout=100.0)
    rig.execute(rollout_id)
    rig.pass_time(90)
    rig.connect("CP-001", version=None)
    rig.disconnect("CP-001")
    rig.pass_time(99)
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"
    rig.pass_time(2)
    assert rig.charger(rollout_id, "CP-001")["reason"] == "offline"


def test_d12_a_silent_charger_times_out_also_during_a_pause() -> None:
    """From the trigger; every status restarts the clock."""
    rig = Rig()
    rig.fleet(1)
    rollout_id = rig.create(["CP-001"], update_timeout=100.0)
    rig.execute(rollout_id)
    rig.answer("CP-001")
    rig.pass_time(90)
    rig.report("CP-001", "Downloading")
    rig.pause(rollout_id)
    rig.pass_time(90)
    rig.report("CP-001", "Downloading")
    rig.pass_time(99)
    assert rig.charger(rollout_id, "CP-001")["status"] == "downloading"
    rig.pass_time(2)
    entry = rig.charger(rollout_id, "CP-001")
    assert (entry["status"], entry["reason"]) == ("failed", "timeout")


def test_d12_the_clock_starts_at_the_retrieve_date() -> None:
    """A charger that was told to wait is not silent."""
    rig = Rig()
    rig.fleet(1)
    date = "2023-11-15T22:13:20Z"  # a day after the rig's start
    rollout_id = rig.create(["CP-001"], update_timeout=100.0, retrieve_date=date)
    rig.execute(rollout_id)
    rig.answer("CP-001")
    rig.pass_time(86_499)
    assert rig.charger(rollout_id, "CP-001")["status"] == "scheduled"
    rig.pass_time(2)
    assert rig.charger(rollout_id, "CP-001")["reason"] == "timeout"


# ------------------------------------------------------------------ D19 - D35


def test_d19_of_concurrent_executes_one_wins() -> None:
    """The second of two calls in one turn is refused; each charger is triggered once."""
    rig = Rig()
    ids = rig.fleet(3)
    rollout_id = rig.create(ids)
    ticket = rig.service.execute_stage(rig.now, rollout_id)
    assert refusal(lambda: rig.service.execute_stage(rig.now, rollout_id)).status == 409
    rig.turn()
    assert isinstance(ticket.outcome, Reply)
    assert rig.updates() == ids


@pytest.mark.parametrize("crash", [False, True])
def test_d19_an_execute_is_repeated_by_its_key(tmp_path: Any, *, crash: bool) -> None:
    """The same key gives the same answer and starts nothing, also after a restart."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    ids = rig.fleet(2)
    rollout_id = rig.create(ids, "rolling", batch_size=1)
    first = rig.ok(lambda: rig.service.execute_stage(rig.now, rollout_id, "go"))
    rig.install("CP-001")
    if crash:
        rig.crash()
    assert rig.ok(lambda: rig.service.execute_stage(rig.now, rollout_id, "go")) == first
    assert rig.updates() == ["CP-001"]
    rig.pause(rollout_id)
    assert rig.ok(lambda: rig.service.execute_stage(rig.now, rollout_id, "go")) == first


def test_d31_dispatch_runs_in_committed_batches() -> None:
    """No transaction carries more than a batch, and the answer lists everyone who was sent."""
    rig = Rig(settings=Settings(instance="rig", batch=4))
    ids = rig.fleet(10)
    rollout_id = rig.create(ids)
    ticket = rig.service.execute_stage(rig.now, rollout_id)
    sizes = []
    while ticket.outcome is None:
        rig.service.wake(rig.now)
        items = rig.service.commit(rig.now)
        sizes.append(sum(isinstance(item, SendUpdate) for item in items))
        for item in items:
            rig.deliver(item)
    assert sizes == [4, 4, 2, 0]
    assert isinstance(ticket.outcome, Reply)
    assert ticket.outcome.body["chargers_triggered"] == ids


def test_d31_a_taken_call_slot_counts_as_not_connected() -> None:
    """The charger is triggered when its slot becomes free, and is listed by no call."""
    rig = Rig()
    rig.fleet(2)
    link = rig.links["CP-001"]
    rig.service.slot(rig.now, "CP-001", link, free=False)
    rollout_id = rig.create(["CP-001", "CP-002"])
    assert rig.execute(rollout_id)["chargers_triggered"] == ["CP-002"]
    rig.service.slot(rig.now, "CP-001", link, free=True)
    rig.turn()
    assert rig.updates() == ["CP-002", "CP-001"]


def test_d31_a_frame_that_could_not_leave_is_not_listed() -> None:
    """The connection went between the decision and the frame: pending again, sent on return."""
    rig = Rig()
    rig.fleet(2)
    rollout_id = rig.create(["CP-001", "CP-002"])
    ticket = rig.service.execute_stage(rig.now, rollout_id)
    rig.service.wake(rig.now)
    link = rig.links.pop("CP-001")
    rig.service.disconnected(rig.now, "CP-001", link)
    rig.turn()
    assert isinstance(ticket.outcome, Reply)
    assert ticket.outcome.body["chargers_triggered"] == ["CP-002"]
    assert rig.charger(rollout_id, "CP-001") == {"charge_point_id": "CP-001", "status": "pending"}
    rig.connect("CP-001")
    assert rig.updates() == ["CP-002", "CP-001"]


def test_d32_max_in_flight_holds_back_and_follows() -> None:
    """Never more than the window; the next follows when one settles, not while paused."""
    rig = Rig()
    ids = rig.fleet(5)
    rollout_id = rig.create(ids, max_in_flight=2)
    assert rig.execute(rollout_id)["chargers_triggered"] == ids[:2]
    rig.install("CP-001")
    assert rig.updates() == ids[:3]
    rig.pause(rollout_id)
    rig.install("CP-002", "CP-003")
    assert rig.updates() == ids[:3]
    assert rig.execute(rollout_id)["chargers_triggered"] == ids[3:]


def test_d33_current_stage_and_stage_statuses() -> None:
    """Null before the start; a paused rollout's stage stays in progress."""
    rig, rollout_id = situations()["pending"]()
    body = rig.read(rollout_id)
    assert body["current_stage"] is None
    assert [stage["status"] for stage in body["stages"]] == ["pending", "pending"]
    rig, rollout_id = situations()["paused_unsettled"]()
    body = rig.read(rollout_id)
    assert body["current_stage"] == 1
    assert [stage["status"] for stage in body["stages"]] == ["in_progress", "pending"]


def test_d33_fleet_groups_by_version_vendor_and_model() -> None:
    """Offline chargers count, no version is `unknown`, filters and the total agree."""
    rig = Rig()
    rig.fleet(3, connect=False)
    rig.connect("CP-001", "3.5.0")
    rig.connect("CP-002", "")
    rig.disconnect("CP-001")
    body = rig.ok(lambda: rig.service.fleet_firmware(rig.now))
    versions = {one["firmware_version"]: one["charger_ids"] for one in body["versions"]}
    assert versions == {"3.5.0": ["CP-001"], "unknown": ["CP-002", "CP-003"]}
    assert body["total_chargers"] == sum(one["charger_count"] for one in body["versions"]) == 3
    assert body["versions"][0]["release_date"] is None
    for query in ({"vendor": "Nobody"}, {"site_id": "paris"}):
        empty = rig.ok(lambda query=query: rig.service.fleet_firmware(rig.now, **query))  # type: ignore[misc]
        assert empty == {"versions": [], "total_chargers": 0}


def test_d27_a_rollout_starts_once() -> None:
    """Its start is the first execute-stage, its end the last charger's; both are written once."""
    rig = Rig()
    rig.fleet(2)
    rollout_id = rig.create(["CP-001", "CP-002"], "rolling", batch_size=1)
    rig.execute(rollout_id)
    rig.pass_time(10)
    rig.install("CP-001")
    rig.execute(rollout_id)
    rig.install("CP-002")
    rig.pass_time(10)
    line = rig.ok(lambda: rig.service.list_rollouts(rig.now))["rollouts"][0]
    assert line["started_at"] == "2023-11-14T22:13:20.000Z"
    assert line["completed_at"] == "2023-11-14T22:13:30.000Z"


def test_d28_unknown_rollouts_are_404() -> None:
    """Each operation on an id nobody knows says so, also for hostile ids."""
    rig = Rig()
    for one in ("rollout_NOPE", "\ud800", "<script>"):
        for call in (rig.service.read_rollout, rig.service.execute_stage, rig.service.pause):
            problem = refusal(lambda call=call, one=one: call(rig.now, one))  # type: ignore[misc]
            assert problem.status == 404
            assert "\ud800" not in problem.detail


def test_d13_a_restart_keeps_chargers_with_the_stage_that_runs(tmp_path: Any) -> None:
    """An older rollout whose stage is settled does not take a charger back at start."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(2, connect=False)
    first = rig.create(["CP-001"])
    second = rig.create(["CP-001", "CP-002"], "rolling", batch_size=1, offline_timeout=10.0)
    rig.execute(second)
    rig.pass_time(11)
    assert rig.charger(second, "CP-001")["reason"] == "offline"
    rig.execute(first)
    rig.crash()
    rig.connect("CP-001")
    assert rig.updates(first) == ["CP-001"]


def test_d35_timers_survive_a_restart(tmp_path: Any) -> None:
    """A deadline that passes while the process is down is kept, one in the future is not moved."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(2)
    rollout_id = rig.create(["CP-001", "CP-002"], update_timeout=100.0)
    rig.execute(rollout_id)
    rig.answer("CP-001")
    rig.answer("CP-002")
    rig.pass_time(50)
    rig.report("CP-002", "Downloading")
    rig.crash(now=rig.now + 60)
    assert rig.charger(rollout_id, "CP-001")["reason"] == "timeout"
    assert rig.charger(rollout_id, "CP-002")["status"] == "downloading"
    rig.pass_time(41)
    assert rig.charger(rollout_id, "CP-002")["reason"] == "timeout"
