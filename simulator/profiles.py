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
    """How one product behaves: quirks, and settings of `download` and `install`."""

    imitates: str
    source: str  # how it is known
    quirks: tuple[QuirkName, ...] = ()
    download: Mapping[str, Any] = field(default_factory=dict)
    install: Mapping[str, Any] = field(default_factory=dict)


PROFILES: Mapping[str, Profile] = {
    "microocpp": Profile(
        imitates="MicroOcpp (1.6 library in devices)",
        source="run, and read: FirmwareService counts attempts and reports each failed one, makes "
        "none with `retries: 0`; a failed installation begins again with the download; a new build "
        "number after a restart is reported as Installed; the version is left out by default",
        quirks=(
            "unsolicited_installed",
            "omits_version",
            "reinstalls",
            "zero_retries_never_start",
        ),
        download={"retries_mean": "attempts", "reports_each_attempt": True},
    ),
    "everest": Profile(
        imitates="EVerest with libocpp",
        source="read: sources and tests; DownloadFailed after each attempt, retries are attempts",
        quirks=("skips_installing",),
        download={"retries_mean": "attempts", "reports_each_attempt": True},
    ),
    "sap-1.6": Profile(
        imitates="SAP e-Mobility charging stations simulator, OCPP 1.6",
        source="run: Installed before the reboot, then boots under the old version's name",
        quirks=("keeps_version",),
        install={"installed_before_reboot": True},
    ),
    "sap-2.0.1": Profile(
        imitates="SAP e-Mobility charging stations simulator, OCPP 2.0.1",
        source="run: the whole train of statuses, no reboot",
        quirks=("no_reboot", "keeps_version"),
    ),
    "vcp": Profile(
        imitates="solidstudio Virtual Charge Point",
        source="run: accepts the request and never reports anything",
        quirks=("never_reports", "keeps_version", "no_reboot"),
    ),
    "vcp-stress": Profile(
        imitates="solidstudio Virtual Charge Point, stress variant",
        source="run: reports only Installed, does not wait for answers",
        quirks=("only_installed", "two_calls", "keeps_version", "no_reboot"),
    ),
    "shiv3-1.6": Profile(
        imitates="shiv3 cp-simulator, OCPP 1.6",
        source="run: four statuses, no reboot",
        quirks=("no_reboot", "keeps_version"),
    ),
    "shiv3-2.0.1": Profile(
        imitates="shiv3 cp-simulator, OCPP 2.0.1",
        source="run: every update request is answered Rejected (its issue 345)",
        quirks=("rejects",),
    ),
    "tzi": Profile(
        imitates="tzi OCTT tool's 2.0.1 station",
        source="run: every status without a request id",
        quirks=("no_request_id",),
    ),
}
