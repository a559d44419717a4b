"""The one charging session a charger may have while it is updated. A core.

A busy charger begins a transaction when it is first accepted, and ends it after the time its cohort
drew. While it runs an installation waits (L01.FR.06); the connector is in use, not out of service.
OCPP 1.6 learns the transaction's id from the CSMS, 2.x names it itself. What the CSMS has not
answered is told again on the next connection, in order (E04.FR.01, E12.FR.01, E13.FR.01; 1.6
section 3.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.dialect import rfc3339

if TYPE_CHECKING:
    from simulator.charger import Charger

TRANSACTION_REF = "transaction:"  # prefix of the ref of its messages
ID_TAG = "FIRMDRILL"


class Transaction:
    """The session of one charger; a charger without one in its spec never has any."""

    __slots__ = ("_charger", "_ended", "_id", "_sequence", "_unanswered", "running")

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self._id: int | str | None = None  # 1.6: from the CSMS; 2.x: our own text
        self._sequence = 0
        self._unanswered: tuple[tuple[str, str, dict[str, Any]], ...] = ()  # ref, action, payload
        self._ended = False
        self.running = False

    def announce(self) -> None:
        """Say on a fresh connection how the session stands."""
        charger = self._charger
        for ref, action, payload in self._unanswered:
            charger.call(action, payload, ref)
        if charger.spec.transaction is not None and not (self.running or self._ended):
            self._begin(charger.draw("transaction", charger.spec.transaction))

    def answered(self, ref: str, payload: dict[str, Any] | None) -> None:
        """Take the answer to one message; None: a CALLERROR. A 1.6 CSMS gives the id in it."""
        began = any(one[:2] == (ref, "StartTransaction") for one in self._unanswered)
        self._unanswered = tuple(one for one in self._unanswered if one[0] != ref)
        if began and payload is not None:
            given = payload.get("transactionId")
            self._id = given if type(given) is int else None  # what is none cannot be told again
            if self._ended and self._id is not None:
                self._tell_end()

    def end(self) -> None:
        """Unplug: the update may install now."""
        self.running = False
        self._ended = True
        if self._id is not None:
            self._tell_end()
        self._charger.connector()
        if self._charger.update is not None:
            self._charger.update.transaction_ended()
        self._charger.now_idle()

    @property
    def in_use(self) -> str:
        """What the connector is while a session runs."""
        return "Charging" if self._charger.dialect.subprotocol == "ocpp1.6" else "Occupied"

    def _begin(self, length: float) -> None:
        charger = self._charger
        self.running = True
        charger.timers["transaction"] = charger.now + length
        if charger.dialect.subprotocol == "ocpp1.6":
            self._tell("StartTransaction", {
                "connectorId": 1, "idTag": ID_TAG, "meterStart": 0,
                "timestamp": rfc3339(charger.clock),
            })  # fmt: skip
        else:
            self._id = f"{charger.spec.id[:24]}-t1"
            self._event("Started", "Authorized", "Charging")

    def _tell_end(self) -> None:
        charger = self._charger
        if charger.dialect.subprotocol == "ocpp1.6":
            self._tell("StopTransaction", {
                "transactionId": self._id, "meterStop": 7000, "timestamp": rfc3339(charger.clock),
                "reason": "Local",
            })  # fmt: skip
        else:
            self._event("Ended", "EVDeparted", "Idle")

    def _event(self, kind: str, trigger: str, state: str) -> None:
        self._tell("TransactionEvent", {
            "eventType": kind, "timestamp": rfc3339(self._charger.clock), "triggerReason": trigger,
            "seqNo": self._sequence,
            "transactionInfo": {"transactionId": self._id, "chargingState": state},
            "evse": {"id": 1, "connectorId": 1},
        })  # fmt: skip
        self._sequence += 1

    def _tell(self, action: str, payload: dict[str, Any]) -> None:
        """Send it now, if there is a way, and keep it until it is answered."""
        ref = f"{TRANSACTION_REF}{self._charger.count(TRANSACTION_REF)}"
        self._unanswered = (*self._unanswered, (ref, action, payload))
        if self._charger.ready:
            self._charger.call(action, payload, ref)
