"""Shows a running drill: a live table on a terminal, plain lines elsewhere, nothing when quiet.

A shell. It only reads the running counters; nothing that it shows decides anything. It runs in a
thread of its own, because a terminal that scrolls slowly must not delay the drill.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.progress import FAILED, by_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, ConsoleOptions, RenderResult

    from harness.drill import Drill
    from harness.progress import Progress

NARROW = 100  # columns: below that the table would cut its own headings
EVERY = 5.0  # seconds between two plain lines while nothing changes
TICK = 0.25
_COLUMNS = ("pending", "scheduled", "downloading", "downloaded", "installing", "rebooting",
            "installed", "failed")  # fmt: skip


class Quiet:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def begin(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Nothing was shown."""


class Plain:
    """A line when the phase, a step or a status changes, and now and then in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """Print one line about set-up or tidying up."""
        self._console.print(Text(text), highlight=False, soft_wrap=True)

    def begin(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        """Watch this drill from a thread of its own."""
        self._thread = threading.Thread(
            target=self._watch, args=(drill, progress, now), daemon=True, name="live view"
        )
        self._thread.start()

    def end(self) -> None:
        """Print where it ended and stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)

    def _watch(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        key: object = None
        told = -EVERY
        while not self._stop.wait(TICK):
            moment = now()
            seen = _state(drill, progress)
            if seen != key or (moment - told >= EVERY):
                key, told = seen, moment
                self.say(line(drill, progress, moment))
        self.say(line(drill, progress, now()))


class Screen:
    """A table that redraws itself on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def say(self, text: str) -> None:
        """Print one line about set-up or tidying up."""
        self._console.print(Text(text, style="dim"), highlight=False, soft_wrap=True)

    def begin(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        """Redraw four times a second."""
        picture = _Picture(drill, progress, now)
        self._live = Live(picture, console=self._console, refresh_per_second=4)
        self._live.start()

    def end(self) -> None:
        """Leave the last picture standing."""
        if self._live is not None:
            self._live.stop()


class _Picture:
    """What rich asks for whenever it redraws."""

    def __init__(self, drill: Drill, progress: Progress, now: Callable[[], float]) -> None:
        self._drill = drill
        self._progress = progress
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        draw = funnel if options.max_width >= NARROW else words
        yield from _troubles(self._progress)
        yield Text(line(self._drill, self._progress, self._now()), style="bold")
        yield from map(draw, self._drill.rollouts())


def view(console: Console, *, quiet: bool) -> Quiet | Plain | Screen:
    """Choose a view: none when quiet, a table on a terminal, plain lines elsewhere."""
    if quiet:
        return Quiet()
    return Screen(console) if console.is_terminal else Plain(console)


def line(drill: Drill, progress: Progress, now: float) -> str:
    """Say in one line where a drill is."""
    statuses = (
        ", ".join(str(body.get("status")) for body in drill.rollouts() if body) or "no rollout"
    )
    last = progress.states()
    failed = sum(last[status] for status in FAILED)
    downloads = progress.bytes_served / 1e6
    return (
        f"{now:6.1f} s  {drill.where}: {statuses}; "
        f"online {len(progress.online)}/{progress.fleet}, "
        f"triggered {len(progress.triggered)}, in flight {len(progress.in_flight)}, "
        f"installed {last['Installed']}, failed {failed}, served {downloads:.0f} MB"
    )


def funnel(body: dict[str, object]) -> Table:
    """Draw the stages of a rollout by the statuses that GET shows."""
    table = Table(title=f"{body.get('rollout_id', 'rollout')}: {body.get('status', '')}")
    for column in ("stage", *_COLUMNS):
        table.add_column(column, justify="right")
    for number, counted in enumerate(by_status(body), start=1):
        table.add_row(str(number), *(str(counted[name] or "") for name in _COLUMNS))
    return table


def words(body: dict[str, object]) -> Text:
    """Say what `funnel` draws where the terminal is too narrow for it: what is not zero."""
    rows = [f"{body.get('rollout_id', 'rollout')}: {body.get('status', '')}"]
    for number, counted in enumerate(by_status(body), start=1):
        told = ", ".join(f"{counted[name]} {name}" for name in _COLUMNS if counted[name])
        rows.append(f"  stage {number}: {told or 'empty'}")
    return Text("\n".join(rows))


def _state(drill: Drill, progress: Progress) -> tuple[object, ...]:
    """Return what deserves a new line when it changes."""
    statuses = tuple(str(body.get("status")) for body in drill.rollouts())
    return drill.where, statuses, len(progress.trouble) > 0


def _troubles(progress: Progress) -> list[Text]:
    """Name what goes wrong, first."""
    found = list(dict(progress.trouble).items())
    out = [Text(f"{charger} cannot connect: {why}", style="red") for charger, why in found[:3]]
    if len(found) > 3:  # noqa: PLR2004 - lines
        out.append(Text(f"… and {len(found) - 3} more", style="red"))
    if progress.garbled:
        out.append(Text(f"{progress.garbled} frames that are no OCPP-J", style="red"))
    return out
