"""One charger's connection as the CSMS sees it: OCPP-J text in, text and facts out. A core.

The laws it keeps, whatever the station sends:

* a well-formed CALL is answered exactly once, with a CALLRESULT or the CALLERROR that the version
  defines; a schema-valid firmware status always with `{}` (L01, L02; D22);
* a station that was never accepted gets SecurityError for anything but BootNotification
  (B01.FR.10); one accepted earlier may go on after a plain reconnect (D11);
* one CALL of ours is outstanding at a time; its answer, its time-out or the end of the connection
  reaches the service once, and replies that nobody waits for are counted and ignored;
* nothing a station sends raises or ends the connection: garbage is answered where the version says
  how (2.x: RpcFrameworkError to the id "-1"), else passed over in silence.

Answers to boots and statuses leave with the transaction that makes them durable
(`Service.after_commit`), all others at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from reference_csms.model import AskStatus, CallError, Frame, SendUpdate, rfc3339
from reference_csms.ocpp_answers import ANSWERS, STATUS_ACTIONS
from reference_csms.ocpp_commands import SECURITY_EXTENSION, ask_status, update
from reference_csms.ocpp_facts import (
    SHALLOW,
    Counters,
    Outcome,
    Outstanding,
    answer_of,
    boot_facts,
    deep,
    is_id,
    request_id,
)
from reference_csms.ocpp_schemas import payloads, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reference_csms.service import Service

CALL, CALLRESULT, CALLERROR = 2, 3, 4
CALL_TIMEOUT = 30.0  # seconds; the implementation's choice in every version

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Session:
    """The CSMS's side of one connection. `hub` tells it what happened and writes what it says."""

    def __init__(
        self,
        service: Service,
        charger_id: str,
        connection: str,
        version: str,
        *,
        transactions: Iterator[int],
        counters: Counters,
        call_timeout: float = CALL_TIMEOUT,
    ) -> None:
        """A session of the charger's connection of this name, which speaks this OCPP version."""
        self.charger_id = charger_id
        self.connection = connection
        self.version = version
        self._service = service
        self._payloads = payloads(version)
        self._answers = ANSWERS[version]
        self._statuses = STATUS_ACTIONS[version]
        self._transactions = transactions
        self._counters = counters
        self._call_timeout = call_timeout
        self._outstanding: Outstanding | None = None
        # Commands whose answer did not come in time: it still tells something when it does.
        self._late: dict[str, str] = {}
        charger = service.known(charger_id)
        self._accepted = charger is not None and charger.accepted
        # A 1.6 station that speaks the security extension, on this connection or one before.
        self._extended = charger is not None and charger.security_extension
        self._heard = False
        self.open = True

    # -------------------------------------------------- the connection

    def opened(self, now: float) -> None:
        """Tell the service that the connection is there."""
        self._service.connected(now, self.charger_id, self.connection, self.version)

    def closed(self, now: float) -> None:
        """Tell the service, and whoever waits for an answer, that the connection is gone."""
        if not self.open:
            return
        self.open = False
        self._give_up(now, "closed")
        self._service.disconnected(now, self.charger_id, self.connection)

    # -------------------------------------------------- frames of the station

    def receive(self, now: float, data: str | bytes) -> str | None:
        """Take one frame; return the frame to send at once, if any. Never raises for any input."""
        if isinstance(data, bytes):
            return self._unreadable("OCPP messages are text frames")
        try:
            message = _decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return self._damaged(data)
        if len(data) > SHALLOW and deep(data, message):
            return self._refuse_whole(message, "the message is nested too deeply")
        if type(message) is not list or not message:
            return self._unreadable("the message is not a JSON array")
        kind = message[0]
        if type(kind) is not int:
            return self._unreadable("the message type is not an integer")
        if kind == CALL:
            return self._call(now, message)
        if kind in {CALLRESULT, CALLERROR}:
            self._reply(now, message)
        else:
            # SEND (2.1) wants no answer; CALLRESULTERROR tells of an answer of ours that was not
            # understood; any other type is to be ignored (2.1 §4.4).
            self._counters.ignored += 1
        return None

    def _call(self, now: float, message: list[Any]) -> str | None:
        """Answer a CALL; the order of the checks is the order in which they can be trusted."""
        if len(message) < 2 or not is_id(message[1]):  # noqa: PLR2004 - [2, id, ...]
            return self._unreadable("the message id is not a text of 1 to 36 characters")
        if len(message) != 4 or type(message[2]) is not str:  # noqa: PLR2004 - [2, id, action, {}]
            return self._refuse(message[1], "RpcFrameworkError", "a CALL is [2, id, action, {}]")
        _, message_id, action, payload = message
        if type(payload) is not dict:
            return self._refuse(message_id, "FormatViolation", "the payload is not an object")
        if action == "BootNotification":
            return self._boot(now, message_id, payload)
        if not self._accepted:
            text = "send BootNotification and wait until it is accepted"
            return self._refuse(message_id, "SecurityError", text)
        return self._take_call(now, message_id, action, payload)

    def _take_call(
        self, now: float, message_id: str, action: str, payload: dict[str, Any]
    ) -> str | None:
        """Answer a CALL of an accepted station."""
        if not self._heard:
            self._heard = True
            self._service.heard(now, self.charger_id, self.connection)
        answerer = self._answers.get(action)
        if answerer is None and action not in self._statuses:
            return self._unknown(message_id, action)
        refusal = self._invalid(message_id, action, payload)
        if refusal is not None:
            return refusal
        if self.version == "ocpp1.6" and action in SECURITY_EXTENSION:
            self._speaks_extension()
        self._counters.calls += 1
        if answerer is None:
            self._status(now, message_id, payload)
            return None
        return _encode((3, message_id, answerer(payload, now, self._transactions))).decode()

    def _speaks_extension(self) -> None:
        if not self._extended:
            self._extended = True
            self._service.extended(self.charger_id)

    def _invalid(self, message_id: str, action: str, payload: dict[str, Any]) -> str | None:
        validator = self._payloads.request(action)
        if validator is None:
            return self._unknown(message_id, action)
        violation = self._payloads.violation(validator, payload)
        return None if violation is None else self._refuse(message_id, *violation)

    def _unknown(self, message_id: str, action: str) -> str:
        # NotSupported: the version has it, but not from a station to the CSMS.
        known = self._payloads.request(action) is not None
        if known:
            return self._refuse(message_id, "NotSupported", "a CSMS does not take this action")
        return self._refuse(message_id, "NotImplemented", f"{self.version} has no such action")

    def _boot(self, now: float, message_id: str, payload: dict[str, Any]) -> str | None:
        refusal = self._invalid(message_id, "BootNotification", payload)
        if refusal is not None:
            return refusal
        acceptance = self._service.booted(
            now, self.charger_id, self.connection, boot_facts(self.version, payload)
        )
        self._accepted = acceptance.status == "Accepted"
        self._counters.calls += 1
        answer = {
            "status": acceptance.status,
            "currentTime": rfc3339(now),
            "interval": acceptance.interval,
        }
        self._with_commit(message_id, answer)
        return None

    def _status(self, now: float, message_id: str, payload: dict[str, Any]) -> None:
        info = payload.get("statusInfo") or {}
        self._service.firmware_status(
            now,
            self.charger_id,
            payload["status"],
            request_id(payload.get("requestId")),
            info.get("additionalInfo") or info.get("reasonCode") or "",
        )
        self._with_commit(message_id, {})

    def _with_commit(self, message_id: str, answer: dict[str, Any]) -> None:
        text = _encode((CALLRESULT, message_id, answer)).decode()
        self._service.after_commit(Frame(self.charger_id, self.connection, text))

    # -------------------------------------------------- refusals

    def _refuse(self, message_id: str, code: str, description: str) -> str:
        self._counters.refused += 1
        code = spelled(self.version, code)
        return _encode((CALLERROR, message_id, code, description, {})).decode()

    def _unreadable(self, description: str) -> str | None:
        """Answer what has no readable id: "-1" in 2.x (Part 4 §4.2.3); 1.6 has no way."""
        if self.version == "ocpp1.6":
            self._counters.ignored += 1
            return None
        return self._refuse("-1", "RpcFrameworkError", description)

    def _damaged(self, text: str) -> str | None:
        """Answer text that is no JSON to us, by its id if a more lenient reader finds one."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return self._unreadable("the message is not JSON")
        return self._refuse_whole(message, "the message is not valid UTF-8 JSON")

    def _refuse_whole(self, message: Any, problem: str) -> str | None:
        """Answer a message of which only the head is used."""
        if type(message) is not list or len(message) < 2:  # noqa: PLR2004 - [2, id, ...]
            return self._unreadable("the message is not a JSON array")
        if message[0] != CALL:
            self._counters.ignored += 1
            return None
        if not is_id(message[1]) or not message[1].isprintable():
            return self._unreadable("the message id cannot be read")
        return self._refuse(message[1], "FormatViolation", problem)

    # -------------------------------------------------- replies of the station

    def _reply(self, now: float, message: list[Any]) -> None:
        """Take a CALLRESULT or CALLERROR; what nobody waits for is counted."""
        message_id = message[1] if len(message) > 1 and type(message[1]) is str else None
        outstanding = self._outstanding
        if outstanding is None or message_id != outstanding.message_id:
            self._counters.late += 1
            action = self._late.pop(message_id, None) if message_id is not None else None
            if action is not None and message_id is not None:
                outcome = self._outcome(action, message)
                self._service.answered(now, self.charger_id, message_id, answer_of(outcome))
            return
        self._outstanding = None
        outcome = self._outcome(outstanding.action, message)
        if outstanding.listener is None:
            answer = answer_of(outcome)
            self._service.answered(now, self.charger_id, outstanding.message_id, answer)
        self._service.slot(now, self.charger_id, self.connection, free=True)
        if outstanding.listener is not None:
            outstanding.listener(outcome)

    def _outcome(self, action: str, message: list[Any]) -> Outcome:
        if message[0] == CALLERROR:
            code, text = ([*message[2:4], "", ""])[:2]
            if (self.version, code, action) == ("ocpp1.6", "NotSupported", "UpdateFirmware"):
                # WP L01.FR.20: how a station says that it takes the signed update only.
                self._speaks_extension()
            return Outcome(error=CallError(str(code) or "GenericError", str(text)))
        payload = message[2] if len(message) > 2 else None  # noqa: PLR2004 - [3, id, {}]
        validator = self._payloads.response(action)
        if type(payload) is not dict:
            self._counters.odd_answers += 1
            return Outcome(result={})
        if validator is not None and not validator.is_valid(payload):
            self._counters.odd_answers += 1
        return Outcome(result=payload)

    # -------------------------------------------------- calls of ours

    @property
    def deadline(self) -> float | None:
        """When the outstanding CALL times out; None while there is none."""
        return None if self._outstanding is None else self._outstanding.deadline

    def command(self, now: float, item: SendUpdate | AskStatus) -> str | None:
        """Return the frame of a rollout's command and take the slot; None: it must not leave.

        The caller writes it to the transport at once and calls `withdraw` if that failed.
        """
        if not self.open or self._outstanding is not None:
            self._service.undelivered(now, self.charger_id, item.message_id)
            return None
        if isinstance(item, SendUpdate):
            action, payload = update(self.version, item, extended=self._extended)
        else:
            action, payload = ask_status(self.version, extended=self._extended)
        validator = self._payloads.request(action)
        violation = validator and self._payloads.violation(validator, payload)
        if violation:
            # For example a URL of 600 characters for 2.0.1: the station can never be told.
            refusal = CallError(violation.code, violation.description)
            self._service.answered(now, self.charger_id, item.message_id, refusal)
            self._service.slot(now, self.charger_id, self.connection, free=True)
            return None
        return self._take(now, item.message_id, action, payload, None)

    def withdraw(self, now: float) -> None:
        """Take the last command back: its frame certainly did not leave the process."""
        outstanding, self._outstanding = self._outstanding, None
        if outstanding is None:
            return
        if outstanding.listener is None:
            self._service.undelivered(now, self.charger_id, outstanding.message_id)
        else:
            outstanding.listener(Outcome(missing="closed"))

    def refusal(self, action: str, payload: dict[str, Any]) -> str | None:
        """Say why an operator's call cannot be made at all, or None."""
        validator = self._payloads.request(action)
        if validator is None:
            return f"{self.version} has no action {action[:60]!r}"
        violation = self._payloads.violation(validator, payload)
        return None if violation is None else violation.description

    def call(
        self, now: float, action: str, payload: dict[str, Any], listener: Callable[[Outcome], None]
    ) -> str | None:
        """Return the frame of an operator's call, or None while another CALL is outstanding.

        `listener` is told the outcome once. Check with `refusal` before.
        """
        if not self.open or self._outstanding is not None:
            return None
        return self._take(now, self._service.message_id(), action, payload, listener)

    def _take(
        self,
        now: float,
        message_id: str,
        action: str,
        payload: dict[str, Any],
        listener: Callable[[Outcome], None] | None,
    ) -> str:
        deadline = now + self._call_timeout
        self._outstanding = Outstanding(message_id, action, deadline, listener)
        self._service.slot(now, self.charger_id, self.connection, free=False)
        self._counters.sent += 1
        return _encode((CALL, message_id, action, payload)).decode()

    def expire(self, now: float) -> None:
        """Give up the outstanding CALL if its time is over."""
        if self._outstanding is not None and self._outstanding.deadline <= now:
            self._counters.timeouts += 1
            if self._outstanding.listener is None:
                self._late = {self._outstanding.message_id: self._outstanding.action}
            self._give_up(now, "timeout")
            self._service.slot(now, self.charger_id, self.connection, free=True)

    def _give_up(self, now: float, why: str) -> None:
        outstanding, self._outstanding = self._outstanding, None
        if outstanding is None:
            return
        if outstanding.listener is None:
            self._service.unanswered(now, self.charger_id, outstanding.message_id, why)
        else:
            outstanding.listener(Outcome(missing=why))
