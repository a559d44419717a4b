"""The figures of a load run: a fold over its merged history. A core.

Latencies by name and over time, the connect curve, the rollouts' progress, and the windows in which
something was the matter: a pause, a killed CSMS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.load.histogram import Histogram
from harness.load.latency import TIME, Sample, Timer
from harness.progress import Progress

if TYPE_CHECKING:
    from harness.history import Event

UPDATES = ("UpdateFirmware", "SignedUpdateFirmware")
MOST_POINTS = 300


@dataclass(slots=True)
class Window:
    """A stretch of the run with a reason to look different."""

    kind: str  # pause | down
    began: float
    ended: float


@dataclass(slots=True)
class Point:
    """The fleet at one second."""

    time: int
    online: int
    booted: int
    triggered: int
    installed: int
    failed: int
    samples: int = 0  # answered or failed since the point before


@dataclass(slots=True)
class Figures:
    """See every event once; then read."""

    chargers: int
    by_name: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    by_second: dict[int, dict[tuple[str, str], Histogram]] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    duration: float = 0.0
    most_booted: int = 0
    progress: Progress = field(init=False)
    _timer: Timer = field(default_factory=Timer)
    _paused: dict[str, float] = field(default_factory=dict)
    _down: float | None = None
    _executed: float | None = None
    _ready: dict[str, float] = field(default_factory=dict)  # charger -> when it was last accepted
    _booted: set[str] = field(default_factory=set)
    _samples: int = 0

    def __post_init__(self) -> None:
        self.progress = Progress(self.chargers)

    def see(self, event: Event) -> None:
        """Take one event in."""
        self._tick(event.time)
        self.progress.see(event)
        for sample in self._timer.see(event):
            self.take(sample)
            if sample.name == "boot" and sample.type == TIME:
                self._accepted(event)
        if event.charger is not None:
            self._charger(event.charger, event)
        elif event.source == "operator":
            self._operator(event)
        elif event.source == "harness":
            self._harness(event)

    def take(self, sample: Sample) -> None:
        """Count one sample."""
        key = (sample.type, sample.name)
        error = bool(sample.error)
        self.by_name.setdefault(key, Histogram()).add(sample.seconds, error=error)
        second = self.by_second.setdefault(int(sample.time), {})
        second.setdefault(key, Histogram()).add(sample.seconds, error=error)
        self._samples += 1

    def end(self) -> None:
        """Close what is still open."""
        for began in self._paused.values():
            self.windows.append(Window("pause", began, self.duration))
        if self._down is not None:
            self.windows.append(Window("down", self._down, self.duration))
        self._point(int(self.duration) + 1)
        self.windows.sort(key=lambda window: window.began)

    # ------------------------------------------------------------------ inside

    def _tick(self, time: float) -> None:
        if not self.points or time >= self.points[-1].time + 1:
            self._point(int(time))
        self.duration = max(self.duration, time)

    def _point(self, second: int) -> None:
        progress = self.progress
        states = progress.reports
        self.points.append(
            Point(
                second,
                len(progress.online),
                len(self._booted & progress.online),
                sum(progress.triggered.values()),
                states["Installed"],
                progress.count("failed"),
                self._samples,
            )
        )
        self._samples = 0

    def _accepted(self, event: Event) -> None:
        charger = event.charger
        if charger is not None:
            self._ready[charger] = event.time
            self._booted.add(charger)
            self.most_booted = max(self.most_booted, len(self._booted))

    def _charger(self, charger: str, event: Event) -> None:
        frame = event.data.get("frame")
        if event.kind != "recv" or event.name not in UPDATES or not isinstance(frame, list):
            return
        if frame[:1] == [2] and self._executed is not None:
            since = max(self._executed, self._ready.get(charger, 0.0))
            self.take(Sample(TIME, "dispatch", event.time, max(event.time - since, 0.0)))

    def _operator(self, event: Event) -> None:
        rollout = str(event.data.get("rollout") or "")
        if event.name == "execute_stage" and event.kind == "invoke":
            self._executed = event.time
            began = self._paused.pop(rollout, None)
            if began is not None:
                self.windows.append(Window("pause", began, event.time))
        elif event.name == "pause" and event.kind == "ok":
            body = event.data.get("body")
            named = body.get("rollout_id") if isinstance(body, dict) else None
            self._paused.setdefault(str(named or ""), event.time)

    def _harness(self, event: Event) -> None:
        if event.kind == "kill":
            self._down = event.time
        elif event.kind == "up" and self._down is not None:
            self.windows.append(Window("down", self._down, event.time))
            self._down = None

    # ------------------------------------------------------------------ reading

    def named(self, name: str) -> Histogram:
        """Return the samples of a name, of whatever type; `all`: every call and request."""
        found = Histogram()
        for (kind, own), histogram in self.by_name.items():
            if name in {own, kind} or (name == "all" and kind != TIME):
                found.merge(histogram)
        return found

    @property
    def calls(self) -> int:
        """Return how many OCPP calls were answered or failed."""
        return sum(h.count for (kind, _), h in self.by_name.items() if kind.startswith("OCPP"))

    def over_time(self, most: int = MOST_POINTS) -> list[dict[str, Any]]:
        """Return latencies over time: p50, p95 and p99 of calls and requests, and their number."""
        if not self.by_second:
            return []
        last = max(self.by_second)
        width = max(1, -(-(last + 1) // most))
        slices: dict[int, Histogram] = {}
        for second, histograms in self.by_second.items():
            whole = slices.setdefault(second // width * width, Histogram())
            for (kind, _), histogram in histograms.items():
                if kind != TIME:
                    whole.merge(histogram)
        return [
            {"time": begin, "width": width, "count": one.count, "errors": one.errors,
             "p50": _ms(one.percentile(0.5)), "p95": _ms(one.percentile(0.95)),
             "p99": _ms(one.percentile(0.99))}
            for begin, one in sorted(slices.items()) if one.count
        ]  # fmt: skip

    def table(self) -> list[dict[str, Any]]:
        """Return percentiles by name, in milliseconds."""
        return [
            {"type": kind, "name": name, "count": one.count, "errors": one.errors,
             "mean": _ms(one.mean), "p50": _ms(one.percentile(0.5)),
             "p95": _ms(one.percentile(0.95)), "p99": _ms(one.percentile(0.99)),
             "longest": _ms(one.longest)}
            for (kind, name), one in sorted(self.by_name.items())
        ]  # fmt: skip

    def curve(self, most: int = MOST_POINTS) -> list[dict[str, int]]:
        """Return the fleet over time, thinned evenly."""
        step = max(1, -(-len(self.points) // most))
        kept = [*self.points[::step]]
        if self.points and kept[-1] is not self.points[-1]:
            kept.append(self.points[-1])
        return [
            {"time": p.time, "online": p.online, "booted": p.booted, "triggered": p.triggered,
             "installed": p.installed, "failed": p.failed}
            for p in kept
        ]  # fmt: skip


def _ms(seconds: float) -> float:
    return round(seconds * 1000.0, 2)
