"""The store of virtual time holds what the real one holds, also after a restart."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from reference_csms import store_late
from reference_csms.model import Charger, ChargerStatus, Image, Strategy
from reference_csms.rollout_values import Head, Intent, Plan, Row
from reference_csms.store import Store
from reference_csms.store_changes import AuditEntry, KeyRecord
from reference_csms.store_late import LateStore

if TYPE_CHECKING:
    import pytest

SMALL = st.integers(0, 3)
CHANGES = st.tuples(
    st.sampled_from(
        ("charger", "removal", "image", "rollout", "head", "row", "audit", "key", "commit",
         "forget", "restart")
    ),
    SMALL,
    SMALL,
)  # fmt: skip


def head_of(number: int, installed: int) -> Head:
    """Return the head of a rollout of three chargers."""
    plan = Plan(
        rollout_id=f"r{number}",
        strategy=Strategy.ROLLING,
        firmware_url="https://firmware.example/1",
        total=3,
        first=1,
        batch=1,
        created_at=1.0,
    )
    return Head(plan=plan, installed=installed)


def row_of(number: int, version: int) -> Row:
    """Return the row of one charger in rollout 1."""
    return Row(
        rollout_id="r1",
        charger_id=f"CP{number}",
        position=number,
        stage=1,
        status=ChargerStatus.DOWNLOADING if version else ChargerStatus.SCHEDULED,
        intent=Intent.SENT,
        started_at=float(version),
        deadline=9.0,
        request_id=version,
    )


def change(store: Store, kind: str, one: int, two: int, *, number: int) -> None:
    """Make one change, the same in every store."""
    if kind == "charger":
        store.put_charger(Charger(charger_id=f"CP{one}", last_seen=float(two)))
    elif kind == "removal":
        store.remove_charger(f"CP{one}")
    elif kind == "image":
        store.put_image(Image(url=f"https://firmware.example/{one}", version=str(two)))
    elif kind == "rollout":
        store.add_rollout(number, ("CP0", "CP1"), head_of(number, 0))
    elif kind == "head":
        store.put_head(head_of(one, two))
    elif kind == "row":
        store.put_row(row_of(one, two))
    elif kind == "audit":
        told = {"n": two}
        store.add_audit(AuditEntry(number=number, time=float(number), kind="row",
                                   rollout_id="r1", charger_id=None, data=told))  # fmt: skip
    elif kind == "key":
        store.put_key(KeyRecord(key=f"k{one}", operation="create", fingerprint="f",
                                rollout_id="r1", stage=two, time=1.0))  # fmt: skip
    else:
        getattr(store, kind)()


def at_hand(store: Store) -> dict[str, Any]:
    """Return what does not need a look at the whole database."""
    return {
        "rows": sorted(store.rows_of("r1"), key=lambda row: (row.charger_id, row.started_at or 0)),
        "keys": [store.key("create", f"k{one}") for one in range(4)],
        "sequence": store.sequence,
        "epoch": store.epoch,
    }


def everything(store: Store) -> dict[str, Any]:
    """Return all that a restart reads."""
    return {
        "chargers": sorted(store.chargers(), key=lambda charger: charger.charger_id),
        "images": sorted(store.images(), key=lambda image: image.url),
        "rollouts": store.rollouts(),
        "hand": sorted(store.rows_at_hand(["r1"]), key=lambda row: row.charger_id),
        "counts": store.stage_counts(),
        "audit": store.audit(None, 0, 1000),
        "numbers": (store.last_request_id(), store.last_audit_number(), store.last_time()),
    }


def the_last_of_each(rows: list[Row]) -> dict[str, Row]:
    """Return what a list of durable rows with later ones behind them says of each charger."""
    return {row.charger_id: row for row in rows}


@given(st.lists(CHANGES, max_size=40), st.booleans())
def test_it_holds_what_the_real_one_holds(
    changes: list[tuple[str, int, int]], reads_between: bool
) -> None:
    """Whatever is changed, committed, forgotten or cut off, and whenever somebody reads."""
    real, late = Store(":memory:"), LateStore()
    for number, (kind, one, two) in enumerate(changes):
        for store in (real, late):
            change(store, kind, one, two, number=number)
        assert the_last_of_each(real.rows_of("r1")) == the_last_of_each(late.rows_of("r1"))
        assert at_hand(real) | {"rows": ()} == at_hand(late) | {"rows": ()}
        assert real.blank == late.blank
        if reads_between and kind == "restart":
            assert everything(real) == everything(late)
    assert everything(real) == everything(late)
    real.close()
    late.close()


def test_a_drill_without_a_restart_opens_no_database() -> None:
    """What is the point of it."""
    late = LateStore()
    change(late, "row", 1, 1, number=1)
    change(late, "commit", 0, 0, number=2)
    assert late.rows_of("r1")
    assert late.key("create", "k1") is None
    assert late._written is None
    assert late.last_request_id() == 1
    assert late._written is not None
    late.close()


def test_a_long_audit_trail_does_not_stay_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite holds a line in less than we do."""
    monkeypatch.setattr(store_late, "MOST_LATE", 3)
    late = LateStore()
    for number in range(1, 6):
        change(late, "audit", 1, 1, number=number)
        change(late, "commit", 0, 0, number=number)
    assert len(late._late.audit) == 1
    assert [line.number for line in late.audit("r1", 0, 10)] == [1, 2, 3, 4, 5]
    late.close()


def test_one_that_is_forgotten_closes_in_whatever_thread() -> None:
    """The garbage collector of another thread may be the one that finds it."""
    kept = []

    def open_one() -> None:
        kept.append(LateStore())
        kept[0].last_request_id()

    opening = threading.Thread(target=open_one)
    opening.start()
    opening.join()
    kept.clear()
    gc.collect()  # an error in `__del__` would be one of this test
