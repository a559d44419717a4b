"""What one transaction writes: the changes of a turn, each row once. A core but for `write`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import Charger, Image
from reference_csms.rollout_values import Head, Row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit trail; `data` is JSON in the database."""

    number: int
    time: float
    kind: str
    rollout_id: str | None
    charger_id: str | None
    data: dict[str, Any]


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was done under an Idempotency-Key; `body` is the JSON answered, '' until it was."""

    key: str
    operation: str
    fingerprint: str
    rollout_id: str
    stage: int
    time: float
    body: str = ""


def _upsert(table: str, struct: type[msgspec.Struct]) -> str:
    columns = ", ".join(struct.__struct_fields__)
    marks = ", ".join("?" for _ in struct.__struct_fields__)
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - our names


_PUT_CHARGER = _upsert("charger", Charger)
_PUT_IMAGE = _upsert("image", Image)
_PUT_ROW = _upsert("rollout_charger", Row)
_PUT_AUDIT = _upsert("audit", AuditEntry)
_PUT_KEY = _upsert("idempotency_key", KeyRecord)


def _audit_row(entry: AuditEntry) -> tuple[Any, ...]:
    *others, data = msgspec.structs.astuple(entry)
    return *others, msgspec.json.encode(data).decode()


class Changes:
    """Changes in the order in which they are written; a later one of the same row replaces it."""

    __slots__ = ("audit", "chargers", "heads", "images", "keys", "rollouts", "rows")

    def __init__(self) -> None:
        self.chargers: dict[str, Charger | None] = {}  # None: removed
        self.images: dict[str, Image] = {}
        self.rollouts: list[tuple[int, str, str, str]] = []  # number, id, chargers, head
        self.heads: dict[str, Head] = {}
        self.rows: dict[tuple[str, str], Row] = {}  # rollout, charger
        self.audit: list[AuditEntry] = []
        self.keys: dict[tuple[str, str], KeyRecord] = {}  # operation, key

    def __bool__(self) -> bool:
        return bool(
            self.audit
            or self.chargers
            or self.rows
            or self.heads
            or self.rollouts
            or self.keys
            or self.images
        )

    def add(self, later: Changes) -> None:
        """Take the changes of a later transaction in."""
        self.chargers |= later.chargers
        self.images |= later.images
        self.rollouts += later.rollouts
        self.heads |= later.heads
        self.rows |= later.rows
        self.audit += later.audit
        self.keys |= later.keys

    def rows_of(self, rollout_id: str) -> list[Row]:
        """Return the changed chargers of one rollout."""
        return [row for (one, _), row in self.rows.items() if one == rollout_id]

    def write(self, database: sqlite3.Connection) -> None:
        """Write them into the open transaction of the database."""

        def many(statement: str, rows: Iterable[Sequence[Any]]) -> None:
            # Most turns touch one or two tables: preparing the others would be most of the work.
            if known := list(rows):
                database.executemany(statement, known)

        gone = [(one,) for one, charger in self.chargers.items() if charger is None]
        many("DELETE FROM charger WHERE charger_id = ?", gone)
        present = (charger for charger in self.chargers.values() if charger is not None)
        many(_PUT_CHARGER, map(msgspec.structs.astuple, present))
        many(_PUT_IMAGE, map(msgspec.structs.astuple, self.images.values()))
        many("INSERT INTO rollout VALUES (?, ?, ?, ?)", self.rollouts)
        heads = [(msgspec.json.encode(head).decode(), one) for one, head in self.heads.items()]
        many("UPDATE rollout SET head = ? WHERE rollout_id = ?", heads)
        many(_PUT_ROW, map(msgspec.structs.astuple, self.rows.values()))
        many(_PUT_AUDIT, map(_audit_row, self.audit))
        many(_PUT_KEY, map(msgspec.structs.astuple, self.keys.values()))
