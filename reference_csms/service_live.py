"""What the service holds in memory beside the durable values: connections, rollouts, open answers.

Plain values with small look-ups; `service_state.State` is the only one that changes them for good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reference_csms.rollout_plan import stage_of, stage_span
from reference_csms.rollout_values import Head, Row, Stage

if TYPE_CHECKING:
    import msgspec

    from reference_csms.model import RolloutStatus, Ticket
    from reference_csms.store_changes import AuditEntry


@dataclass(slots=True)
class Presence:
    """One open connection of a charger: never durable."""

    connection: str
    since: float
    # Its boot is accepted, or it was accepted before and has shown life (D11).
    usable: bool = False
    # No CALL of ours is outstanding.
    free: bool = True
    # Message id of our question on this connection, '' if none was asked (D21).
    asked: str = ""
    # Statuses of this connection that were recorded although they changed nothing.
    ignored: int = 0


@dataclass(slots=True)
class Live:
    """One rollout in memory; rows and stages appear when they are first touched.

    One that is over may be on the shelf: only the rows of chargers that belong to no later rollout
    are here then, because these may still report; the others are in the database.
    """

    number: int
    head: Head
    charger_ids: tuple[str, ...]
    rows: dict[str, Row] = field(default_factory=dict)
    stages: dict[int, Stage] = field(default_factory=dict)
    # Reachable chargers of the current stage that may be triggered, first come first served.
    waiting: dict[str, None] = field(default_factory=dict)
    # Those that were told, said they never heard of it, and may be told again (D21). They go
    # first: they hold a place in the window already, so a closed window must not block them.
    again: dict[str, None] = field(default_factory=dict)
    # Rendered JSON of rows for GET, dropped when a row changes.
    pieces: dict[str, msgspec.Raw] = field(default_factory=dict)
    # Whether every touched row is in `rows`: it is not on the shelf.
    whole: bool = True
    _position: dict[str, int] | None = None

    @property
    def position(self) -> dict[str, int]:
        """Return the place of every charger in request order, from 0."""
        if self._position is None:
            self._position = {one: place for place, one in enumerate(self.charger_ids)}
        return self._position

    @property
    def rollout_id(self) -> str:
        """Return the rollout's id."""
        return self.head.plan.rollout_id

    def row(self, charger_id: str) -> Row:
        """Return the charger's row; KeyError if it is not in the rollout."""
        row = self.rows.get(charger_id)
        if row is None:
            position = self.position[charger_id]
            stage = stage_of(self.head.plan, position)
            rollout_id = self.rollout_id
            row = Row(rollout_id=rollout_id, charger_id=charger_id, position=position, stage=stage)
        return row

    def stage(self, number: int) -> Stage:
        """Return the counters of a stage."""
        stage = self.stages.get(number)
        if stage is None:
            begin, end = stage_span(self.head.plan, number)
            stage = Stage(number=number, size=end - begin)
        return stage

    @property
    def current(self) -> Stage | None:
        """Return the current stage, None before the first."""
        return self.stage(self.head.current_stage) if self.head.current_stage else None

    def hold_back(self) -> None:
        """Forget who may be triggered: the rollout is paused or over."""
        self.waiting.clear()
        self.again.clear()

    def shelve(self, kept: dict[str, Row]) -> None:
        """Let go of all rows but these, and of what can be worked out again."""
        self.rows, self.pieces, self._position, self.whole = kept, {}, None, False

    def take_down(self, stored: dict[str, Row]) -> None:
        """Have every row again: those in memory are never older than the stored ones."""
        self.rows, self.whole = {**stored, **self.rows}, True

    def members(self, number: int) -> tuple[str, ...]:
        """Return the chargers of a stage in request order."""
        begin, end = stage_span(self.head.plan, number)
        return self.charger_ids[begin:end]


@dataclass(slots=True)
class Dispatch:
    """An execute-stage whose answer is still open (D31)."""

    ticket: Ticket
    stage: int
    begun: float
    # Who was sent, and with which message id.
    messages: dict[str, str] = field(default_factory=dict)
    # The transaction that carries the latest frames. The answer goes with a later one, because
    # only their release shows whether they could leave.
    sequence: int = 0
    # Set by a pause that lands between two batches.
    halted: RolloutStatus | None = None
    # Idempotency-Key, None without one.
    key: str | None = None


@dataclass(order=True, slots=True)
class Timer:
    """An entry of the heap; it is checked against the state when it is due, never removed."""

    due: float
    number: int
    kind: str = field(compare=False)
    rollout_id: str = field(compare=False)
    charger_id: str = field(compare=False)
    connection: str = field(compare=False, default="")


def next_deadline(row: Row) -> float | None:
    """Return when something about the row happens by time alone, or None."""
    if row.settled or row.deadline is None:
        return None
    return row.deadline if row.retry_until is None else min(row.deadline, row.retry_until)


def audit_line(entry: AuditEntry) -> dict[str, Any]:
    """Return an audit entry as a JSON object."""
    return {
        "number": entry.number,
        "time": entry.time,
        "kind": entry.kind,
        "rollout_id": entry.rollout_id,
        "charger_id": entry.charger_id,
        "data": entry.data,
    }
