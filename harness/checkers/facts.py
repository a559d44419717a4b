"""What the view tells the checkers: each event, read once, as what it means.

Values only. Every fact carries the event that it was read from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.checkers.model import Call, Connection, Member, Op, Rollout, Station, Trigger
    from harness.history import Event
    from harness.verdict import Subject


@dataclass(slots=True, eq=False)
class Invoked:
    """The operator sent a request."""

    event: Event
    op: Op
    rollout: Rollout | None


@dataclass(slots=True, eq=False)
class Answered:
    """A request was answered, refused, or its outcome is unknown."""

    event: Event
    op: Op
    rollout: Rollout | None


@dataclass(slots=True, eq=False)
class Read:
    """A GET of a rollout was answered: `before` holds what each charger was last shown as."""

    event: Event
    op: Op
    rollout: Rollout
    body: dict[str, Any]
    rows: list[tuple[Member, dict[str, Any], dict[str, Any] | None]]  # member, row, the row before


@dataclass(slots=True, eq=False)
class Triggered:
    """A charger received the update command."""

    event: Event
    trigger: Trigger


@dataclass(slots=True, eq=False)
class TriggerAnswered:
    """A charger answered the update command."""

    event: Event
    trigger: Trigger


@dataclass(slots=True, eq=False)
class Reported:
    """A charger sent a firmware status; `member` is the update it belongs to, if any.

    `before` is the status that this update had reported before.
    """

    event: Event
    station: Station
    status: str
    request_id: int | None
    trigger: Trigger | None
    member: Member | None
    before: str


@dataclass(slots=True, eq=False)
class Booted:
    """A charger sent BootNotification; `before` is the version of its boot before."""

    event: Event
    station: Station
    version: str | None
    before: str | None
    reason: str | None


@dataclass(slots=True, eq=False)
class Opened:
    """A connection was opened."""

    event: Event
    connection: Connection


@dataclass(slots=True, eq=False)
class Turned:
    """A connection attempt was turned away."""

    event: Event
    charger: str


@dataclass(slots=True, eq=False)
class Interrupted:
    """A field log begins, or goes on after a gap, in the middle of a station's story.

    What a checker remembers of the station may be out of date: it forgets it.
    """

    event: Event
    station: Station


@dataclass(slots=True, eq=False)
class Closed:
    """A connection is gone."""

    event: Event
    connection: Connection


@dataclass(slots=True, eq=False)
class Called:
    """One side sent a CALL; `sender` is the side."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    call: Call


@dataclass(slots=True, eq=False)
class Replied:
    """One side answered a CALL; `call` is None if nobody asked. `frame` is the whole frame."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    call: Call | None
    frame: list[Any]


@dataclass(slots=True, eq=False)
class Garbled:
    """One side sent something that is no OCPP-J frame."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    problem: str


@dataclass(slots=True, eq=False)
class Served:
    """The firmware server finished a request; `event.data` is its log line."""

    event: Event
    client: str
    url_path: str


@dataclass(slots=True, eq=False)
class PauseBegan:
    """From `since` on the rollout is certainly paused, as `event` has shown.

    `suspects` are commands that were certainly sent after `since`, before that was known.
    """

    event: Event
    rollout: Rollout
    since: Event
    suspects: list[Trigger]


@dataclass(slots=True, eq=False)
class PauseEnded:
    """The rollout may run again: an execute-stage was invoked, or the history ends."""

    event: Event
    rollout: Rollout
    since: Event


@dataclass(slots=True, eq=False)
class Marked:
    """The runner passed a named moment, or the CSMS was killed or came up."""

    event: Event
    name: str


Fact = (
    Invoked
    | Answered
    | Read
    | Triggered
    | TriggerAnswered
    | Reported
    | Booted
    | Opened
    | Interrupted
    | Turned
    | Closed
    | Called
    | Replied
    | Garbled
    | Served
    | PauseBegan
    | PauseEnded
    | Marked
)
