"""R13-R17: once, rightly, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from harness.verdict import Grade, Verdict
from tests.harness.tell import Tale


def one(**fields: Any) -> tuple[Tale, str]:
    """Two booted chargers, both triggered in one stage."""
    t = Tale(started_at="2026-01-01T00:00:00Z")
    t.boot("A", "B")
    r = t.create("AB", "all_at_once", **fields)
    t.execute(r)
    return t, r


def test_r13_accuses_a_second_command() -> None:
    """An answered command is not repeated."""
    t, r = one()
    assert t.result("R13").verdict is Verdict.PASS
    t.trigger(r, "A")
    result = t.result("R13")
    assert result.verdict is Verdict.FAIL
    assert "number 2" in result.findings[0].witness.seen
    assert len(result.findings[0].witness.steps) == 3


def test_r13_accuses_two_commands_back_to_back() -> None:
    """A repeat while the first is unanswered on a live socket has no excuse."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.invoke("execute_stage", r)
    t.command(r, "A")
    t.command(r, "A")
    assert t.result("R13").findings[0].grade is Grade.VIOLATES


@pytest.mark.parametrize(("waited", "verdict"), [(80, Verdict.PASS), (60, Verdict.FAIL)])
def test_r14_lets_a_failed_download_end_the_wait_for_another(
    waited: float, verdict: Verdict
) -> None:
    """D30: 75 s without a new Downloading; a success after that comes too late, not before."""
    t, r = one()
    t.report("A", "Downloading", "DownloadFailed")
    t.wait(waited)
    t.report("A", "Downloading", "Downloaded", "Installing", "Installed")
    t.show(r, "A", status="failed", reason="download_failed")
    t.read(r)
    assert t.result("R14").verdict is verdict


def lost() -> tuple[Tale, str]:
    """A command that may be lost: the connection broke before its answer."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.invoke("execute_stage", r)
    t.command(r, "A")
    t.rollout_of["A"] = r
    t.close("A", 1006)
    t.boot("A")
    return t, r


@pytest.mark.parametrize(
    ("idle", "waited", "verdict"),
    [(True, 11, Verdict.PASS), (True, 5, Verdict.PASS), (False, 11, Verdict.FAIL)],
)
def test_r14_lets_who_waits_in_line_again_fail_as_offline(
    idle: bool, waited: float, verdict: Verdict
) -> None:
    """Its command was lost, it says; how long it was away is R43's and D11's business."""
    t, r = lost()
    if idle:
        t.report("A", "Idle")
    t.close("A", 1006)
    t.wait(waited)
    t.current[r] = 1
    t.show(r, "A", status="failed", reason="offline")
    t.read(r)
    assert t.result("R14").verdict is verdict


def test_r13_allows_a_repeat_after_idle() -> None:
    """A lost command may be repeated once the charger says that it is Idle."""
    t, r = lost()
    t.report("A", "Idle")
    t.trigger(r, "A")
    assert t.result("R13").verdict is Verdict.PASS


def test_r13_calls_a_blind_repeat_a_difference() -> None:
    """Not asking first differs from D21, but the command may have been lost."""
    t, r = lost()
    t.trigger(r, "A")
    assert t.result("R13").findings[0].grade is Grade.DIFFERS


def test_r13_accuses_a_repeat_despite_a_status() -> None:
    """A charger that reported since shows that it has the command."""
    t, r = lost()
    t.report("A", "Downloading")
    t.trigger(r, "A")
    assert t.result("R13").findings[0].grade is Grade.VIOLATES


def test_r13_allows_a_repeat_after_a_kill() -> None:
    """A crash may lose even an answer; the charger must still be Idle."""
    t, r = one()
    t.event("harness", "kill", "csms")
    t.close("A")
    t.event("harness", "up", "csms")
    t.boot("A")
    t.report("A", "Idle")
    t.trigger(r, "A")
    assert t.result("R13").verdict is Verdict.PASS


@pytest.mark.parametrize("status", ["installed", "failed"])
def test_r14_accuses_an_invented_end(status: str) -> None:
    """An end without evidence is made up."""
    t, r = one()
    t.report("A", "Downloading")
    t.show(r, "A", status=status)
    t.read(r)
    result = t.result("R14")
    assert result.verdict is Verdict.FAIL
    assert result.findings[0].charger == "A"


def test_r14_accuses_a_charger_shown_ahead_of_its_reports() -> None:
    """Installing is not shown while the charger still says Downloading."""
    t, r = one()
    t.report("A", "Downloading")
    t.read(r)
    assert t.result("R14").verdict is Verdict.PASS
    t.show(r, "A", status="installing")
    t.read(r)
    result = t.result("R14")
    assert result.verdict is Verdict.FAIL
    assert "it had reported Downloading" in result.findings[0].witness.seen


def test_r14_takes_a_failed_download_for_one() -> None:
    """D30 shows a retry as downloading, even where the charger never said Downloading."""
    t, r = one()
    t.report("A", "DownloadFailed")
    t.show(r, "A", status="downloading")
    t.read(r)
    assert t.result("R14").verdict is Verdict.PASS


def test_r14_accepts_every_kind_of_evidence() -> None:
    """Own reports, refusals, time-outs, removal and a boot with a new version are evidence."""
    t = Tale()
    t.boot(*"ABCDE")
    r = t.create("ABCDEF", "all_at_once", update_timeout=60)
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", "B", "C", "D")
    t.trigger(r, "E", answer=["NotSupported", "", {}])
    t.executed(r, ref, 1, list("ABCDE"))
    t.update("A")
    t.report("B", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.close("C")
    t.boot("C", version="2.0.0")
    t.show(r, "C", status="installed")
    t.wait(61)
    t.show(r, "D", status="failed", reason="timeout")
    t.show(r, "E", status="failed", reason="rejected")
    t.show(r, "F", status="failed", reason="removed")
    t.read(r)
    result = t.result("R14")
    assert result.verdict is Verdict.PASS
    assert result.exercised == 6  # each of the six


def test_r14_accuses_installed_without_a_trigger() -> None:
    """A charger that never got the command cannot have installed it."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r, [], listed=[])
    t.show(r, "A", status="installed")
    t.read(r)
    assert "without ever being triggered" in t.result("R14").findings[0].witness.seen


def test_r15_accuses_a_forgotten_charger() -> None:
    """Completed leaves nobody out."""
    t, r = one()
    t.update("A")
    t.read(r, status="completed")
    assert t.result("R15").verdict is Verdict.FAIL
    t, r = one()
    t.update("A", "B")
    t.read(r, status="completed")
    assert t.result("R15").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("extra", "seen"),
    [
        ({"location": "https://elsewhere.example/x"}, "no rollout's url"),
        ({"retries": -1}, "retries is -1"),
        ({"retryInterval": -5}, "retryInterval is -5"),
        ({"retrieveDate": "soon"}, "missing or unreadable"),
        ({"retrieveDate": "2026-01-02T00:00:00Z"}, "more"),
    ],
)
def test_r16_names_what_is_wrong_with_a_command(extra: dict[str, Any], seen: str) -> None:
    """Url, date and retries of every command are checked."""
    t = Tale(started_at="2026-01-01T00:00:00Z")
    t.boot("A")
    r = t.create("A", "all_at_once")
    t.execute(r, [])
    t.trigger(r, "A", **extra)
    result = t.result("R16")
    assert result.verdict is Verdict.FAIL
    assert seen in result.findings[0].witness.seen


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("https://fw.example/a/b.bin?k=x/y", "behind character 30 stands /y, not %2Fy"),
        ("https://fw.example/a/b.bin", "behind character 26 stands nothing, not ?k=x%2Fy"),
        ("https://fw.example/a/b.bin?k=x%2Fy&z", "behind character 34 stands &z, not nothing"),
        ("https://elsewhere.example/a/b.bin?k=x%2Fy", "no rollout's url"),
        ("", "'', no rollout's url"),
    ],
)
def test_r16_says_where_an_address_was_changed(sent: str, seen: str) -> None:
    """Of two long addresses nobody sees by eye what differs; another server's is only named."""
    t = Tale()
    t.boot("A")
    r = t.create("A", "all_at_once", url="https://fw.example/a/b.bin?k=x%2Fy")
    t.create("B", "all_at_once", url="https://fw.example/b/b.bin")
    t.invoke("execute_stage", r)
    t.trigger(r, "A", location=sent)
    [finding] = t.result("R16").findings
    assert finding.witness.seen.endswith(seen)


def test_r16_compares_an_explicit_date() -> None:
    """An explicit retrieve_date reaches the charger, whatever its offset."""
    t = Tale(started_at="2026-01-01T00:00:00Z")
    t.boot("A", "B")
    r = t.create("AB", "all_at_once", retrieve_date="2026-01-05T02:00:00+02:00")
    t.invoke("execute_stage", r)
    t.trigger(r, "A", retrieveDate="2026-01-05T00:00:00Z")
    assert t.result("R16").verdict is Verdict.PASS
    t.trigger(r, "B")
    assert t.result("R16").verdict is Verdict.FAIL


def test_r16_accuses_a_command_to_an_outsider() -> None:
    """Only chargers of the rollout receive its command."""
    t, r = one()
    t.boot("Z")
    body = {"location": t.plans[r]["firmware_url"], "retrieveDate": t.stamp()}
    t.call("Z", "UpdateFirmware", body, by="csms")
    assert "belongs to no stage" in t.result("R16").findings[0].witness.seen


def test_r17_accuses_two_updates_at_once() -> None:
    """A second rollout waits for the first one's update."""
    t, _ = one()
    other = t.create("A", "all_at_once")
    t.execute(other)
    assert t.result("R17").verdict is Verdict.FAIL


def test_r17_allows_the_next_update_after_the_first() -> None:
    """A settled charger of a stage that has ended may be updated again."""
    t, _ = one()
    t.update("A", "B")
    other = t.create("A", "all_at_once")
    t.execute(other)
    assert t.result("R17").verdict is Verdict.PASS


def test_never_exercised_triggering_is_inconclusive() -> None:
    """Without a trigger these rules prove nothing."""
    t = Tale()
    t.boot("A")
    t.create("A")
    for name in ("R13", "R14", "R15", "R16", "R17"):
        assert t.result(name).verdict is Verdict.INCONCLUSIVE
