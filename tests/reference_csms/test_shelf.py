"""Finished rollouts leave memory, and nobody can tell."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_csms import service_state
from reference_csms.errors import Problem
from tests.reference_csms.rig import Rig


def finished(rig: Rig, ids: list[str]) -> str:
    """Roll an update out to chargers, the last of which fails."""
    rollout = rig.create(ids)
    rig.execute(rollout)
    rig.install(*ids[:-1])
    rig.fail(ids[-1])
    return rollout


def rows(rig: Rig, rollout: str) -> set[str]:
    """Return the chargers whose rows of a rollout are in memory."""
    return set(rig.service._state.rollouts[rollout].rows)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_state, "ROWS_AT_HAND", 4)


def test_memory_grows_with_the_fleet_and_not_with_its_history() -> None:
    """Of all but the latest rollouts only the rows of those who may still report are kept."""
    rig = Rig()
    ids = rig.fleet(4)
    done = [finished(rig, ids) for _ in range(5)]
    assert [len(rows(rig, one)) for one in done] == [0, 0, 0, 0, 4]
    few = finished(rig, ids[:2])
    # The latest is whole; CP-003 and CP-004 still belong to the one before it.
    assert rows(rig, few) == set(ids[:2])
    assert rows(rig, done[4]) == set(ids[2:])


def test_a_rollout_on_the_shelf_reads_as_before() -> None:
    """Every field of every charger, again and again, after a restart as well."""
    rig = Rig()
    ids = rig.fleet(4)
    first = finished(rig, ids)
    before = rig.read(first)
    others = [finished(rig, ids) for _ in range(3)]
    assert rows(rig, first) == set()
    assert rig.read(first) == before
    assert len(rows(rig, first)) == 4  # it is at hand now, and another one is not
    assert rows(rig, others[0]) == set()
    rig.crash()
    assert rows(rig, first) == set()
    assert rig.read(first) == before


def test_who_belongs_to_a_rollout_on_the_shelf_still_reports_to_it() -> None:
    """A boot with the old version after Installed is a mismatch (D23), however long ago."""
    rig = Rig()
    ids = rig.fleet(8)
    first = finished(rig, ids[:4])
    for _ in range(2):
        finished(rig, ids[4:])
    assert rows(rig, first) == set(ids[:4])
    rig.disconnect(ids[0])
    rig.connect(ids[0], "3.4.1")
    assert rig.charger(first, ids[0])["version_mismatch"] is True
    finished(rig, ids[1:4])
    finished(rig, ids[4:])
    assert rows(rig, first) == {ids[0]}
    assert rig.charger(first, ids[0])["version_mismatch"] is True
    assert rig.charger(first, ids[1])["status"] == "installed"


def test_a_late_status_changes_nothing_on_the_shelf_either() -> None:
    """It is answered and recorded, and the rollout reads as before (D22)."""
    rig = Rig()
    ids = rig.fleet(8)
    first = finished(rig, ids[:4])
    before = rig.read(first)
    finished(rig, ids[4:])
    finished(rig, ids[4:])
    rig.report(ids[0], "Downloading", "InstallationFailed")
    assert rig.read(first) == before


def test_timers_of_a_rollout_on_the_shelf_do_nothing() -> None:
    """The time-outs of its chargers come due when they have long settled."""
    rig = Rig()
    ids = rig.fleet(4)
    first = finished(rig, ids)
    before = rig.read(first)
    for _ in range(3):
        finished(rig, ids)
    rig.pass_time(20_000.0)
    assert rows(rig, first) == set()
    assert rig.read(first) == before


def test_the_shelf_out_of_reach_is_a_503() -> None:
    """A database that cannot be read refuses one request and breaks nothing."""
    rig = Rig()
    ids = rig.fleet(4)
    first = finished(rig, ids)
    before = rig.read(first)
    last = [finished(rig, ids) for _ in range(3)][-1]
    database = rig.store._database

    class Unreadable:
        def __getattr__(self, name: str) -> Any:
            if name == "cursor":
                raise sqlite3.OperationalError("disk I/O error")
            return getattr(database, name)

    rig.store._database = Unreadable()  # type: ignore[assignment]
    with pytest.raises(Problem) as problem:
        rig.read(first)
    assert problem.value.status == 503
    assert rig.read(last)["status"] == "completed"
    rig.store._database = database
    assert rig.read(first) == before


CHARGERS = [f"CP-{number:03}" for number in range(1, 5)]
WAYS = (
    ["Downloading", "Downloaded", "Installing", "Installed"],
    ["Downloading", "InstallationFailed"],
    ["Downloading"],
    ["Installed"],
)
one = st.sampled_from(CHARGERS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.lists(one, min_size=1, unique=True)),
        st.tuples(st.just("execute"), st.integers(0, 9)),
        st.tuples(st.just("pause"), st.integers(0, 9)),
        st.tuples(st.just("read"), st.integers(0, 9)),
        st.tuples(st.just("retry"), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("work"), one, st.sampled_from(WAYS)),
        st.tuples(st.just("everyone"), st.sampled_from(WAYS[:2])),
        st.tuples(st.just("boot"), one, st.sampled_from(["3.4.1", "3.5.1"])),
        st.tuples(st.just("wait"), st.sampled_from([1.0, 4_000.0])),
        st.tuples(st.just("crash")),
    ),
    max_size=40,
)


def played(script: list[tuple[Any, ...]], at_hand: int) -> list[Any]:
    """Play a script and return everything that an operator and the chargers were told."""
    before, service_state.ROWS_AT_HAND = service_state.ROWS_AT_HAND, at_hand
    try:
        rig, ids, told = Rig(), list[str](), list[Any]()
        rig.fleet(len(CHARGERS))
        for step in [*script, *(("read", number) for number in range(9))]:
            try:
                told.append(_play(rig, ids, step))
            except Problem as problem:
                told.append((problem.status, problem.body()))
        told.append([item for kind, item in rig.log if kind == "frame"])
    finally:
        service_state.ROWS_AT_HAND = before
    return told


@given(steps)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_restart_finds_what_the_rows_say(script: list[tuple[Any, ...]]) -> None:
    """Counters of stages and whose statuses belong where, although few rows are read."""
    rig, ids = Rig(), list[str]()
    rig.fleet(len(CHARGERS))
    for step in script:
        with contextlib.suppress(Problem):
            _play(rig, ids, step)
    rig.crash()
    state = rig.service._state
    started: dict[str, tuple[float, str]] = {}
    for rollout, live in state.rollouts.items():
        counted: dict[int, list[int]] = {}
        for row in rig.store.rows_of(rollout):
            stage = counted.setdefault(row.stage, [0, 0, 0])
            stage[0] += row.triggered and not row.settled
            stage[1] += row.settled and row.status == "installed"
            stage[2] += row.settled and row.status != "installed"
            if row.started_at is not None:
                latest = started.get(row.charger_id, (0.0, ""))
                started[row.charger_id] = max(latest, (row.started_at, rollout))
        found = {n: [s.active, s.installed, s.failed] for n, s in live.stages.items()}
        assert {n: s for n, s in found.items() if any(s)} == {
            n: s for n, s in counted.items() if any(s)
        }
        assert live.whole is not live.head.terminal
    waiting = {one for live in state.open.values() for one in live.charger_ids}
    for charger, (_, rollout) in started.items():
        assert state.engaged[charger] == rollout or charger in waiting


def _play(rig: Rig, ids: list[str], step: tuple[Any, ...]) -> Any:
    match step:
        case ("create", list(chargers)):
            ids.append(rig.create(chargers))
        case ("wait", float(seconds)):
            rig.pass_time(seconds)
        case ("crash",):
            rig.crash()
        case ("boot", str(charger), str(version)):
            if charger in rig.links:
                rig.disconnect(charger)
            rig.connect(charger, version)
        case ("work", str(charger), list(way)):
            _work(rig, charger, way)
        case ("everyone", list(way)):
            for charger in CHARGERS:
                _work(rig, charger, way)
        case (str(name), int(which)) if which < len(ids):
            return _ask(rig, ids, name, ids[which])
    return None


def _ask(rig: Rig, ids: list[str], name: str, rollout: str) -> Any:
    service = rig.service
    operations = {
        "read": service.read_rollout,
        "execute": service.execute_stage,
        "pause": service.pause,
        "retry": service.retry,
        "cancel": service.cancel,
    }
    body = rig.ok(lambda: operations[name](rig.now, rollout))
    if name == "retry":
        ids.append(body["rollout_id"])
    return body


def _work(rig: Rig, charger: str, way: list[str]) -> None:
    if charger in rig.links:
        if charger in rig.calls:
            rig.answer(charger)
        rig.report(charger, *way)


@given(steps)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_nobody_can_tell_where_a_rollout_is_kept(script: list[tuple[Any, ...]]) -> None:
    """Whatever happens: a CSMS that shelves at once says what one says that shelves nothing."""
    assert played(script, 0) == played(script, 1_000_000)
