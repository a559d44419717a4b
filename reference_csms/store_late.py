"""A store for virtual time, where no process dies: written when somebody reads it back.

Half the work of a database is to be there after the next instruction was the last. In virtual time
a crash is a call of `restart`, so what was committed may wait in memory until then, later versions
of a row over earlier ones. A restart goes through SQLite as in a real process; a drill without one
never opens it, which saves an eighth of the drill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_csms.store import Store
from reference_csms.store_changes import Changes

if TYPE_CHECKING:
    from reference_csms.rollout_values import Row
    from reference_csms.store_changes import KeyRecord

MOST_LATE = 10_000  # lines of the audit trail: SQLite holds them in less memory than we do


class LateStore(Store):
    """A `Store` in memory whose commits are written by the next read."""

    def __init__(self) -> None:
        self.sequence, self.epoch, self.instance = 1, 1, ""
        self.blank = True
        self.changes = Changes()
        self._late = Changes()  # committed, not written
        self._written: Store | None = None

    def commit(self) -> int:
        """Take the open transaction for durable, open the next, return the committed number."""
        if self.changes:
            self.blank = False
            self._late.add(self.changes)
            self.changes = Changes()
            if len(self._late.audit) > MOST_LATE:
                self._write_late()
        done = self.sequence
        self.sequence += 1
        return done

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> tuple[list[str], list[Any]]:
        return self._write_late()._read(query, values)  # noqa: SLF001 - a store of our own

    def _write_late(self) -> Store:
        if self._written is None:
            self._written = Store(":memory:")
        if self._late:
            self._written.changes, self._late = self._late, Changes()
            self._written.commit()
        return self._written

    def rows_of(self, rollout_id: str) -> list[Row]:
        """Return the touched chargers of one rollout, the open transaction included."""
        if self._written is None:
            return self._late.rows_of(rollout_id) + self.changes.rows_of(rollout_id)
        return super().rows_of(rollout_id)

    def key(self, operation: str, key: str) -> KeyRecord | None:
        """Return what was done under this Idempotency-Key, the open transaction included."""
        if self._written is None:
            late = self._late.keys.get((operation, key))
            return self.changes.keys.get((operation, key), late)
        return super().key(operation, key)

    def close(self) -> None:
        """Forget everything."""
        if self._written is not None:
            self._written.close()
