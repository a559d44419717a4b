"""What the judge's sentences hang on: each half of a condition, each entry of a table."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.checkers.automaton import Answer, fits
from harness.checkers.ending import wrong_end
from harness.checkers.judge import Judge
from harness.checkers.telling import clean, tell
from harness.history import FIELD_LOG, Event
from harness.verdict import Grade, Subject, Verdict
from tests.harness.tell import Tale

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def booted(*chargers: str, dialect: str = "ocpp1.6", **header: Any) -> Tale:
    """Chargers that are there."""
    t = Tale(**header)
    t.boot(*chargers, dialect=dialect)
    return t


def created(request: Any, status: int = 201, **header: Any) -> Tale:
    """A create with this body, answered like this."""
    t = booted("A", "B", **header)
    ref = t.invoke("create", body=request)
    t.event("operator", "ok" if status < 300 else "fail", "create", ref, status=status, body={})
    return t


SENSE = {"charger_ids": ["A", "B"], "firmware_url": "https://x/y", "strategy": "canary"}


@pytest.mark.parametrize(
    ("change", "said", "switch"),
    [
        ({"charger_ids": []}, "no chargers", "D14"),
        ({"charger_ids": None}, "no chargers", "D14"),
        ({"charger_ids": "AB"}, "no chargers", "D14"),
        ({"charger_ids": ["A", "A"]}, "a charger named twice", "D14"),
        ({"strategy": "at random"}, "the strategy 'at random'", "D14"),
        ({"strategy": None}, "the strategy 'None'", "D14"),
        ({"canary_count": 0}, "canary_count 0", "D15"),
        ({"canary_count": -1}, "canary_count -1", "D15"),
        ({"canary_count": True}, "canary_count True", "D15"),
        ({"canary_count": 1.5}, "canary_count 1.5", "D15"),
        ({"batch_size": 1}, "batch_size beside the strategy canary", "D15"),
        ({"strategy": "rolling", "batch_size": 0}, "batch_size 0", "D15"),
        ({"strategy": "rolling", "canary_count": 1}, "canary_count beside the strategy", "D15"),
        ({"strategy": "all_at_once", "batch_size": 1}, "batch_size beside the strategy", "D15"),
    ],
)
def test_r38_names_what_makes_no_sense(change: dict[str, Any], said: str, switch: str) -> None:
    """A create that makes no sense is refused; each kind hangs on its decision."""
    result = created(SENSE | change).result("R38")
    assert result.verdict is FAIL
    assert said in result.findings[0].witness.seen
    assert created(SENSE | change, 422).result("R38").verdict is PASS
    assert created(SENSE | change, profile={switch: "any"}).result("R38").verdict is PASS


@pytest.mark.parametrize(
    "change",
    [
        {}, {"canary_count": 1}, {"canary_count": None, "batch_size": None},
        {"strategy": "rolling", "batch_size": 1}, {"strategy": "all_at_once"},
    ],
)  # fmt: skip
def test_r38_lets_sense_pass(change: dict[str, Any]) -> None:
    """A create that makes sense may be answered 201."""
    assert created(SENSE | change).result("R38").verdict is PASS


@pytest.mark.parametrize(
    ("status", "verdict"), [(499, PASS), (500, FAIL), (404, FAIL), (400, PASS), (409, PASS)]
)
def test_r38_reads_the_codes_of_a_create(status: int, verdict: Verdict) -> None:
    """5xx is never right, and create exists."""
    assert created(SENSE, status).result("R38").verdict is verdict


@pytest.mark.parametrize(
    ("name", "status", "verdict"),
    [
        ("read", 404, FAIL), ("read", 409, FAIL), ("read", 422, PASS), ("pause", 404, FAIL),
        ("pause", 409, PASS), ("execute_stage", 404, FAIL), ("execute_stage", 409, PASS),
    ],
)  # fmt: skip
def test_r38_wants_known_rollouts_found(name: str, status: int, verdict: Verdict) -> None:
    """404 for a known rollout is wrong, and reading is no conflict."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.refuse(r, name, status)
    assert t.result("R38").verdict is verdict


# ---------------------------------------------------------------------- how a rollout ends


def shown(status: str, *stages: str, current: Any = None, **more: Any) -> dict[str, Any]:
    """A body whose stages are words of i(nstalled), f(ailed), d(ownloading), p(ending)."""
    names = {"i": "installed", "f": "failed", "d": "downloading", "p": "pending"}
    rows = [{"chargers": [{"status": names[c]} for c in stage]} for stage in stages]
    return {"status": status, "stages": rows, "current_stage": current, **more}


@pytest.mark.parametrize(
    ("body", "request_", "seen"),
    [
        (shown("in_progress"), {}, ""),
        (shown("in_progress", "ff"), {"strategy": "canary"}, "nobody succeeded"),
        (shown("in_progress", "f", "p"), {"strategy": "canary"}, "nobody of the canary"),
        (shown("in_progress", "f", "p", strategy="canary"), {}, "nobody of the canary"),
        (shown("in_progress", "f", "p"), {"strategy": "rolling"}, ""),
        (shown("pending", "f", "p"), {"strategy": "canary"}, ""),
        (shown("failed", "f", "p"), {"strategy": "canary"}, ""),
        (shown("failed", "ff"), {}, ""),
        (shown("failed", "fi"), {}, "failed although 1 of 2"),
        (shown("failed", "fi"), {"failure_threshold": 0.5}, "failed although 1 of 2"),
        (shown("failed", "fi"), {"failure_threshold": 0.4}, ""),
        (shown("failed", "ii", "fi"), {"failure_threshold": 0.4}, ""),
        (shown("failed", "ii", "ff"), {"failure_threshold": 0.9}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": 0.5}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": 0.4}, "more than 0.4"),
        (shown("in_progress", "fd", "p", current=1), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=0), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=-1), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "fi", current=2), {"failure_threshold": 0.4}, "more than"),
        (shown("in_progress", "fi", "fi", current=3), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current="1"), {"failure_threshold": 0.4}, ""),
        (shown("in_progress", "fi", "p", current=1), {"failure_threshold": "0"}, ""),
        (shown("in_progress", "iiii", "fi", current=2), {"failure_threshold": 0.4}, ""),
        (shown("completed", "id"), {}, "completed while 1 charger(s)"),
        (shown("completed", "fd"), {}, "completed although no charger"),
        (shown("completed", "fi"), {}, ""),
    ],
)
def test_r33_works_out_how_a_rollout_ends(
    body: dict[str, Any], request_: dict[str, Any], seen: str
) -> None:
    """Each rule, and each reason for which it does not apply."""
    said = wrong_end(body, request_)
    assert (seen in said) if seen else said == ""


# ---------------------------------------------------------------------- the plan


def planned(stages: list[list[str]], asked: str = "ABC", **body: Any) -> Any:
    """Judge a create with these stages."""
    t = booted(*asked)
    t.create(asked, "rolling", stages=stages, batch_size=1, body=body)
    return t.result("R01")


@pytest.mark.parametrize(
    ("stages", "body", "seen"),
    [
        (
            [],
            {"total_chargers": 3},
            "no stages at all; missing: A, B, C; total_chargers 3 beside 0",
        ),
        ([["A"], [], ["B", "C"]], {}, "an empty stage"),
        ([["A"], ["A", "B", "C"]], {}, "in more than one place: A"),
        ([["A"], ["B"]], {}, "missing: C"),
        ([["A", "Z"], ["B", "C"]], {}, "never asked for: Z"),
        ([["A"], ["B", "C"]], {"total_chargers": 4}, "total_chargers 4 beside 3 chargers listed"),
    ],
)
def test_r01_says_what_is_not_conserved(stages: Any, body: dict[str, Any], seen: str) -> None:
    """Each way to lose or win chargers."""
    result = planned(stages, **body)
    assert result.verdict is FAIL
    assert seen in result.findings[0].witness.seen


def test_r01_counts_those_that_it_does_not_name() -> None:
    """Five are named, the others counted."""
    five, six = "ABCDE", "ABCDEF"
    assert "missing: B, C, D, E, F" in planned([["A"]], six).findings[0].witness.seen
    assert "more" not in planned([["A"]], six).findings[0].witness.seen
    assert (
        planned([["G"]], six)
        .findings[0]
        .witness.seen.startswith("missing: A, B, C, D, E and 1 more; never asked for: G")
    )
    assert planned([list(five)], five).verdict is PASS


def test_r01_sees_a_charger_move() -> None:
    """The stage of a charger is the one of the create."""
    t = booted("A", "B")
    r = t.create("AB", "rolling", batch_size=1)
    t.plans[r]["stages"][0]["charger_ids"], t.plans[r]["stages"][1]["charger_ids"] = ["B"], ["A"]
    t.read(r)
    assert t.result("R01").findings[0].witness.seen == "changed its stage: B, A"


@pytest.mark.parametrize(
    ("strategy", "fields", "total", "stages", "grade"),
    [
        ("rolling", {}, 20, [20], Grade.VIOLATES),
        ("rolling", {}, 11, [11], Grade.DIFFERS),
        ("rolling", {"batch_size": 2}, 11, [11], Grade.VIOLATES),
        ("rolling", {"batch_size": 5}, 4, [2, 2], Grade.DIFFERS),
        ("rolling", {"batch_size": 4}, 4, [2, 2], Grade.VIOLATES),
        ("canary", {"canary_count": 3}, 4, [2, 2], Grade.VIOLATES),
        ("canary", {"canary_count": 4}, 4, [2, 2], Grade.DIFFERS),
        ("canary", {"canary_count": 5}, 4, [2, 2], Grade.DIFFERS),
        ("canary", {}, 11, [2, 9], Grade.VIOLATES),
        ("canary", {}, 1, [0], Grade.VIOLATES),
        ("all_at_once", {}, 11, [1, 10], Grade.VIOLATES),
    ],
)
def test_r02_tells_what_is_published_from_what_is_rounded(
    strategy: str, fields: dict[str, Any], total: int, stages: list[int], grade: Grade
) -> None:
    """Default batches that do not divide, and counts beyond the fleet, are the profile's."""
    ids = [f"C{n:02}" for n in range(total)]
    t = booted(*ids)
    parts, at = [], 0
    for size in stages:
        parts.append(ids[at : at + size])
        at += size
    t.create(ids, strategy, stages=parts, **fields)
    (finding,) = t.result("R02").findings
    assert finding.grade is grade


@pytest.mark.parametrize(("order", "verdict"), [("AB", PASS), ("BA", FAIL)])
def test_r03_compares_two(order: str, verdict: Verdict) -> None:
    """Two are enough for an order, one is not."""
    t = booted("A", "B")
    t.create("AB", "all_at_once", stages=[list(order)])
    result = t.result("R03")
    assert result.verdict is verdict
    if verdict is FAIL:
        assert result.findings[0].witness.seen == "B in its place"
        assert result.findings[0].witness.expected.startswith("charger 1 of the plan is A")
    t = booted("A")
    t.create("A", "all_at_once")
    assert t.result("R03").verdict is INCONCLUSIVE


def test_r04_leaves_refused_creates_to_r05() -> None:
    """A command for a url that was refused is R05's, for one that was created R04's."""
    for refused in (True, False):
        t = booted("A")
        if refused:
            r = "rollout_1"
            t.plans[r] = {"firmware_url": "https://x/y"}
            t.state[r] = {"A": {"charge_point_id": "A"}}
            body = {"charger_ids": ["A"], "firmware_url": "https://x/y", "strategy": "canary"}
            t.fail("create", t.invoke("create", body=body), 422)
        else:
            r = t.create("A")
        t.trigger(r, "A")
        assert (t.result("R04").verdict is FAIL) is not refused
        assert (t.result("R05").verdict is FAIL) is refused


# ---------------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("frame", "seen"),
    [
        ({}, "no JSON array"), ([], "no JSON array"), (None, "no JSON array"),
        ([True, "x", "Heartbeat", {}], "unknown message type True"),
        ([{}, "x", "Heartbeat", {}], "unknown message type {}"),
        ([[2], "x"], "unknown message type [2]"), (["2", "x"], "unknown message type '2'"),
        ([1, "x"], "unknown message type 1"), ([7, "x"], "unknown message type 7"),
        ([2, "x", "Heartbeat"], "message type 2 with 3 elements instead of 4"),
        ([2, "x", "Heartbeat", {}, 1], "message type 2 with 5 elements instead of 4"),
        ([3, "x"], "message type 3 with 2 elements instead of 3"),
        ([4, "x", "InternalError", ""], "message type 4 with 4 elements instead of 5"),
        ([5, "x", "InternalError", ""], "message type 5 with 4 elements instead of 5"),
        ([6, "x", "NotifyEvent"], "message type 6 with 3 elements instead of 4"),
        ([2, 5, "Heartbeat", {}], "the message id is no string"),
        ([2, "x", 5, {}], "the action is no string"), ([6, "x", 5, {}], "the action is no string"),
    ],
)  # fmt: skip
def test_w01_says_what_is_no_frame(frame: Any, seen: str) -> None:
    """Whatever a peer sends is judged, and accused of what it is."""
    for kind, side in (("send", Subject.CHARGER), ("recv", Subject.CSMS)):
        t = booted("A")
        t.event("charger:A", kind, "", "", frame=copy.deepcopy(frame))
        (finding,) = t.result("W01").findings
        assert (finding.witness.seen, finding.subject) == (seen, side)


@pytest.mark.parametrize(
    ("dialect", "code", "verdict"),
    [
        ("ocpp1.6", "FormationViolation", PASS), ("ocpp1.6", "FormatViolation", FAIL),
        ("ocpp1.6", "OccurenceConstraintViolation", PASS), ("ocpp1.6", "RpcFrameworkError", FAIL),
        ("ocpp2.0.1", "FormationViolation", FAIL), ("ocpp2.0.1", "FormatViolation", PASS),
        ("ocpp2.1", "OccurrenceConstraintViolation", PASS), ("ocpp2.1", "NotKnown", FAIL),
        ("ocpp2.1", {}, FAIL), ("ocpp2.1", None, FAIL), ("ocpp2.1", "GenericError", PASS),
        ("", "FormationViolation", PASS), ("", "FormatViolation", PASS), ("", "NotKnown", FAIL),
        ("", "SecurityError", PASS),
    ],
)  # fmt: skip
def test_w05_knows_the_codes_of_each_version(dialect: str, code: Any, verdict: Verdict) -> None:
    """1.6 spells two codes in its own way; where the version is unknown either will do."""
    t = Tale()
    t.open("A", dialect)
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, code, "", {}], name="Heartbeat")
    assert t.result("W05").verdict is verdict


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [(["", {}], PASS), ([None, {}], FAIL), (["", []], FAIL), (["", None], FAIL), ([5, {}], FAIL)],
)
def test_w05_looks_at_text_and_details(rest: list[Any], verdict: Verdict) -> None:
    """The description is a text and the details are an object."""
    t = booted("A")
    ref = t.call("A", "Heartbeat", {})
    t.answer("A", ref, [4, ref, "InternalError", *rest], name="Heartbeat")
    assert t.result("W05").verdict is verdict


@pytest.mark.parametrize(
    ("talked", "tried", "subject"),
    [
        (30.0, 0.0, Subject.CSMS), (29.9, 0.0, None), (0.0, 30.0, Subject.NETWORK),
        (0.0, 29.9, None), (1.0, 40.0, None), (31.0, 31.0, Subject.CSMS),
    ],
)  # fmt: skip
def test_w04_asks_in_a_log_who_went_on(
    talked: float, tried: float, subject: Subject | None
) -> None:
    """Who is silent to a CALL and goes on talking is to blame; a dead line is the network's."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    t.now = 10 - 0.01
    t.call("A", "Heartbeat", {})
    for moment, side in sorted([(10 + talked, "csms"), (10 + tried, "charger")]):
        if moment > 10:
            t.now = moment - 0.01
            t.call("A", "Heartbeat" if side == "charger" else "ClearCache", {}, by=side)
    accused = [f.subject for f in t.result("W04").findings if "Heartbeat" in f.witness.expected]
    assert accused[:1] == ([subject] if subject else [])


def test_w04_forgives_a_log_two_silences_before_an_unseen_reconnect() -> None:
    """A reconnect that the log hides may have swallowed a CALL or two; not three."""
    for silences in (1, 2, 3, 4):
        t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
        for number in range(silences):
            t.event("charger:A", "open", ref=f"A#{number}", subprotocol="ocpp1.6", inferred=True)
            t.dialect["A"], t.connections["A"] = "ocpp1.6", number
            t.call("A", "Heartbeat", {})
            t.wait(31)
            t.call("A", "ClearCache", {}, by="csms")
            t.event("charger:A", "close", ref=f"A#{number}", code=1006)
        against = [f for f in t.result("W04").findings if f.subject is Subject.CSMS]
        grades = [Grade.TOLERATED, Grade.TOLERATED, Grade.VIOLATES, Grade.VIOLATES]
        assert [f.grade for f in against] == grades[:silences]


# ---------------------------------------------------------------------- liveness


def test_l5_looks_at_every_charger_of_a_read() -> None:
    """One that still talks, one in line again, one never told: none hides one that is silent."""
    t = booted("A", "B", "C", "D")
    r = t.create("ABCD", "all_at_once", update_timeout=60)
    t.execute(r, "ABC")
    t.report("B", "Idle")
    t.wait(80)
    t.report("A", "Downloading")
    t.read(r)
    result = t.result("L5")
    assert [finding.charger for finding in result.findings] == ["C"]
    assert result.exercised == 1


def test_l5_lets_an_idle_before_the_last_command_count_for_nothing() -> None:
    """Only an Idle after its command puts a charger in line again."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60)
    ref = t.invoke("execute_stage", r)
    t.command(r, "A")
    t.rollout_of["A"] = r
    t.report("A", "Idle")
    t.trigger(r, "A")
    t.executed(r, ref, 1, ["A"])
    t.wait(80)
    t.read(r)
    assert t.result("L5").verdict is FAIL


def test_l5_waits_for_a_date() -> None:
    """A retrieve date makes the clock start later."""
    t = booted("A")
    r = t.create("A", "all_at_once", update_timeout=60, retrieve_date="2026-01-01T01:00:00Z")
    t.execute(r)
    t.wait(80)
    t.read(r)
    assert t.result("L5").verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("urls", "updates"), [("u", 1), ("uu", 1), ("uv", 2), ("uvv", 2), ("uvu", 3)]
)
def test_a_log_shows_an_update_for_each_url_in_a_row(urls: str, updates: int) -> None:
    """In a field log a repeated url is the same update again, another url another one."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    for url in urls:
        body = {"location": f"https://x/{url}", "retrieveDate": "2026-01-01T00:00:00Z"}
        ref = t.call("A", "UpdateFirmware", body, by="csms")
        t.answer("A", ref, {}, by="charger", name="UpdateFirmware")
    judge = Judge(t.history.header)
    for event in t.history.events:
        judge.see(event)
    rollouts = {id(trigger.rollout) for trigger in judge.view.stations["A"].triggers}
    assert len(rollouts) == updates


# ---------------------------------------------------------------------- sentences and counts


@pytest.mark.parametrize(("length", "cut"), [(240, False), (241, True), (300, True)])
def test_a_line_of_a_witness_has_at_most_240_characters(length: int, cut: bool) -> None:
    """What is cut ends in an ellipsis, what is not is whole."""
    text = clean("x" * length)
    assert text == ("x" * 239 + "…" if cut else "x" * length)
    assert clean("a\x1b[31mb") == "a\\x1b[31mb"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ("charger:A", "send", {"frame": [2, "m", "Heartbeat", {}]}),
            'sent [2,"m","Heartbeat",{}]',
        ),
        (("charger:A", "recv", {"frame": [3, "m", {}]}), 'received [3,"m",{}]'),
        (("charger:A", "send", {"frame": [3, "m", {}], "line": 7}), 'line 7: sent [3,"m",{}]'),
        (("charger:A", "send", {"text": "x" * 300}), "sent '" + "x" * 233 + "…"),
        (("charger:A", "open", {"subprotocol": "ocpp1.6"}), "connected as R (ocpp1.6)"),
        (("charger:A", "open", {}), "connected as R (no subprotocol)"),
        (("charger:A", "close", {"code": 1000, "reason": "bye"}), "connection R closed (1000 bye)"),
        (("operator", "invoke", {"method": "GET", "path": "/x"}), "R: GET /x"),
        (("operator", "invoke", {"body": {"a": 1}}), 'R: N {"a":1}'),
        (("operator", "info", {"error": "timeout"}), "R: N: outcome unknown (timeout)"),
        (("operator", "ok", {"status": 200, "body": {}}), "R: N answered 200 {}"),
        (("harness", "kill", {}), "kill N {}"),
    ],
)
def test_an_event_is_told_in_one_line(event: tuple[str, str, dict[str, Any]], line: str) -> None:
    """Each kind of event in its own words."""
    source, kind, data = event
    assert tell(Event(0, 0.0, source, kind, "N", "R", data)).startswith(line)


@pytest.mark.parametrize(
    ("reads", "slow", "chargers", "verdict"),
    [
        (100, 0, 1000, PASS), (99, 0, 1000, INCONCLUSIVE), (100, 0, 999, INCONCLUSIVE),
        (200, 1, 1000, PASS), (200, 2, 1000, FAIL), (100, 1, 1000, FAIL),
    ],
)  # fmt: skip
def test_l8_is_the_99th_percentile(reads: int, slow: int, chargers: int, verdict: Verdict) -> None:
    """Of two hundred reads one may be slow; the slowest is the witness."""
    t = Tale()
    for number in range(chargers):
        t.open(f"C{number}")
    r = t.create("A", "all_at_once")
    t.plans[r]["stages"] = []
    for number in range(reads):
        ref = t.invoke("read", r)
        t.wait(12 + number if number < slow else 0)
        t.ok("read", ref, {})
    result = t.result("L8")
    assert result.verdict is verdict
    assert result.exercised == (0 if verdict is INCONCLUSIVE else reads)
    if verdict is FAIL:
        assert result.findings[0].witness.steps[0].text.startswith(f"op-{1 + slow}: POST")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, PASS), ({"reason": "why"}, PASS), ({"pause_reason": "why"}, PASS),
        ({"reason": "x"}, FAIL), ({"pause_reason": "x"}, FAIL),
    ],
)  # fmt: skip
def test_r46_looks_at_the_reason_that_a_get_shows(fields: dict[str, str], verdict: Verdict) -> None:
    """Where a GET shows a reason, it is the one that was given."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    t.pause(r, "why")
    t.read(r, **fields)
    result = t.result("R46")
    assert result.verdict is verdict
    if verdict is FAIL:
        witness = result.findings[0].witness
        assert (witness.expected, witness.seen) == ("the reason is kept: 'why'", "GET says 'x'")
        assert [step.text.split()[1] for step in witness.steps] == ["pause", "read"]


@pytest.mark.parametrize(
    ("first", "given", "said", "verdict"),
    [
        (None, None, None, INCONCLUSIVE), (None, "x", None, PASS), (None, "x", "x", FAIL),
        ("one", None, "one", PASS), ("one", None, "two", FAIL), ("one", None, None, FAIL),
    ],
)  # fmt: skip
def test_r46_keeps_the_first_reason_of_two_pauses(
    first: str | None, given: str | None, said: str | None, verdict: Verdict
) -> None:
    """Also where the first gave none; two pauses without any test nothing."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    for mine, answer in ((first, first), (given, said)):
        ref = t.invoke("pause", r, body={"reason": mine} if mine else None)
        body = {"rollout_id": r, "status": "paused", "paused_at": t.stamp(), "reason": answer}
        t.ok("pause", ref, body)
    assert t.result("R46").verdict is verdict


@pytest.mark.parametrize(
    ("says", "triggers", "seen"),
    [
        ((), "AB", "A of stage 1 was triggered (2 chargers unsettled)"),
        (("Downloading",), "AB", "A of stage 1 was Downloading (2 chargers unsettled)"),
        ((), "A", "A of stage 1 was triggered (2 chargers unsettled)"),
        ((), "", "A of stage 1 was not even triggered (2 chargers unsettled)"),
    ],
)
def test_r09_says_who_was_not_settled(says: tuple[str, ...], triggers: str, seen: str) -> None:
    """The first, how far it was, and how many more."""
    t = booted("A", "B", "C")
    r = t.create("ABC", "rolling", batch_size=2)
    t.execute(r, triggers)
    if triggers:
        t.report("A", *says)
    t.execute(r, "C", stage=2)
    (finding,) = t.result("R09").findings
    assert finding.witness.seen == f"C of stage 2 was triggered while {seen}"
    assert finding.charger == "A"


@pytest.mark.parametrize(
    ("retries", "failures", "waits", "verdict"),
    [
        (0, 1, 0, FAIL), (1, 1, 0, PASS), (1, 2, 0, FAIL), (2, 2, 0, PASS), (2, 3, 0, FAIL),
        (2, 1, 74.9, PASS), (2, 1, 75.2, FAIL),
    ],
)  # fmt: skip
def test_r12_knows_when_a_download_has_failed_for_good(
    retries: int, failures: int, waits: float, verdict: Verdict
) -> None:
    """After retries + 1 failures, or half a minute after one and a half intervals (D30)."""
    t = booted("A", "B")
    r = t.create("AB", "canary")
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "A", retries=retries)
    t.executed(r, ref, 1, ["A"])
    for _ in range(failures):
        t.report("A", "Downloading", "DownloadFailed")
    t.wait(waits - 0.05 if waits else 0)
    t.state[r]["A"]["status"] = "downloading"
    ref = t.invoke("execute_stage", r)
    t.trigger(r, "B")
    t.executed(r, ref, 2, ["B"])
    assert t.result("R12").verdict is verdict


@pytest.mark.parametrize(
    ("strategy", "status", "verdict"),
    [("canary", "failed", PASS), ("rolling", "failed", FAIL), ("canary", "in_progress", FAIL),
     ("rolling", "paused", PASS)],
)  # fmt: skip
def test_r20_lets_a_failed_canary_end_a_pause(strategy: str, status: str, verdict: Verdict) -> None:
    """Paused, until it ends by itself."""
    t = booted("A", "B")
    fields: dict[str, Any] = {"batch_size": 1} if strategy == "rolling" else {}
    r = t.create("AB", strategy, **fields)
    t.execute(r)
    t.pause(r)
    t.read(r)
    t.report("A", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    t.read(r, status=status)
    assert t.result("R20").verdict is verdict


@pytest.mark.parametrize(
    ("old", "new", "between", "verdict"),
    [
        ("in_progress", "paused", None, FAIL), ("in_progress", "paused", "pause", PASS),
        ("in_progress", "paused", "execute_stage", FAIL),
        ("paused", "in_progress", None, FAIL), ("paused", "in_progress", "pause", FAIL),
        ("paused", "in_progress", "execute_stage", PASS),
        ("in_progress", "pending", "execute_stage", FAIL),
        ("completed", "in_progress", "execute_stage", FAIL), ("failed", "completed", None, FAIL),
        ("completed", "completed", None, PASS),
    ],
)  # fmt: skip
def test_r32_knows_the_edges(old: str, new: str, between: str | None, verdict: Verdict) -> None:
    """Which request may lie between two statuses that GETs show."""
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    if old == "paused":
        t.pause(r)
    t.read(r, status=old)
    if between == "pause":
        t.pause(r)
    elif between:
        t.execute(r, "B" if old == "paused" else [], stage=1)
    t.read(r, status=new)
    assert t.result("R32").verdict is verdict


# ---------------------------------------------------------------------- repeats and memories


@pytest.mark.parametrize(("between", "verdict"), [(998, FAIL), (999, FAIL), (1000, PASS)])
def test_w02_remembers_a_thousand_ids(between: int, verdict: Verdict) -> None:
    """An id that a thousand others followed may come again; not sooner."""
    t = Tale()
    t.open("A")
    for name in ("first", *(f"n{number}" for number in range(between)), "first"):
        t.event("charger:A", "send", "Heartbeat", name, frame=[2, name, "Heartbeat", {}])
        t.answer("A", name, {"currentTime": t.stamp()}, name="Heartbeat")
    assert t.result("W02").verdict is verdict


def test_a_third_command_is_measured_against_the_second() -> None:
    """What the charger said before the second command excuses nothing after it."""
    for kill in (False, True):
        t = booted("A")
        r = t.create("A", "all_at_once")
        ref = t.invoke("execute_stage", r)
        t.trigger(r, "A")
        t.executed(r, ref, 1, ["A"])
        t.trigger(r, "A")
        if kill:
            t.event("harness", "kill", "csms")
            t.close("A")
            t.event("harness", "up", "csms")
            t.boot("A")
        t.report("A", "Downloading")
        t.trigger(r, "A")
        first, second = t.result("R13").findings
        assert "command number 2; the first had reached it and been answered" in first.witness.seen
        assert "command number 3; A had reported Downloading" in second.witness.seen
        commands = [
            e.index for e in t.history.events if e.kind == "recv" and e.name == "UpdateFirmware"
        ]
        assert second.witness.steps[0].index == commands[1]
        assert len(t.result("R39").findings) == kill


@pytest.mark.parametrize(("kind", "verdict"), [(6, PASS), (2, FAIL)])
def test_a_send_wants_no_answer(kind: int, verdict: Verdict) -> None:
    """SEND (2.1) is never answered; a CALL is."""
    t = booted("A", dialect="ocpp2.1")
    t.event("charger:A", "send", "Heartbeat", "s", frame=[kind, "s", "Heartbeat", {}])
    t.fence("A")
    t.wait(40)
    t.fence("A")
    assert t.result("W04").verdict is verdict
    assert (t.result("W03").verdict is PASS) is (verdict is PASS)


@pytest.mark.parametrize(
    ("way", "type_", "dangling", "accused"),
    [
        ("send", 2, "csms", False), ("recv", 2, "csms", True), ("send", 3, "csms", True),
        ("recv", 2, "charger", False), ("send", 2, "charger", True), ("recv", 3, "charger", True),
    ],
)  # fmt: skip
def test_a_damaged_call_explains_its_answer(
    way: str, type_: int, dangling: str, accused: bool
) -> None:
    """Of a frame that a log holds in pieces, what can be read counts."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    t.event("charger:A", "damaged", "Heartbeat", "d", way=way, type=type_)
    t.answer("A", "d", {"currentTime": t.stamp()}, by=dangling, name="Heartbeat")
    assert (t.result("W04").verdict is FAIL) is accused


@pytest.mark.parametrize(("way", "type_", "accused"), [("recv", 3, False), ("recv", 2, True),
                                                       ("send", 3, True)])  # fmt: skip
def test_a_damaged_answer_is_an_answer(way: str, type_: int, accused: bool) -> None:
    """A CALL whose answer is in pieces was answered."""
    t = Tale(target={"kind": FIELD_LOG, "clock": "log"})
    t.boot("A")
    ref = t.call("A", "Heartbeat", {})
    t.event("charger:A", "damaged", "Heartbeat", ref, way=way, type=type_)
    t.wait(40)
    t.call("A", "ClearCache", {}, by="csms")
    assert bool([f for f in t.result("W04").findings if f.subject is Subject.CSMS]) is accused


def test_a_log_may_begin_in_the_middle() -> None:
    """Who talks without a boot at a log's beginning was accepted before; not so in a drill."""
    for header, verdict in (({"target": {"kind": FIELD_LOG}}, PASS), ({}, FAIL)):
        t = Tale(**header)
        t.open("A")
        body = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        t.answer("A", t.call("A", "StatusNotification", body), {}, name="StatusNotification")
        t.fence("A")
        result = t.result("W09")
        assert (result.verdict is FAIL) is (verdict is FAIL), result


def test_an_unknown_outcome_is_settled_by_a_second_answer_no_more() -> None:
    """Only the first answer to a request counts, and only kinds that are answers."""
    for late in ("ok", "fail", "info"):
        t = booted("A", "B")
        r = t.create("AB", "all_at_once")
        t.execute(r, "A")
        ref = t.invoke("pause", r)
        t.info("pause", ref)
        t.event("operator", late, "pause", ref, status=200, body={"status": "paused"})
        t.fence("B")
        t.trigger(r, "B")
        assert t.result("R18").verdict is not FAIL
    t = booted("A", "B")
    r = t.create("AB", "all_at_once")
    t.execute(r, "A")
    ref = t.invoke("pause", r)
    t.event("operator", "shrug", "pause", ref, status=200, body={"status": "paused"})
    t.ok("pause", ref, {"rollout_id": r, "status": "paused", "paused_at": t.stamp()})
    t.fence("B")
    t.trigger(r, "B")
    assert t.result("R18").verdict is FAIL


@pytest.mark.parametrize("down", [True, False])
def test_r27_knows_that_a_system_that_is_down_does_nothing(down: bool) -> None:
    """A pause that met a dead system never acted; one that met a live one may have."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.event("harness", "kill", "csms")
    if not down:
        t.event("harness", "up", "csms")
    ref = t.invoke("pause", r)
    t.info("pause", ref)
    if down:
        t.event("harness", "up", "csms")
    t.read(r, status="paused")
    assert (t.result("R27").verdict is FAIL) is down


@pytest.mark.parametrize("reads", [("paused", "in_progress"), ("in_progress", "paused")])
def test_r27_settles_at_a_kill_what_was_unknown(reads: tuple[str, str]) -> None:
    """A pause of unknown outcome acted before the kill or never: it does not act between reads."""
    t = booted("A")
    r = t.create("A", "all_at_once")
    t.execute(r)
    t.info("pause", t.invoke("pause", r))
    t.event("harness", "kill", "csms")
    t.event("harness", "up", "csms")
    for status in reads:
        t.read(r, status=status)
    assert t.result("R27").verdict is FAIL


# ---------------------------------------------------------------------- what excuses whom


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
    request = SENSE | {"charger_ids": ["A"]}
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
