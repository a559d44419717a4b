"""The firmware status transitions that OCPP allows, as tables of the judge's own.

A core of data. Derived from the requirement texts (1.6 4.5 and figure 41; the 1.6 security
extension and 2.x L01, L02); a status may always repeat itself. Not shared with the simulator: the
judge must not inherit the defendant's reading.
"""

from __future__ import annotations

START = ""  # after the command was accepted

_PLAIN: dict[str, set[str]] = {
    START: {"Downloading", "DownloadFailed"},
    "Downloading": {"Downloaded", "DownloadFailed"},
    "DownloadFailed": {"Downloading"},  # a retry that is reported attempt by attempt
    "Downloaded": {"Installing", "InstallationFailed"},
    "Installing": {"Installed", "InstallationFailed"},
    "InstallationFailed": {"Downloading"},  # seen: a retry of the whole update
    "Installed": set(),
}
_FULL: dict[str, set[str]] = {
    START: {"DownloadScheduled", "Downloading", "DownloadFailed"},
    "DownloadScheduled": {"Downloading", "DownloadFailed"},
    "Downloading": {"Downloaded", "DownloadPaused", "DownloadFailed"},
    "DownloadPaused": {"Downloading", "DownloadFailed"},
    "DownloadFailed": {"Downloading"},
    "Downloaded": {
        "SignatureVerified", "InvalidSignature", "InstallScheduled", "Installing",
        "InstallRebooting", "InstallationFailed", "InstallVerificationFailed",
    },
    "SignatureVerified": {
        "InstallScheduled", "Installing", "InstallRebooting", "InstallationFailed",
        "InstallVerificationFailed",
    },
    "InstallScheduled": {"Installing", "InstallRebooting", "InstallationFailed"},
    "Installing": {
        "InstallRebooting", "Installed", "InstallationFailed", "InstallVerificationFailed",
    },
    "InstallRebooting": {
        "Installing", "Installed", "InstallationFailed", "InstallVerificationFailed",
    },
    "Installed": set(),
    "InvalidSignature": set(),
    "InstallVerificationFailed": set(),
    "InstallationFailed": set(),
}  # fmt: skip


def next_statuses(status: str, *, full: bool, signed: bool) -> frozenset[str]:
    """Return what may follow `status` in the same update.

    `full`: 2.x or the 1.6 security extension; `signed`: the command carried a signature, so that
    the signature is verified before anything is installed (L01).
    """
    allowed = set((_FULL if full else _PLAIN).get(status, set()))
    if full and status == "Downloaded":
        allowed = allowed & {"SignatureVerified", "InvalidSignature"} if signed else (
            allowed - {"SignatureVerified", "InvalidSignature"}
        )  # fmt: skip
    return frozenset(allowed | ({status} - {START}))


def known(status: str, *, full: bool) -> bool:
    """Whether the version has this status."""
    return status in (_FULL if full else _PLAIN) or status == "Idle"
