"""The store keeps what was committed, says clearly when it cannot, and migrates."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from reference_csms import store as store_module
from reference_csms.errors import Problem, StoreCorrupt, StoreUnavailable
from reference_csms.model import Charger, ChargerStatus, Image, Settings
from reference_csms.rollout_values import Intent, Row
from reference_csms.store import Store
from reference_csms.store_changes import AuditEntry, KeyRecord
from reference_csms.store_schema import APPLICATION_ID, MIGRATIONS
from tests.reference_csms.rig import Rig

if TYPE_CHECKING:
    from pathlib import Path


def test_columns_are_the_fields() -> None:
    """The schema and the values name the same things, in any order."""
    database = sqlite3.connect(":memory:")
    for statements in MIGRATIONS:
        database.executescript(statements)
    tables: dict[str, type[msgspec.Struct]] = {
        "charger": Charger,
        "image": Image,
        "rollout_charger": Row,
        "audit": AuditEntry,
        "idempotency_key": KeyRecord,
    }
    for table, struct in tables.items():
        columns = [line[1] for line in database.execute(f"PRAGMA table_info({table})")]
        assert sorted(columns) == sorted(struct.__struct_fields__)
    database.close()


def test_what_was_committed_comes_back_and_nothing_else(tmp_path: Path) -> None:
    """Rows keep their types through the database; the open transaction dies with the process."""
    path = str(tmp_path / "csms.db")
    store = Store(path)
    row = Row(
        rollout_id="r",
        charger_id="CP",
        position=3,
        stage=2,
        status=ChargerStatus.SCHEDULED,
        intent=Intent.SENDING,
        started_at=5.0,
        deadline=10.0,
        may_fail=False,
        request_id=7,
    )
    charger = Charger(charger_id="CP", accepted=True, last_seen=12.0)
    store.put_row(row)
    store.put_charger(charger)
    assert store.changes
    assert store.commit() == 1
    store.put_charger(Charger(charger_id="lost"))
    store.close()
    store = Store(path)
    assert store.rows_of(row.rollout_id) == [row]
    assert store.chargers() == [charger]
    assert store.epoch == 2
    assert store.last_time() == 0.0
    entry = AuditEntry(number=1, time=7.5, kind="x", rollout_id=None, charger_id=None, data={})
    store.add_audit(entry)
    store.commit()
    assert (store.last_time(), store.last_audit_number()) == (7.5, 1)
    store.close()


def test_one_process_owns_a_database(tmp_path: Path) -> None:
    """A second CSMS on the same file would trigger chargers twice: it is refused."""
    store = Store(str(tmp_path / "csms.db"))
    with pytest.raises(StoreUnavailable) as caught:
        Store(str(tmp_path / "csms.db"))
    assert caught.value.why == "locked"
    store.close()


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    """We never write into a database that is not ours, or that we do not understand."""
    text = tmp_path / "notes.txt"
    text.write_text("this is not a database, but it is long enough to look like a file" * 40)
    with pytest.raises(StoreCorrupt):
        Store(str(text))
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    with pytest.raises(StoreCorrupt, match="not one of this program"):
        Store(str(tmp_path / "foreign.db"))
    Store(str(tmp_path / "new.db")).close()
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreCorrupt, match="schema version 99"):
        Store(str(tmp_path / "new.db"))


def test_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    """No traceback of sqlite3: our own error with the reason."""
    with pytest.raises(StoreUnavailable):
        Store(str(tmp_path / "nowhere" / "csms.db"))


def test_older_databases_migrate_and_keep_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema step added later is applied once; a broken one leaves the file as it was."""
    path = str(tmp_path / "csms.db")
    store = Store(path)
    store.put_charger(Charger(charger_id="CP"))
    store.commit()
    store.close()
    broken = (*MIGRATIONS, "CREATE TABLE extra (x); CREATE TABLE extra (x)")
    monkeypatch.setattr(store_module, "MIGRATIONS", broken)
    with pytest.raises(StoreUnavailable):
        Store(path)
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE extra (x)"))
    for _ in range(2):
        store = Store(path)
        assert [charger.charger_id for charger in store.chargers()] == ["CP"]
        store.close()
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    database.close()


def test_a_database_of_the_first_version_is_read_and_written(tmp_path: Path) -> None:
    """What an older program wrote is kept, and columns added since start with their defaults."""
    path = str(tmp_path / "csms.db")
    old = sqlite3.connect(path)
    old.executescript(MIGRATIONS[0])
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO charger VALUES ('CP', '', 'Acme', '', '1', 0, '', 1, NULL, '', 5.0)")
    old.commit()
    old.close()
    store = Store(path)
    charger = Charger(
        charger_id="CP", vendor="Acme", firmware_version="1", accepted=True, registered_at=5.0
    )
    assert store.chargers() == [charger]
    after = msgspec.structs.replace(charger, security_extension=True)
    store.put_charger(after)
    store.commit()
    store.close()
    store = Store(path)
    assert store.chargers() == [after]
    store.close()


# ------------------------------------------------------------------ a database that refuses


def fill_disk(rig: Rig) -> None:
    """Let the database refuse every growth, as a full disk does."""
    pages = rig.store._database.execute("PRAGMA page_count").fetchone()[0]
    rig.store._database.execute(f"PRAGMA max_page_count = {pages}")


def make_read_only(rig: Rig) -> None:
    """Let the database refuse every write."""
    rig.store._database.execute("PRAGMA query_only = ON")


def heal(rig: Rig) -> None:
    """Let the database write again."""
    rig.store._database.execute("PRAGMA max_page_count = 1073741823")
    rig.store._database.execute("PRAGMA query_only = OFF")


def test_a_value_that_cannot_be_stored_undoes_its_turn(tmp_path: Any) -> None:
    """Should a border ever leak one, memory and disk stay together and the service goes on."""
    rig = Rig(path=str(tmp_path / "csms.db"))
    rig.fleet(1)
    rig.service._state.set_charger(Charger(charger_id="\ud800"))
    ticket = rig.service.list_rollouts(rig.now)
    rig.turn()
    assert isinstance(ticket.outcome, Problem)
    assert rig.service.known("\ud800") is None
    rig.pass_time(2)
    assert rig.execute(rig.create(["CP-001"]))["chargers_triggered"] == ["CP-001"]


@pytest.mark.parametrize("breakage", [fill_disk, make_read_only])
def test_a_refused_write_is_a_503_without_effect(tmp_path: Any, breakage: Any) -> None:
    """No frame leaves, no answer is wrong, and all goes on once the disk is back."""
    rig = Rig(path=str(tmp_path / "csms.db"), settings=Settings(instance="rig", batch=200))
    ids = rig.fleet(200)
    rollout_id = rig.create(ids)
    before = rig.read(rollout_id)
    breakage(rig)
    ticket = rig.service.execute_stage(rig.now, rollout_id)
    rig.turn()
    assert isinstance(ticket.outcome, Problem)
    assert ticket.outcome.status == 503
    assert rig.updates() == []
    assert rig.read(rollout_id) == before
    assert rig.service.next_wake() is None or rig.service.next_wake() > rig.now  # type: ignore[operator]
    heal(rig)
    rig.pass_time(2)
    assert rig.execute(rollout_id)["chargers_triggered"] == ids
    rig.install(*ids)
    assert rig.read(rollout_id)["status"] == "completed"


def test_a_disk_that_fills_up_during_dispatch_stops_it_cleanly(tmp_path: Any) -> None:
    """What left is durable, the rest waits; the answer lists exactly what left."""
    rig = Rig(path=str(tmp_path / "csms.db"), settings=Settings(instance="rig", batch=100))
    ids = rig.fleet(300)
    rollout_id = rig.create(ids)
    ticket = rig.service.execute_stage(rig.now, rollout_id)
    rig.service.wake(rig.now)
    for item in rig.service.commit(rig.now):
        rig.deliver(item)
    assert rig.updates() == ids[:100]
    make_read_only(rig)
    rig.turn()
    assert rig.updates() == ids[:100]
    heal(rig)
    rig.pass_time(2)
    assert rig.updates() == ids
    assert ticket.outcome is not None
    assert ticket.outcome.body["chargers_triggered"] == ids  # type: ignore[union-attr]
    rig.install(*ids)
    assert rig.read(rollout_id)["status"] == "completed"
