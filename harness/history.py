"""The history: an append-only record of what a stranger can see.

A core: no clock, no files. NDJSON in and out goes through iterables of lines, so that a file, a
socket and a list all do. The first line is the `Header`, every further line one `Event`:

`{"index", "time", "source", "kind", "name", "ref", "data"}`

`time` is seconds since the start of the drill and never steps back. ARCHITECTURE.md, seam 5, lists
the sources and kinds. The same run gives the same bytes: fields are written in a fixed order.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FORMAT = "firmdrill-history/1"
CHARGER = "charger:"
FIELD_LOG = "field log"  # `Header.target["kind"]` of a history that was imported from a log
CHARGER_CASE = "charger"  # of one case of `check charger`: it has no phases, only an end


class Event(msgspec.Struct, frozen=True, gc=False):
    """One observation. `data` is never changed after the event was recorded."""

    index: int
    time: float
    source: str  # operator | charger:ID | firmware | harness | fault
    kind: str
    name: str = ""
    ref: str = ""
    data: dict[str, Any] = {}

    @property
    def charger(self) -> str | None:
        """The charger's id if a charger is the source."""
        return self.source[len(CHARGER) :] if self.source.startswith(CHARGER) else None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a history is about; enough to judge and to repeat it.

    `scenario` holds at least `name`, and `text` (the YAML) where there is one. `profile` holds the
    target's switches (contract.py). `under_test` names the sides whose findings decide the
    verdict: `csms`, `charger`. Chargers in `quirky` misbehave by scenario: findings that accuse
    them are expected.
    """

    format: str = FORMAT
    versions: dict[str, str] = {}
    scenario: dict[str, Any] = {}
    seed: int = 0
    target: dict[str, Any] = {}
    profile: dict[str, Any] = {}
    under_test: tuple[str, ...] = ("csms", "charger")
    quirky: tuple[str, ...] = ()
    started_at: str = ""  # RFC 3339, the wall clock at time 0


class _Stamp(msgspec.Struct):
    """What tells a header from an event: every field of a header may be left out, but this one."""

    format: str


class History:
    """Events in the order they were observed.

    `record` appends and tells every listener (a file writer, the running counters, the live
    judge). With `keep=False` nothing stays in memory: for runs too large to hold.
    """

    def __init__(self, header: Header, *, keep: bool = True) -> None:
        """Start an empty history."""
        self.header = header
        self.events: list[Event] = []
        self._keep = keep
        self._count = 0
        self._now = 0.0
        self._listeners: list[Callable[[Event], None]] = []

    def __len__(self) -> int:
        """Count the events recorded so far, kept or not."""
        return self._count

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with every event recorded from now on."""
        self._listeners.append(listener)

    def record(  # noqa: PLR0917 - the fields of an event, in their order; called for every one
        self,
        time: float,
        source: str,
        kind: str,
        name: str = "",
        ref: str = "",
        data: dict[str, Any] | None = None,
    ) -> Event:
        """Append one event at `time` (seconds since the start; an earlier time is raised)."""
        # Whole microseconds: a history reads well and a virtual run repeats byte for byte. (The
        # builtin `round` is right in the last digit of any number, and five times as dear.)
        time = int(time * 1e6 + 0.5) / 1e6
        if time > self._now:  # noqa: PLR1730 - `max` is a call
            self._now = time
        event = Event(self._count, self._now, source, kind, name, ref, data or {})
        self._count += 1
        if self._keep:
            self.events.append(event)
        for listener in self._listeners:
            listener(event)
        return event

    def lines(self) -> Iterator[bytes]:
        """Yield the NDJSON lines, header first."""
        yield encode(self.header)
        for event in self.events:
            yield encode(event)

    def digest(self) -> str:
        """Return the SHA-256 of the NDJSON form, in hex."""
        return digest(self.lines())


_encoder = msgspec.json.Encoder()
_MARK = b"\xef\xbb\xbf"  # some editors put it before UTF-8
_UTF16 = frozenset({b"\xff\xfe", b"\xfe\xff"})
_stamp_decoder = msgspec.json.Decoder(_Stamp)
_header_decoder = msgspec.json.Decoder(Header)
_event_decoder = msgspec.json.Decoder(Event)


def encode(item: Header | Event) -> bytes:
    r"""Return one NDJSON line, ending in `\n`."""
    try:
        return _encoder.encode(item) + b"\n"
    except UnicodeEncodeError:
        # A hostile charger can put lone surrogates into JSON; keep them as visible escapes.
        return _encoder.encode(_escape(msgspec.to_builtins(item))) + b"\n"


def encode_all(items: list[Header | Event]) -> bytes:
    """Return the lines of many at once: for those who write many."""
    try:
        return _encoder.encode_lines(items)
    except UnicodeEncodeError:
        return b"".join(map(encode, items))


def _escape(item: Any) -> Any:
    """Replace every character that UTF-8 cannot carry by its escape."""
    if isinstance(item, str):
        return item.encode("utf-8", "backslashreplace").decode()
    if isinstance(item, dict):
        return {_escape(key): _escape(value) for key, value in item.items()}
    return [_escape(value) for value in item] if isinstance(item, list | tuple) else item


def digest(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 over NDJSON lines, in hex."""
    total = hashlib.sha256()
    for line in lines:
        total.update(line)
    return total.hexdigest()


def read(lines: Iterable[bytes | str]) -> tuple[Header, Iterator[Event]]:
    """Read a history: the header at once, the events as they are asked for.

    Raises HistoryError with the line number. A last line that was cut short (the writer was
    killed) ends the history silently: what came before it is still evidence.
    """
    numbered = enumerate(lines, start=1)
    first = next(numbered, None)
    if first is None:
        raise HistoryError(0, "the history is empty")
    try:
        if first[1][:2] in _UTF16:
            raise HistoryError(1, "this text is UTF-16: save it as UTF-8")
        line = first[1].removeprefix(_MARK) if isinstance(first[1], bytes) else first[1]
        _stamp_decoder.decode(line)
        header = _header_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HistoryError(1, f"not a history header: {error}") from error
    if header.format != FORMAT:
        raise HistoryError(1, f"format {header.format!r} is unknown; this version reads {FORMAT!r}")
    return header, _events(numbered)


def _events(numbered: Iterator[tuple[int, bytes | str]]) -> Iterator[Event]:
    """Decode the event lines, checking that neither time nor index steps back."""
    index, time = -1, -math.inf
    for number, line in numbered:
        if not line.strip():
            continue
        try:
            event = _event_decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if line[-1:] not in {b"\n", "\n"}:
                return
            raise HistoryError(number, f"not an event: {error}") from error
        if event.index <= index or event.time < time:
            raise HistoryError(number, f"event {event.index} at {event.time} s steps back")
        index, time = event.index, event.time
        yield event


def whole(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events of a history from which none was taken out; raises HistoryError.

    Who judges what somebody has picked out accuses the innocent of what was left out.
    """
    for expected, event in enumerate(events):
        if event.index != expected:
            missing = f"event {expected} is missing (the next one is {event.index})"
            raise HistoryError(0, f"{missing}: a history is judged whole")
        yield event
