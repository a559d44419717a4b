"""Turns the pieces of a field log into an ordinary history. A core.

A log seldom says everything: the side that wrote it, the OCPP version, where a connection began.
Pieces wait in a queue until what follows has told (the side from the first CALL's action, the
version from a payload), at most `MOST_WAITING` of them, so memory stays bounded.

A history made here has `target.kind` "field log". Its connections carry `inferred` where no line of
the log speaks of them, and `partial` where the log begins, or goes on after a gap, in the middle of
one: checkers accuse nobody of what a gap may hide.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UsageError
from harness.fieldlog import sides
from harness.fieldlog.clock import LogClock
from harness.fieldlog.frames import CALL, NOTE
from harness.fieldlog.repeats import NOT_WHOLE, Repeats
from harness.fieldlog.tracks import BOOT, Track
from harness.fieldlog.values import IN, OUT, RECV, SEND, Piece
from harness.history import CHARGER, FIELD_LOG, Header, History

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from harness.history import Event

MOST_WAITING = 4096
SOON = 256  # pieces within which a log says what time it is, if ever
MOST_BACKS, LEAST_BACKS = 10, 3  # steps back in time that make a log backwards: soon, at its end
LONGEST = 1e9  # seconds: no drill takes thirty years, and no date holds a million
NAMELESS = "charger"
SERVERS = frozenset({"server", "csms", "central-system", "centralsystem"})
# A lost frame of these could change who is to blame for what follows.
WEIGHTY = frozenset({
    BOOT, "UpdateFirmware", "SignedUpdateFirmware", "FirmwareStatusNotification",
    "SignedFirmwareStatusNotification", "StartTransaction", "StopTransaction", "TransactionEvent",
    "StatusNotification", "TriggerMessage", "ExtendedTriggerMessage", "SecurityEventNotification",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the log leaves out, and what it is called."""

    charger: str = ""
    zone: tzinfo | None = None  # None: as the messages tell, else UTC
    ocpp: str = ""
    side: str = ""  # charger | csms: who wrote the log
    year: int = 1970
    name: str = ""
    form: str = ""  # the format's name
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Summary:
    """What became of a log."""

    frames: int = 0
    damaged: int = 0
    chargers: int = 0
    sessions: int = 0
    nameless: bool = False  # no line names a charger
    clock: str = ""
    side: str = ""
    zone: str = ""  # whose zone the times are in: given, messages or assumed
    offset: float = 0.0  # seconds ahead of UTC, as the messages tell

    @property
    def sentence(self) -> str:
        """The last line of an import."""
        return (
            f"imported {self.frames} of {self.frames + self.damaged} frames, "
            f"{_count(self.chargers, 'charger')}, {_count(self.sessions, 'session')}"
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


class Intake:
    """Reads one log: `take` every piece, then `finish`.

    `begin` is told the header before the first event, `see` every event, `report` every problem
    with its line.
    """

    def __init__(
        self,
        options: Options,
        *,
        begin: Callable[[Header], None],
        see: Callable[[Event], None],
        report: Callable[[int, str], None],
    ) -> None:
        self.summary = Summary(side=options.side)
        self._options = options
        self._begin, self._see, self._report = begin, see, report
        self._clock, self._repeats = LogClock(options.zone, options.year), Repeats(report)
        self._history: History | None = None
        self._header: Header | None = None  # of a drill that comes back as it was
        self._waiting: deque[Piece] = deque()
        self._tracks: dict[str, Track] = {}
        self._gaps = 0
        self._holed = False  # events of a drill that comes back are missing
        self._begun = False  # the first pieces have said where times come from

    # ------------------------------------------------------------------ in

    def take(self, piece: Piece) -> None:
        """Take the next piece of the log."""
        self._learn(piece)
        self._waiting.append(piece)
        self._begun = self._begun or self._clock.knows(piece) or len(self._waiting) > SOON
        while self._waiting and (
            len(self._waiting) > MOST_WAITING or (self._begun and self._ready(self._waiting[0]))
        ):
            self._next()

    def finish(self, *, interrupted: bool = False) -> Summary:
        """Settle what still waits, and say what became of the log, or of the part that was read."""
        while self._waiting:
            self._next()
        self._forwards(LEAST_BACKS)
        self._started()
        self.summary.chargers = sum(track.connections > 0 for track in self._tracks.values())
        self.summary.clock, self.summary.zone = self._clock.kind, self._clock.zone
        self.summary.offset = self._clock.offset
        if interrupted:
            self._record("harness", "mark", "interrupted")
        if self._header is not None and (self.summary.damaged or self._holed):
            self._record("harness", "mark", "lost", data={"problem": NOT_WHOLE})
        if self._header is None:
            self._record("harness", "mark", "imported", data={
                "frames": self.summary.frames, "damaged": self.summary.damaged})  # fmt: skip
        return self.summary

    def _learn(self, piece: Piece) -> None:
        """Take from a piece what the ones before it may have left out."""
        if piece.kind == "header" and self._history is None:
            self._header = _header(piece.data)
        if piece.kind != "frame":
            return
        frame = piece.frame
        action = str(frame[2]) if frame[0] == CALL else ""
        if not self.summary.side and action and piece.way in {OUT, IN}:
            said = sides.sender(action)
            other = sides.CSMS if said == sides.CHARGER else sides.CHARGER
            self.summary.side = said and (said if piece.way == OUT else other)
        track = self._track(piece)
        if not track.version:
            track.version = piece.ocpp or self._options.ocpp or sides.version(frame)

    def _ready(self, piece: Piece) -> bool:
        if piece.kind == "open":
            return bool(self._track(piece).version)
        if piece.kind != "frame":
            return True
        known = piece.way not in {OUT, IN} or bool(self.summary.side)
        return known and bool(self._track(piece).version)

    def _track(self, piece: Piece) -> Track:
        name = piece.charger
        if name.lower() in SERVERS:  # the charger's own log names its peer
            name = ""
        if not name:
            self.summary.nameless = not self._options.charger
            alone = f"{NAMELESS}-{piece.session}" if piece.session else NAMELESS
            name = self._options.charger or alone
        track = self._tracks.get(name)
        if track is None:
            track = self._tracks[name] = Track(name, version=self._options.ocpp, gaps=self._gaps)
        return track

    # ------------------------------------------------------------------ out

    def _started(self) -> History:
        if self._history is None:
            began = self._clock.start(list(self._waiting))
            header = self._header or Header(
                versions=self._options.versions,
                scenario={"name": f"field log {self._options.name}", "file": self._options.name},
                target={
                    "kind": FIELD_LOG,
                    "format": self._options.form,
                    "clock": self._clock.kind,
                    "zone": self._clock.zone,
                },
                under_test=("csms", "charger", "network"),
                started_at=began,
            )
            self._history = History(header, keep=False)
            self._begin(header)
            self._history.subscribe(self._see)
        return self._history

    def _record(
        self, source: str, kind: str, name: str = "", *, ref: str = "", data: Any = None,
        time: float = 0.0,
    ) -> None:  # fmt: skip
        self._started().record(time, source, kind, name, ref=ref, data=data)

    def _next(self) -> None:
        self._started()
        piece = self._waiting.popleft()
        if piece.kind == "event":
            self._restore(piece)
        elif self._header is not None and piece.kind == "frame":
            self._again(piece)
        elif piece.kind == "unusable":
            self._lose(piece, piece.problem)
        elif piece.kind != "header" and not self._repeats.copied(piece, self._clock):
            time, back = self._clock.tick(piece)
            if back:
                self._forwards(MOST_BACKS)
                self._report(
                    piece.line, f"the clock steps back {back:.0f} s; times go on from there"
                )
            self._emit(piece, time)

    def _forwards(self, steps: int) -> None:
        """Refuse a log whose newest line comes first: answers would precede their questions."""
        if self._clock.backwards(steps):
            raise UsageError(
                "the times of this log run backwards, the newest line comes first; turn it "
                "round (tac does) before you import it"
            )

    def _emit(self, piece: Piece, time: float) -> None:
        track = self._track(piece)
        if piece.kind == "open":
            self._open(track, piece, time, told=True)
        elif piece.kind == "close":
            self._close(track, time, {})
        elif piece.kind == "damaged":
            self._damaged(track, piece, time)
        else:
            way, problem = self._way(track, piece)
            if problem:
                self._lose(piece, problem)
            else:
                self._frame(track, piece, way, time)

    # ------------------------------------------------------------------ sides

    def _way(self, track: Track, piece: Piece) -> tuple[str, str]:
        """Return the way of a frame, or why nobody can tell it."""
        if piece.way in {SEND, RECV}:
            return piece.way, ""
        frame = piece.frame
        calls = frame[0] in {CALL, NOTE}
        said = sides.sender(str(frame[2])) if calls else ""
        by_action = {sides.CHARGER: SEND, sides.CSMS: RECV, "": ""}[said]
        if piece.way and self.summary.side:
            sends = (piece.way == OUT) == (self.summary.side == sides.CHARGER)
            way = SEND if sends else RECV
            if by_action not in {"", way}:
                return "", (f"{frame[2]} is sent by the {said}, but this log of the "
                            f"{self.summary.side} has it the other way round")  # fmt: skip
            return way, ""
        way = by_action if calls else track.answerer(frame[1])
        if way:
            return way, ""
        what = (
            f"a {frame[2]!s:.60}" if calls else f"an answer to {frame[1]!r:.60}, which is not open"
        )
        return "", f"{what}: nobody can tell which side sent it (--side helps in some formats)"

    # ------------------------------------------------------------------ events

    def _frame(self, track: Track, piece: Piece, way: str, time: float) -> None:
        frame = piece.frame
        if track.begins_anew(piece, way):
            if track.open:
                self._close(track, time, {"inferred": True})
            self._open(track, piece, time, told=False, way=way)
        elif track.gaps != self._gaps:
            self._open(track, piece, time, told=False, way=way, gap=True)
        action = frame[2] if frame[0] in {CALL, NOTE} and isinstance(frame[2], str) else ""
        payload = frame[3] if action and len(frame) > 3 else frame[2]  # noqa: PLR2004
        name = track.named(way, frame[0], frame[1], action, payload)
        self.summary.frames += 1
        self._record(
            CHARGER + track.id, way, name, ref=frame[1], time=time,
            data={"frame": frame, "line": piece.line},
        )  # fmt: skip

    def _open(
        self, track: Track, piece: Piece, time: float, *, told: bool, way: str = "",
        gap: bool = False,
    ) -> None:  # fmt: skip
        """Record that a connection begins, or that the log goes on in the middle of one."""
        track.told |= told
        self.summary.sessions += not gap
        ref = track.connect(piece.session or track.session, self._gaps)
        data: dict[str, Any] = {"url": "", "subprotocol": track.version}
        if not told:
            if not piece.session:
                data["inferred"] = True
            frame = piece.frame
            if gap or not (way == SEND and frame[0] == CALL and frame[2] == BOOT):
                data["partial"] = True
                track.accepted = True  # most likely: a boot from here on is a new beginning
        self._record(CHARGER + track.id, "open", ref=ref, time=time, data=data)

    def _close(self, track: Track, time: float, data: dict[str, Any]) -> None:
        if track.open:
            track.open = False
            self._record(
                CHARGER + track.id, "close", ref=track.ref, time=time,
                data={"code": None, "reason": "", **data},
            )  # fmt: skip

    # ------------------------------------------------------------------ damage

    def _lose(self, piece: Piece, problem: str) -> None:
        """Report a frame that cannot be used; from here on everybody's story has a gap."""
        self.summary.damaged += 1
        self._gaps += 1
        self._report(piece.line, problem)

    def _damaged(self, track: Track, piece: Piece, time: float) -> None:
        """Keep what a damaged frame still says, if that is enough to go on without a gap."""
        head = piece.head
        way = self._damaged_way(track, piece) if head is not None else ""
        if head is None or not way or not track.open:
            self._lose(piece, piece.problem)
            return
        kind, message_id, action = head
        asked = action or (track.ours if way == RECV else track.theirs).get(message_id, "")
        if not asked or asked in WEIGHTY or track.gaps != self._gaps:
            self._lose(piece, piece.problem)
            return
        self.summary.damaged += 1
        self._report(piece.line, piece.problem)
        name = track.named(way, kind, message_id, action, None)
        self._record(
            CHARGER + track.id, "damaged", name, ref=message_id, time=time,
            data={"type": kind, "way": way, "problem": piece.problem, "line": piece.line},
        )  # fmt: skip

    def _damaged_way(self, track: Track, piece: Piece) -> str:
        kind, message_id, action = piece.head or (0, "", "")
        stand_in = Piece(piece.line, frame=[kind, message_id, action or {}, {}], way=piece.way)
        return self._way(track, stand_in)[0]

    # ------------------------------------------------------------------ drills that come back

    def _again(self, piece: Piece) -> None:
        """Record a frame of a drill as it was recorded then."""
        track = self._track(piece)
        track.connections = max(1, track.connections)
        self.summary.frames += 1
        self._expect(piece.data.get("index"))
        name, time = str(piece.data.get("name", "")), _since(piece.data.get("time"))
        self._record(CHARGER + track.id, piece.way, name, ref=piece.frame[1], time=time,
                     data={"frame": piece.frame})  # fmt: skip

    def _expect(self, index: Any) -> None:
        """Notice if the next event of a drill is not the one of this number, where it has one."""
        self._holed |= isinstance(index, int) and index != len(self._started())

    def _restore(self, piece: Piece) -> None:
        """Record an event of a drill that a trace has kept beside its records."""
        event = piece.data
        if self._header is None:
            return
        self._expect(event.get("index"))
        data, time = event.get("data"), _since(event.get("time"))
        source, kind = str(event.get("source", "")), str(event.get("kind", ""))
        if source.startswith(CHARGER) and kind == "open":
            track = self._track(Piece(0, charger=source[len(CHARGER) :]))
            track.connect("", self._gaps)
            self.summary.sessions += 1
        self.summary.frames += kind in {SEND, RECV}
        self._record(source, kind, str(event.get("name", "")), ref=str(event.get("ref", "")),
                     time=time, data=data if isinstance(data, dict) else {})  # fmt: skip


def _since(time: Any) -> float:
    """Return the time of an event of a drill; 0, which is the event before's, if it is none."""
    sound = isinstance(time, int | float) and 0 <= time <= LONGEST
    return float(time) if sound else 0.0


def _header(said: dict[str, Any]) -> Header:
    try:
        return msgspec.convert(said, Header)
    except msgspec.ValidationError as error:
        raise UsageError(f"the trace's own header cannot be read: {error}") from error
