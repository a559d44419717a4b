"""Wrong decisions of a charger about installations, reboots and second commands, one a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants.charger_registry import method, says, wrong
from simulator import effects
from simulator.charger import Charger
from simulator.charger_update import Update
from simulator.firmware import FAILURES, Status
from simulator.update_phase import Phase

if TYPE_CHECKING:
    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- installation and reboot


@wrong("C06", "transaction/1")
def installs_while_charging(patch: Patch) -> None:
    """A transaction does not hold the installation back."""
    method(patch, Update, "_install_when_idle", lambda _, self: self._install())


@wrong("transaction/1")
def charging_ends_for_the_update(patch: Patch) -> None:
    """A transaction that holds an installation back is ended for it."""

    def install(original: Any, self: Update) -> None:
        if self.charger.transaction.running:
            self.charger.transaction.end()
        original(self)

    method(patch, Update, "_install_when_idle", install)


@wrong("transaction/1")
def forgets_to_install_after_charging(patch: Patch) -> None:
    """An installation that waited for a transaction is never begun."""
    method(patch, Update, "transaction_ended", lambda *_: None)


@wrong("C07", "update/2")
def installs_nothing(patch: Patch) -> None:
    """Installed is reported, but the old version runs on."""

    def activate(original: Any, self: Update, header: Any) -> None:
        before = self.charger.firmware_version
        original(self, header)
        self.charger.firmware_version = before

    method(patch, Update, "_activate", activate)


@wrong("update/2")
def installed_without_reboot(patch: Patch) -> None:
    """Installed is reported and no boot follows."""

    def activate(_: Any, self: Update, header: Any) -> None:
        self.charger.firmware_version = header.version
        self._succeed()

    method(patch, Update, "_activate", activate)


@wrong("C07")
def boots_for_no_reason(patch: Patch) -> None:
    """The boot after an update gives the reason PowerUp (2.x)."""

    def restart(original: Any, self: Update, reason: str, *, abort: bool) -> None:
        del reason
        original(self, "PowerUp", abort=abort)

    method(patch, Update, "_restart", restart)


@wrong("update/1")
def never_says_installed(patch: Patch) -> None:
    """Installed is never reported."""
    says(patch, lambda _, s, n: [] if s == Status.INSTALLED else [(s, n)])


@wrong("update/1", "C10")
def hangs_in_installation(patch: Patch) -> None:
    """An installation never ends."""

    def install(original: Any, self: Update) -> None:
        original(self)
        self.charger.timers.pop("update", None)

    method(patch, Update, "_install", install)


@wrong("update/1")
def never_comes_back(patch: Patch) -> None:
    """The reboot after an update is its last."""
    method(patch, Update, "_restart", lambda _, self, *__, **___: self.charger.die())


@wrong("update/1")
def fails_and_runs_the_new_version(patch: Patch) -> None:
    """InstallationFailed is reported, and the new version boots."""

    def told(_: Charger, status: str, number: int | None) -> list[tuple[str, int | None]]:
        return [(Status.INSTALLATION_FAILED if status == Status.INSTALLED else status, number)]

    says(patch, told)


@wrong("C08", "download/7", "download/3")
def falls_back_to_factory_version(patch: Patch) -> None:
    """After a failed update the charger boots a version older than the one it had."""

    def fail(original: Any, self: Update, status: str) -> None:
        original(self, status)
        charger = self.charger
        if status in FAILURES:
            charger.firmware_version = "0.0.1"
            charger.go_down("PowerUp", 0.5, abort=False)

    method(patch, Update, "_fail", fail)


@wrong("C08")
def refused_image_runs_after_a_reboot(patch: Patch) -> None:
    """An image with a bad signature is refused when it is in place: the next boot runs it."""

    def fail(original: Any, self: Update, status: str) -> None:
        original(self, status)
        if status == Status.INVALID_SIGNATURE and self.header is not None:
            self.charger.firmware_version = self.header.version
            self.charger.go_down("PowerUp", 0.5, abort=False)

    method(patch, Update, "_fail", fail)


@wrong("C01")
def says_rebooting_after_installed(patch: Patch) -> None:
    """InstallRebooting is reported once more after Installed."""
    _after_installed(patch, Status.INSTALL_REBOOTING)


@wrong("C01")
def says_downloading_after_installed(patch: Patch) -> None:
    """Downloading is reported once more after Installed."""
    _after_installed(patch, Status.DOWNLOADING)


@wrong("C01")
def says_failed_after_installed(patch: Patch) -> None:
    """InstallationFailed follows Installed."""
    _after_installed(patch, Status.INSTALLATION_FAILED)


def _after_installed(patch: Patch, extra: Status) -> None:
    def told(charger: Charger, status: str, number: int | None) -> list[tuple[str, int | None]]:
        known = charger.dialect.many_statuses or extra != Status.INSTALL_REBOOTING
        more = [(extra, number)] if status == Status.INSTALLED and known else []
        return [(status, number), *more]

    says(patch, told)


@wrong("C12", "availability/1")
def stays_unavailable(patch: Patch) -> None:
    """A connector that an update took out of service stays so when the update fails."""

    def end(original: Any, self: Update) -> None:
        self.unavailable = False
        original(self)

    def schedule(original: Any, self: Update) -> None:
        self.charger.allow_new_sessions = False
        original(self)

    method(patch, Update, "_schedule_install", schedule)
    method(patch, Update, "_end", end)


@wrong("C12")
def stays_unavailable_after_success(patch: Patch) -> None:
    """A connector that an update took out of service comes back only if the update fails."""

    def schedule(original: Any, self: Update) -> None:
        self.charger.allow_new_sessions = False
        original(self)

    def take_out(original: Any, self: Update) -> None:
        self.charger.inoperative = True  # as if the CSMS had asked for it
        original(self)

    def end(original: Any, self: Update) -> None:
        self.charger.inoperative = self.charger.inoperative and self.phase is Phase.AWAY
        original(self)

    method(patch, Update, "_schedule_install", schedule)
    method(patch, Update, "_take_out_of_service", take_out)
    method(patch, Update, "_end", end)


# ---------------------------------------------------------------------- power and connection


@wrong("C10", "power/1")
def reset_forgets_the_update(patch: Patch) -> None:
    """An update that a reset interrupts is never heard of again."""
    original = Charger._TIMERS["reset"]

    def reset(self: Charger) -> None:
        if self.update is not None and self.update.phase is Phase.DOWNLOADING:
            self.act(effects.CancelFetch())
            self.update._end()
        original(self)

    patch.entry(Charger._TIMERS, "reset", reset)


@wrong("C10", "connection/1")
def lost_connection_ends_the_update(patch: Patch) -> None:
    """An update whose connection breaks is dropped without a word."""

    def gone(original: Any, self: Charger, event: Any) -> None:
        original(self, event)
        if self.update is not None and self.update.phase is Phase.DOWNLOADING:
            self.act(effects.CancelFetch())
            self.update._end()

    original = Charger._INPUTS[effects.Disconnected]
    patch.entry(Charger._INPUTS, effects.Disconnected, lambda s, e: gone(original, s, e))


@wrong("C15", "connection/2")
def hammers(patch: Patch) -> None:
    """The charger connects again at once, for ever."""

    def plan(_: Any, self: Charger) -> None:
        if not self._away:
            self.timers["connect"] = self.now + 0.05

    method(patch, Charger, "_plan_connect", plan)


@wrong("connection/3")
def never_connects_again(patch: Patch) -> None:
    """A broken connection is not made anew."""
    method(patch, Charger, "_plan_connect", lambda *_: None)


# ---------------------------------------------------------------------- second commands


@wrong("second/1")
def second_is_forgotten(patch: Patch) -> None:
    """A command during an update is answered AcceptedCanceled, and the first update goes on."""

    def begin(original: Any, self: Charger, action: str, request: Any) -> str:
        if self.update is not None and not self.update.over:
            return "AcceptedCanceled"
        return str(original(self, action, request))

    method(patch, Charger, "begin_update", begin)


@wrong("second/1", "second/2")
def second_ends_both(patch: Patch) -> None:
    """A command during an update ends it and is itself never begun."""

    def begin(original: Any, self: Charger, action: str, request: Any) -> str:
        verdict = original(self, action, request)
        if verdict == "AcceptedCanceled" and self.update is not None:
            self.update._end()
        return str(verdict)

    method(patch, Charger, "begin_update", begin)


@wrong("C02")
def refused_and_done_all_the_same(patch: Patch) -> None:
    """A command during an update is answered Rejected, and takes the first one's place."""

    def begin(original: Any, self: Charger, action: str, request: Any) -> str:
        verdict = original(self, action, request)
        return "Rejected" if verdict == "AcceptedCanceled" else str(verdict)

    method(patch, Charger, "begin_update", begin)


@wrong("C01", "second/1", "update/3")
def request_id_of_the_first_stays(patch: Patch) -> None:
    """Every update is reported under the request id of the charger's first one."""
    first: dict[int, int | None] = {}

    def told(charger: Charger, status: str, number: int | None) -> list[tuple[str, int | None]]:
        return [(status, number if number is None else first.setdefault(id(charger), number))]

    says(patch, told)
