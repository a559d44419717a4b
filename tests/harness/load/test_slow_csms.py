"""A CSMS at a set pace is as slow as it says, so that a found limit can be compared with it."""

from __future__ import annotations

import pytest

from harness.mutants import csms_load
from harness.mutants.patching import Patch
from reference_csms.ocpp_hub import Hub


def test_it_takes_frames_at_the_pace_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the first few, each frame costs its share of a second, and a late sleep is made up."""
    clock = {"now": 100.0}
    monkeypatch.setattr("time.monotonic", lambda: clock["now"])
    monkeypatch.setattr("time.sleep", lambda s: clock.update(now=clock["now"] + s * 1.5))
    patch, taken = Patch(), []
    monkeypatch.setattr(Hub, "receive", lambda *frame: taken.append(frame))
    decide = csms_load.find("slow_answers=200")
    assert decide is not None
    decide(patch)
    try:
        for number in range(1_000):
            Hub.receive(None, 0.0, None, str(number))  # type: ignore[arg-type]
    finally:
        patch.undo()
    assert len(taken) == 1_000
    assert clock["now"] - 100.0 == pytest.approx((1_000 - csms_load.BURST) / 200, rel=0.01)


@pytest.mark.parametrize("name", ["slow_answers", "slow_answers=", "slow_answers=0", "slow=5"])
def test_a_pace_has_to_be_a_number_above_zero(name: str) -> None:
    """Anything else is no mutant of ours."""
    assert csms_load.find(name) is None
