"""The one charging session a charger may have while it is updated. A core.

A busy charger begins a transaction when it is first accepted, and ends it after the time its cohort
drew. While it runs an installation waits (L01.FR.06); the connector is in use, not out of service.
OCPP 1.6 learns the transaction's id from the CSMS, 2.x names it itself. The end is told after the
next boot if there is no connection (E04.FR.01, E12.FR.01; 1.6 section 3.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.dialect import rfc3339

if TYPE_CHECKING:
    from simulator.charger import Charger

TRANSACTION_REF = "transaction"
ID_TAG = "FIRMDRILL"


class Transaction:
    """The session of one charger; a charger without one in its spec never has any."""

    __slots__ = ("_charger", "_ended", "_id", "_sequence", "running")

    def __init__(self, charger: Charger) -> None:
        self._charger = charger
        self._id: Any = None  # 1.6: an integer from the CSMS; 2.x: our own text
        self._sequence = 0
        self._ended = False
        self.running = False

    def announce(self) -> None:
        """Say on a fresh connection how the session stands."""
        charger = self._charger
        if charger.spec.transaction is not None and not (self.running or self._ended):
            self._begin(charger.draw("transaction", charger.spec.transaction))
        elif self._ended and self._id is not None:
            self._tell_end()

    def answered(self, payload: dict[str, Any]) -> None:
        """Learn the id that a 1.6 CSMS gave; tell the end, if it came before the id."""
        self._id = payload.get("transactionId", self._id)
        if self._ended:
            self._tell_end()

    def end(self) -> None:
        """Unplug: the update may install now."""
        self.running = False
        self._ended = True
        if self._id is not None and self._charger.ready:
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
            charger.call("StartTransaction", {
                "connectorId": 1, "idTag": ID_TAG, "meterStart": 0,
                "timestamp": rfc3339(charger.clock),
            }, TRANSACTION_REF)  # fmt: skip
        else:
            self._id = f"{charger.spec.id[:24]}-t1"
            self._event("Started", "Authorized", "Charging")

    def _tell_end(self) -> None:
        charger = self._charger
        if charger.dialect.subprotocol == "ocpp1.6":
            charger.call("StopTransaction", {
                "transactionId": self._id, "meterStop": 7000, "timestamp": rfc3339(charger.clock),
                "reason": "Local",
            })  # fmt: skip
        else:
            self._event("Ended", "EVDeparted", "Idle")
        self._id = None

    def _event(self, kind: str, trigger: str, state: str) -> None:
        charger = self._charger
        charger.call("TransactionEvent", {
            "eventType": kind, "timestamp": rfc3339(charger.clock), "triggerReason": trigger,
            "seqNo": self._sequence,
            "transactionInfo": {"transactionId": self._id, "chargingState": state},
            "evse": {"id": 1, "connectorId": 1},
        })  # fmt: skip
        self._sequence += 1
