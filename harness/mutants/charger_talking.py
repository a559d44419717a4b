"""Wrong decisions of a charger about triggers, ids and frames, one a function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.mutants.charger_registry import method, says, sends, wrong
from simulator import charger_calls, wire
from simulator.charger import Charger
from simulator.errors import PeerError
from simulator.firmware import Status

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

STATUS = "FirmwareStatusNotification"

# ---------------------------------------------------------------------- the command and triggers


@wrong("C02", "update/1")
def command_is_an_error(patch: Patch) -> None:
    """Every update command is answered with InternalError."""

    def failing(charger: Charger, call: wire.Call) -> dict[str, Any]:
        del charger
        raise PeerError("InternalError", "out of order", call.message_id)

    for action in ("UpdateFirmware", "SignedUpdateFirmware"):
        patch.entry(charger_calls.ANSWERERS, action, failing)


@wrong("C02")
def unsigned_is_a_call_error(patch: Patch) -> None:
    """A command without certificate is no InvalidCertificate to it but a CALLERROR."""
    for action in ("UpdateFirmware", "SignedUpdateFirmware"):
        answerer = charger_calls.ANSWERERS[action]

        def strict(charger: Charger, call: wire.Call, answerer: Any = answerer) -> dict[str, Any]:
            given = answerer(charger, call)
            if given.get("status") == "InvalidCertificate" and "signingCertificate" not in str(
                call.payload
            ):
                raise PeerError("SecurityError", "no certificate", call.message_id)
            return dict(given)

        patch.entry(charger_calls.ANSWERERS, action, strict)


@wrong("update/1", "W04")
def command_is_not_answered(patch: Patch) -> None:
    """The update is done, its command never answered."""

    def reply(original: Any, self: Charger, call: wire.Call) -> Any:
        given = original(self, call)
        return None if call.action in self.dialect.update_actions else given

    method(patch, Charger, "reply", reply)


@wrong("update/1")
def accepts_and_does_nothing(patch: Patch) -> None:
    """Every update command is accepted, and nothing follows."""
    method(patch, Charger, "begin_update", lambda *_: "Accepted")


@wrong("W01")
def answer_has_an_invented_status(patch: Patch) -> None:
    """The answer to an update command says Okay."""
    for action in ("UpdateFirmware", "SignedUpdateFirmware"):
        answerer = charger_calls.ANSWERERS[action]

        def okay(charger: Charger, call: wire.Call, answerer: Any = answerer) -> dict[str, Any]:
            answerer(charger, call)
            return {"status": "Okay"}

        patch.entry(charger_calls.ANSWERERS, action, okay)


@wrong("C11", "trigger/1")
def trigger_is_accepted_and_forgotten(patch: Patch) -> None:
    """A trigger for the firmware status is accepted, and no status follows."""
    _triggered(patch, lambda _: None)


@wrong("C11")
def never_updated_is_installed(patch: Patch) -> None:
    """Asked before its first update, it says Installed: the firmware of the factory is."""
    tell = charger_calls.TRIGGERED[STATUS]

    def installed(charger: Charger) -> None:
        if charger.last_status[0] == Status.IDLE:
            charger.call(*charger.dialect.firmware_status(Status.INSTALLED, None))
        else:
            tell(charger)

    _triggered(patch, installed)


@wrong("trigger/2")
def trigger_always_says_idle(patch: Patch) -> None:
    """A trigger is answered with Idle, also in the middle of an update."""
    _triggered(patch, lambda charger: charger.call(
        *charger.dialect.firmware_status(Status.IDLE, None)))  # fmt: skip


@wrong("trigger/3", "C01")
def trigger_repeats_installing(patch: Patch) -> None:
    """A trigger after the end is answered with Installing."""

    def stale(charger: Charger) -> None:
        status, number = charger.last_status
        told = Status.INSTALLING if status == Status.INSTALLED else status
        charger.call(*charger.dialect.firmware_status(told, number))

    _triggered(patch, stale)


@wrong("C09")
def triggered_status_has_no_id(patch: Patch) -> None:
    """A triggered status in the middle of an update carries no request id."""
    _triggered(patch, lambda charger: charger.call(
        *charger.dialect.firmware_status(charger.last_status[0], None)))  # fmt: skip


def _triggered(patch: Patch, tell: Any) -> None:
    patch.entry(charger_calls.TRIGGERED, STATUS, tell)


@wrong("C01")
def says_idle_in_between(patch: Patch) -> None:
    """Idle is reported in the middle of an update, although nobody asked."""
    says(patch, lambda _, s, n: [(s, n), (Status.IDLE, None)] if s == Status.DOWNLOADED
         else [(s, n)])  # fmt: skip


# ---------------------------------------------------------------------- ids


@wrong("C09")
def statuses_have_no_id(patch: Patch) -> None:
    """No status carries a request id."""
    says(patch, lambda _, s, n: [(s, None)])  # noqa: ARG005 - the signature is the hook's


@wrong("C09", "C01", "update/1")
def request_id_is_off_by_one(patch: Patch) -> None:
    """Statuses carry a request id one too high."""
    says(patch, lambda _, s, n: [(s, n if n is None else n + 1)])


@wrong("update/6", "C09", "C01")
def request_id_has_16_bits(patch: Patch) -> None:
    """Of a request id the lower 16 bits are kept."""
    says(patch, lambda _, s, n: [(s, n if n is None else n & 0xFFFF)])


@wrong("C09", "W01")
def idle_has_an_id(patch: Patch) -> None:
    """A request id is a text."""

    def told(original: Any, self: Charger, status: str, number: int | None) -> None:
        if not self.ready or number is None:
            original(self, status, number)
            return
        action, payload = self.dialect.firmware_status(status, number)
        self.endpoint.queue(action, payload | {"requestId": str(number)})

    method(patch, Charger, "_tell", told)


# ---------------------------------------------------------------------- frames


@wrong("W02")
def message_ids_repeat(patch: Patch) -> None:
    """Every CALL has the same message id."""
    method(patch, wire.Endpoint, "new_id", lambda *_: "1")


@wrong("W02")
def message_ids_are_too_long(patch: Patch) -> None:
    """Message ids have forty characters."""
    method(patch, wire.Endpoint, "new_id", lambda original, self: f"{original(self):0>40}")


@wrong("W03")
def calls_overlap(patch: Patch) -> None:
    """Statuses are sent while another CALL is unanswered."""

    def tell(original: Any, self: Charger, status: str, number: int | None) -> None:
        if not self.ready:
            original(self, status, number)
            return
        self.endpoint.queue("Heartbeat", {})
        self.flush()
        action, payload = self.dialect.firmware_status(status, number)
        self.transmit(wire.Call(self.endpoint.new_id(), action, payload), action)

    method(patch, Charger, "_tell", tell)


@wrong("W01")
def status_is_invented(patch: Patch) -> None:
    """Downloading is spelled DownloadStarted."""
    sends(patch, lambda text: text.replace('"Downloading"', '"DownloadStarted"'))


@wrong("W01")
def status_is_misspelled_field(patch: Patch) -> None:
    """The status stands in a field called state."""
    sends(patch, lambda text: text.replace('"status":"Down', '"state":"Down'))


@wrong("W07")
def dates_have_no_zone(patch: Patch) -> None:
    """Dates are written without their zone."""

    def bare(text: str) -> str:
        frame = json.loads(text)
        return json.dumps(_without_zone(frame))

    sends(patch, bare)


def _without_zone(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.rstrip("Z")
            if key == "timestamp" and isinstance(value, str)
            else _without_zone(value)
            for key, value in node.items()
        }
    return [_without_zone(one) for one in node] if isinstance(node, list) else node


@wrong("W09")
def talks_before_the_boot(patch: Patch) -> None:
    """A Heartbeat goes out ahead of BootNotification."""

    def boot(original: Any, self: Charger) -> None:
        self.endpoint.queue("Heartbeat", {})
        original(self)

    method(patch, Charger, "_boot", boot)


@wrong("W05")
def errors_are_invented(patch: Patch) -> None:
    """What it does not know is answered with the error NoIdea, to GetVariables and triggers."""

    def failing(charger: Charger, call: wire.Call) -> dict[str, Any]:
        del charger
        raise PeerError("NoIdea", "no idea", call.message_id)

    for action in ("TriggerMessage", "ExtendedTriggerMessage"):
        patch.entry(charger_calls.ANSWERERS, action, failing)


@wrong("W04")
def answers_twice(patch: Patch) -> None:
    """Every CALL is answered twice."""

    def answer(original: Any, self: Charger, frame: Any, action: str) -> None:
        original(self, frame, action)
        if isinstance(frame, wire.CallResult):
            original(self, frame, action)

    method(patch, Charger, "transmit", answer)
