"""What a CSMS has to know of an image before a signed rollout: digest, certificate, signature.

A core. The API has no field for signatures; our CSMS takes them in its catalogue of images, by URL.
Every rollout has a URL of its own, so there is one entry for each create step of a scenario.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.manufacturer import Manufacturer
from simulator.scenario_steps import CreateStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.scenario import Scenario


def catalogue(
    scenario: Scenario, firmware_url: Callable[[str], str], *, now: float
) -> list[dict[str, Any]]:
    """Return the catalogue's entries; none where the scenario signs nothing.

    `firmware_url(tag)` is the operator's, `now` the Unix time around which certificates are valid.
    """
    firmware = scenario.firmware
    if firmware.signature is None:
        return []
    image = firmware.image
    maker = Manufacturer(firmware.seed, now=now, key=firmware.key)
    signed = maker.sign(image.sha256, firmware.signature)
    creates = [step for step in scenario.operator if isinstance(step, CreateStep)]
    return [
        {
            "url": firmware_url(f"{step.rollout}-{number}"),
            "version": firmware.version,
            "size": image.size,
            "sha256": image.sha256,
            "signature": signed.signature,
            "signing_certificate": signed.certificate,
        }
        for number, step in enumerate(creates, start=1)
    ]
