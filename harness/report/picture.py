"""What a report shows of a drill, drawn from its history in one pass. A core.

States over time, pause windows, the operator's moments, latencies, and the lanes of those chargers
that a reader will want to see: the ones a finding accuses and the ones that failed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from harness.fieldlog.packed import unpacked
from harness.history import read
from harness.report.sequence import sequences
from harness.review import is_field_log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.history import Event
    from harness.report.sequence import Sequence
    from harness.run_record import RunRecord

STATES = ("waiting", "triggered", "downloading", "installing", "rebooting", "installed", "failed")
_REPORTED = {
    "DownloadScheduled": "triggered",
    "Downloading": "downloading",
    "DownloadPaused": "downloading",
    "Downloaded": "downloading",
    "SignatureVerified": "downloading",
    "InstallScheduled": "installing",
    "Installing": "installing",
    "InstallRebooting": "rebooting",
    "Installed": "installed",
}
_UPDATES = {"UpdateFirmware", "SignedUpdateFirmware"}
_FAILED = {"DownloadFailed", "InstallationFailed", "InvalidSignature",
           "InstallVerificationFailed"}  # fmt: skip
MOST_LANES = 40
MOST_FRAMES = 120
MOST_TEXT = 1500
SAMPLES = 400
MOST_TIMES = 200_000  # kept a kind of call: a log of a year must not fill memory


@dataclass(slots=True)
class Frame:
    """One line of a charger's lane."""

    index: int
    time: float
    kind: str  # send | recv | open | close | note
    title: str
    text: str


@dataclass(slots=True)
class Lane:
    """One charger's part of the story, shortened where it is long."""

    charger: str
    why: str
    frames: list[Frame] = field(default_factory=list)
    left_out: int = 0


@dataclass(slots=True)
class Percentiles:
    """How long the answers to one kind of call took, in milliseconds."""

    name: str
    count: int
    p50: float
    p95: float
    p99: float
    worst: float


@dataclass(slots=True)
class Moment:
    """Something the operator did, or a mark of the drill."""

    time: float
    label: str


@dataclass(slots=True)
class Picture:
    """Everything drawn; times are seconds since the start of the drill."""

    duration: float = 0.0
    samples: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)  # counts per STATES
    online: list[tuple[float, int]] = field(default_factory=list)
    pauses: list[tuple[float, float]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    latencies: list[Percentiles] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    lanes_left_out: int = 0
    sequences: list[Sequence] = field(default_factory=list)  # of a field log: one a charger
    failures: dict[str, str] = field(default_factory=dict)  # charger -> the failure it reported


def picture(run: RunRecord) -> Picture:
    """Return the picture of a drill; an empty one where nothing was recorded."""
    if run.history is None or not run.history.exists():
        return Picture()
    with run.history.open("rb") as file:
        _, events = read(unpacked(file))
        drawn = _Drawing(run.counts.chargers)
        for event in events:
            drawn.see(event)
    wanted = _wanted(run, drawn.picture.failures)
    if run.header is not None and is_field_log(run.header):
        drawn.picture.sequences = _sequences(run, drawn.everybody(wanted))
    with run.history.open("rb") as file:
        _, events = read(unpacked(file))
        drawn.picture.lanes = _lanes(events, dict(itertools.islice(wanted.items(), MOST_LANES)))
    drawn.picture.lanes_left_out = max(0, len(wanted) - MOST_LANES)
    return drawn.finish()


def _sequences(run: RunRecord, wanted: dict[str, str]) -> list[Sequence]:
    assert run.history is not None  # noqa: S101 - the picture was drawn from it
    with run.history.open("rb") as file:
        _, events = read(unpacked(file))
        return sequences(events, dict(itertools.islice(wanted.items(), MOST_LANES)), run.judgement)


class _Drawing:
    """The fold behind `picture`."""

    def __init__(self, chargers: int) -> None:
        self.picture = Picture()
        self._unseen = chargers  # they wait as well, before anything is heard of them
        self._state: dict[str, str] = {}
        self._online: set[str] = set()
        self._changes: list[tuple[float, tuple[int, ...]]] = []
        self._counts: Counter[str] = Counter()
        self._open_calls: dict[tuple[str, str], tuple[str, float]] = {}
        self._took: dict[str, list[float]] = {}
        self._counted: Counter[str] = Counter()
        self._every: dict[str, int] = {}
        self._paused_at: float | None = None

    def see(self, event: Event) -> None:
        """Take one event."""
        self.picture.duration = max(self.picture.duration, event.time)
        if event.charger is not None:
            self._charger(event, event.charger)
        elif event.source == "operator":
            self._operator(event)
        elif event.kind in {"mark", "kill", "up"}:
            self.picture.moments.append(Moment(event.time, event.name or event.kind))

    def _charger(self, event: Event, charger: str) -> None:
        if charger not in self._state:
            self._unseen -= 1
            self._move(event.time, charger, "waiting")
        if event.kind == "open":
            self._online.add(charger)
            self.picture.online.append((event.time, len(self._online)))
        elif event.kind == "close":
            self._online.discard(charger)
            self.picture.online.append((event.time, len(self._online)))
            if self._state[charger] == "installing":
                self._move(event.time, charger, "rebooting")
        elif event.kind in {"send", "recv"}:
            self._frame(event, charger)

    def _frame(self, event: Event, charger: str) -> None:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or len(frame) < 3:  # noqa: PLR2004
            return
        if frame[0] == 2:  # noqa: PLR2004 - a CALL
            self._open_calls[charger, str(frame[1])] = (event.name, event.time)
            if event.kind == "recv" and event.name in _UPDATES:
                self._move(event.time, charger, "triggered")
            elif event.kind == "send" and event.name.endswith("FirmwareStatusNotification"):
                self._status(event, charger, frame)
        elif asked := self._open_calls.pop((charger, str(frame[1])), None):
            side = "charger answers" if event.kind == "send" else "CSMS answers"
            self._time(f"{side} {asked[0]}", event.time - asked[1])

    def _status(self, event: Event, charger: str, frame: list[Any]) -> None:
        payload = frame[3] if len(frame) > 3 and isinstance(frame[3], dict) else {}  # noqa: PLR2004
        status = str(payload.get("status"))
        if status in _FAILED:
            self.picture.failures[charger] = status
            self._move(event.time, charger, "failed")
        elif status in _REPORTED:
            self.picture.failures.pop(charger, None)
            self._move(event.time, charger, _REPORTED[status])

    def _move(self, time: float, charger: str, state: str) -> None:
        before = self._state.get(charger)
        if before == state:
            return
        if before is not None:
            self._counts[before] -= 1
        self._counts[state] += 1
        self._state[charger] = state
        waiting = self._counts["waiting"] + max(self._unseen, 0)
        counts = (waiting, *(self._counts[name] for name in STATES[1:]))
        self._changes.append((time if len(self._changes) else 0.0, counts))

    def _operator(self, event: Event) -> None:
        if event.kind == "invoke":
            self._open_calls["operator", event.ref] = (event.name, event.time)
            if event.name in {"create", "execute_stage", "pause"}:
                self.picture.moments.append(Moment(event.time, event.name.replace("_", " ")))
            if event.name == "execute_stage" and self._paused_at is not None:
                self.picture.pauses.append((self._paused_at, event.time))
                self._paused_at = None
            return
        asked = self._open_calls.pop(("operator", event.ref), None)
        if asked is not None:
            self._time(f"REST {asked[0]}", event.time - asked[1])
        if event.name == "pause" and event.kind == "ok" and self._paused_at is None:
            self._paused_at = event.time

    def _time(self, name: str, seconds: float) -> None:
        times = self._took.setdefault(name, [])
        self._counted[name] += 1
        if not self._counted[name] % self._every.get(name, 1):
            times.append(seconds * 1000.0)
        if len(times) >= MOST_TIMES:  # every other one tells as much
            del times[::2]
            self._every[name] = 2 * self._every.get(name, 1)

    def everybody(self, first: dict[str, str]) -> dict[str, str]:
        """Return the chargers to draw and why: all of them, the given ones first."""
        return {**first, **{charger: "" for charger in self._state if charger not in first}}

    def finish(self) -> Picture:
        """Return the picture, thinned out to what can be drawn."""
        drawn = self.picture
        if self._paused_at is not None:
            drawn.pauses.append((self._paused_at, drawn.duration))
        drawn.samples = _thin(self._changes)
        drawn.online = _thin(drawn.online)
        drawn.latencies = sorted(
            (_percentiles(name, self._counted[name], t) for name, t in self._took.items() if t),
            key=lambda row: (row.name.split(" ")[0] != "REST", -row.count, row.name),
        )
        return drawn


def _thin(changes: list[Any]) -> list[Any]:
    """Return at most `SAMPLES` of the changes, the last one always."""
    step = max(1, len(changes) // SAMPLES)
    kept = changes[::step]
    return [*kept, changes[-1]] if changes and kept[-1] is not changes[-1] else kept


def _percentiles(name: str, count: int, times: list[float]) -> Percentiles:
    times.sort()

    def at(share: float) -> float:
        return times[min(len(times) - 1, int(share * len(times)))]

    return Percentiles(name, count, at(0.50), at(0.95), at(0.99), times[-1])


def _wanted(run: RunRecord, failures: dict[str, str]) -> dict[str, str]:
    """Return the chargers to show and why: accused ones first."""
    wanted: dict[str, str] = {}
    for result in run.judgement.results if run.judgement else ():
        for finding in result.findings:
            if finding.charger is not None:
                wanted.setdefault(finding.charger, f"witness of {finding.requirement}")
    for charger, status in sorted(failures.items()):
        wanted.setdefault(charger, status)
    return wanted


def _lanes(events: Iterable[Event], wanted: dict[str, str]) -> list[Lane]:
    lanes = {charger: Lane(charger, why) for charger, why in wanted.items()}
    for event in events:
        lane = lanes.get(event.charger or "")
        if lane is None or event.name == "Heartbeat":
            continue
        if len(lane.frames) >= MOST_FRAMES:
            lane.left_out += 1
            continue
        lane.frames.append(_line(event))
    return [lane for lane in lanes.values() if lane.frames]


def _line(event: Event) -> Frame:
    data = event.data.get("frame", event.data.get("text", event.data))
    kind = ""
    if isinstance(data, list):
        kind = " result" if data[:1] == [3] else " error" if data[:1] == [4] else ""
    text = _compact(data)
    return Frame(event.index, event.time, event.kind, f"{event.name}{kind}".strip(), text)


def _compact(data: Any) -> str:

    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}…"
