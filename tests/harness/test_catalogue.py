"""What a CSMS is told of a signed image."""

from __future__ import annotations

from harness.catalogue import catalogue
from simulator.scenario import load
from simulator.signing import verified

NOW = 1.8e9
TEXT = """\
version: 1
name: two rollouts
firmware: {version: "2.0.0"}
fleet: [{cohort: a, count: 2}]
operator:
  - create: {strategy: all_at_once, rollout: north}
  - read: {rollout: north}
  - create: {strategy: all_at_once, rollout: south}
"""


def url(tag: str) -> str:
    """Return where an image would be."""
    return f"https://fw.example/{tag}/firmware.bin"


def test_every_rollout_has_its_own_entry() -> None:
    """The urls are those that the operator will use, and the signature fits the image."""
    scenario = load(TEXT.replace('"2.0.0"', '"2.0.0", signature: good'))
    entries = catalogue(scenario, url, now=NOW)
    assert [entry["url"] for entry in entries] == [url("north-1"), url("south-2")]
    for entry in entries:
        assert entry["sha256"] == scenario.firmware.image.sha256
        assert verified(entry["signing_certificate"], entry["signature"], entry["sha256"])


def test_an_unsigned_image_needs_no_entry() -> None:
    """Without a signature nothing is said: the API knows no catalogue."""
    assert catalogue(load(TEXT), url, now=NOW) == []
