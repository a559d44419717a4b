"""A charger's conversation as a sequence picture: two lifelines, an arrow a frame. A core.

Labels hold what chargers and CSMSs said: the template escapes them. What a finding shows is marked,
and of a long conversation the part around it is kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.checkers.telling import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.history import Event
    from harness.verdict import Judgement

MOST = 120  # arrows of one picture
BEFORE, AFTER = 30, 12  # frames kept around one that a finding shows
ROW = 22  # pixels
LONGEST = 90  # characters of a label
_WORDS = {3: "", 4: "error ", 5: "result error "}


@dataclass(frozen=True, slots=True)
class Arrow:
    """One row: `kind` is send, recv, open, close, gap or damaged."""

    time: float
    kind: str
    label: str
    accused: bool
    line: int | None = None  # of the log


@dataclass(slots=True)
class Sequence:
    """The picture of one charger; `skipped` rows were left out."""

    charger: str
    why: str
    arrows: list[Arrow] = field(default_factory=list)
    skipped: int = 0

    @property
    def height(self) -> int:
        """Of the drawing, in pixels."""
        return ROW * (len(self.arrows) + 2)

    @property
    def rows(self) -> list[tuple[int, Arrow]]:
        """The arrows with their heights."""
        return [(ROW * (number + 2), arrow) for number, arrow in enumerate(self.arrows)]


def sequences(
    events: Iterable[Event], wanted: dict[str, str], judgement: Judgement | None
) -> list[Sequence]:
    """Return the pictures of these chargers (id -> why), in this order."""
    marked = accused(judgement)
    drawn = {charger: _Drawing(Sequence(charger, why)) for charger, why in wanted.items()}
    some = {charger for charger, _ in marked}
    for event in events:
        drawing = drawn.get(event.charger or "")
        if drawing is not None:
            arrow = arrow_of(event, accused=(drawing.sequence.charger, event.index) in marked)
            if arrow is not None:
                drawing.see(arrow, everything=drawing.sequence.charger not in some)
    return [drawing.sequence for drawing in drawn.values() if drawing.sequence.arrows]


def accused(judgement: Judgement | None) -> set[tuple[str, int]]:
    """Return the events that findings show: charger and index."""
    return {
        (finding.charger, step.index)
        for result in (judgement.results if judgement else ())
        for finding in result.findings
        if finding.charger is not None
        for step in finding.witness.steps
    }


class _Drawing:
    """Keeps the first rows, or those around what a finding shows."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self._recent: deque[Arrow] = deque(maxlen=BEFORE)
        self._after = 0

    def see(self, arrow: Arrow, *, everything: bool) -> None:
        kept = self.sequence.arrows
        if len(kept) >= MOST:
            self.sequence.skipped += 1
        elif everything:
            kept.append(arrow)
        elif arrow.accused or self._after:
            kept += self._recent
            self._recent.clear()
            kept.append(arrow)
            self._after = AFTER if arrow.accused else self._after - 1
        else:
            self.sequence.skipped += len(self._recent) == BEFORE
            self._recent.append(arrow)


def arrow_of(event: Event, *, accused: bool = False) -> Arrow | None:
    """Return one event as a row, None if it is none of the conversation."""
    kind, data = event.kind, event.data
    line = data.get("line")
    label = ""
    if kind in {"send", "recv"}:
        label = _label(event.name, data.get("frame"))
    elif kind == "open":
        label = f"connected {data.get('subprotocol') or ''}".strip()
        if data.get("partial"):
            kind, label = "gap", "the log begins or goes on here, in the middle of a connection"
    elif kind == "close":
        code = data.get("code")
        label = f"disconnected ({code})" if code else "disconnected"
    elif kind == "damaged":
        label = f"{event.name}: {data.get('problem')}"
    else:
        return None
    shown = clean(label)
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    return Arrow(event.time, kind, shown, accused, line if isinstance(line, int) else None)


def _label(name: str, frame: Any) -> str:
    """Say in a few words what a frame is: its action, and the status in it."""
    if not isinstance(frame, list) or len(frame) < 3:  # noqa: PLR2004 - the shortest frame
        return "no OCPP-J frame"
    kind = frame[0] if isinstance(frame[0], int) else 0
    if kind in {2, 6}:
        return f"{name} {_gist(frame[3] if len(frame) > 3 else None)}".strip()  # noqa: PLR2004
    if kind == 3:  # noqa: PLR2004 - CALLRESULT
        return f"{name or 'to ' + str(frame[1])} ↩ {_gist(frame[2])}".strip()
    return f"{name or 'to ' + str(frame[1])} ↩ {_WORDS.get(kind, '')}{frame[2]}"


def _gist(payload: Any) -> str:
    if not isinstance(payload, dict):
        return ""
    inner = payload.get("firmware")
    box = inner if isinstance(inner, dict) else payload
    for key in ("status", "connectorStatus", "location", "eventType", "requestedMessage"):
        if isinstance(box.get(key), str):
            return str(box[key])
    known = payload.get("chargingStation")
    box = known if isinstance(known, dict) else payload
    version = box.get("firmwareVersion")
    return f"version {version}" if isinstance(version, str) else ""
