"""The contract's decisions about creating, one test a decision (contract of the reference CSMS)."""

from __future__ import annotations

from typing import Any

import pytest

from reference_csms.errors import Problem
from reference_csms.model import CreateRollout, Reply, Settings, parse_date, rfc3339
from tests.reference_csms.rig import URL, Rig


def refused(rig: Rig, ids: list[str], strategy: str = "all_at_once", **fields: Any) -> Problem:
    """Return the refusal of a create that must not succeed."""
    request = CreateRollout(tuple(ids), fields.pop("url", URL), strategy, **fields)
    with pytest.raises(Problem) as caught:
        rig.service.create_rollout(rig.now, request)
    assert not rig.ok(lambda: rig.service.list_rollouts(rig.now))["rollouts"]
    return caught.value


def fields_of(problem: Problem) -> set[str]:
    """Return the names of the fields a 422 complains about."""
    assert problem.status == 422
    return {error["field"] for error in problem.members["errors"]}


def test_create_answers_as_published_and_triggers_nothing() -> None:
    """The 201 has the published shape, a Location, and no charger hears of it."""
    rig = Rig()
    ids = rig.fleet(5)
    request = CreateRollout(tuple(ids), URL, "canary", canary_count=1)
    outcome = rig.ask(lambda: rig.service.create_rollout(rig.now, request)).outcome
    assert isinstance(outcome, Reply)
    rollout_id = outcome.body["rollout_id"]
    assert outcome.status == 201
    assert outcome.headers == {"Location": f"/api/v1/cpo/firmware/rollout/{rollout_id}"}
    rig.pass_time(3600)
    assert rig.updates() == []
    assert outcome.body == {
        "rollout_id": rollout_id,
        "strategy": "canary",
        "firmware_url": URL,
        "total_chargers": 5,
        "status": "pending",
        "stages": [
            {"stage": 1, "label": "Canary", "charger_ids": ("CP-001",), "status": "pending"},
            {"stage": 2, "label": "Rollout", "charger_ids": tuple(ids[1:]), "status": "pending"},
        ],
        "created_at": rfc3339(1_700_000_000.0),
    }


def test_d13_busy_chargers_are_refused_at_create() -> None:
    """A charger of a running stage elsewhere cannot be planned again; a settled stage frees it."""
    rig = Rig()
    ids = rig.fleet(3)
    first = rig.create(ids[:2])
    rig.create(ids)  # the first is only pending: no conflict
    rig.execute(first)
    request = CreateRollout(tuple(ids), URL, "all_at_once")
    with pytest.raises(Problem) as caught:
        rig.service.create_rollout(rig.now, request)
    assert caught.value.status == 409
    assert caught.value.members["conflicts"] == ids[:2]
    assert caught.value.members["rollouts"] == [first]
    rig.install(*ids[:2])
    rig.create(ids)


def test_d13_busy_chargers_are_refused_at_execute() -> None:
    """The check is repeated when a stage starts, and a refusal has no effect."""
    rig = Rig()
    ids = rig.fleet(2)
    first, second = rig.create(ids), rig.create(ids)
    rig.execute(first)
    with pytest.raises(Problem) as caught:
        rig.service.execute_stage(rig.now, second)
    assert caught.value.status == 409
    assert rig.read(second)["status"] == "pending"
    rig.install(*ids)
    assert rig.execute(second)["chargers_triggered"] == ids


@pytest.mark.parametrize(
    ("ids", "fields", "wrong"),
    [
        ([], {}, {"charger_ids"}),
        (["CP-001", "CP-001"], {}, {"charger_ids"}),
        (["CP-001", "nobody"], {}, {"charger_ids"}),
        (["CP-001"], {"url": "http://example.com/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "http://127.0.0.1/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https://user:pass@example.com/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https://exa mple.com/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https:///x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https://example.com:99999/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https://[::1/x"}, {"firmware_url"}),
        (["CP-001"], {"url": "https://e/" + "x" * 2000}, {"firmware_url"}),
        (["CP-001"], {"strategy": "big_bang"}, {"strategy"}),
        (["CP-001"], {"retries": -1}, {"retries"}),
        (["CP-001"], {"failure_threshold": 1.5}, {"failure_threshold"}),
        (["CP-001"], {"update_timeout": 0.0}, {"update_timeout"}),
        (["CP-001"], {"max_in_flight": 0}, {"max_in_flight"}),
        (
            ["\ud800", "x"],
            {"url": "\ud800", "retries": -5},
            {"charger_ids", "firmware_url", "retries"},
        ),
    ],
)
def test_d14_bad_input_is_a_422_that_lists_every_problem(
    ids: list[str], fields: dict[str, Any], wrong: set[str]
) -> None:
    """Nothing is created, and every wrong field is named at once."""
    rig = Rig()
    rig.fleet(1)
    assert fields_of(refused(rig, ids, **fields)) == wrong


def test_d14_a_url_that_a_charger_cannot_be_told_is_refused() -> None:
    """OCPP 2.0.1 carries 512 characters, other versions more."""
    rig = Rig()
    ids = rig.fleet(2, connect=False)
    rig.connect("CP-002")
    url = "https://e/" + "x" * 600
    assert fields_of(refused(rig, ids, url=url)) == {"firmware_url"}
    rig.create(["CP-001"], url=url)
    rig.create(ids, url="https://e/" + "x" * 502)
    rig.create(["CP-001"], url="https://e/" + "x" * 1990)


def test_d14_too_many_chargers_are_refused() -> None:
    """The limit is the settings' (100 000 unless told otherwise)."""
    rig = Rig(settings=Settings(instance="rig", max_chargers=2))
    assert fields_of(refused(rig, rig.fleet(3))) == {"charger_ids"}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9"])
def test_d14_loopback_http_needs_the_switch(host: str) -> None:
    """Plain http is for rehearsals on one machine only, and only when asked for."""
    rig = Rig(settings=Settings(instance="rig", insecure_firmware_url=True))
    ids = rig.fleet(1)
    assert fields_of(refused(rig, ids, url="http://192.0.2.1/x")) == {"firmware_url"}
    rig.create(ids, url=f"http://{host}/x")


@pytest.mark.parametrize(
    ("strategy", "fields", "sizes"),
    [
        ("canary", {}, [1, 24]),
        ("canary", {"canary_count": 3}, [3, 22]),
        ("canary", {"canary_count": 25}, [25]),
        ("canary", {"canary_count": 99}, [25]),
        ("rolling", {}, [3, 3, 3, 3, 3, 3, 3, 3, 1]),
        ("rolling", {"batch_size": 10}, [10, 10, 5]),
        ("rolling", {"batch_size": 99}, [25]),
        ("all_at_once", {}, [25]),
    ],
)
def test_d15_d16_d17_stage_sizes_and_order(
    strategy: str, fields: dict[str, Any], sizes: list[int]
) -> None:
    """Sizes are clamped, the default batch is a tenth rounded up, and request order is kept."""
    rig = Rig()
    ids = rig.fleet(25, connect=False)
    ids.reverse()
    stages = rig.read(rig.create(ids, strategy, **fields))["stages"]
    members = [[one["charge_point_id"] for one in stage["chargers"]] for stage in stages]
    assert [len(one) for one in members] == sizes
    assert [one for stage in members for one in stage] == ids
    label = {"canary": "Canary", "rolling": "Batch 1", "all_at_once": "All"}[strategy]
    assert stages[0]["label"] == label


@pytest.mark.parametrize("count", range(1, 21))
def test_d16_default_batch_is_a_tenth_rounded_up(count: int) -> None:
    """In integers, and at least one."""
    rig = Rig()
    ids = rig.fleet(count, connect=False)
    first = rig.read(rig.create(ids, "rolling"))["stages"][0]["chargers"]
    assert len(first) == (count + 9) // 10


@pytest.mark.parametrize(
    ("strategy", "fields"),
    [
        ("canary", {"canary_count": 0}),
        ("rolling", {"batch_size": 0}),
        ("rolling", {"batch_size": -3}),
        ("rolling", {"canary_count": 1}),
        ("canary", {"batch_size": 1}),
        ("all_at_once", {"batch_size": 1}),
    ],
)
def test_d15_meaningless_sizes_are_refused(strategy: str, fields: dict[str, Any]) -> None:
    """Below one, or of another strategy: 422."""
    rig = Rig()
    assert fields_of(refused(rig, rig.fleet(3), strategy, **fields)) == set(fields)


@pytest.mark.parametrize(
    "text", ["2030-01-01T00:00:00", "tomorrow", "2030-13-01T00:00:00Z", "", "9999-01-01T00:00:00Z"]
)
def test_d18_retrieve_date_needs_an_offset(text: str) -> None:
    """A date that could mean several moments is refused."""
    rig = Rig()
    assert fields_of(refused(rig, rig.fleet(1), retrieve_date=text)) == {"retrieve_date"}


@pytest.mark.parametrize("text", ["2001-01-01T00:00:00Z", "2030-01-01T00:00:00+02:00"])
def test_d18_explicit_dates_are_the_same_for_every_stage(text: str) -> None:
    """Past dates are sent as they are."""
    rig = Rig()
    ids = rig.fleet(2)
    rollout_id = rig.create(ids, "rolling", batch_size=1, retrieve_date=text)
    rig.execute(rollout_id)
    rig.pass_time(60)
    rig.install(ids[0])
    rig.execute(rollout_id)
    dates = [item.retrieve_at for kind, item in rig.log if kind == "frame"]
    assert dates == [parse_date(text)] * 2


def test_d18_without_a_date_each_charger_gets_its_own_dispatch_time() -> None:
    """Immediately on execution means now, for each."""
    rig = Rig()
    ids = rig.fleet(1)
    rig.fleet(2, connect=False)
    rollout_id = rig.create(["CP-001", "CP-002"])
    rig.execute(rollout_id)
    rig.pass_time(60)
    rig.connect("CP-002")
    dates = [item.retrieve_at for kind, item in rig.log if kind == "frame"]
    assert dates == [rig.now - 60, rig.now]
    assert ids == ["CP-001"]


def test_d19_a_create_is_repeated_by_its_key() -> None:
    """The same key gives the same rollout and the same body, even after it has moved on."""
    rig = Rig()
    ids = rig.fleet(2)
    request = CreateRollout(tuple(ids), URL, "all_at_once")
    first = rig.ok(lambda: rig.service.create_rollout(rig.now, request, "key-1"))
    rig.execute(first["rollout_id"])
    assert rig.ok(lambda: rig.service.create_rollout(rig.now, request, "key-1")) == first
    other = CreateRollout(tuple(ids[:1]), URL, "all_at_once")
    with pytest.raises(Problem, match="Idempotency-Key"):
        rig.service.create_rollout(rig.now, other, "key-1")
    assert len(rig.ok(lambda: rig.service.list_rollouts(rig.now))["rollouts"]) == 1
