"""What the view tells the checkers: each event, read once, as what it means.

Values only. Every fact carries the event that it was read from.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.checkers.model import Call, Connection, Member, Op, Rollout, Station, Trigger
    from harness.history import Event
    from harness.verdict import Subject


ShownRow = tuple["Member", dict[str, Any], dict[str, Any] | None]  # member, row, the row before


class Invoked(msgspec.Struct, eq=False):
    """The operator sent a request."""

    event: Event
    op: Op
    rollout: Rollout | None


class Answered(msgspec.Struct, eq=False):
    """A request was answered, refused, or its outcome is unknown."""

    event: Event
    op: Op
    rollout: Rollout | None


class Read(msgspec.Struct, eq=False):
    """A GET of a rollout was answered: `before` holds what each charger was last shown as.

    `changed` are those of `rows` that are not what they were in the read before; between two reads
    of a large rollout most chargers have not moved.
    """

    event: Event
    op: Op
    rollout: Rollout
    body: dict[str, Any]
    rows: list[ShownRow]
    changed: list[ShownRow]


class Triggered(msgspec.Struct, eq=False):
    """A charger received the update command."""

    event: Event
    trigger: Trigger


class TriggerAnswered(msgspec.Struct, eq=False):
    """A charger answered the update command."""

    event: Event
    trigger: Trigger


class Reported(msgspec.Struct, eq=False):
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


class Booted(msgspec.Struct, eq=False):
    """A charger sent BootNotification; `before` is the version of its boot before."""

    event: Event
    station: Station
    version: str | None
    before: str | None
    reason: str | None


class Opened(msgspec.Struct, eq=False):
    """A connection was opened."""

    event: Event
    connection: Connection


class Turned(msgspec.Struct, eq=False):
    """A connection attempt was turned away."""

    event: Event
    charger: str


class Interrupted(msgspec.Struct, eq=False):
    """A field log begins, or goes on after a gap, in the middle of a station's story.

    What a checker remembers of the station may be out of date: it forgets it.
    """

    event: Event
    station: Station


class Closed(msgspec.Struct, eq=False):
    """A connection is gone."""

    event: Event
    connection: Connection


class Called(msgspec.Struct, eq=False):
    """One side sent a CALL; `sender` is the side."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    call: Call


class Commanded(Called):
    """The CSMS sent a CALL: who sees `Called` is told of it as well."""


class Replied(msgspec.Struct, eq=False):
    """One side answered a CALL; `call` is None if nobody asked. `frame` is the whole frame."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    call: Call | None
    frame: list[Any]


class Garbled(msgspec.Struct, eq=False):
    """One side sent something that is no OCPP-J frame."""

    event: Event
    sender: Subject
    station: Station
    connection: Connection | None
    problem: str


class Served(msgspec.Struct, eq=False):
    """The firmware server finished a request; `event.data` is its log line."""

    event: Event
    client: str
    url_path: str


class PauseBegan(msgspec.Struct, eq=False):
    """From `since` on the rollout is certainly paused, as `event` has shown.

    `suspects` are commands that were certainly sent after `since`, before that was known.
    """

    event: Event
    rollout: Rollout
    since: Event
    suspects: list[Trigger]


class PauseEnded(msgspec.Struct, eq=False):
    """The rollout may run again: an execute-stage was invoked, or the history ends."""

    event: Event
    rollout: Rollout
    since: Event


class Marked(msgspec.Struct, eq=False):
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
    | Commanded
    | Replied
    | Garbled
    | Served
    | PauseBegan
    | PauseEnded
    | Marked
)


def _replied(fact: Replied) -> str | None:
    return fact.call.action if fact.call is not None else None


# What a fact is about, as `sees` names it.
ABOUT: dict[type, Callable[[Any], str | None]] = {
    Invoked: attrgetter("op.name"),
    Answered: attrgetter("op.name"),
    Called: attrgetter("call.action"),
    Commanded: attrgetter("call.action"),
    Replied: _replied,
    Reported: attrgetter("status"),
    Marked: attrgetter("name"),
}
