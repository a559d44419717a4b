"""Wrong decisions of a charger about dates, downloads, retries and signatures, one a function."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec
from yarl import URL

from harness.mutants.charger_registry import method, says, wrong
from simulator import charger_calls, dialect, image, signing
from simulator.charger import Charger
from simulator.charger_update import Update
from simulator.firmware import Status
from simulator.update_phase import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.mutants.patching import Patch

# ---------------------------------------------------------------------- dates


@wrong("dates/1", "C03")
def downloads_at_once(patch: Patch) -> None:
    """The retrieve date is ignored."""

    def begin(original: Any, self: Update) -> None:
        self.request = dataclasses.replace(self.request, retrieve=0.0)
        original(self)

    method(patch, Update, "begin", begin)


@wrong("dates/1")
def forgets_future_dates(patch: Patch) -> None:
    """An update with a date in the future is accepted and never begun."""

    def begin(original: Any, self: Update) -> None:
        if self.request.retrieve <= self.charger.clock + 0.5:
            original(self)

    method(patch, Update, "begin", begin)


@wrong("dates/2")
def installs_at_once(patch: Patch) -> None:
    """The installation date is ignored."""

    def begin(original: Any, self: Update) -> None:
        self.request = dataclasses.replace(self.request, install=None)
        original(self)

    method(patch, Update, "begin", begin)


@wrong("dates/1")
def never_says_scheduled(patch: Patch) -> None:
    """DownloadScheduled is never reported."""
    says(patch, lambda _, s, n: [] if s == Status.DOWNLOAD_SCHEDULED else [(s, n)])


@wrong("dates/1", "C03")
def reads_dates_as_local_time(patch: Patch) -> None:
    """The retrieve date is taken to be in the charger's zone, an hour east of UTC."""

    def begin(original: Any, self: Update) -> None:
        self.request = dataclasses.replace(self.request, retrieve=self.request.retrieve - 3600.0)
        original(self)

    method(patch, Update, "begin", begin)


@wrong("dates/3")
def offsets_are_dropped(patch: Patch) -> None:
    """A date in another zone is read as if it were UTC."""
    read = dialect.unix
    patch.attribute(dialect, "unix", lambda text: read(text[:19] + "Z"))


# ---------------------------------------------------------------------- addresses


def _asks(patch: Patch, tidied: Callable[[str], str]) -> None:
    def fetch(original: Any, self: Update, **options: Any) -> None:
        location = tidied(self.request.location)
        self.request = dataclasses.replace(self.request, location=location)
        original(self, **options)

    method(patch, Update, "_fetch", fetch)


@wrong("update/7")
def asks_without_the_query(patch: Patch) -> None:
    """What stands behind the question mark of an address is left out."""
    _asks(patch, lambda address: address.partition("?")[0])


@wrong("update/7")
def undoes_escapes(patch: Patch) -> None:
    """The address is asked for as a library writes it: `%2F` in a query becomes `/`."""
    _asks(patch, lambda address: str(URL(address)))


@wrong("update/7")
def addresses_end_after_255(patch: Patch) -> None:
    """A buffer of 255 characters holds the address."""
    _asks(patch, lambda address: address[:255])


# ---------------------------------------------------------------------- downloads


@wrong("download/1")
def gives_up_at_once(patch: Patch) -> None:
    """No download is ever tried again."""
    patch.attribute(Update, "_attempts_allowed", 1)


@wrong("C04", "download/3")
def tries_too_often(patch: Patch) -> None:
    """Three attempts more than the command allows."""
    allowed = Update.__dict__["_attempts_allowed"].fget
    patch.attribute(Update, "_attempts_allowed", property(lambda self: allowed(self) + 3))


@wrong("update/8")
def attempts_are_counted_for_ever(patch: Patch) -> None:
    """Attempts are counted over all updates: who needed many once, has one each time after that."""
    made: dict[Charger, int] = {}

    def download(original: Any, self: Update) -> None:
        made[self.charger] = made.get(self.charger, 0) + 1
        original(self)

    def failed(original: Any, self: Update, *how: Any) -> None:
        self.attempts = made[self.charger]
        original(self, *how)

    method(patch, Update, "_download", download)
    method(patch, Update, "_download_failed", failed)


@wrong("C04")
def retries_without_waiting(patch: Patch) -> None:
    """The next attempt follows at once, whatever retryInterval says."""

    def retry(_: Any, self: Update, at_least: float = 0.0) -> None:
        del at_least
        self.phase = Phase.RETRYING
        self._wait(0.0)

    method(patch, Update, "_retry", retry)


@wrong("update/5")
def zero_retries_is_no_attempt(patch: Patch) -> None:
    """`retries: 0` is accepted and never begun."""

    def begin(original: Any, self: Update) -> None:
        if self.request.retries != 0:
            original(self)

    method(patch, Update, "begin", begin)


@wrong("download/6")
def waits_for_ever(patch: Patch) -> None:
    """A download that stalls is never given up."""

    def act(original: Any, self: Charger, action: Any) -> None:
        if hasattr(action, "stall_timeout"):
            action = msgspec.structs.replace(action, stall_timeout=1e6)
        original(self, action)

    method(patch, Charger, "act", act)


@wrong("download/5")
def gives_up_when_server_is_busy(patch: Patch) -> None:
    """503 ends the update although retries are left."""

    def failed(original: Any, self: Update, reason: str, detail: str, after: float | None) -> None:
        if "503" in detail:
            self.attempts = 1_000
        original(self, reason, detail, after)

    method(patch, Update, "_download_failed", failed)


@wrong("download/4", "C10")
def keeps_failures_to_itself(patch: Patch) -> None:
    """DownloadFailed is never reported."""
    says(patch, lambda _, s, n: [] if s == Status.DOWNLOAD_FAILED else [(s, n)])


@wrong("download/7", "download/8", "C05")
def installs_whatever_came(patch: Patch) -> None:
    """Neither length nor hash of an image is checked."""

    def trusting(head: bytes, length: int, body_sha256: str) -> image.Header:
        try:
            return verify(head, length, body_sha256)
        except image.ImageError:
            return image.Header("9.9.9", length, body_sha256)

    verify = image.verify
    patch.attribute(image, "verify", trusting)


@wrong("C05")
def login_page_is_taken_for_an_image(patch: Patch) -> None:
    """What holds no image is Downloaded all the same; only its installation fails."""

    def lenient(head: bytes, length: int, body_sha256: str) -> image.Header:
        if head.startswith(image.MAGIC):
            return verify(head, length, body_sha256)
        return image.Header("", length, body_sha256, vendor="nobody")

    verify = image.verify
    patch.attribute(image, "verify", lenient)


@wrong("C05", "download/3")
def says_downloaded_too_early(patch: Patch) -> None:
    """Downloaded is reported when the download begins."""
    says(patch, lambda _, s, n: {
        Status.DOWNLOADING: [(s, n), (Status.DOWNLOADED, n)], Status.DOWNLOADED: [],
    }.get(Status(s), [(s, n)]))  # fmt: skip


@wrong("update/1")
def never_says_downloading(patch: Patch) -> None:
    """Downloading is never reported."""
    says(patch, lambda _, s, n: [] if s == Status.DOWNLOADING else [(s, n)])


@wrong("update/1")
def never_says_downloaded(patch: Patch) -> None:
    """Downloaded is never reported."""
    says(patch, lambda _, s, n: [] if s == Status.DOWNLOADED else [(s, n)])


@wrong("C01")
def says_downloaded_first(patch: Patch) -> None:
    """Downloaded is reported before Downloading."""
    says(patch, lambda _, s, n: {
        Status.DOWNLOADING: [], Status.DOWNLOADED: [(s, n), (Status.DOWNLOADING, n)],
    }.get(Status(s), [(s, n)]))  # fmt: skip


@wrong("download/9")
def one_failure_is_for_ever(patch: Patch) -> None:
    """After a failed update no other one is begun."""

    def begin(original: Any, self: Update) -> None:
        if self.charger.last_status[0] != Status.DOWNLOAD_FAILED:
            original(self)

    method(patch, Update, "begin", begin)


# ---------------------------------------------------------------------- signatures


@wrong("security/2")
def any_signature_will_do(patch: Patch) -> None:
    """The signature is not verified."""
    patch.attribute(signing, "verified", lambda *_: True)


@wrong("security/3", "security/4", "security/5", "security/6")
def any_certificate_will_do(patch: Patch) -> None:
    """The signing certificate is not checked."""
    patch.attribute(charger_calls, "certificate_verdict", lambda *_: "Accepted")


@wrong("security/1")
def unsigned_will_do(patch: Patch) -> None:
    """A command without certificate and signature is taken by a charger that wants both."""
    security = charger_calls._security

    def lax(charger: Charger, request: Any) -> str:
        return "Accepted" if request.certificate is None else security(charger, request)

    patch.attribute(charger_calls, "_security", lax)


@wrong("C13", "security/2", "security/3", "security/7")
def no_security_events(patch: Patch) -> None:
    """Security events are never sent."""
    method(patch, Charger, "security_event", lambda *_: None)


@wrong("C13", "security/7")
def update_is_no_security_event(patch: Patch) -> None:
    """FirmwareUpdated is never sent."""
    _without_event(patch, "FirmwareUpdated")


@wrong("C13")
def update_with_a_retry_is_no_security_event(patch: Patch) -> None:
    """FirmwareUpdated is not sent if the download needed a second attempt."""

    def event(original: Any, self: Charger, told: str) -> None:
        retried = self.update is not None and self.update.attempts > 1
        if told != "FirmwareUpdated" or not retried:
            original(self, told)

    method(patch, Charger, "security_event", event)


@wrong("C13", "security/2")
def bad_signature_is_no_security_event(patch: Patch) -> None:
    """InvalidFirmwareSignature is never sent."""
    _without_event(patch, "InvalidFirmwareSignature")


@wrong("C13", "security/3")
def bad_certificate_is_no_security_event(patch: Patch) -> None:
    """InvalidFirmwareSigningCertificate is never sent."""
    _without_event(patch, "InvalidFirmwareSigningCertificate")


def _without_event(patch: Patch, kind: str) -> None:
    def event(original: Any, self: Charger, told: str) -> None:
        if told != kind:
            original(self, told)

    method(patch, Charger, "security_event", event)


@wrong("C01")
def never_says_verified(patch: Patch) -> None:
    """SignatureVerified is left out."""
    says(patch, lambda _, s, n: [] if s == Status.SIGNATURE_VERIFIED else [(s, n)])


@wrong("security/2", "C01")
def bad_signature_is_a_failed_download(patch: Patch) -> None:
    """InvalidSignature is called DownloadFailed."""
    says(patch, lambda _, s, n: [
        (Status.DOWNLOAD_FAILED if s == Status.INVALID_SIGNATURE else s, n)])  # fmt: skip


@wrong("security/2", "C01", "C08")
def installs_after_invalid_signature(patch: Patch) -> None:
    """InvalidSignature is reported and the image installed all the same."""

    def holds(original: Any, self: Update, sha256: str) -> bool:
        if not original(self, sha256):
            self.phase = Phase.DOWNLOADING
        return True

    method(patch, Update, "_signature_holds", holds)
