"""Everything the service knows, in memory, and the one way it changes. A core.

`State` mirrors the store: durable things (chargers, images, rollouts, rows) are written to the open
transaction whenever they change here, so that dropping a `State` and building a new one is exactly
what a crash does. Only `Presence` (who is connected) is volatile. Indexes keep each event's cost
independent of the number of rollouts and of their sizes.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import Charger, Published, RolloutStatus
from reference_csms.rollout import decide
from reference_csms.rollout_values import (
    Decision,
    Head,
    Intent,
    Row,
    StatusReported,
    UpdateUnanswered,
)
from reference_csms.service_fleet import FleetIndex
from reference_csms.service_live import (
    Dispatch,
    Live,
    Presence,
    Timer,
    audit_line,
    next_deadline,
)
from reference_csms.store_changes import AuditEntry

if TYPE_CHECKING:
    from reference_csms.model import Image, Released, Settings
    from reference_csms.outbox import Outbox
    from reference_csms.rollout_values import RowEvent
    from reference_csms.store import StageCount, Store


# Rows of finished rollouts that are kept at hand, but for those of chargers that may still report:
# memory grows with the fleet, not with its history.
ROWS_AT_HAND = 20_000
_MOST_IGNORED = 500  # audit lines a connection about statuses that change nothing


class State:
    """All rollouts, chargers, timers and open answers, over one store and one outbox."""

    def __init__(self, store: Store, outbox: Outbox, settings: Settings) -> None:
        self.store = store
        self.outbox = outbox
        self.settings = settings
        self.chargers: dict[str, Charger] = {}
        self.images: dict[str, Image] = {}
        self.presence: dict[str, Presence] = {}
        self.fleet = FleetIndex()
        # Every rollout by id, and those that are not over.
        self.rollouts: dict[str, Live] = {}
        self.open: dict[str, Live] = {}
        # Those that are over and whole in memory, the longest unused first.
        self.finished: dict[str, Live] = {}
        # The rollout whose started stage a charger was last part of: where its statuses belong.
        self.engaged: dict[str, str] = {}
        # Rollouts that may have something to dispatch, served in turns.
        self.ready: dict[str, None] = {}
        self.dispatches: dict[str, Dispatch] = {}
        # Ended by a resume in the very turn of their last frames: answered once these have left.
        self.leaving: list[tuple[Live, Dispatch]] = []
        # Reachable chargers that must be asked what became of a command.
        self.questions: dict[str, None] = {}
        self.timers: list[Timer] = []
        self.publishing = False
        self._armed: dict[tuple[str, str], float] = {}
        self._numbers = {"timer": 0, "audit": 0, "request": 0, "rollout": 0, "message": 0}

    # -------------------------------------------------- loading

    def load(self, now: float, *, alive: bool = False) -> None:
        """Read the durable state and recover: what was being sent when we died is unsure.

        `alive`: we did not die, only the last transaction was lost; answers are still awaited.
        """
        if self.store.blank:
            return
        for charger in self.store.chargers():
            # Connected when the process died, so it was seen until then.
            here = charger.last_seen is None and bool(charger.ocpp_version) and not alive
            seen = now if here else charger.last_seen
            self.set_charger(msgspec.structs.replace(charger, last_seen=seen), durable=here)
        self.images = {image.url: image for image in self.store.images()}
        self._numbers["audit"] = self.store.last_audit_number()
        for stored in self.store.rollouts():
            self._load_rollout(stored.number, tuple(stored.charger_ids), stored.head)
        self._numbers["request"] = max(self._numbers["request"], self.store.last_request_id())
        for count in self.store.stage_counts():
            self._load_stage(count)
        rows = sorted(self.store.rows_at_hand(self.open), key=lambda row: row.started_at or 0.0)
        for row in rows:
            self._load_row(row)
        for live in self.open.values():
            # A settled stage has let its chargers go: another rollout may hold them by now.
            if live.current is not None and live.current.unsettled:
                self.engage(live)
        for row in rows:
            if row.intent is Intent.SENDING and not row.settled and not alive:
                event = UpdateUnanswered(row.message_id or "")
                self.apply(self.rollouts[row.rollout_id], row.charger_id, event, now)

    def _load_rollout(self, number: int, charger_ids: tuple[str, ...], head: Head) -> None:
        self._numbers["rollout"] = max(self._numbers["rollout"], number)
        known = self.chargers
        ids = tuple(known[one].charger_id if one in known else one for one in charger_ids)
        self.add_rollout(Live(number, head, ids, whole=not head.terminal))

    def _load_stage(self, count: StageCount) -> None:
        live = self.rollouts[count.rollout_id]
        live.stages[count.stage] = msgspec.structs.replace(
            live.stage(count.stage),
            active=count.active,
            installed=count.installed,
            failed=count.failed,
        )

    def _load_row(self, row: Row) -> None:
        self.rollouts[row.rollout_id].rows[row.charger_id] = row
        if row.started_at is not None:
            self.engaged[row.charger_id] = row.rollout_id
        self.arm(row)

    def continue_from(self, before: State, now: float) -> None:
        """Take over what a lost transaction does not undo: connections and numbers in use."""
        for name in ("message", "request", "timer"):
            # Ids that left the process, or nearly did, are never used again.
            self._numbers[name] = max(self._numbers[name], before.next_number(name))
        for charger_id in [one for one in self.presence if one not in self.chargers]:
            del self.presence[charger_id]
        for charger_id, presence in self.presence.items():
            if not presence.usable and self.chargers[charger_id].accepted:
                due = max(now, presence.since + self.settings.reconnect_grace)
                self.timer(due, "grace", "", charger_id, presence.connection)

    def readopt(self, rollout_id: str, dispatch: Dispatch) -> bool:
        """Keep an open execute-stage whose beginning is durable; tell whether it is."""
        live = self.rollouts.get(rollout_id)
        if live is None or live.head.resumed_at != dispatch.begun or live.head.terminal:
            return False
        dispatch.messages = {
            one: message_id
            for one, message_id in dispatch.messages.items()
            if live.row(one).message_id == message_id
        }
        if live.head.status is not RolloutStatus.PAUSED:
            dispatch.halted = None
        self.dispatches[rollout_id] = dispatch
        self.ready[rollout_id] = None
        return True

    @property
    def busy(self) -> bool:
        """Tell whether `step` has something to do at once."""
        return bool(self.ready or self.questions or self.leaving)

    # -------------------------------------------------- small changes

    def next_number(self, name: str) -> int:
        """Return the next number of a series: timer, audit, request, rollout or message."""
        self._numbers[name] += 1
        return self._numbers[name]

    def message_id(self) -> str:
        """Return a CALL id never used before by this database."""
        instance = self.settings.instance or self.store.instance
        return f"{instance}.{self.store.epoch:x}.{self.next_number('message'):x}"

    def release(self, item: Released) -> None:
        """Let `item` out with the open transaction."""
        self.outbox.put(self.store.sequence, item)

    def set_charger(self, charger: Charger, *, durable: bool = True) -> None:
        """Keep a charger, its place in the fleet, and its durable copy."""
        self.fleet.update(self.chargers.get(charger.charger_id), charger)
        self.chargers[charger.charger_id] = charger
        if durable:
            self.store.put_charger(charger)

    def drop_charger(self, charger_id: str) -> None:
        """Forget a charger."""
        self.fleet.update(self.chargers.pop(charger_id), None)
        self.presence.pop(charger_id, None)
        self.store.remove_charger(charger_id)

    def add_rollout(self, live: Live) -> None:
        """Index a rollout."""
        self.rollouts[live.rollout_id] = live
        if not live.head.terminal:
            self.open[live.rollout_id] = live

    def set_head(self, live: Live, head: Head) -> None:
        """Keep a rollout's new head and its durable copy."""
        if head is live.head:
            return
        live.head = head
        self.store.put_head(head)
        if head.terminal and live.rollout_id in self.open:
            del self.open[live.rollout_id]
            live.hold_back()
            self.finished[live.rollout_id] = live
            self._shelve()
            at = head.updated_at
            self.record("rollout", live, None, time=at, status=head.status, verdict=head.verdict)

    def engage(self, live: Live) -> None:
        """Note that the chargers of the current stage now belong to this rollout."""
        rollout_id = live.rollout_id
        for charger_id in live.members(live.head.current_stage):
            before = self.engagement(charger_id)
            self.engaged[charger_id] = rollout_id
            if before is not None and not before.whole and before is not live:
                before.rows.pop(charger_id, None)
                before.pieces.pop(charger_id, None)

    def engagement(self, charger_id: str) -> Live | None:
        """Return the rollout whose started stage the charger was last part of."""
        rollout_id = self.engaged.get(charger_id)
        return None if rollout_id is None else self.rollouts[rollout_id]

    def take_down(self, live: Live) -> None:
        """Make a finished rollout whole again, for somebody asks; raises what `load` does."""
        if not live.whole:
            stored = self.store.rows_of(live.rollout_id)
            live.take_down({row.charger_id: row for row in stored})
        self.finished.pop(live.rollout_id, None)
        self.finished[live.rollout_id] = live
        self._shelve()

    def _shelve(self) -> None:
        """Put the longest unused finished rollouts on the shelf, never the last one."""
        rows = sum(len(live.rows) for live in self.finished.values())
        for rollout_id in list(self.finished)[:-1]:
            if rows <= ROWS_AT_HAND:
                return
            live = self.finished.pop(rollout_id)
            rows -= len(live.rows)
            engaged = self.engaged
            live.shelve(
                {one: row for one, row in live.rows.items() if engaged.get(one) == rollout_id}
            )

    # -------------------------------------------------- the one way rows change

    def apply(self, live: Live, charger_id: str, event: RowEvent, now: float) -> Decision:
        """Decide what follows from an event about a charger of a rollout, and make it so."""
        row = live.row(charger_id)
        decision = decide(live.head, live.stage(row.stage), row, event, now)
        if decision.row is not row or decision.ignored:
            self._note(live, decision, event, now)
        if decision.row is not row:
            live.rows[charger_id] = decision.row
            live.pieces.pop(charger_id, None)
            self.store.put_row(decision.row)
            self.arm(decision.row)
        live.stages[row.stage] = decision.stage
        freed = decision.head.active < live.head.active
        self.set_head(live, decision.head)
        if freed and live.waiting:
            self.ready[live.rollout_id] = None
        for command in decision.commands:
            self.presence[charger_id].free = False
            self.release(command)
        return decision

    def _note(self, live: Live, decision: Decision, event: RowEvent, now: float) -> None:
        row = decision.row
        if decision.ignored:
            if isinstance(event, StatusReported):
                self.record_ignored(live, row.charger_id, now, event.status, decision.ignored)
            return
        self.record(
            "charger",
            live,
            row.charger_id,
            time=now,
            stage=row.stage,
            status=row.status,
            detail=row.detail,
            reason=row.reason,
            progress_percent=row.progress,
            intent=row.intent,
        )

    def record_ignored(
        self, live: Live | None, charger_id: str, now: float, status: str, why: str
    ) -> None:
        """Record a status that changed nothing (D22), but never let a charger fill the disk."""
        presence = self.presence.get(charger_id)
        if presence is not None:
            presence.ignored += 1
            if presence.ignored > _MOST_IGNORED:
                return
            if presence.ignored == _MOST_IGNORED:
                why += "; further ones on this connection are not recorded"
        self.record("ignored", live, charger_id, time=now, status=status, why=why)

    def record(
        self, kind: str, live: Live | None, charger_id: str | None, *, time: float, **data: Any
    ) -> None:
        """Write a line of the audit trail; the event stream shows the same line."""
        number = self.next_number("audit")
        data = {key: value for key, value in data.items() if value is not None}
        rollout_id = live.rollout_id if live else None
        entry = AuditEntry(
            number=number,
            time=time,
            kind=kind,
            rollout_id=rollout_id,
            charger_id=charger_id,
            data=data,
        )
        self.store.add_audit(entry)
        if self.publishing:
            self.release(Published(number, audit_line(entry)))

    # -------------------------------------------------- timers

    def timer(
        self, due: float, kind: str, rollout_id: str, charger_id: str, connection: str = ""
    ) -> None:
        """Ask to be woken."""
        entry = Timer(due, self.next_number("timer"), kind, rollout_id, charger_id, connection)
        heappush(self.timers, entry)

    def arm(self, row: Row) -> None:
        """Make sure a timer fires no later than the row's next deadline."""
        due = next_deadline(row)
        if due is None:
            return
        key = (row.rollout_id, row.charger_id)
        # A later entry re-arms itself when it fires: one heap entry a row, not one a status.
        if due < self._armed.get(key, due + 1):
            self._armed[key] = due
            self.timer(due, "row", *key)

    def disarm(self, timer: Timer) -> None:
        """Forget that this row timer is in the heap: it has just fired."""
        key = (timer.rollout_id, timer.charger_id)
        if self._armed.get(key) == timer.due:
            del self._armed[key]
