"""What the view remembers: operations, rollouts, their members, stations and connections.

A core of plain mutable records, written by the view's folds only; checkers read them. Indexes are
event indexes: they order what one recorder saw, and prove nothing about other machines.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from harness.history import Event
    from harness.verdict import Step

FAILURES = frozenset(
    {"DownloadFailed", "InstallationFailed", "InvalidSignature", "InstallVerificationFailed"}
)
RANK = {
    "DownloadScheduled": 0,
    "Downloading": 1,
    "DownloadPaused": 1,
    "Downloaded": 2,
    "SignatureVerified": 2,
    "InstallScheduled": 3,
    "Installing": 3,
    "InstallRebooting": 3,
    "Installed": 4,
    **dict.fromkeys(FAILURES, 4),
}
"""How far an OCPP status is; installing and rebooting are one rank (D25)."""


class Op(msgspec.Struct, eq=False):
    """One request of the operator."""

    id: str
    name: str  # create | execute_stage | pause | read | fleet | other
    invoked: Event
    rollout_id: str | None
    request: Any  # the body that was sent
    answered: Event | None = None
    outcome: str = "open"  # open | ok | fail | info
    status: int = 0
    reply: Any = None  # the body that came back
    cut: Event | None = None  # the kill that it did not outlive: it acted before that, or never

    @property
    def done(self) -> bool:
        """Whether its effect, if any, lies in the past."""
        return self.outcome in {"ok", "fail"}

    @property
    def may_act(self) -> bool:
        """Whether it had, or may yet have, an effect."""
        return self.outcome != "fail"

    @property
    def key(self) -> str | None:
        """Its Idempotency-Key, if it carried one."""
        headers = self.invoked.data.get("headers")
        for name, value in headers.items() if isinstance(headers, dict) else ():
            if str(name).lower() == "idempotency-key":
                return str(value)
        given = self.invoked.data.get("idempotency_key")
        return str(given) if given is not None else None

    def overlaps(self, other: Op) -> bool:
        """Whether either order of the two is legal."""
        return not (self.before(other) or other.before(self))

    def before(self, other: Op) -> bool:
        """Whether its effect certainly precedes the other's."""
        end = self.answered if self.done else self.cut
        return end is not None and end.index < other.invoked.index


class Trigger(msgspec.Struct, eq=False):
    """One UpdateFirmware (or SignedUpdateFirmware) that a charger received."""

    event: Event
    station: Station
    connection: Connection | None
    message_id: str
    payload: dict[str, Any]
    location: str
    request_id: int | None
    retries: int | None
    retry_interval: float | None
    rollout: Rollout | None = None
    member: Member | None = None
    answer: str = ""  # Accepted, Rejected, ... ; 'CALLERROR <code>' ; '' while unanswered
    answered: Event | None = None

    @property
    def full(self) -> bool:
        """Whether its update speaks the fourteen statuses of 2.x and the security extension."""
        return "firmware" in self.payload

    @property
    def refused(self) -> bool:
        """Whether the charger said no (D20)."""
        return self.answer.startswith("CALLERROR") or self.answer in {
            "Rejected",
            "InvalidCertificate",
            "RevokedCertificate",
        }


class Shown(msgspec.Struct, eq=False):
    """What GET last said about one charger of a rollout.

    Answers of large rollouts are kept as lines of a witness: the bodies themselves are large, and
    many chargers hold on to many of them.
    """

    status: str
    answer: Event | Step  # the last one that showed it
    op: Op
    reason: str | None
    row: dict[str, Any]
    since: Event | Step  # the first one that showed this status
    previous: Event | Step | None = None  # the one before the last
    asked: float = 0.0  # when that one was asked for


class Member(msgspec.Struct, eq=False):
    """One charger in one rollout."""

    charger: str
    stage: int
    rollout: Rollout
    triggers: list[Trigger] = []
    status: str = ""  # the last OCPP status of its own update
    highest: int = 0  # highest rank reported in this attempt
    reported: Event | None = None  # its last status
    understood: Event | None = None  # its last one that its version has: others may be passed over
    silences: list[tuple[float, float]] = []  # (length, ended at), >= 1 s
    lapsed: bool = False  # it went on although D30 may have settled a failed download before
    downloading: Event | None = None  # the Downloading that no DownloadFailed has closed yet
    download_failures: int = 0  # each counted once per preceding Downloading (D30)
    counted: float = 0.0  # when the last of them came
    final: str = ""  # the terminal OCPP status, '' while none is
    final_event: Event | None = None
    acknowledged: Event | None = None  # the answer to its last status that changed anything
    pending: Event | None = None  # its last status that changed anything
    said: set[str] = msgspec.field(default_factory=set)  # every status of its own update
    idle: Event | None = None  # its last Idle
    upgraded: Event | None = None  # boot with a changed version after the trigger
    shown: Shown | None = None

    @property
    def ended(self) -> bool:
        """Whether it reported an end that its OCPP version has: a CSMS may pass over others."""
        return self.final_event is not None and self.final_event is self.understood


class Stage(msgspec.Struct, eq=False):
    """One stage as the plan shows it; `members` in the order shown."""

    number: int
    label: str
    members: list[Member]
    first_trigger: Trigger | None = None
    triggered: int = 0


class Rollout(msgspec.Struct, eq=False):
    """One rollout, learned from the bodies of create and read."""

    url: str
    request: dict[str, Any]
    create: Op | None = None
    due: float = -inf  # when it may begin (retrieve_date), in seconds of the history
    id: str | None = None
    strategy: str = ""
    stages: list[Stage] = []
    members: dict[str, Member] = {}
    executes: list[Op] = []
    pauses: list[Op] = []
    paused_since: Event | None = None  # certainly paused from here on
    tentative: Event | None = None  # paused from here on, if a later read says paused
    suspects: list[Trigger] = []  # certainly sent after `tentative`
    status: str = ""  # as last shown
    finished: Op | None = None  # the first answer that showed a terminal status
    kills: list[int] = []  # of the CSMS, by event index: the list of the view
    asked_for_end: tuple[int, bool] = (-1, False)  # whether it may have ended, as of which event

    @property
    def begun(self) -> int:
        """How many stages, from the first, have any trigger."""
        return max((s.number for s in self.stages if s.triggered), default=0)

    def repeats(self, op: Op) -> bool:
        """Whether a request came before under its Idempotency-Key.

        Its answer may be that of then, and tell of an earlier moment (D19).
        """
        if op.key is None:
            return False
        earlier = [self.create] if op.name == "create" else self.executes
        return any(one is not None and one is not op and one.key == op.key for one in earlier)

    def opened(self, stage: int) -> Op | None:
        """Return the execute-stage that began a stage at the earliest: each begins one at most."""
        acting = [one for one in self.executes if one.may_act]
        return acting[stage - 1] if stage <= len(acting) else None

    def struck(self, stage: int, before: float = inf) -> int | None:
        """Return the event index of the first kill while a stage may have been under way.

        It may have swallowed commands: written down, and never sent. Only kills before the event
        of the index `before` count.
        """
        if not self.kills:
            return None
        opened = self.opened(stage)
        start = opened.invoked.index if opened is not None else inf
        return next((kill for kill in self.kills if start < kill < before), None)

    @property
    def name(self) -> str:
        """Its id, or its url as long as no id is known."""
        return self.id or self.url


class Call(msgspec.Struct, eq=False):
    """One CALL on a connection."""

    id: str
    action: str
    event: Event
    payload: Any
    trigger: Trigger | None = None
    member: Member | None = None  # the update that a status moved on
    answered: bool = False
    copies: int = 1  # times that the same frame is on the wire unanswered: each may be answered


class Connection(msgspec.Struct, eq=False):
    """One WebSocket of one charger."""

    id: str
    station: Station
    opened: Event
    subprotocol: str
    closed: Event | None = None
    ours: dict[str, Call] = {}  # charger -> CSMS, unanswered
    theirs: dict[str, Call] = {}  # CSMS -> charger, unanswered
    inferred: bool = False  # field log: neither a line nor a session id tells connections apart
    partial: bool = False  # field log: it began before, or in a gap
    first: int = -1  # field log: the event of its first frame
    heard: dict[str, float] = {}  # field log: side -> its last frame
    fenced: int = -1  # everything received from now on was sent after this event index
    fences: int = 0

    @property
    def one_sided(self) -> bool:
        """Whether a field log holds nothing yet that the other side of it said."""
        return len(self.heard) == 1

    def proves_after(self, index: int) -> bool:
        """Whether frames received now were certainly sent after event `index`."""
        return self.fenced > index


class Station(msgspec.Struct, eq=False):
    """One charger over the whole history."""

    id: str
    connection: Connection | None = None
    connections: int = 0
    version: str | None = None  # of its last boot
    vendor: str | None = None
    model: str | None = None
    accepted: bool = False  # its boot was accepted at least once
    booted: Event | None = None
    triggers: list[Trigger] = []
    by_request: dict[int, Trigger] = {}
    asked: int = -1  # index of the last question after its firmware status
    idle: int = -1  # index of its last Idle
    left: float = 0.0  # when the CSMS heard of the end of its last connection, inf if it did not
    line_back: int = -1  # index of the event that gave it its network back (virtual chargers)
    renewed: int = -1  # index of its last boot with another version than before
    strays: set[str] = msgspec.field(
        default_factory=set
    )  # statuses of updates that nobody saw ordered
    nameless: dict[str, int] = {}  # status without a request id -> index of its last report
