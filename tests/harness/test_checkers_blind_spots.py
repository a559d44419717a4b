"""What the judge once overlooked: each story holds one mistake that no property spoke of."""

from __future__ import annotations

import pytest

from harness.verdict import Verdict
from tests.harness.tell import START, Tale

FAIL, PASS = Verdict.FAIL, Verdict.PASS


# ------------------------------------------------------------------ stages


@pytest.mark.parametrize(
    ("said", "verdict"), [("failed", PASS), ("completed", FAIL), ("paused", FAIL)]
)
def test_r33_looks_at_the_stages_of_what_has_ended(said: str, verdict: Verdict) -> None:
    """D5, D33: a rollout that is over tells no lies about a stage whose chargers have all ended."""
    t = Tale()
    t.boot("A", "B")
    r = t.create("AB", "canary")
    t.execute(r)
    t.report("A", "Downloading", "InstallationFailed")
    body = t.body(r)
    body["stages"][0]["status"] = said
    t.read(r, status="failed", stages=body["stages"])
    assert t.result("R33").verdict is verdict


@pytest.mark.parametrize(("switches", "verdict"), [({}, FAIL), ({"D33": "any"}, PASS)])
def test_r33_knows_four_statuses_of_a_stage(switches: dict[str, str], verdict: Verdict) -> None:
    """D33: a pause shows in the status of the rollout alone; a target may have it otherwise."""
    t = Tale(profile=switches)
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.pause(r)
    body = t.body(r)
    body["stages"][0]["status"] = "paused"
    t.read(r, stages=body["stages"])
    result = t.result("R33")
    assert result.verdict is verdict or (switches and result.verdict is Verdict.NOT_APPLICABLE)
