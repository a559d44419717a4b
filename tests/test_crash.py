"""The reference CSMS keeps its promises through SIGKILL, judged by what stations received."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from tests.crash_campaign import Campaign

if TYPE_CHECKING:
    from pathlib import Path

# Minutes, not seconds: FIRMDRILL_LONG=1 pytest -m power tests/test_crash.py
long_only = pytest.mark.skipif("FIRMDRILL_LONG" not in os.environ, reason="set FIRMDRILL_LONG=1")

# A CSMS that forgets, at a restart, that it was about to send: it sends again.
FORGETFUL = """
import sys
from reference_csms import rollout_row
from reference_csms.process import main
from reference_csms.rollout_values import Row, UpdateUnanswered

def forget(head, row, event, now):
    return Row(rollout_id=row.rollout_id, charger_id=row.charger_id, position=row.position,
               stage=row.stage)

rollout_row.HANDLERS[UpdateUnanswered] = forget
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.sockets
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_promises_survive_a_few_kills(tmp_path: Path) -> None:
    """Nothing acknowledged is lost, nobody is triggered twice, pauses hold, all comes to an end."""
    score = asyncio.run(Campaign(3, 5, str(tmp_path), stations=8).run())
    assert score.violations == []
    assert score.kills == 5
    assert score.updates > 0


@long_only
@pytest.mark.sockets
@pytest.mark.power
@pytest.mark.timeout(300)
def test_the_campaign_notices_a_forgetful_csms(tmp_path: Path) -> None:
    """The same campaign convicts a CSMS with one wrong decision."""
    program = tmp_path / "forgetful.py"
    program.write_text(FORGETFUL)
    score = asyncio.run(Campaign(1, 12, str(tmp_path), program=(str(program),)).run())
    assert score.violations


@long_only
@pytest.mark.sockets
@pytest.mark.power
@pytest.mark.timeout(1800)
def test_promises_survive_three_hundred_kills(tmp_path: Path) -> None:
    """The long campaign: `python -m tests.crash_campaign` prints its figures."""
    score = asyncio.run(Campaign(1, 300, str(tmp_path)).run())
    assert score.violations == []
