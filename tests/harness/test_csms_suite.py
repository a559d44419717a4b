"""The cases for a CSMS: well-formed, answered from what a drill shows, and run from outside."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness import targets
from harness.checkers import REQUIREMENTS
from harness.cli import main
from harness.cli.drills import report_folder
from harness.cli.suite_end import end
from harness.diagnosis import Diagnosis
from harness.errors import TargetError, UsageError
from harness.library import find, names
from harness.run_record import Ending, ExitCode, Expectation, RunRecord
from harness.site import _command
from harness.suites import csms_run
from harness.suites.csms_cases import DRILLED, ENDS
from harness.suites.csms_probes import PROBES
from harness.suites.csms_run import Interrupted, Suite, chosen, drilled, inapplicable, searched
from harness.suites.results import CaseReport, SuiteReport
from harness.target_file import load_target, read_expected
from harness.verdict import Finding, Grade, Judgement, Result, Subject, Verdict, Witness
from harness.world import Ok, Refused, Unknown

if TYPE_CHECKING:
    from pathlib import Path

    from harness.suites.csms_cases import CsmsCase
    from harness.suites.csms_probes import Probe

RULES = {one.id: one for one in REQUIREMENTS}


def case(*properties: str) -> CsmsCase:
    """A case about these properties."""
    return replace(DRILLED[0], properties=properties)


# ---------------------------------------------------------------------- what they are


def test_there_are_enough_cases_and_each_is_one_of_its_kind() -> None:
    """At least sixty, their numbers unique; drills and properties exist."""
    ids = [one.id for one in DRILLED] + [one.id for one in PROBES]
    assert len(ids) == len(set(ids)) >= 60
    for one in DRILLED:
        assert one.drill in names()
        assert set(one.properties) <= {*RULES, ENDS}
        assert one.properties
        assert one.title
        assert one.level in {"MUST", "SHOULD"}


def test_level_must_is_for_what_the_api_or_ocpp_say() -> None:
    """A case that must pass names at least one property that the published text demands."""
    for one in DRILLED:
        if one.level == "MUST" and one.properties != (ENDS,):
            levels = {RULES[name].level for name in one.properties}
            assert "MUST" in levels or one.id == "crash/pause/1", one.id


def test_no_drill_needs_an_extension_to_be_passed() -> None:
    """Without our fields the scenarios still say what they say: none waits for a time-out."""
    for drill in dict.fromkeys(one.drill for one in DRILLED if "restart" not in one.needs):
        text = find(drill).text
        assert "max_in_flight" not in text, drill
        assert "failure_threshold" not in text, drill


def test_cases_are_chosen_by_number_and_by_certification_name() -> None:
    """A prefix of either."""
    drilled_cases, probes = chosen(("rollout/pause", "api/key"))
    assert {one.id.rsplit("/", 1)[0] for one in drilled_cases} == {"rollout/pause"}
    assert len(probes) == 10
    assert [one.id for one in chosen(("TC_044_1",))[0]] == ["ocpp/1.6/1"]


# ---------------------------------------------------------------------- what they answer


def result(name: str, verdict: Verdict, exercised: int = 1, subject: str = "csms") -> Result:
    """What a drill showed of one property."""
    finding = Finding(name, Grade.VIOLATES, Subject(subject), "r-1", Witness("this", "that"))
    bad = verdict in {Verdict.FAIL, Verdict.NON_STRICT}
    return Result(RULES[name], verdict, exercised, (finding,) if bad else ())


def record(*results: Result, expectations: tuple[Expectation, ...] = ()) -> RunRecord:
    """A drill that ran."""
    judgement = Judgement(Verdict.PASS, results)
    return RunRecord({}, 1, Ending.COMPLETED, ExitCode.PASSED, "PASS", "x", judgement=judgement,
                     expectations=expectations)  # fmt: skip


@pytest.mark.parametrize(
    ("results", "verdict", "said"),
    [
        ([result("R01", Verdict.PASS)], Verdict.PASS, ""),
        ([result("R01", Verdict.FAIL)], Verdict.FAIL, "R01: expected this; seen: that"),
        ([result("R01", Verdict.PASS), result("R02", Verdict.FAIL)], Verdict.FAIL, "R02"),
        ([result("R01", Verdict.FAIL, subject="charger")], Verdict.PASS, ""),
        ([result("R01", Verdict.NON_STRICT)], Verdict.NON_STRICT, "R01"),
        ([result("R01", Verdict.INCONCLUSIVE, 0)], Verdict.INCONCLUSIVE, "did not put R01"),
        ([result("R01", Verdict.PASS), result("R02", Verdict.INCONCLUSIVE, 0)],
         Verdict.INCONCLUSIVE, "did not put R02"),
        ([result("R01", Verdict.NOT_APPLICABLE, 0)], Verdict.NOT_APPLICABLE, "profile"),
        ([result("R01", Verdict.ERROR), result("R02", Verdict.FAIL)], Verdict.ERROR, "R01"),
    ],
)  # fmt: skip
def test_the_worst_that_a_drill_shows_is_the_answer(
    results: list[Result], verdict: Verdict, said: str, tmp_path: Path
) -> None:
    """What was not put to the test is no pass, and a charger's fault is not the CSMS's."""
    asked = case(*(one.requirement.id for one in results))
    report = csms_run._answer(asked, Suite(tmp_path), record(*results))
    assert report.verdict is verdict
    assert said in report.reason


def test_a_scenario_that_does_not_end_as_it_should_fails_its_case(tmp_path: Path) -> None:
    """An expectation that was never put to the test is somebody else's matter."""
    missed = Expectation("installed", "8", "7", met=False)
    untested = Expectation("exercises", "R01", "", met=False, inconclusive=True)
    suite = Suite(tmp_path)
    assert csms_run._answer(case(ENDS), suite, record(expectations=(missed,))).failed
    done = csms_run._answer(case(ENDS), suite, record(expectations=(untested,)))
    assert done.verdict is Verdict.PASS


def test_a_drill_that_never_began_is_no_verdict(tmp_path: Path) -> None:
    """With the reason, for every case that asked."""
    nothing = replace(record(), judgement=None, problem="nobody answers")
    report = csms_run._answer(case("R01"), Suite(tmp_path), nothing)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "nobody answers" in report.reason


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Refused(422, {}), ""),
        (Refused(404, {}), "seen: 404"),
        (Ok(201, {}), "it was accepted with 201"),
        (Unknown("HTTP 500", 500), "seen: 500"),
        (Unknown("no answer within 30 s"), "no answer"),
    ],
)
def test_a_probe_wants_its_refusal(outcome: Any, said: str) -> None:
    """Nothing else will do, and a crash least of all."""
    unmet = PROBES[0].unmet(outcome)
    assert said in unmet
    assert bool(unmet) is bool(said)


@pytest.mark.parametrize(
    ("right", "wrong", "verdict"),
    [
        ("ok", "auth", Verdict.PASS),
        ("ok", "ok", Verdict.FAIL),
        ("ok", "tcp", Verdict.INCONCLUSIVE),
        ("tcp", "tcp", Verdict.INCONCLUSIVE),
        ("auth", "auth", Verdict.INCONCLUSIVE),
    ],
)
def test_a_door_is_judged_only_where_it_opens(right: str, wrong: str, verdict: Verdict) -> None:
    """A system that nobody reaches refuses a wrong password, too: that is no pass."""
    seen = csms_run._admission(Diagnosis(right, "so", ""), Diagnosis(wrong, "so", ""))
    assert seen[0] is verdict


@pytest.mark.parametrize("probe", PROBES, ids=lambda one: one.id)
def test_no_probe_can_be_taken_for_a_sound_request(probe: Probe) -> None:
    """What is refused leaves nothing behind; so nothing sound is ever sent with the right key."""
    request = probe.request(("CP-1", "CP-2"))
    if probe.operation == "create":
        body = dict(request.body or {})
        sound = {"charger_ids": ["CP-1", "CP-2"], "strategy": "all_at_once",
                 "firmware_url": "https://firmware.example/probe/firmware.bin"}  # fmt: skip
        assert body != sound
    else:
        assert probe.key != "right" or "no-such-rollout" in request.path


# ---------------------------------------------------------------------- drills and search


def test_an_interrupt_ends_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drill that was interrupted answers nothing."""
    stopped = replace(record(), exit_code=ExitCode.INTERRUPTED)
    monkeypatch.setattr(csms_run, "_drill", lambda *_: stopped)
    with pytest.raises(Interrupted):
        list(drilled(Suite(tmp_path), DRILLED[:3]))


def test_the_search_tells_each_property_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many drills break it; and says how many were run."""
    ticks = iter(range(1000))
    monkeypatch.setattr("harness.suites.csms_run.time.monotonic", lambda: float(next(ticks)))

    def drill(suite: Suite, _scenario: Any, _source: str, name: str) -> RunRecord:
        (suite.folder / "drills" / name).mkdir(parents=True)
        return record(result("R13", Verdict.FAIL))

    monkeypatch.setattr(csms_run, "_drill", drill)
    monkeypatch.setattr(csms_run, "_lasts", lambda _scenario: 1.0)
    told = list(searched(Suite(tmp_path), 9.0))
    assert [one.id for one in told] == ["search/R13", "search/all"]
    assert told[1].verdict is Verdict.FAIL
    assert "drawn drills" in told[1].title
    announced = Suite(tmp_path / "again", announced={"search/R13": "ticket 7"})
    assert [one.verdict for one in searched(announced, 9.0)] == [Verdict.FAIL, Verdict.PASS]


def test_what_only_should_hold_makes_the_search_no_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R06 comes from our profile, not from the published text: the whole is non-strict."""
    ticks = iter(range(1000))
    monkeypatch.setattr("harness.suites.csms_run.time.monotonic", lambda: float(next(ticks)))

    def drill(suite: Suite, _scenario: Any, _source: str, name: str) -> RunRecord:
        (suite.folder / "drills" / name).mkdir(parents=True)
        return record(result("R06", Verdict.FAIL))

    monkeypatch.setattr(csms_run, "_drill", drill)
    monkeypatch.setattr(csms_run, "_lasts", lambda _scenario: 1.0)
    told = SuiteReport("CSMS", list(searched(Suite(tmp_path), 9.0)))
    assert [one.level for one in told.cases] == ["SHOULD", "SHOULD"]
    assert told.verdict is Verdict.NON_STRICT


def test_the_search_leaves_out_drills_that_last_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drill that does not fit into what is left is not begun; no drill is no verdict."""
    ticks = iter(range(1000))
    monkeypatch.setattr("harness.suites.csms_run.time.monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(csms_run, "_lasts", lambda _scenario: 10.0)
    (told,) = searched(Suite(tmp_path), 9.0)
    assert (told.id, told.verdict) == ("search/all", Verdict.INCONCLUSIVE)
    assert told.title == "0 drawn drills"


def described(tmp_path: Path, **fields: Any) -> Path:
    """A target file."""
    target = {"version": 1, "name": "t", "api": "http://127.0.0.1:9/api",
              "ocpp": "ws://127.0.0.1:9/{id}", **fields}  # fmt: skip
    (tmp_path / "t.yaml").write_text(json.dumps(target))
    return tmp_path / "t.yaml"


def test_what_a_target_lacks_does_not_apply(tmp_path: Path) -> None:
    """Never a crash: the reason, in the file's own words."""
    target = load_target(described(tmp_path, subprotocols=["ocpp1.6"]))
    reasons = {one.id: inapplicable(one, target) for one in DRILLED}
    assert "restart" in reasons["crash/pause/1"]
    assert reasons["ocpp/2.1/1"] == "the target does not speak ocpp2.1"
    assert reasons["ocpp/1.6/1"] == reasons["rollout/canary/1"] == ""
    versions = {spec.ocpp for spec in target.rename(find("canary-alone").scenario.chargers(1))}
    assert versions == {"ocpp1.6"}


def test_every_drill_gets_chargers_of_its_own_where_they_can_be_made(tmp_path: Path) -> None:
    """A rollout that never ended cannot disturb the next drill; fixed ids are used again."""
    provision = {"url": "http://127.0.0.1:9/known/{id}"}
    scenario = find("smoke").scenario
    for chargers, firsts in (
        ({"pattern": "C-{n}", "provision": provision}, [1, 11, 21]),
        ({"pattern": "C-{n}"}, [1, 1, 1]),
    ):
        suite = Suite(tmp_path, load_target(described(tmp_path, chargers=chargers)))
        seen = [suite.fresh(scenario) for _ in firsts]
        assert [one.chargers.first for one in seen if one is not None] == firsts


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "mapping"), ("a/1:", "a reason"), ("a/1: 3", "a reason"), ("a: [", "expected")],
)
def test_announced_failures_need_a_reason(text: str, said: str, tmp_path: Path) -> None:
    """A list without reasons would hide what it lists."""
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_expected(tmp_path / "e.yaml")


@pytest.mark.parametrize("restart", [{"kill": "", "start": "x"}, {"kill": "a 'b", "start": "x"}])
def test_a_restart_command_must_be_one(restart: dict[str, str], tmp_path: Path) -> None:
    """Found when the file is read, with its place."""
    with pytest.raises(UsageError, match="restart"):
        load_target(described(tmp_path, restart=restart))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/no/such/program", "cannot run"),
        (f"{shlex.quote(sys.executable)} -c 'import sys; sys.exit(3)'", "ended with 3"),
        (f"{shlex.quote(sys.executable)} -c 'import time; time.sleep(9)'", "did not return"),
    ],
)
async def test_a_restart_command_that_fails_is_told(line: str, said: str) -> None:
    """In the words of the target file, not as a traceback."""
    with pytest.raises(TargetError, match=said):
        await _command(line, 0.5)


# ---------------------------------------------------------------------- the command


def check(*words: str) -> Any:
    """Run `check csms`."""
    return CliRunner().invoke(main, ["check", "csms", *words])


def test_the_cases_can_be_listed() -> None:
    """With the drill and the properties that each asks about."""
    output = check("--list", "rollout/gate").output
    assert "[failing-canary: R12]" in output
    assert output.endswith("3 cases\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense/"], "no case begins with nonsense/"),
        (["--mutant", "nobody"], "no mutant is called nobody"),
        (["--search", "long"], "--search: 'long' is not a duration"),
        (["--mutant", "url_is_changed", "--target", __file__], "no --mutant of ours"),
    ],
)
def test_wrong_words_are_explained(words: list[str], said: str) -> None:
    """Exit code 2 and what to do."""
    outcome = check(*words)
    assert outcome.exit_code == 2, outcome.output
    assert said in outcome.output + outcome.stderr


@pytest.mark.sockets
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["rollout/turns", "api/"], 0, "every case that applies passed"),
        (["api/create/8", "--mutant", "nonsense_is_accepted"], 0, "some that should be is"),
        (["api/create/8", "--mutant", "nonsense_is_accepted", "--strict"], 1, "1 case failed"),
        (["api/key", "--mutant", "any_key_opens"], 1, "api/key/2"),
    ],
)
def test_our_reference_passes_and_its_mutants_do_not(
    words: list[str], code: int, said: str, tmp_path: Path
) -> None:
    """From the outside, like anybody's."""
    outcome = check(*words, "--report", str(tmp_path))
    assert outcome.exit_code == code, outcome.output
    assert said in outcome.output
    assert (tmp_path / "junit.xml").exists()


@pytest.mark.sockets
@pytest.mark.slow
def test_what_was_announced_to_fail_is_no_failure(tmp_path: Path) -> None:
    """And a name that is no case is refused: a slip there would hide a failure."""
    lines = [f"api/key/{number}: ticket 7\n" for number in range(1, 11)]
    (tmp_path / "e.yaml").write_text("".join(lines))
    words = ["api/key", "--mutant", "any_key_opens", "--expected", str(tmp_path / "e.yaml")]
    outcome = check(*words, "--report", str(tmp_path / "r"))
    assert outcome.exit_code == 0, outcome.output
    assert "but for 10 as announced" in outcome.output
    (tmp_path / "e.yaml").write_text("api/key/99: typo\n")
    outcome = check(*words, "--report", str(tmp_path / "r"))
    assert outcome.exit_code == 2
    assert "api/key/99, which is no case" in outcome.output + outcome.stderr


def test_a_target_that_nobody_serves_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 and the step that fails."""
    monkeypatch.setenv(targets.KEY_VARIABLE, "x")
    file = described(tmp_path)
    outcome = check("api/", "--target", str(file), "--report", str(tmp_path / "r"))
    assert outcome.exit_code == 3, outcome.output
    assert "cannot be reached" in outcome.output


def test_a_report_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict is still printed; what passed without leaving a report has not passed."""
    (tmp_path / "report.html").mkdir()
    for verdict, code in ((Verdict.PASS, 3), (Verdict.FAIL, 1)):
        one = CaseReport("a/1", "t", "e", "s", "MUST", "x", verdict)
        with pytest.raises(SystemExit) as ended:
            end(SuiteReport("CSMS", [one]), tmp_path, Console())
        assert ended.value.code == code
        said = capsys.readouterr()
        assert "the report cannot be written" in said.err
        assert f" {verdict} " in said.out


def test_two_suites_of_one_second_do_not_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is made when it is chosen."""
    monkeypatch.chdir(tmp_path)
    folders = [report_folder(None, "check-csms") for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(one.is_dir() for one in folders)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "firmdrill-reports").touch()
    with pytest.raises(UsageError, match="cannot be made"):
        report_folder(None, "check-csms")
