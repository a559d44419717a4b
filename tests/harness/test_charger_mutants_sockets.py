"""Wrong chargers over real sockets: a few in every run, all of them where it may take minutes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.charger_campaign import WRONG, tried

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.power, pytest.mark.timeout(120)]
SAMPLE = ("never_says_downloading", "any_signature_will_do", "trigger_always_says_idle")
LONG = os.environ.get("FIRMDRILL_LONG") == "1"


@pytest.mark.parametrize("name", WRONG if LONG else SAMPLE)
def test_a_wrong_charger_is_found_over_sockets(name: str, tmp_path: Path) -> None:
    """By the case that is about it; a sound charger passes the same case over the same sockets."""
    seen = tried(name, tmp_path)
    assert seen.found, seen
