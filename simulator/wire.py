"""OCPP-J frames, and one endpoint's bookkeeping of its CALLs. A core.

The five message types as values, `decode` and `encode` between them and text, and `Endpoint`:
which CALL of ours is outstanding, which wait behind it, which answers nobody waits for. It knows no
action and no version; error codes are spelled as in 2.x (`dialect.error_code` respells them).
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import Any

import msgspec

from simulator.errors import PeerError

MAX_MESSAGE_ID = 36  # OCPP-J 1.6 §4.1.4, 2.x Part 4 §4.1.4
MAX_DESCRIPTION = 255
DEEPEST = 200  # levels of a frame: what follows it through the house must never run out of stack
SHALLOW = 2 * DEEPEST  # characters: each level takes two, so what is no longer is not deeper

_decode_json = msgspec.json.Decoder().decode
_encode_json = msgspec.json.Encoder().encode


class MessageType(IntEnum):
    """The first element of a frame."""

    CALL = 2
    CALLRESULT = 3
    CALLERROR = 4
    CALLRESULTERROR = 5  # 2.1
    SEND = 6  # 2.1: a CALL nobody answers


class Call(msgspec.Struct, frozen=True, gc=False):
    """A request; it is answered with a CallResult or a CallError of the same id."""

    message_id: str
    action: str
    payload: dict[str, Any]


class CallResult(msgspec.Struct, frozen=True, gc=False):
    """The answer to a CALL."""

    message_id: str
    payload: dict[str, Any]


class CallError(msgspec.Struct, frozen=True, gc=False):
    """The refusal of a CALL."""

    message_id: str
    code: str
    description: str = ""
    details: dict[str, Any] = {}


class CallResultError(msgspec.Struct, frozen=True, gc=False):
    """2.1: the refusal of an answer."""

    message_id: str
    code: str
    description: str = ""
    details: dict[str, Any] = {}


class SendMessage(msgspec.Struct, frozen=True, gc=False):
    """2.1: a message that is never answered."""

    message_id: str
    action: str
    payload: dict[str, Any]


# Plain numbers: quicker to write than members of an enumeration.
CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND = map(int, MessageType)
Frame = Call | CallResult | CallError | CallResultError | SendMessage


def encode(frame: Frame) -> str:
    """Return the frame as JSON text, without blanks, members in the order given."""
    if isinstance(frame, Call):
        return _encode_json((CALL, frame.message_id, frame.action, frame.payload)).decode()
    if isinstance(frame, CallResult):
        return _encode_json((CALLRESULT, frame.message_id, frame.payload)).decode()
    if isinstance(frame, SendMessage):
        parts: tuple[Any, ...] = (SEND, frame.message_id, frame.action, frame.payload)
    else:
        kind = CALLERROR if isinstance(frame, CallError) else CALLRESULTERROR
        described = frame.description[:MAX_DESCRIPTION]
        parts = (kind, frame.message_id, frame.code, described, frame.details)
    return _encode_json(parts).decode()


def decode(text: str) -> Frame:
    """Return the frame in `text`; raises `PeerError` naming the breach and, if readable, the id.

    Only what may be a CALL is answerable: a CALLERROR never answers an answer.

    Codes: FormatViolation (not JSON), RpcFrameworkError (JSON, not a frame) and
    MessageTypeNotSupported (a type this protocol does not know: to be ignored).
    """
    try:
        parts = _decode_json(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PeerError("FormatViolation", f"not JSON: {error}") from error
    if not isinstance(parts, list) or not parts:
        raise PeerError("RpcFrameworkError", "a frame is a JSON array")
    if len(text) > SHALLOW and (problem := deep(text, parts)):
        raise PeerError("FormatViolation", problem)
    message_id = parts[1] if len(parts) > 1 and isinstance(parts[1], str) else None
    kind = parts[0]
    if type(kind) is not int or kind not in _SHAPES:
        raise PeerError("MessageTypeNotSupported", f"message type {kind!r:.40}", message_id,
                        answerable=False)  # fmt: skip
    called = kind == CALL
    if message_id is None or len(message_id) > MAX_MESSAGE_ID:
        raise PeerError("RpcFrameworkError", "the message id is missing or too long",
                        answerable=called)  # fmt: skip
    build, types = _SHAPES[kind]
    fields = parts[2:]
    if len(fields) != len(types) or not all(map(isinstance, fields, types)):
        raise PeerError("RpcFrameworkError", f"a message of type {kind} has another shape",
                        message_id, answerable=called)  # fmt: skip
    return build(message_id, *fields)


_SHAPES: dict[int, tuple[type[Frame], tuple[type, ...]]] = {
    2: (Call, (str, dict)),
    3: (CallResult, (dict,)),
    4: (CallError, (str, str, dict)),
    5: (CallResultError, (str, str, dict)),
    6: (SendMessage, (str, dict)),
}


def deep(text: str, whole: Any, start: int = 0, end: int | None = None) -> str:
    """Say if what was decoded from this text is nested too deeply to be handled, else ''.

    What can just be read from where the stack is shallow, cannot be written where it is deep.
    """
    if text.count("[", start, end) + text.count("{", start, end) <= DEEPEST:
        return ""
    level = [whole] if isinstance(whole, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return ""
    return f"nested more than {DEEPEST} levels deep"


class Outstanding(msgspec.Struct, frozen=True, gc=False):
    """A CALL of ours on the wire."""

    call: Call
    deadline: float  # Unix seconds
    ref: str | None  # what the owner wants to be reminded of when it ends


class Endpoint:
    """One side's CALLs: at most one outstanding, the rest in order behind it.

    The owner asks `next_call(now)` for what may go on the wire after every change, hands in answers
    with `settle` and asks `expired(now)` when a deadline has come. Message ids are unique for the
    life of the endpoint, across connections.
    """

    __slots__ = ("_counter", "_prefix", "outstanding", "timeout", "unexpected", "waiting")

    def __init__(self, prefix: str, timeout: float) -> None:
        self._prefix = prefix
        self._counter = 0
        self.timeout = timeout  # seconds until an answer is no longer waited for
        self.outstanding: Outstanding | None = None
        self.waiting: deque[tuple[str, dict[str, Any], str | None]] | None = None
        self.unexpected = 0  # answers nobody waited for: late, repeated or made up

    def queue(
        self, action: str, payload: dict[str, Any], ref: str | None = None, *, first: bool = False
    ) -> None:
        """Put a CALL behind all others, or before them where it is sent `first` once more."""
        if self.waiting is None:  # idle endpoints keep no queue: there are ten thousand of them
            self.waiting = deque()
        put = self.waiting.appendleft if first else self.waiting.append
        put((action, payload, ref))

    def waits(self, action: str) -> bool:
        """Whether a CALL of this action is yet to be sent."""
        return any(waiting[0] == action for waiting in self.waiting or ())

    def next_call(self, now: float) -> Call | None:
        """Return the CALL to send now, if the wire is free and one waits."""
        if self.outstanding is not None or not self.waiting:
            return None
        action, payload, ref = self.waiting.popleft()
        if not self.waiting:
            self.waiting = None
        call = Call(self.new_id(), action, payload)
        self.outstanding = Outstanding(call, now + self.timeout, ref)
        return call

    @property
    def idle(self) -> bool:
        """Whether no CALL is outstanding and none waits."""
        return self.outstanding is None and not self.waiting

    def new_id(self) -> str:
        """Return a message id never used before by this endpoint."""
        self._counter += 1
        return f"{self._prefix}-{self._counter}"

    def settle(self, answer: CallResult | CallError) -> Outstanding | None:
        """Return the CALL that this answers, or None (and count it) if nobody waits for it."""
        outstanding = self.outstanding
        if outstanding is None or outstanding.call.message_id != answer.message_id:
            self.unexpected += 1
            return None
        self.outstanding = None
        return outstanding

    def expired(self, now: float) -> Outstanding | None:
        """Return the outstanding CALL if its time is up; it is then no longer waited for."""
        outstanding = self.outstanding
        if outstanding is None or now < outstanding.deadline:
            return None
        self.outstanding = None
        return outstanding

    def reset(self) -> list[tuple[str, str | None]]:
        """Forget everything at the end of a connection; return (action, ref) of what is lost."""
        lost: list[tuple[str, str | None]] = []
        if self.outstanding is not None:
            lost.append((self.outstanding.call.action, self.outstanding.ref))
        lost += [(action, ref) for action, _, ref in self.waiting or ()]
        self.outstanding = self.waiting = None
        return lost
