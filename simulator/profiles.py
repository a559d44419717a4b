"""Known chargers as data: which quirks and settings imitate whom, and how we know. Values.

A cohort names a profile (`profile: sap-1.6`); what the cohort itself says wins over the profile.
Observed on loopback or read in the sources in November 2026; products move on, so a profile is a
behaviour that was seen, not a judgement about a vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.faults import QuirkName


@dataclass(frozen=True, slots=True)
class Profile:
    """How one product behaves: quirks, and settings of `download`, `install` and `network`.

    `reconnect` holds fields of `network.reconnect`.
    """

    imitates: str
    source: str  # how it is known
    quirks: tuple[QuirkName, ...] = ()
    download: Mapping[str, Any] = field(default_factory=dict)
    install: Mapping[str, Any] = field(default_factory=dict)
    reconnect: Mapping[str, Any] = field(default_factory=dict)


def _fixed(seconds: float) -> Mapping[str, Any]:
    """Return a reconnect policy that always waits the same."""
    return {"first": seconds, "most": seconds, "factor": 1.0, "jitter": 0.0}


PROFILES: Mapping[str, Profile] = {
    "microocpp": Profile(
        imitates="MicroOcpp (1.6 library in devices)",
        source="run, and read: FirmwareService counts attempts and reports each failed one, makes "
        "none with `retries: 0`; a failed installation begins again with the download; a new build "
        "number after a restart is reported as Installed; connector 0 is Unavailable at start; the "
        "version is left out by default",
        quirks=(
            "unsolicited_installed",
            "omits_version",
            "reinstalls",
            "zero_retries_never_start",
            "starts_unavailable",
        ),
        download={"retries_mean": "attempts", "reports_each_attempt": True},
    ),
    "everest": Profile(
        imitates="EVerest with libocpp, OCPP 2.x",
        source="read: sources and tests; DownloadFailed after each attempt, retries are attempts, "
        "no InstallRebooting, a failure stays the answer to a trigger",
        quirks=("skips_rebooting",),
        download={"retries_mean": "attempts", "reports_each_attempt": True},
    ),
    "everest-1.6": Profile(
        imitates="EVerest with libocpp, OCPP 1.6",
        source="read: sources and tests; as in 2.x, but a trigger after any end is answered Idle",
        quirks=("skips_rebooting", "forgets_ends"),
        download={"retries_mean": "attempts", "reports_each_attempt": True},
    ),
    "sap-1.6": Profile(
        imitates="SAP e-Mobility charging stations simulator, OCPP 1.6",
        source="run: fetches nothing, Installed before the reboot, boots under the old version's "
        "name, ignores `retries`, stays Unavailable after a failure, comes back after 30 s sharp",
        quirks=("pretends_to_download", "keeps_version", "ignores_retries", "stays_unavailable"),
        install={"installed_before_reboot": True},
        reconnect=_fixed(30.0),
    ),
    "sap-2.0.1": Profile(
        imitates="SAP e-Mobility charging stations simulator, OCPP 2.0.1",
        source="run: the whole train of statuses, nothing fetched, no reboot",
        quirks=("pretends_to_download", "no_reboot", "keeps_version"),
    ),
    "vcp": Profile(
        imitates="solidstudio Virtual Charge Point",
        source="run: accepts the request, fetches and reports nothing; a StatusNotification goes "
        "out before the boot is answered; restarts itself 3 s after a connection broke",
        quirks=(
            "early_status",
            "pretends_to_download",
            "never_reports",
            "keeps_version",
            "no_reboot",
        ),
        reconnect=_fixed(3.0),
    ),
    "vcp-stress": Profile(
        imitates="solidstudio Virtual Charge Point, stress variant",
        source="run: reports only Installed, does not wait for answers",
        quirks=(
            "early_status",
            "pretends_to_download",
            "only_installed",
            "two_calls",
            "keeps_version",
            "no_reboot",
        ),
        reconnect=_fixed(3.0),
    ),
    "evbox": Profile(
        imitates="EVBox station simulator, OCPP 2.0.1",
        source="read: the request is accepted and nothing follows; comes back after 5 s sharp",
        quirks=("pretends_to_download", "never_reports", "keeps_version", "no_reboot"),
        reconnect=_fixed(5.0),
    ),
    "shiv3-1.6": Profile(
        imitates="shiv3 cp-simulator, OCPP 1.6",
        source="run: four statuses, nothing fetched, no reboot; comes back after 1 s to 30 s, "
        "each wait twice the one before",
        quirks=("pretends_to_download", "no_reboot", "keeps_version"),
        reconnect={"first": 1.0, "most": 30.0, "factor": 2.0, "jitter": 0.0},
    ),
    "shiv3-1.6-signed": Profile(
        imitates="shiv3 cp-simulator, signed updates of OCPP 1.6",
        source="run: as its plain update, with SignatureVerified; nothing is ever verified",
        quirks=("pretends_to_download", "checks_no_signature", "no_reboot", "keeps_version"),
    ),
    "shiv3-2.0.1": Profile(
        imitates="shiv3 cp-simulator, OCPP 2.0.1",
        source="run: every update request is answered Rejected (its issue 345)",
        quirks=("rejects",),
    ),
    "monta": Profile(
        imitates="Monta's emulator, OCPP 1.6",
        source="read: nothing fetched; after the train of statuses a BootNotification with the new "
        "version on the same socket; comes back after 30 s sharp",
        quirks=("boots_on_same_socket",),
        reconnect=_fixed(30.0),
    ),
    "ocpp-ws-cli": Profile(
        imitates="ocpp-ws-cli (npm), OCPP 1.6",
        source="read: answers UpdateFirmware with a status, which its schema does not allow; "
        "nothing fetched, no reboot",
        quirks=("answers_with_status", "pretends_to_download", "no_reboot", "keeps_version"),
    ),
    "tzi": Profile(
        imitates="tzi OCTT tool's 2.0.1 station",
        source="run: every status without a request id",
        quirks=("no_request_id",),
    ),
}
