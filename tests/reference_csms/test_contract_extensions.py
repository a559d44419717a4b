"""Extensions, restarts and refusals of the database: what the published API does not show."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from reference_csms.errors import Problem, StoreUnavailable
from reference_csms.model import CreateRollout, Image, NewCharger, Reply, SendUpdate
from tests.reference_csms.rig import URL, Rig


def kinds(rig: Rig, rollout_id: str | None = None) -> list[str]:
    """Return the kinds of the audit trail."""
    body = rig.ok(lambda: rig.service.audit(rig.now, rollout_id))
    return [entry["kind"] for entry in body["entries"]]


# ------------------------------------------------------------------ D29


def test_d29_registering_changes_and_keeps() -> None:
    """A second registration overwrites what it names, keeps the rest, and is audited once."""
    rig = Rig()
    rig.fleet(1)
    again = [NewCharger("CP-001", site_id="paris", password_hash="hash")]
    body = rig.ok(lambda: rig.service.register(rig.now, again))
    assert body["chargers"][0]["site_id"] == "paris"
    assert body["chargers"][0]["vendor"] == "ABB"
    assert "password_hash" not in body["chargers"][0]
    rig.ok(lambda: rig.service.register(rig.now, [NewCharger("CP-001")]))
    charger = rig.service.known("CP-001")
    assert charger is not None
    assert (charger.password_hash, charger.accepted) == ("hash", True)
    assert kinds(rig).count("registered") == 2


@pytest.mark.parametrize(
    ("charger", "field"),
    [
        (NewCharger(""), "charge_point_id"),
        (NewCharger("a\x00"), "charge_point_id"),
        (NewCharger("a" * 300), "charge_point_id"),
        (NewCharger("a", vendor="\ud800"), "vendor"),
        (NewCharger("a", site_id="x" * 300), "site_id"),
    ],
)
def test_d29_a_charger_that_cannot_be_kept_is_refused(charger: NewCharger, field: str) -> None:
    """All or nothing: its good neighbour is not registered either."""
    rig = Rig()
    with pytest.raises(Problem) as caught:
        rig.service.register(rig.now, [NewCharger("good"), charger])
    assert [error["field"] for error in caught.value.members["errors"]] == [field]
    assert rig.service.known("good") is None


def test_d29_listing_filters_chargers() -> None:
    """By site and vendor, with version and connection state."""
    rig = Rig()
    rig.fleet(2)
    rig.disconnect("CP-002")
    body = rig.ok(lambda: rig.service.list_chargers(rig.now, site_id="berlin", vendor="ABB"))
    assert [one["connected"] for one in body["chargers"]] == [True, False]
    assert body["chargers"][0]["firmware_version"] == "3.4.1"
    assert body["chargers"][1]["last_seen"] == "2023-11-14T22:13:20.000Z"
    assert rig.ok(lambda: rig.service.list_chargers(rig.now, site_id="rome"))["total"] == 0


def test_d29_the_catalogue_survives_and_dates_versions(tmp_path: Any) -> None:
    """PEM has lines; after a restart the image is there and the fleet shows its release date."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(1, version="3.5.1")
    image = Image(
        url=URL, version="3.5.1", release_date="2024-04-01", signing_certificate="BEGIN\nEND\n"
    )
    rig.ok(lambda: rig.service.put_image(rig.now, image))
    assert kinds(rig)[-1] == "catalogued"
    rig.crash()
    images = rig.ok(lambda: rig.service.list_images(rig.now))["images"]
    assert images[0]["signing_certificate"] == "BEGIN\nEND\n"
    fleet = rig.ok(lambda: rig.service.fleet_firmware(rig.now))
    assert fleet["versions"][0]["release_date"] == "2024-04-01"


def test_d29_the_trail_of_one_rollout_is_only_its_own() -> None:
    """Filtered by rollout, resumable by number, and an unknown rollout is a 404."""
    rig = Rig()
    rig.fleet(2)
    first, second = rig.create(["CP-001"]), rig.create(["CP-002"])
    rig.execute(second)
    rig.service.record_call(rig.now, "CP-001", "Reset", {"status": "Accepted"})
    assert kinds(rig, first) == ["created"]
    assert kinds(rig, second) == ["created", "executed", "charger"]
    assert kinds(rig)[-1] == "call"
    entries = rig.ok(lambda: rig.service.audit(rig.now, limit=2))["entries"]
    rest = rig.ok(lambda: rig.service.audit(rig.now, after=entries[-1]["number"]))["entries"]
    assert rest[0]["number"] == entries[-1]["number"] + 1
    with pytest.raises(Problem):
        rig.service.audit(rig.now, "rollout_NOPE")


def test_d29_progress_outside_of_a_rollout_shows_nothing() -> None:
    """A known charger without an update: 0; an unknown one: 404."""
    rig = Rig()
    rig.fleet(1)
    body = rig.ok(lambda: rig.service.progress(rig.now, "CP-001", 50))
    assert body["progress_percent"] == 0
    with pytest.raises(Problem):
        rig.service.progress(rig.now, "nobody", 50)


def test_d19_two_creates_with_one_key_in_one_turn_are_one_rollout() -> None:
    """The key counts from the moment it is used, not from its commit."""
    rig = Rig()
    request = CreateRollout(tuple(rig.fleet(1)), URL, "all_at_once")
    tickets = [rig.service.create_rollout(rig.now, request, "key") for _ in range(2)]
    rig.turn()
    bodies = [one.outcome.body for one in tickets if isinstance(one.outcome, Reply)]
    assert bodies[0] == bodies[1]
    assert len(rig.ok(lambda: rig.service.list_rollouts(rig.now))["rollouts"]) == 1


def test_published_shapes_carry_nothing_more() -> None:
    """A charger on its way has exactly the five published fields."""
    rig = Rig()
    rig.fleet(1)
    rollout_id = rig.create(["CP-001"])
    rig.execute(rollout_id)
    assert set(rig.charger(rollout_id, "CP-001")) == {
        "charge_point_id",
        "status",
        "progress_percent",
        "started_at",
        "completed_at",
    }


# ------------------------------------------------------------------ slots, windows, questions


def test_d31_a_slot_taken_while_waiting_is_respected() -> None:
    """A charger that waits for the window and gets busy is not sent when the window opens."""
    rig = Rig()
    rig.fleet(2)
    rig.execute(rig.create(["CP-001", "CP-002"], max_in_flight=1))
    link = rig.links["CP-002"]
    rig.service.slot(rig.now, "CP-002", link, free=False)
    rig.install("CP-001")
    assert rig.updates() == ["CP-001"]
    rig.service.slot(rig.now, "CP-002", link, free=True)
    rig.turn()
    assert rig.updates() == ["CP-001", "CP-002"]


def test_d31_a_replaced_connection_takes_its_place_in_the_queue_along() -> None:
    """The new connection is not usable before its boot, whoever waited on the old one."""
    rig = Rig()
    rig.fleet(2)
    rig.execute(rig.create(["CP-001", "CP-002"], max_in_flight=1))
    rig.connect("CP-002", version=None)
    rig.install("CP-001")
    assert rig.updates() == ["CP-001"]
    rig.pass_time(6)
    assert rig.updates() == ["CP-001", "CP-002"]


def test_d11_a_charger_that_leaves_before_its_turn_gets_an_offline_clock() -> None:
    """It was there at execute-stage, busy; the clock starts when it goes."""
    rig = Rig()
    rig.fleet(1)
    rig.service.slot(rig.now, "CP-001", rig.links["CP-001"], free=False)
    rollout_id = rig.create(["CP-001"], offline_timeout=100.0)
    rig.execute(rollout_id)
    rig.pass_time(500)
    rig.disconnect("CP-001")
    rig.pass_time(99)
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"
    rig.pass_time(2)
    assert rig.charger(rollout_id, "CP-001")["reason"] == "offline"


def test_d21_a_question_that_could_not_leave_is_asked_again() -> None:
    """On the next occasion, not never."""
    rig = Rig()
    rig.fleet(1)
    rig.execute(rig.create(["CP-001"]))
    rig.time_out("CP-001")
    call = rig.calls.pop("CP-001")
    rig.service.undelivered(rig.now, "CP-001", call.message_id)
    rig.service.slot(rig.now, "CP-001", call.connection, free=True)
    rig.turn()
    assert rig.asks() == ["CP-001", "CP-001"]


# ------------------------------------------------------------------ restarts


def test_a_restart_remembers_whose_installed_was_last(tmp_path: Any) -> None:
    """The old version after Installed is flagged also when the CSMS restarted in between (D23)."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(1)
    rollout_id = rig.create(["CP-001"])
    rig.execute(rollout_id)
    rig.install("CP-001")
    rig.crash()
    rig.connect("CP-001", "3.4.1")
    assert rig.charger(rollout_id, "CP-001")["version_mismatch"] is True


def test_a_restart_starts_the_offline_clock_of_who_was_connected(tmp_path: Any) -> None:
    """Seen until the process died; further restarts do not move it (D35)."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(1)
    rig.service.slot(rig.now, "CP-001", rig.links["CP-001"], free=False)
    rollout_id = rig.create(["CP-001"], offline_timeout=100.0)
    rig.execute(rollout_id)
    rig.crash(now=rig.now + 500)
    rig.crash(now=rig.now + 60)
    assert rig.charger(rollout_id, "CP-001")["status"] == "pending"
    rig.pass_time(41)
    assert rig.charger(rollout_id, "CP-001")["reason"] == "offline"


# ------------------------------------------------------------------ a database that refuses


def test_a_database_that_cannot_be_read_back_is_a_503_until_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a failed write the state is what the file says; without it nobody gets an answer."""
    rig = Rig()
    rig.fleet(1)
    rollout_id = rig.create(["CP-001"])

    def broken(*_: Any) -> Any:
        raise StoreUnavailable("io", "disk I/O error")

    def refuse() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "_write", refuse)
        patched.setattr(rig.store, "rows_at_hand", broken)
        ticket = rig.service.execute_stage(rig.now, rollout_id)
        rig.turn()
        assert isinstance(ticket.outcome, Problem)
        assert ticket.outcome.status == 503
        with pytest.raises(Problem, match="cannot be read"):
            rig.service.read_rollout(rig.now, rollout_id)
        rig.pass_time(5)
        with pytest.raises(Problem, match="cannot be read"):
            rig.service.read_rollout(rig.now, rollout_id)
        rig.service.firmware_status(rig.now, "CP-001", "Installed")
    rig.pass_time(2)
    assert rig.read(rollout_id)["status"] == "pending"
    assert rig.execute(rollout_id)["chargers_triggered"] == ["CP-001"]


def test_a_failed_write_takes_nothing_with_it_that_is_volatile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Connections stay usable, questions are asked again, and no message id is used twice."""
    rig = Rig()
    rig.fleet(2)
    rig.disconnect("CP-002")
    rollout_id = rig.create(["CP-001", "CP-002"])
    rig.execute(rollout_id)
    rig.connect("CP-002", version=None)  # its grace runs
    rig.pause(rollout_id)
    call = rig.calls.pop("CP-001")
    rig.service.unanswered(rig.now, "CP-001", call.message_id, "timeout")
    rig.turn()
    used = [rig.service.message_id()]
    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "_write", lambda: (_ for _ in ()).throw(ValueError("full")))
        rig.service.slot(rig.now, "CP-001", call.connection, free=True)
        rig.turn()
        assert rig.asks() == []
    rig.pass_time(6)
    assert (rig.asks(), rig.updates()) == (["CP-001"], ["CP-001"])
    rig.execute(rollout_id)
    assert rig.updates() == ["CP-001", "CP-002"]
    used += [item.message_id for kind, item in rig.log if kind == "frame"]
    used.append(rig.service.message_id())
    assert len(used) == len(set(used))
    requests = [item.request_id for _, item in rig.log if isinstance(item, SendUpdate)]
    assert len(requests) == len(set(requests))
