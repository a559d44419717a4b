"""What a sound charger may decide otherwise: nothing of it may be accused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.mutants.charger_registry import benign, method, says, sends
from simulator import effects, wire
from simulator.charger import Charger
from simulator.charger_update import Update
from simulator.faults import PauseDownload
from simulator.firmware import Status
from simulator.update_phase import Phase

if TYPE_CHECKING:
    from harness.mutants.patching import Patch


@benign
def statuses_come_twice(patch: Patch) -> None:
    """Every status is reported twice: notifications are delivered at least once."""
    says(patch, lambda _, s, n: [(s, n), (s, n)])


@benign
def waits_twice_the_interval(patch: Patch) -> None:
    """The pause between attempts is twice retryInterval, which is a lower bound."""

    def retry(original: Any, self: Update, at_least: float = 0.0) -> None:
        interval = self.request.retry_interval
        original(self, max(at_least, 2.0 * (30.0 if interval is None else interval)))

    method(patch, Update, "_retry", retry)


@benign
def never_resumes(patch: Patch) -> None:
    """Every attempt begins with the first byte."""

    def fetch(original: Any, self: Update, *, resume: bool) -> None:
        del resume
        original(self, resume=False)

    method(patch, Update, "_fetch", fetch)


@benign
def refuses_second_commands(patch: Patch) -> None:
    """A command during an update is answered Rejected, and the update goes on."""

    def begin(original: Any, self: Charger, action: str, request: Any) -> str:
        refuses = self.dialect.many_statuses and self.update is not None and not self.update.over
        return "Rejected" if refuses else str(original(self, action, request))

    method(patch, Charger, "begin_update", begin)


@benign
def beats_often(patch: Patch) -> None:
    """A Heartbeat every two seconds."""

    def announce(original: Any, self: Charger) -> None:
        self.heartbeat = 2.0
        original(self)

    method(patch, Charger, "_announce", announce)


@benign
def says_more_of_itself(patch: Patch) -> None:
    """Meter values and vendor messages between the statuses."""

    def tell(original: Any, self: Charger, status: str, number: int | None) -> None:
        original(self, status, number)
        self.call("DataTransfer", {"vendorId": "com.example", "data": status})

    method(patch, Charger, "_tell", tell)


@benign
def message_ids_have_36_characters(patch: Patch) -> None:
    """Message ids are as long as they may be."""
    method(patch, wire.Endpoint, "new_id", lambda original, self: f"{original(self):0>36}")


@benign
def frames_are_pretty(patch: Patch) -> None:
    """Frames are written with blanks and line ends, and their fields in reverse."""
    sends(patch, lambda text: json.dumps(_reversed(json.loads(text)), indent=1))


def _reversed(node: Any) -> Any:
    if isinstance(node, dict):
        return dict(reversed([(key, _reversed(value)) for key, value in node.items()]))
    return [_reversed(one) for one in node] if isinstance(node, list) else node


@benign
def goes_out_of_service_to_install(patch: Patch) -> None:
    """The connector is Unavailable while an installation is due."""

    def schedule(original: Any, self: Update) -> None:
        self.charger.allow_new_sessions = False
        original(self)

    method(patch, Update, "_schedule_install", schedule)


@benign
def pauses_its_download(patch: Patch) -> None:
    """The charger interrupts its download for a second (2.x: and says DownloadPaused)."""

    def download(original: Any, self: Update) -> None:
        pause = PauseDownload(after=0.05, length=1.0)
        self.charger.spec = self.charger.spec.model_copy(update={"pause_download": pause})
        original(self)

    method(patch, Update, "_download", download)


@benign
def clock_is_a_little_off(patch: Patch) -> None:
    """Its clock is 0.3 s behind."""
    patch.attribute(Charger, "clock", property(lambda self: self.now - 0.3))


@benign
def dates_have_offsets(patch: Patch) -> None:
    """Dates are written with the offset +00:00."""
    sends(patch, lambda text: text.replace('Z"', '+00:00"'))


@benign
def boots_again_when_asked_nothing(patch: Patch) -> None:
    """A broken connection is followed by a BootNotification, as after a watchdog."""
    original = Charger._INPUTS[effects.Disconnected]

    def gone(self: Charger, event: Any) -> None:
        original(self, event)
        if self.boot_reason is None:
            self.booted = False
            self.boot_reason = "Watchdog"

    patch.entry(Charger._INPUTS, effects.Disconnected, gone)


@benign
def says_it_waits_to_install(patch: Patch) -> None:
    """InstallScheduled is reported before every installation (2.x)."""

    def install(original: Any, self: Update) -> None:
        if self.charger.dialect.many_statuses and self.phase is not Phase.SCHEDULED:
            self._report(Status.INSTALL_SCHEDULED)
        original(self)

    method(patch, Update, "_install", install)


@benign
def second_is_just_accepted(patch: Patch) -> None:
    """A command during an update is answered Accepted, not AcceptedCanceled (a SHOULD)."""

    def begin(original: Any, self: Charger, action: str, request: Any) -> str:
        verdict = original(self, action, request)
        return "Accepted" if verdict == "AcceptedCanceled" else str(verdict)

    method(patch, Charger, "begin_update", begin)
