"""Who is excused of what, who is counted, and who is named first."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checkers.automaton import Answer, fits
from harness.checkers.telling import tell
from harness.history import Event
from harness.verdict import Grade, Verdict
from tests.harness.tell import booted

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("method", "path", "excused"),
    [
        ("DELETE", "/ext/v1/x", True), ("POST", "/ext/v1/cancel", True),
        ("POST", "/ext/v1/retry", True), ("POST", "/ext/v1/other", False),
        ("GET", "/ext/v1/x", False),
    ],
)  # fmt: skip
def test_an_extension_may_end_things(method: str, path: str, excused: bool) -> None:
    """Who cancels or removes by an extension ends chargers and rollouts (D24, D29)."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.pause(r)
    t.ok("other", t.invoke("other", method=method, path=path), {})
    t.show(r, "A", status="failed", reason="gone", completed_at=t.stamp())
    t.read(r, status="failed")
    judged = t.judged()
    for requirement in ("R14", "R19", "R20"):
        assert (judged.result(requirement).verdict is FAIL) is not excused, requirement


@pytest.mark.parametrize(
    ("body", "verdict"), [({"rollout_id": "r"}, FAIL), ({"status": 422}, PASS), ("no", PASS)]
)
def test_r05_wants_no_id_for_a_refused_create(body: Any, verdict: Verdict) -> None:
    """A refusal names no rollout."""
    t = booted("A")
    request = {"charger_ids": ["A"], "firmware_url": "https://x/y", "strategy": "canary"}
    t.fail("create", t.invoke("create", body=request), 422, body)
    assert t.result("R05").verdict is verdict


@pytest.mark.parametrize(
    ("statuses", "by", "verdict"),
    [
        (("Downloading",), "csms", FAIL), ((), "csms", FAIL), (("Downloading",), "charger", None),
        (("Downloading", "Downloaded", "Installing", "InstallationFailed"), "csms", None),
    ],
)  # fmt: skip
def test_r19_protects_who_is_in_flight(
    statuses: tuple[str, ...], by: str, verdict: Verdict | None
) -> None:
    """A Reset by the CSMS, to a charger that is not settled yet."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.report("A", *statuses)
    t.pause(r)
    t.fence("A")
    t.call("A", "Reset", {"type": "Hard"}, by=by)
    assert (t.result("R19").verdict is FAIL) is (verdict is FAIL)


@pytest.mark.parametrize("brought", [True, False])
def test_c07_lets_the_same_image_come_once_more(brought: bool) -> None:
    """An update that was installed before explains a boot with the version that was there."""
    t = booted("A")
    one, two = t.create("A", "all_at_once"), t.create("A", "all_at_once")
    t.execute(one)
    if brought:
        t.update("A", version="2.0.0")
    else:
        t.report("A", "Downloading", "DownloadFailed")
    t.execute(two)
    t.update("A", version="2.0.0" if brought else "1.0.0")
    assert (t.result("C07").verdict is FAIL) is not brought


def test_r42_cannot_judge_sites_that_nobody_told() -> None:
    """A filter by site means nothing to a judge that knows no sites."""
    for sites, verdict in ((None, PASS), ({"A": "north", "B": "south"}, FAIL)):
        t = booted("A", "B")
        if sites:
            t.history.header.scenario["sites"] = sites
        t.fleet("?site_id=north")
        assert t.result("R42").verdict is verdict


def test_r13_d21_is_the_profiles_where_a_command_may_be_lost() -> None:
    """A repeat of a lost command, without asking first, differs and does not violate."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    ref = t.invoke("execute_stage", r)
    t.command(r, "A")
    t.rollout_of["A"] = r
    t.close("A")
    t.boot("A")
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    (finding,) = t.result("R13").findings
    assert finding.grade is Grade.DIFFERS
    assert "it was not asked" in finding.witness.seen
    t.history.header.profile["D21"] = "any"
    assert t.result("R13").verdict is PASS


def test_l1_owes_nothing_in_a_rollout_that_has_ended() -> None:
    """Whoever was due when the rollout ended is due no more."""
    for status, verdict in (("failed", False), ("in_progress", True)):
        t = booted("A", "B")
        r = t.create("AB", "all_at_once")
        t.execute(r, "A")
        t.read(r, status=status)
        t.wait(20)
        t.mark("end")
        assert (t.result("L1").verdict is FAIL) is verdict


@pytest.mark.parametrize(("order", "verdict"), [(["A", "B"], FAIL), (["B", "A"], PASS)])
def test_r03_compares_whatever_the_names(order: list[str], verdict: Verdict) -> None:
    """The request's order counts, not the alphabet's."""
    t = booted("A", "B")
    t.create("BA", "all_at_once", stages=[order])
    assert t.result("R03").verdict is verdict


def test_many_findings_are_counted_and_a_few_kept() -> None:
    """Twenty-five are kept, the others counted."""
    for number in (25, 26):
        t = booted("A")
        for k in range(number):
            t.event("charger:A", "send", "", "", frame=[9, str(k)])
        result = t.result("W01")
        assert (len(result.findings), result.omitted) == (25, number - 25)


@pytest.mark.parametrize(
    ("retries", "failures", "known"),
    [
        (0, 1, True), (1, 1, False), (1, 2, True), (2, 2, False), (2, 3, True), (None, 1, False),
        (None, 3, False),
    ],
)  # fmt: skip
def test_l3_knows_when_no_retry_is_left(retries: int | None, failures: int, known: bool) -> None:
    """Retries + 1 failed downloads are an end that the CSMS must show; fewer are not."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retries=retries)
    t.executed(r, ref, 1, ["A"])
    for _ in range(failures):
        t.report("A", "Downloading", "DownloadFailed")
    t.show(r, "A", status="downloading", completed_at=None)
    t.wait(5)
    t.read(r)
    for requirement in ("L3", "L4"):
        assert t.result(requirement).verdict is (FAIL if known else INCONCLUSIVE)


@pytest.mark.parametrize(("said", "verdict"), [(1, FAIL), (2, PASS), (3, FAIL), (None, PASS)])
def test_r23_compares_the_stage_that_a_resume_names(said: int | None, verdict: Verdict) -> None:
    """A resume goes on with the stage that the pause held up."""
    t = booted("A", "B", "C", "D")
    r = t.create("ABCD", "rolling", stages=[["A"], ["B", "C"], ["D"]], batch_size=2)
    t.execute(r)
    t.update("A")
    t.execute(r, "B")
    t.pause(r)
    t.fence("C")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "C")
    t.executed(r, ref, 2, ["C"], executed_stage=said)
    assert t.result("R23").verdict is verdict


@pytest.mark.parametrize(("version", "verdict"), [("v9", FAIL), ("0.9", FAIL), ("unknown", PASS)])
def test_r42_lets_only_the_unknown_be_more(version: str, verdict: Verdict) -> None:
    """A version that nobody booted with is listed by mistake; `unknown` is no version."""
    t = booted("A")
    row = {"vendor": "ABB", "model": "Terra AC", "release_date": None, "charger_count": 1}
    rows = [row | {"firmware_version": "1.0.0"}, row | {"firmware_version": version}]
    t.fleet(versions=rows, total_chargers=2)
    assert t.result("R42").verdict is verdict


def test_l2_looks_at_every_rollout_of_a_charger() -> None:
    """An older rollout that told the charger long ago hides no later one that owes it."""
    t = booted("A", "B")
    one, two = t.create("A", "all_at_once"), t.create("AB", "all_at_once")
    t.execute(one)
    t.update("A")
    t.close("A")
    t.execute(two, "B")
    t.boot("A", version="2.0.0")
    t.wait(20)
    t.fence("A")
    result = t.result("L2")
    assert [finding.who for finding in result.findings] == [two]


def test_c04_measures_only_who_was_told_to_download() -> None:
    """Requests of a stranger to the firmware server are nobody's retries."""
    t = booted("A")
    for client in ("A", "X"):
        t.served(client, "https://x/y", outcome="cut", sent=1)
        t.served(client, "https://x/y", outcome="cut", sent=1)
    assert t.result("C04").verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (("Downloading", "Downloaded", "Installing", "Installed"), PASS),
        (("Downloading", "Downloaded", "Installing"), Verdict.NON_STRICT),
        (("Downloading", "Downloaded", "Installing", "InstallationFailed"), PASS),
        ((), PASS),
    ],
)
def test_c11_lets_only_who_is_done_be_idle(statuses: tuple[str, ...], verdict: Verdict) -> None:
    """Asked for its status, a charger amid an update says more than Idle."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.report("A", *statuses)
    wanted = {"requestedMessage": "FirmwareStatusNotification"}
    ref = t.call("A", "TriggerMessage", wanted, by="csms")
    t.answer("A", ref, {"status": "Accepted"}, by="charger", name="TriggerMessage")
    t.report("A", "Idle")
    assert t.result("C11").verdict is verdict


@pytest.mark.parametrize(("seen", "at"), [("BACD", 1), ("ACBD", 2), ("ABDC", 3)])
def test_r03_names_the_first_place_that_differs(seen: str, at: int) -> None:
    """Counted from one, with who should be there."""
    t = booted(*"ABCD")
    t.create("ABCD", "all_at_once", stages=[list(seen)])
    (finding,) = t.result("R03").findings
    wanted = f"charger {at} of the plan is {'ABCD'[at - 1]}, as in the request"
    assert finding.witness.expected == wanted
    assert finding.witness.seen == f"{seen[at - 1]} in its place"


def test_a_witness_keeps_letters_as_they_are() -> None:
    """What people write in their own letters is shown in them."""
    event = Event(0, 0.0, "charger:A", "send", "N", "R", {"frame": [2, "ä", "Ö", {}]})
    assert tell(event) == 'sent [2,"ä","Ö",{}]'


@pytest.mark.parametrize(
    ("answered", "reconnects", "fenced", "lost"),
    [
        (True, False, False, False), (True, True, False, True), (True, True, True, False),
        (False, True, False, True), (False, False, False, False),
    ],
)  # fmt: skip
def test_r13_asks_whether_the_first_command_may_be_lost(
    answered: bool, reconnects: bool, fenced: bool, lost: bool
) -> None:
    """Only where its answer may not have come through a broken connection, or never came."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    op = t.invoke("execute_stage", r)
    ref = t.command(r, "A")
    t.rollout_of["A"] = r
    if answered:
        t.answer("A", ref, {}, by="charger", name="UpdateFirmware")
    if fenced:
        t.fence("A")
    if reconnects:
        t.close("A")
        t.boot("A")
    t.trigger(r, "A")
    t.executed(r, op, 1, ["A"])
    (finding,) = t.result("R13").findings
    assert finding.grade is (Grade.DIFFERS if lost else Grade.VIOLATES)


def test_r23_names_at_most_five_that_were_left_out() -> None:
    """All that stayed connected count; the first is the one accused."""
    chargers = "ABCDEFG"
    t = booted(*chargers, profile={"D34": {"dispatch_per_charger": 0}})
    r = t.create(chargers, "all_at_once")
    t.execute(r, "A")
    t.pause(r)
    t.fence(*chargers)
    ref = t.invoke("execute_stage", r)
    t.executed(r, ref, 1, [])
    t.fence(*chargers)
    t.wait(10)
    t.mark("end")
    (finding,) = t.result("R23").findings
    assert finding.charger == "B"
    assert finding.witness.seen == "B, C, D, E, F stayed connected and got no command"


@pytest.mark.parametrize(
    ("shown", "verdict"), [("failed", PASS), ("installed", PASS), ("downloading", FAIL)]
)
def test_r09_takes_whoever_is_shown_as_ended_for_settled(shown: str, verdict: Verdict) -> None:
    """A GET that showed an end settles a charger; nothing less does."""
    t = booted("A", "B")
    r = t.create("AB", "rolling", batch_size=1)
    t.execute(r)
    t.report("A", "Downloading")
    t.show(r, "A", status=shown)
    t.read(r)
    t.execute(r, "B", stage=2)
    assert t.result("R09").verdict is verdict


def test_r43_counts_what_two_calls_at_once_triggered() -> None:
    """A second call while the first is open takes nothing from its list."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    one = t.invoke("execute_stage", r)
    t.trigger(r, "A")
    two = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    t.executed(r, one, 1, ["A", "B"])
    t.fail("execute_stage", two, 409)
    t.fence("A", "B")
    assert t.result("R43").verdict is PASS


def test_r43_forgets_what_an_earlier_call_triggered() -> None:
    """A call lists what it triggered, not what the one before did."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.pause(r)
    t.execute(r, "B", stage=1, listed="AB")
    assert t.result("R43").verdict is FAIL


@pytest.mark.parametrize(("silence", "verdict"), [(59.4, FAIL), (59.6, PASS)])
def test_r14_remembers_a_silence_that_outlasted_patience(silence: float, verdict: Verdict) -> None:
    """A silence of sixty seconds may have failed a charger, whatever it says afterwards."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    t.execute(r)
    t.now = 10 - 0.01
    t.report("A", "Downloading")
    t.now = 10 + silence - 0.01
    t.report("A", "Downloaded")
    t.show(r, "A", status="failed", reason="timeout", completed_at=t.stamp())
    t.read(r, status="failed")
    assert t.result("R14").verdict is verdict


@pytest.mark.parametrize(("silence", "verdict"), [(59.4, FAIL), (59.6, PASS)])
def test_r14_measures_the_first_silence_from_the_command(silence: float, verdict: Verdict) -> None:
    """Before its first status a charger was last heard of when it was told."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    op = t.invoke("execute_stage", r)
    t.now = 10 - 0.01
    t.trigger(r, "A")
    t.executed(r, op, 1, ["A"])
    t.now = 10 + silence - 0.01
    t.report("A", "Downloading")
    t.show(r, "A", status="failed", reason="timeout", completed_at=t.stamp())
    t.read(r, status="failed")
    assert t.result("R14").verdict is verdict


@pytest.mark.parametrize(("dialect", "verdict"), [("ocpp1.6", PASS), ("ocpp2.0.1", FAIL)])
def test_r14_lets_a_csms_pass_over_what_the_version_does_not_have(
    dialect: str, verdict: Verdict
) -> None:
    """A status that only 2.x has is no sign of life on 1.6, where the last one it knows counts."""
    t = booted("A", dialect=dialect)
    r = t.create("A", "all_at_once", update_timeout=60)
    t.execute(r)
    t.report("A", "Downloading", "Downloaded")
    t.wait(40)
    t.report("A", "InvalidSignature")
    t.wait(30)
    t.show(r, "A", status="failed", reason="timeout", completed_at=t.stamp())
    t.read(r, status="failed")
    assert t.result("R14").verdict is verdict


@pytest.mark.parametrize(("dialect", "verdict"), [("ocpp1.6", PASS), ("ocpp2.0.1", FAIL)])
def test_l1_knows_no_free_slot_behind_what_the_version_does_not_have(
    dialect: str, verdict: Verdict
) -> None:
    """Whether it ended the update is open: the CSMS may wait for another status."""
    t = booted("A", "B", dialect=dialect)
    r = t.create("AB", "all_at_once", max_in_flight=1, update_timeout=900)
    t.execute(r, "A")
    t.report("A", "Downloading", "Downloaded")
    before = dict(t.state[r]["A"])
    t.report("A", "InvalidSignature")
    t.state[r]["A"] = before
    t.fence("B")
    for _ in range(3):
        t.wait(10)
        t.read(r)
    result = t.result("L1")
    assert result.verdict is verdict or (verdict is PASS and not result.findings)


def test_r19_counts_those_whom_a_pause_finds_in_flight() -> None:
    """Neither those that had ended nor those that nobody told."""
    t = booted(*"ABCDE")
    r = t.create("ABCDE", "all_at_once")
    t.execute(r, "ABCD")
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.report("B", "Downloading")
    t.report("C", "Downloading", "Downloaded")
    t.pause(r)
    t.report("C", "Installing", "InstallationFailed")
    result = t.result("R19")
    assert (result.verdict, result.exercised) == (PASS, 3)


@pytest.mark.parametrize("kill", [True, False])
def test_a_rollout_that_forgets_two_names_the_first(kill: bool) -> None:
    """R15, and R39 after a kill: the first of those that were left out."""
    t = booted(*"ABC")
    r = t.create("ABC", "all_at_once")
    t.execute(r, "A")
    t.update("A")
    if kill:
        t.event("harness", "kill", "csms")
        t.event("harness", "up", "csms")
    t.read(r, status="completed")
    judged = t.judged()
    findings = [*judged.result("R15").findings, *judged.result("R39").findings]
    assert [finding.charger for finding in findings] == ["B"] * (1 + kill)
    assert all("while B was" in finding.witness.seen for finding in findings)
    t.read(r, status="completed")
    assert len(t.result("R15").findings) == 1


@pytest.mark.parametrize(("status", "counted"), [("DownloadFailed", 0), ("Downloading", 1)])
def test_r41_waits_for_what_a_get_can_show(status: str, counted: int) -> None:
    """A failed download may be tried again: nothing has to be shown of it."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.event("harness", "kill", "csms")
    t.close("A")
    t.event("harness", "up", "csms")
    t.boot("A")
    t.report("A", status)
    t.wait(5)
    t.read(r)
    assert t.result("R41").exercised == counted


def test_r27_asks_for_the_latest_start() -> None:
    """A start before the last kill does not bring the system back from it."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    for _ in range(2):
        t.event("harness", "kill", "csms")
        down = t.invoke("pause", r)
        t.info("pause", down)
        t.event("harness", "up", "csms")
    t.read(r, status="paused")
    assert t.result("R27").verdict is FAIL


@pytest.mark.parametrize(
    ("possible", "seen", "same"),
    [
        (Answer("ok", "paused", 1), Answer("ok", "paused", 1), True),
        (Answer("ok", "paused", 1), Answer("fail", "paused", 1), False),
        (Answer("ok", "paused", 1), Answer("ok", "pending", 1), False),
        (Answer("ok", "paused", 1), Answer("ok", "paused", 2), False),
        (Answer("ok", "paused", 1), Answer("ok", "", 1), True),
        (Answer("ok", "paused", 1), Answer("ok", "", 2), False),
        (Answer("ok", "paused", 1), Answer("ok", "paused", None), True),
        (Answer("ok", "paused", 1), Answer("ok", "pending", None), False),
        (Answer("ok", "", None), Answer("ok", "paused", 1), True),
    ],
)  # fmt: skip
def test_what_an_answer_does_not_say_fits(possible: Answer, seen: Answer, same: bool) -> None:
    """Code, status and stage, as far as both say them."""
    assert fits(possible, seen) is same
