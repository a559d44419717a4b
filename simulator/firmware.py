"""The firmware update as transition tables. A core.

Theory
------
An update is one walk through the statuses a charger reports, from its acceptance (`START`) to
an end. What may follow what is a table for each kind of update; the code below only looks
things up. Three kinds exist:

* `CORE`    OCPP 1.6 UpdateFirmware: seven statuses, no schedule, no request id. A DownloadFailed is
            not the end while retries are left: chargers differ on whether they report each attempt.
* `PLAIN`   OCPP 2.x UpdateFirmware without a signature (use case L02).
* `SECURE`  OCPP 2.x UpdateFirmware with a signature (use case L01) and the 1.6 security extension's
            SignedUpdateFirmware: SignatureVerified stands between download and installation.

`Idle` is no status of an update: it is only ever an answer to a trigger (1.6 §7.25, F06.FR.16).
A status may be repeated (notifications are delivered at least once), so `legal` accepts x -> x.
A charger that reboots may lose statuses in between, never reorder them: `reachable` says whether a
status can come after another with some left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache


class Status(StrEnum):
    """A firmware status as reported on the wire."""

    IDLE = "Idle"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOADING = "Downloading"
    DOWNLOAD_PAUSED = "DownloadPaused"
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    SIGNATURE_VERIFIED = "SignatureVerified"
    INVALID_SIGNATURE = "InvalidSignature"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALLING = "Installing"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLED = "Installed"


START = ""  # accepted, nothing reported yet
Table = Mapping[str, frozenset[str]]


def _table(**rows: str) -> Table:
    return {START if name == "START" else name: frozenset(to.split()) for name, to in rows.items()}


_ENDS = {"Installed": "", "InstallationFailed": ""}

CORE = _table(
    START="Downloading DownloadFailed",
    Downloading="Downloaded DownloadFailed",
    DownloadFailed="Downloading",  # retries left; some report each attempt
    Downloaded="Installing InstallationFailed",
    Installing="Installed InstallationFailed",
    **_ENDS,
)

_DOWNLOAD = {
    "START": "DownloadScheduled Downloading DownloadFailed",  # L01.FR.13, TC_L_07
    "DownloadScheduled": "Downloading DownloadFailed",
    "Downloading": "Downloaded DownloadPaused DownloadFailed",  # L01.FR.14
    "DownloadPaused": "Downloading DownloadFailed",
    "DownloadFailed": "Downloading",  # L01.FR.30 wants it last; the field reports each attempt
}
_INSTALL = {
    "InstallScheduled": "Installing InstallRebooting InstallationFailed",  # L01.FR.16
    "Installing": "InstallRebooting Installed InstallationFailed InstallVerificationFailed",
    "InstallRebooting": "Installing Installed InstallationFailed InstallVerificationFailed",
    "InstallVerificationFailed": "",
    **_ENDS,
}

PLAIN = _table(
    **_DOWNLOAD,
    Downloaded="InstallScheduled Installing InstallRebooting InstallationFailed"
    " InstallVerificationFailed",
    **_INSTALL,
)

SECURE = _table(
    **_DOWNLOAD,
    Downloaded="SignatureVerified InvalidSignature",  # L01.FR.04
    SignatureVerified="InstallScheduled Installing InstallRebooting InstallationFailed"
    " InstallVerificationFailed",
    InvalidSignature="",
    **_INSTALL,
)

TABLES: Mapping[str, Table] = {"core": CORE, "plain": PLAIN, "secure": SECURE}

FAILURES = frozenset(
    {"DownloadFailed", "InvalidSignature", "InstallVerificationFailed", "InstallationFailed"}
)
TERMINAL = FAILURES | {"Installed"}


def legal(table: Table, previous: str, following: str) -> bool:
    """Whether a charger may report `following` right after `previous` in one update."""
    return following == previous != START or following in table.get(previous, frozenset())


@cache
def _closure(kind: str) -> Mapping[str, frozenset[str]]:
    table = TABLES[kind]
    reach: dict[str, frozenset[str]] = {}
    for origin in table:
        seen: set[str] = set()
        todo = list(table[origin])
        while todo:
            status = todo.pop()
            if status not in seen:
                seen.add(status)
                todo += table[status]
        reach[origin] = frozenset(seen)
    return reach


def reachable(kind: str, previous: str, following: str) -> bool:
    """Whether `following` can come after `previous` in table `kind` with statuses left out."""
    return following in _closure(kind).get(previous, frozenset())


def final(table: Table, status: str, *, retries_left: bool) -> bool:
    """Whether an update that reported `status` has ended."""
    if status == Status.DOWNLOAD_FAILED:
        return not retries_left
    return status in table and not table[status]
