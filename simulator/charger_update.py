"""One firmware update in one charger, from the request to the first boot of the new version.

A core. Phases: held (until the boot is accepted) -> waiting (for the date) -> downloading <->
retrying -> installing -> away (rebooting) -> over. What is reported in each follows the tables of
`firmware`; which faults strike an installation stands in `ChargerSpec.install_faults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import image, quirks, signing
from simulator.effects import CancelFetch, Fetch, Fetched, FetchFailed
from simulator.faults import nth
from simulator.firmware import Status
from simulator.update_phase import Phase

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.dialect import UpdateRequest
    from simulator.faults import InstallFault

DEFAULT_RETRIES = 3  # "left to the station" where the request does not say
DEFAULT_RETRY_INTERVAL = 30.0
ROLLBACK_AFTER = 20.0  # seconds a version runs before it rolls back
AGREED = 1.0  # seconds: two clocks that agree with each other may still be that far apart
LOOPS = 5  # boots of a boot loop before the charger stays with its old version


class Update:
    """An update of one charger; `begin`, then whatever happens to it."""

    __slots__ = ("attempts", "charger", "fault", "header", "kept", "loops", "phase", "request",
                 "unavailable")  # fmt: skip

    def __init__(self, charger: Charger, request: UpdateRequest) -> None:
        self.charger = charger
        self.request = request
        self.phase = Phase.HELD
        self.attempts = 0  # downloads begun
        self.kept = 0  # bytes of a broken download that a resume can use
        self.header: image.Header | None = None
        self.fault: InstallFault | None = None
        self.loops = 0
        self.unavailable = False  # whether it took the connector out of service

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.phase in {Phase.OVER, Phase.ROLLING_BACK}

    @property
    def away(self) -> bool:
        """Whether the charger is down, or just back, for this update."""
        return self.phase is Phase.AWAY

    def begin(self) -> None:
        """Start downloading when the date has come (L01.FR.13: scheduled until then)."""
        self.phase = Phase.WAITING
        if "zero_retries_never_start" in self.charger.spec.quirks and self.request.retries == 0:
            return
        ahead = self.request.retrieve - self.charger.clock
        if ahead > AGREED and self.charger.dialect.many_statuses:
            self._report(Status.DOWNLOAD_SCHEDULED)
        self._wait(max(0.0, ahead))

    def cancel(self) -> bool:
        """Give way to another request, unless it is too late (L01.FR.24, FR.27)."""
        if self.phase in {Phase.INSTALLING, Phase.AWAY}:
            return False
        if self.phase is Phase.DOWNLOADING:
            self.charger.act(CancelFetch())
        self._end()
        return True

    def interrupt(self) -> None:
        """Lose power or be reset: what ran is lost, and told after the next boot."""
        match self.phase:
            case Phase.DOWNLOADING | Phase.RETRYING | Phase.PAUSED:
                self.charger.act(CancelFetch())
                self._fail(Status.DOWNLOAD_FAILED)
            case Phase.INSTALLING | Phase.SCHEDULED | Phase.BUSY:
                self._fail(Status.INSTALLATION_FAILED)
            case _:
                pass

    def woke(self) -> None:
        """Do what this phase waited for."""
        match self.phase:
            case Phase.WAITING | Phase.RETRYING:
                self._download()
            case Phase.DOWNLOADING if "pretends_to_download" in self.charger.spec.quirks:
                self._downloaded(image.Header(self.charger.firmware_version, 0, ""), "")
            case Phase.DOWNLOADING:
                self._pause()
            case Phase.PAUSED:
                self._go_on()
            case Phase.SCHEDULED:
                self._install_when_idle()
            case Phase.INSTALLING:
                self._installed()
            case Phase.AWAY:
                self._loop()
            case Phase.ROLLING_BACK:
                self._roll_back()
            case Phase.HELD | Phase.BUSY | Phase.OVER:
                pass

    # ------------------------------------------------------------------ download

    @property
    def _attempts_allowed(self) -> int:
        """How often to try: OCPP's `retries` come on top of the first attempt, or include it."""
        if "ignores_retries" in self.charger.spec.quirks:
            return 1
        retries = self.request.retries
        retries = DEFAULT_RETRIES if retries is None else retries
        return max(1, retries) if self.charger.spec.retries_mean == "attempts" else retries + 1

    def _download(self) -> None:
        spec = self.charger.spec
        self.attempts += 1
        self.phase = Phase.DOWNLOADING
        if self.attempts == 1 or spec.reports_each_attempt:
            self._report(Status.DOWNLOADING)
        if self.attempts == 1 and spec.pause_download is not None:
            self._wait(spec.pause_download.after)
        if "pretends_to_download" in spec.quirks:
            self._wait(quirks.PRETENDED)
        else:
            self._fetch(resume=self.kept > 0)

    def _fetch(self, *, resume: bool) -> None:
        spec, rate = self.charger.spec, self.charger.spec.download_rate
        self.charger.act(
            Fetch(
                self.request.location,
                resume=resume,
                rate=None if rate is None else self.charger.draw("download_rate", rate),
                stall_timeout=spec.stall_timeout,
                uplink=spec.uplink,
            )
        )

    def _pause(self) -> None:
        """Interrupt the download for a while; 1.6 core has no status for it (L01.FR.14)."""
        pause = self.charger.spec.pause_download
        if pause is None:
            return
        self.phase = Phase.PAUSED
        self.charger.act(CancelFetch(keep=True))
        if self.charger.dialect.many_statuses:
            self._report(Status.DOWNLOAD_PAUSED)
        self._wait(pause.length)

    def _go_on(self) -> None:
        self.phase = Phase.DOWNLOADING
        if self.charger.dialect.many_statuses:
            self._report(Status.DOWNLOADING)
        self._fetch(resume=True)

    def fetched(self, end: Fetched | FetchFailed) -> None:
        """Take the end of a download."""
        if self.phase is not Phase.DOWNLOADING:
            return
        self.charger.timers.pop("update", None)
        if isinstance(end, FetchFailed):
            self.kept = end.received
            self._download_failed(end.reason, end.detail, end.retry_after)
            return
        self.kept = 0
        try:
            header = image.verify(end.head, end.length, end.body_sha256)
        except image.ImageError as error:
            self._download_failed("corrupt", str(error), None)
            return
        self._downloaded(header, end.sha256)

    def _downloaded(self, header: image.Header, sha256: str) -> None:
        self.header = header
        self._report(Status.DOWNLOADED)
        if self._signature_holds(sha256):
            self._schedule_install()

    def _download_failed(self, reason: str, detail: str, retry_after: float | None) -> None:
        left = self.attempts < self._attempts_allowed
        self.charger.note(
            "download_failed",
            reason=reason,
            detail=detail,
            attempt=self.attempts,
            retries_left=left,
        )
        if not left:
            self._fail(Status.DOWNLOAD_FAILED)
            return
        if self.charger.spec.reports_each_attempt:
            self._report(Status.DOWNLOAD_FAILED)
        self._retry(retry_after or 0.0)

    def _retry(self, at_least: float = 0.0) -> None:
        """Download again after the interval."""
        interval = self.request.retry_interval
        wait = DEFAULT_RETRY_INTERVAL if interval is None else interval
        self.phase = Phase.RETRYING
        self._wait(max(wait, at_least))

    def _signature_holds(self, sha256: str) -> bool:
        """Verify a secure update's signature and report the outcome (L01.FR.03, FR.04)."""
        certificate, signature = self.request.certificate, self.request.signature
        doubts = "doubts_signature" in self.charger.spec.quirks
        if not doubts and None in {certificate, signature}:
            return True
        if quirks.takes_any_signature(self.charger) or (
            not doubts and signing.verified(certificate or "", signature or "", sha256)
        ):
            self._report(Status.SIGNATURE_VERIFIED)
            return True
        self._fail(Status.INVALID_SIGNATURE)
        self.charger.security_event("InvalidFirmwareSignature")
        return False

    # ------------------------------------------------------------------ installation

    def _schedule_install(self) -> None:
        wait = (self.request.install or 0.0) - self.charger.clock
        if not self.charger.allow_new_sessions:
            self._take_out_of_service()
        if wait > 0 and self.charger.dialect.many_statuses:
            self.phase = Phase.SCHEDULED
            self._report(Status.INSTALL_SCHEDULED)
            self._wait(wait)
        else:
            self._install_when_idle()

    def _take_out_of_service(self) -> None:
        """Let nobody begin a session on a charger about to install (L01.FR.07, L02.FR.04)."""
        self.unavailable = True
        if not self.charger.transaction.running:
            self.charger.connector()

    def _install_when_idle(self) -> None:
        """Install, after the transaction that runs (L01.FR.06, FR.33; FR.34 allows to say so)."""
        if not self.charger.transaction.running:
            self._install()
            return
        if self.charger.dialect.many_statuses and self.phase is not Phase.SCHEDULED:
            self._report(Status.INSTALL_SCHEDULED)
        self.phase = Phase.BUSY

    def transaction_ended(self) -> None:
        """The connector is free: install, if that was waiting for it."""
        if self.phase is Phase.BUSY:
            self._install()

    def _install(self) -> None:
        charger = self.charger
        charger.installs += 1
        self.phase = Phase.INSTALLING
        self.fault = nth(charger.spec.install_faults, charger.installs)
        self._report(Status.INSTALLING)
        length = charger.draw("install_time", charger.spec.install_time)
        match self.fault.how if self.fault else None:
            case "hangs":
                charger.note("install_hangs")
            case "power_loss":
                share = self.fault.at if self.fault and self.fault.at is not None else 0.5
                self._wait(length * share)
            case _:
                self._wait(length)

    def _installed(self) -> None:
        """The installation has run its time: succeed, or fail as this charger's fate says."""
        header, spec = self.header, self.charger.spec
        if header is None or not header.fits(spec.vendor, spec.model):
            self._fail(Status.INSTALLATION_FAILED)
            return
        match self.fault.how if self.fault else None:
            case "fails" if self._reinstalls:
                self._report(Status.INSTALLATION_FAILED)
                self._retry()
            case "fails":
                self._fail(Status.INSTALLATION_FAILED)
            case "verification_fails":
                self._fail(
                    Status.INSTALL_VERIFICATION_FAILED
                    if self.charger.dialect.many_statuses
                    else Status.INSTALLATION_FAILED
                )
            case "power_loss":
                self._restart("PowerUp", abort=True)
            case "bricked":
                self.phase = Phase.OVER
                self.charger.die()
            case "claims_installed":
                self._report(Status.INSTALLED)
                self._end()
            case _:
                self._activate(header)

    @property
    def _reinstalls(self) -> bool:
        """Whether a failed installation is not the end (quirk `reinstalls`)."""
        left = self.attempts < self._attempts_allowed
        return left and "reinstalls" in self.charger.spec.quirks

    def _activate(self, header: image.Header) -> None:
        charger = self.charger
        how = self.fault.how if self.fault else None
        if how not in {"old_version", "boot_loop"}:
            charger.firmware_version = header.version
        if quirks.stays_up(charger):
            self._succeed()
            return
        if charger.spec.installed_before_reboot:
            self._report(Status.INSTALLED)
        elif charger.dialect.many_statuses:
            self._report(Status.INSTALL_REBOOTING)
        self._restart("FirmwareUpdate", abort=False)

    def _restart(self, reason: str, *, abort: bool) -> None:
        self.phase = Phase.AWAY
        charger = self.charger
        charger.go_down(reason, charger.draw("reboot_time", charger.spec.reboot_time), abort=abort)

    def booted(self) -> None:
        """The charger is back and accepted: begin what was held, or tell the end."""
        if self.phase is Phase.HELD:
            self.begin()
        if self.phase is not Phase.AWAY:
            return
        self.unavailable = False
        match self.fault.how if self.fault else None:
            case "old_version" | "power_loss":
                self._fail(Status.INSTALLATION_FAILED)
            case "boot_loop":
                self.loops += 1
                self._wait(1.0)
            case "rolls_back":
                self._succeed()
                self.phase = Phase.ROLLING_BACK
                self._wait(ROLLBACK_AFTER)
            case _:
                self._succeed()

    def _succeed(self) -> None:
        charger = self.charger
        if not charger.spec.installed_before_reboot:
            self._report(Status.INSTALLED)
        self._end()
        if charger.dialect.many_statuses:
            charger.security_event("FirmwareUpdated")

    def _loop(self) -> None:
        """A boot loop goes down again, until the watchdog keeps the old version."""
        if self.loops < LOOPS:
            self._restart("Watchdog", abort=True)
        else:
            self._fail(Status.INSTALLATION_FAILED)

    def _roll_back(self) -> None:
        charger = self.charger
        charger.firmware_version = charger.spec.firmware_version
        self.phase = Phase.OVER
        away = charger.draw("reboot_time", charger.spec.reboot_time)
        charger.reboot("Watchdog", away=away, abort=True)

    # ------------------------------------------------------------------ helpers of all phases

    def _report(self, status: str) -> None:
        gives_id = self.charger.dialect.gives_request_id
        self.charger.report(status, self.request.request_id if gives_id else None)

    def _fail(self, status: str) -> None:
        self._report(status)
        self._end()
        if "stays_unavailable" in self.charger.spec.quirks:
            self._take_out_of_service()

    def _end(self) -> None:
        self.phase = Phase.OVER
        self.charger.timers.pop("update", None)
        if self.unavailable:
            self.unavailable = False
            if not self.charger.transaction.running:
                self.charger.connector()
        self.charger.now_idle()

    def _wait(self, seconds: float) -> None:
        self.charger.timers["update"] = self.charger.now + seconds
