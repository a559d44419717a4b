"""What a history's header says about a drill: the same for sockets and for virtual time. A core."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

LIES = frozenset({"claims_installed", "old_version", "rolls_back"})


def scenario_facts(
    scenario: Scenario, chargers: Sequence[ChargerSpec], *, source: str = "", text: str = ""
) -> dict[str, Any]:
    """Return `Header.scenario`: enough to judge and to repeat the drill."""
    return {
        "name": scenario.name,
        "proves": scenario.proves,
        "file": source,
        "text": text,
        "chargers": len(chargers),
        "firmware_version": scenario.firmware.version,
        "signed": scenario.firmware.signature is not None,
        "expect": scenario.expect.model_dump(mode="json", exclude_unset=True),
        "sites": {spec.id: spec.site_id for spec in chargers if spec.site_id},
    }


def quirky(chargers: Iterable[ChargerSpec]) -> tuple[str, ...]:
    """Return the chargers that break OCPP's rules on purpose, by their quirks or their faults.

    A wrong clock makes them early or late; who says Installed before its reboot lies if that fails.
    """
    return tuple(
        spec.id
        for spec in chargers
        if spec.quirks
        or spec.network_faults
        or spec.clock_skew
        or any(spec.installed_before_reboot or fault.how in LIES for fault in spec.install_faults)
    )


def master_data(spec: ChargerSpec) -> dict[str, str]:
    """Return what an operator would register of a charger: what it is, in printable characters.

    What a charger says of itself may be worse; a CSMS hears that at its boot.
    """
    facts = {"vendor": spec.vendor, "model": spec.model, "site_id": spec.site_id or ""}
    return {
        name: "".join(char if char.isprintable() else "\ufffd" for char in text)
        for name, text in facts.items()
    }


def version() -> str:
    """Return our own version, or "source" where the package is not installed."""
    try:
        return metadata.version("firmdrill")
    except metadata.PackageNotFoundError:
        return "source"
