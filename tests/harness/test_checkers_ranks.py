"""How far a status is: what a charger said, beside what a GET shows of it."""

from __future__ import annotations

import pytest

from harness.verdict import Verdict
from tests.harness.tell import Tale

FAIL = Verdict.FAIL
# What may be shown, from nothing to the end; two of one step are as far.
STEPS = (("pending",), ("scheduled",), ("downloading",), ("downloaded",),
         ("installing", "rebooting"), ("installed", "failed"))  # fmt: skip
STEP = {shown: n for n, names in enumerate(STEPS) for shown in names}
# What an OCPP status warrants.
WARRANTS = {
    "DownloadScheduled": "scheduled", "Downloading": "downloading", "DownloadPaused": "downloading",
    "Downloaded": "downloaded", "SignatureVerified": "downloaded", "InstallScheduled": "installing",
    "Installing": "installing", "InstallRebooting": "installing", "Installed": "installed",
    "InstallationFailed": "failed", "InvalidSignature": "failed",
    "InstallVerificationFailed": "failed",
}  # fmt: skip
WAY = ("DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled",
       "Installing", "InstallRebooting")  # fmt: skip


def told(*statuses: str, shown: str) -> Tale:
    """A charger that reports these, and a GET much later."""
    t = Tale()
    t.boot("A", dialect="ocpp2.0.1")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.report("A", *statuses)
    t.wait(10)
    t.show(r, "A", status=shown)
    t.read(r)
    return t


def way(status: str) -> list[str]:
    """What is reported before a status, and the status."""
    before = [one for one in WAY if STEP[WARRANTS[one]] < STEP[WARRANTS[status]]]
    return [*before, status]


@pytest.mark.parametrize("status", [one for one in WARRANTS if one != "DownloadScheduled"])
@pytest.mark.parametrize("shown", STEP)
def test_a_get_shows_what_was_said_and_no_more(status: str, shown: str) -> None:
    """R34 accuses who lags behind, R14 who runs ahead."""
    judged = told(*way(status), shown=shown).judged()
    warranted = WARRANTS[status]
    behind = STEP[shown] < STEP[warranted]
    assert (judged.result("R34").verdict is FAIL) is behind
    ended = warranted in STEPS[-1]
    # Whoever ended is shown as it ended; whoever was installed or failed ran through all steps.
    ahead = shown != warranted if shown in STEPS[-1] else STEP[shown] > STEP[warranted]
    assert (judged.result("R14").verdict is FAIL) is (ahead and not (ended and not behind and
            shown not in STEPS[-1]))  # fmt: skip


BEHIND = [
    (status, late)
    for status, far in WARRANTS.items()
    for late, near in WARRANTS.items()
    if STEP[near] < STEP[far] and STEP[far] >= STEP["downloading"]
]


@pytest.mark.parametrize(("status", "late"), BEHIND)
def test_what_falls_behind_changes_nothing(status: str, late: str) -> None:
    """The furthest status counts, whatever comes after it; an end ends it."""
    for shown, lags in ((WARRANTS[status], False), (WARRANTS[late], True)):
        result = told(*way(status), late, shown=shown).result("R34")
        assert (result.verdict is FAIL) is lags
