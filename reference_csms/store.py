"""The durable copy of everything, in one SQLite file (WAL). A shell: the only room that writes it.

Changes are collected in memory and written by `commit` in one transaction, so that several
changes of one row in a turn cost one write, and the number of the open transaction is known before
it is written (`sequence`). One process owns a database: the file stays locked while it is open.

`synchronous="NORMAL"` survives the death of the process at any moment; `"FULL"` also the death of
the machine, for a tenth of the speed.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from reference_csms.errors import StoreCorrupt, StoreUnavailable
from reference_csms.model import Charger, Image
from reference_csms.rollout_values import Head, Row
from reference_csms.store_changes import AuditEntry, Changes, KeyRecord
from reference_csms.store_schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")


class StoredRollout(NamedTuple):
    """A rollout as read back: its number, its chargers in request order, its head."""

    number: int
    charger_ids: list[str]
    head: Head


class StageCount(NamedTuple):
    """How many chargers of one stage are under way, and how many ended how."""

    rollout_id: str
    stage: int
    active: int
    installed: int
    failed: int


# A row says of which rollout its charger's statuses are: the one that was started last.
_AT_HAND = """rollout_charger WHERE rollout_id IN (SELECT value FROM json_each(?))
    OR (rollout_id, charger_id) IN (
        SELECT rollout_id, charger_id FROM (
            SELECT rollout_id, charger_id, row_number() OVER (
                PARTITION BY charger_id ORDER BY started_at DESC, rollout_id DESC
            ) AS place FROM rollout_charger WHERE started_at IS NOT NULL
        ) WHERE place = 1
    )"""
_STAGE_COUNTS = """
    SELECT rollout_id, stage,
        sum(completed_at IS NULL AND intent <> 'none'),
        sum(completed_at IS NOT NULL AND status = 'installed'),
        sum(completed_at IS NOT NULL AND status <> 'installed')
    FROM rollout_charger GROUP BY rollout_id, stage
"""


class Store:
    """The open database and the changes of the open transaction."""

    def __init__(self, path: str, *, synchronous: str = "NORMAL") -> None:
        """Open or create the database; StoreUnavailable or StoreCorrupt tell why it cannot be."""
        # Number of the open transaction: what is put now becomes durable with commit() == this.
        self.sequence = 1
        self.changes = Changes()
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        except sqlite3.Error as error:
            raise _translated(error) from error
        try:
            self._open(synchronous)
        except sqlite3.Error as error:
            self._database.close()
            raise _translated(error) from error
        except BaseException:
            self._database.close()
            raise

    def _open(self, synchronous: str) -> None:
        if synchronous not in {"NORMAL", "FULL"}:
            raise ValueError("synchronous is NORMAL or FULL")
        # One owner: two processes on one database would trigger chargers twice.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(f"PRAGMA synchronous = {synchronous}")
        self._migrate()
        epoch = int(self._meta("epoch", "0")) + 1
        self._database.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (str(epoch),))
        # How often this database was opened, this time included.
        self.epoch = epoch
        # A short random name made with the database: the prefix of its ids.
        self.instance = self._meta("instance", "")

    def _migrate(self) -> None:
        application = self._number("PRAGMA application_id")
        version = self._number("PRAGMA user_version")
        # Nothing was ever committed: there is nothing to read.
        self.blank = version == 0
        if application != APPLICATION_ID and self._number("SELECT count(*) FROM sqlite_master"):
            raise StoreCorrupt("the file is a database, but not one of this program")
        if version > len(MIGRATIONS):
            raise StoreCorrupt(
                f"the database has schema version {version}; this program knows up to "
                f"{len(MIGRATIONS)}. Use a newer program."
            )
        for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
            # DDL is transactional in SQLite: a migration happens wholly or not at all.
            self._database.executescript(
                f"BEGIN IMMEDIATE; {statements}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {number}; COMMIT"
            )
        if not self._meta("instance", ""):
            name = (secrets.token_hex(4),)
            self._database.execute("INSERT INTO meta VALUES ('instance', ?)", name)

    def _number(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0])

    def _meta(self, key: str, default: str) -> str:
        found = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(found[0]) if found else default

    def close(self) -> None:
        """Close the database; what was not committed is gone."""
        self._database.close()

    def forget(self) -> None:
        """Drop the changes of the open transaction."""
        self.changes = Changes()

    def __del__(self) -> None:
        """Close a forgotten database; its thread may be another one by then."""
        with suppress(AttributeError, sqlite3.Error):
            self._database.close()

    def restart(self) -> None:
        """Forget the open transaction, as the death of the process does: for virtual time."""
        self.forget()
        self.sequence += 1
        self.epoch += 1

    # -------------------------------------------------- the open transaction

    def put_charger(self, charger: Charger) -> None:
        """Write a charger."""
        self.changes.chargers[charger.charger_id] = charger

    def remove_charger(self, charger_id: str) -> None:
        """Remove a charger."""
        self.changes.chargers[charger_id] = None

    def put_image(self, image: Image) -> None:
        """Write a catalogued image."""
        self.changes.images[image.url] = image

    def add_rollout(self, number: int, charger_ids: tuple[str, ...], head: Head) -> None:
        """Write a new rollout."""
        ids = msgspec.json.encode(charger_ids).decode()
        text = msgspec.json.encode(head).decode()
        self.changes.rollouts.append((number, head.plan.rollout_id, ids, text))

    def put_head(self, head: Head) -> None:
        """Write the head of a rollout that was added."""
        self.changes.heads[head.plan.rollout_id] = head

    def put_row(self, row: Row) -> None:
        """Write one charger of one rollout."""
        self.changes.rows[row.rollout_id, row.charger_id] = row

    def add_audit(self, entry: AuditEntry) -> None:
        """Write a line of the audit trail."""
        self.changes.audit.append(entry)

    def put_key(self, record: KeyRecord) -> None:
        """Write an Idempotency-Key."""
        self.changes.keys[record.operation, record.key] = record

    def commit(self) -> int:
        """Make the open transaction durable, open the next, and return the committed number.

        StoreUnavailable: nothing of it is durable and it is forgotten; the caller must go back to
        what `load` says.
        """
        if self.changes:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._write()
                self._database.execute("COMMIT")
                self.blank = False
            except (sqlite3.Error, ValueError, OverflowError, TypeError) as error:
                # Whatever it is, also a value SQLite cannot take: disk and memory must not part.
                with suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise _translated(error) from error
            finally:
                self.changes = Changes()
        done = self.sequence
        self.sequence += 1
        return done

    def _write(self) -> None:
        self.changes.write(self._database)

    # -------------------------------------------------- reading back what is durable

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> tuple[list[str], list[Any]]:
        """Return the names of the columns and the lines that a query finds."""
        try:
            with closing(self._database.cursor()) as cursor:
                lines = cursor.execute(query, values).fetchall()
                return [column[0] for column in cursor.description], lines
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _found(self, tail: str, values: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        names, lines = self._read(f"SELECT * FROM {tail}", values)  # noqa: S608 - our own text
        return [dict(zip(names, line, strict=True)) for line in lines]

    def _select(self, struct: type[_T], tail: str, values: tuple[Any, ...] = ()) -> list[_T]:
        found = self._found(tail, values)
        return msgspec.convert(found, list[struct], strict=False)  # type: ignore[valid-type]

    def chargers(self) -> list[Charger]:
        """Return every registered charger."""
        return self._select(Charger, "charger")

    def images(self) -> list[Image]:
        """Return the catalogue."""
        return self._select(Image, "image")

    def rollouts(self) -> list[StoredRollout]:
        """Return every rollout, oldest first."""
        _, found = self._read("SELECT number, chargers, head FROM rollout ORDER BY number")
        return [
            StoredRollout(
                number,
                msgspec.json.decode(ids, type=list[str]),
                msgspec.json.decode(head, type=Head),
            )
            for number, ids, head in found
        ]

    def rows_at_hand(self, open_ids: Iterable[str]) -> list[Row]:
        """Return what may still change: the rows of these rollouts, and each charger's latest."""
        names = msgspec.json.encode(list(open_ids)).decode()
        return self._select(Row, _AT_HAND, (names,))

    def stage_counts(self) -> list[StageCount]:
        """Return how far the chargers of each touched stage are."""
        _, found = self._read(_STAGE_COUNTS)
        return [StageCount(*line) for line in found]

    def last_request_id(self) -> int:
        """Return the highest request id of any rollout, 0 if there was none."""
        _, [(found,)] = self._read("SELECT coalesce(max(request_id), 0) FROM rollout_charger")
        return int(found)

    def rows_of(self, rollout_id: str) -> list[Row]:
        """Return the touched chargers of one rollout, the open transaction included."""
        durable = self._select(Row, "rollout_charger WHERE rollout_id = ?", (rollout_id,))
        return durable + self.changes.rows_of(rollout_id)

    def key(self, operation: str, key: str) -> KeyRecord | None:
        """Return what was done under this Idempotency-Key, the open transaction included."""
        if found := self.changes.keys.get((operation, key)):
            return found
        tail = "idempotency_key WHERE operation = ? AND key = ?"
        return next(iter(self._select(KeyRecord, tail, (operation, key))), None)

    def audit(self, rollout_id: str | None, after: int, limit: int) -> list[AuditEntry]:
        """Return durable audit lines with numbers above `after`, oldest first."""
        only, values = ("", ()) if rollout_id is None else ("rollout_id = ? AND ", (rollout_id,))
        found = self._found(
            f"audit WHERE {only}number > ? ORDER BY number LIMIT ?", (*values, after, limit)
        )
        return [
            AuditEntry(**(entry | {"data": msgspec.json.decode(entry["data"])})) for entry in found
        ]

    def last_time(self) -> float:
        """Return the latest time in the audit trail: a clock must not start before it (D35)."""
        _, found = self._read("SELECT time FROM audit ORDER BY number DESC LIMIT 1")
        return float(found[0][0]) if found else 0.0

    def last_audit_number(self) -> int:
        """Return the highest durable number of the audit trail, 0 if it is empty."""
        _, [(found,)] = self._read("SELECT coalesce(max(number), 0) FROM audit")
        return int(found)


def _translated(error: Exception) -> StoreUnavailable | StoreCorrupt:
    """Say in our words what SQLite complains about."""
    text = str(error)
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith("SQLITE_NOTADB"):
        return StoreCorrupt("the file is not a database")
    reasons = {
        "SQLITE_FULL": "full",
        "SQLITE_READONLY": "read_only",
        "SQLITE_BUSY": "locked",
        "SQLITE_LOCKED": "locked",
    }
    why = next((why for name, why in reasons.items() if code.startswith(name)), "io")
    return StoreUnavailable(why, text)
