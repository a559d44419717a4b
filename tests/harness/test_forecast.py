"""Forecasts: nights are repeatable, strategies are told apart, the report can be trusted."""

from __future__ import annotations

import errno
import json
import re
import shlex
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cli import forecast as command
from harness.cli import main
from harness.errors import TargetError, UsageError
from harness.forecast import DEFAULTS, Night, Spread, Watch, night, outlook, strategy
from harness.library import find
from harness.report.forecast import html, picture, table
from simulator.faults import Fixed
from simulator.scenario import built

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.testing import Result

    from simulator.scenario import Scenario


PATIENCE = {"strategy": "canary", "update_timeout": "30 s"}


def bad(
    how: str = "bricked",
    *,
    sound: int = 12,
    broken: int = 8,
    creates: Sequence[dict[str, Any]] = (PATIENCE,),
) -> Scenario:
    """A fleet of which one model does not survive the new version."""
    quick = {"time": "2 s", "reboot": "1 s"}
    return built({
        "version": 1, "name": "bad <b>", "seed": 1,
        "firmware": {"version": "2.0.0", "size": "200 kB"},
        "fleet": [
            {"cohort": "sound", "count": sound, "install": quick,
             "network": {"connect_after": "0 s"}},
            {"cohort": "broken", "count": broken, "network": {"connect_after": "0 s"},
             "install": {**quick, "fail": [{"share": "100 %", "how": how}]}},
        ],
        "operator": [{"create": one} for one in creates],
    })  # fmt: skip


WATCH = Watch(failures=1, every=5.0, reaction=Fixed(value=20.0))
WATCH_99 = Watch(failures=99, every=5.0, reaction=Fixed(value=20.0))


@pytest.mark.parametrize("text", DEFAULTS)
def test_every_default_is_a_strategy(text: str) -> None:
    """It keeps its name, which is what the report shows."""
    assert strategy(text).name == text


@pytest.mark.parametrize(
    "text",
    ["", "canary", "canary:", "canary:0", "canary:0%", "canary:100%", "canary:1.5", "rolling:-1",
     "all_at_once:5", "canary:5%@sorted", "all_at_once/0", "Canary:5%", "canary:nan"],
)  # fmt: skip
def test_what_is_no_strategy_says_how_to_write_one(text: str) -> None:
    """Never a guess."""
    with pytest.raises(UsageError, match=re.escape(f"'{text}' is no strategy; write canary:5%")):
        strategy(text)


def test_a_night_is_its_seed() -> None:
    """Equal seeds, equal nights; everybody is counted exactly once."""
    first = night(bad(), strategy("rolling:4@mixed"), WATCH, 3)
    assert night(bad(), strategy("rolling:4@mixed"), WATCH, 3) == first
    assert first.updated + first.harmed + first.untouched == first.fleet == 20
    assert first.hit_seen + first.hit_unseen == first.harmed


def test_a_canary_across_models_saves_the_others() -> None:
    """In the fleet's order it meets sound chargers only, and then everybody is hit."""
    as_listed = night(bad(), strategy("canary:5"), WATCH, 1)
    mixed = night(bad(), strategy("canary:5@mixed"), WATCH, 1)
    assert (as_listed.bricked, as_listed.untouched) == (8, 0)
    assert mixed.bricked <= 5
    assert mixed.untouched == 15
    assert mixed.paused is not None
    assert mixed.seen is not None
    assert mixed.paused >= mixed.seen + 20.0


def test_chargers_that_wait_for_a_moment_of_the_replaced_plan_come_online() -> None:
    """Those of the smoke drill stay away until its pause, which no strategy makes."""
    done = night(find("smoke").scenario, strategy("rolling:50%"), Watch(every=5.0), 7)
    assert (done.updated, done.untouched) == (10, 0)
    assert done.duration < 600.0


@pytest.mark.parametrize("how", ["bricked", "fails"])
def test_a_night_is_over_when_a_look_shows_every_end(how: str) -> None:
    """After the pause nobody waits for chargers that had been given up long before."""
    late = Watch(failures=1, every=5.0, reaction=Fixed(value=100.0))
    done = night(bad(how), strategy("rolling:8@mixed"), late, 1)
    assert done.seen is not None
    assert done.paused == pytest.approx(done.seen + 100.0, abs=0.1)
    assert done.duration == pytest.approx(done.paused, abs=5.0)
    assert done.ending == "pause spared some"


def test_a_slow_charger_is_no_harmed_one() -> None:
    """The CSMS gives it up, but it gets the new firmware a little later."""
    scenario = built({
        "version": 1, "name": "x", "firmware": {"version": "2.0.0", "size": "100 kB"},
        "fleet": [{"cohort": "c", "count": 3, "network": {"connect_after": "0 s"},
                   "install": {"time": "40 s", "reboot": "1 s"}}],
        "operator": [{"create": {"strategy": "canary", "update_timeout": "30 s"}}],
    })  # fmt: skip
    done = night(scenario, strategy("all_at_once"), WATCH, 1)
    assert (done.updated, done.harmed) == (3, 0)
    assert done.seen is not None  # it was shown as failed
    assert done.duration < 41.0


@pytest.mark.parametrize(
    ("how", "text", "watch", "ending"),
    [("fails", "rolling:2", WATCH, "pause spared some"),
     ("fails", "canary:2", WATCH_99, "ended by the CSMS"),
     ("bricked", "all_at_once", WATCH, "went through"),
     ("hangs", "all_at_once/4", Watch(3, 5.0, Fixed(value=40.0)), "pause too late"),
     ("hangs", "all_at_once/4", Watch(3, 5.0, Fixed(value=1.0)), "pause spared some")],
)  # fmt: skip
def test_how_a_night_ended_is_told(how: str, text: str, watch: Watch, ending: str) -> None:
    """A rollout that never came to most chargers is not one that went well."""
    scenario = bad(how, sound=2, broken=10)
    broken_first = scenario.model_copy(update={"fleet": scenario.fleet[::-1]})
    done = night(broken_first, strategy(text), watch, 1)
    assert done.ending == ending
    assert (done.untouched > 0) == (ending in {"pause spared some", "ended by the CSMS"})
    assert (done.paused is not None) == ending.startswith("pause")


def test_the_plan_around_the_create_is_replaced_too() -> None:
    """A scenario may call its rollout otherwise, wait for a moment, or want a refusal."""
    plain = bad("fails")
    odd = {"strategy": "canary", "rollout": "second", "background": True, "update_timeout": "30 s",
           "when": {"DownloadFailed": 3}}  # fmt: skip
    refused = {**odd, "refused": True, "update_timeout": "1 s"}
    odder = bad("fails", creates=[refused, odd])
    plan = strategy("all_at_once")
    assert night(odder, plan, WATCH, 1) == night(plain, plan, WATCH, 1)


def test_a_rollout_that_the_csms_refuses_is_told() -> None:
    """No figures of a night in which nothing could happen."""
    scenario = bad(creates=[{**PATIENCE, "update_timeout": "10000 d"}])
    with pytest.raises(TargetError, match="all_at_once cannot be rolled out: it was refused: 4"):
        night(scenario, strategy("all_at_once"), WATCH, 1)


def test_what_is_triggered_before_the_pause_lands_is_counted_apart() -> None:
    """With few at a time the rest is still waiting when somebody sees it."""
    slow = night(bad("fails", sound=2, broken=30), strategy("all_at_once/2"), WATCH, 1)
    assert slow.seen is not None
    assert slow.late > 0
    assert slow.hit_seen > 0
    assert slow.untouched > 0
    hasty = Watch(failures=1, every=5.0, reaction=Fixed(value=1.0))
    assert (
        night(bad("fails", sound=2, broken=30), strategy("all_at_once/2"), hasty, 1).late
        < slow.late
    )


@pytest.mark.parametrize(
    ("how", "cause"),
    [("fails", "installation"), ("old_version", "installation"), ("hangs", "no end reported"),
     ("rolls_back", "old version in spite of Installed"),
     ("claims_installed", "old version in spite of Installed")],
)  # fmt: skip
def test_causes_are_what_really_happened(how: str, cause: str) -> None:
    """Also where the charger itself says otherwise."""
    seen = night(bad(how), strategy("all_at_once"), Watch(failures=99), 1)
    assert dict(seen.failed) == {cause: 8}
    assert seen.bricked == 0


def test_downloads_fail_for_a_reason() -> None:
    """The reason that the charger met, not the status it reports."""
    scenario = built({
        "version": 1, "name": "x", "firmware": {"version": "2.0.0", "size": "100 kB"},
        "fleet": [{"cohort": "c", "count": 2, "download": {"fail": [
            {"share": "100 %", "status": 404, "times": None}]}}],
        "operator": [{"create": {"strategy": "canary", "retries": 0, "update_timeout": "1 min"}}],
    })  # fmt: skip
    seen = night(scenario, strategy("all_at_once"), WATCH, 1)
    assert dict(seen.failed) == {"download: http": 2}


def test_a_spread_is_of_its_values() -> None:
    """Nothing is interpolated: every figure is one that happened."""
    spread = Spread.of(range(100))
    assert (spread.p5, spread.median, spread.p95) == (5, 50, 95)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def nights(name: str, harmed: int, *, count: int = 3) -> list[Night]:
    """A few nights of one strategy."""
    return [
        Night(name, seed, 20, duration=60.0 * seed, bricked=harmed) for seed in range(1, count + 1)
    ]


ABOUT: dict[str, Any] = {
    "scenario": "bad <b>", "fleet": 20, "nights": 3, "asked": 3, "seed": 1, "failures": 3,
    "every": "1 min", "reaction": "10 min", "cut": "", "missing": [],
    "command": "firmdrill forecast x",
}  # fmt: skip


def test_of_few_nights_nobody_claims_to_know_five_in_a_hundred() -> None:
    """The whiskers are then the best and the worst night, and are called so."""
    few, many = [outlook(nights("a", 2, count=19))], [outlook(nights("a", 2, count=20))]
    assert "harmed (worst)" in table(few)
    assert "harmed (p95)" in table(many)
    assert few[0].duration == Spread(60.0, 600.0, 1140.0)
    assert "best to worst night" in html({**ABOUT, "nights": 19}, few)
    assert "5 to 95 of 100 nights" in html({**ABOUT, "nights": 20}, many)


def test_the_picture_and_the_table_show_each_strategy() -> None:
    """Names of scenarios are text, never markup."""
    outlooks = [outlook(nights("canary:5%", 2)), outlook(nights("all_at_once", 9))]
    text = table(outlooks)
    assert "canary:5%    2 (2)" in text
    assert picture(outlooks).count('class="name"') == 2
    page = html(ABOUT, outlooks)
    assert "bad &lt;b&gt;" in page
    assert "<b>" not in page


def test_a_long_name_stays_out_of_the_bars() -> None:
    """It is drawn narrower; a short one as it is."""
    drawn = picture([outlook(nights("canary:12.5%@mixed/100", 2)), outlook(nights("canary:5%", 2))])
    assert re.findall(r'class="name"[^>]*textLength="188"[^>]*>([^<]*)<', drawn) == [
        "canary:12.5%@mixed/100"
    ]
    assert "chargers harmed, of 20<" in drawn
    assert drawn.count("reached all in 3 of 3 nights") == 2


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    """And tells where they are."""
    words = ["forecast", "smoke", "--runs", "2", "--jobs", "1", "--strategy", "canary:2",
             "--strategy", "all_at_once", "--out", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "forecast.json").read_text())
    assert [one["strategy"] for one in facts["strategies"]] == ["canary:2", "all_at_once"]
    assert len(facts["nights"]) == 4
    assert "What each strategy would cost" in (tmp_path / "forecast.html").read_text()


@pytest.mark.parametrize(
    "words",
    [["--strategy", "canary"], ["--every", "0 s"], ["--reaction", "soon"], ["--runs", "0"],
     ["--reaction", "1 h", "--reaction-p95", "30 min"]],
)  # fmt: skip
def test_wrong_words_are_told(words: list[str], tmp_path: Path) -> None:
    """Exit code 2, before anything runs."""
    result = CliRunner().invoke(main, ["forecast", "smoke", "--out", str(tmp_path), *words])
    assert result.exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [(KeyboardInterrupt(), 130, "interrupted"),
     (BrokenProcessPool(), 4, "a process that lived through nights was ended from outside")],
)  # fmt: skip
def test_what_is_cut_short_compares_the_same_nights(
    error: BaseException, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A strategy that had one night more than another would meet another fleet."""
    seen = [Night(name, seed, 20) for seed in (1, 2) for name in ("all_at_once", "canary:2")]
    result = _cut(seen[:3], error, tmp_path, monkeypatch)
    assert result.exit_code == code
    assert said in result.stderr
    facts = json.loads((tmp_path / "forecast.json").read_text())
    assert [(one["strategy"], one["nights"]) for one in facts["strategies"]] == [
        ("all_at_once", 1), ("canary:2", 1)
    ]  # fmt: skip
    assert {one["seed"] for one in facts["nights"]} == {1}
    page = (tmp_path / "forecast.html").read_text()
    assert "1 of the 20 nights that were asked for" in page
    assert "1 night a strategy, seed 1<" in page


def test_a_strategy_without_a_night_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not just left out."""
    _cut([Night("all_at_once", 1, 20)], KeyboardInterrupt(), tmp_path, monkeypatch)
    page = (tmp_path / "forecast.html").read_text()
    assert "No night was lived through under canary:2" in page


def _cut(
    before: list[Night], error: BaseException, out: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    def cut(*_: object) -> Any:
        yield from before
        raise error

    monkeypatch.setattr(command, "_nights", cut)
    words = ["--strategy", "all_at_once", "--strategy", "canary:2", "--out", str(out)]
    return CliRunner().invoke(main, ["forecast", "smoke", *words])


QUICK = ["--runs", "1", "--jobs", "1", "--strategy", "all_at_once"]


@pytest.mark.parametrize("place", ["file", "file/below", "taken"])
def test_a_folder_that_cannot_be_written_is_told_first(place: str, tmp_path: Path) -> None:
    """Before nights are lived through in vain; it is no defect of ours."""
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "forecast.json").mkdir(parents=True)
    result = CliRunner().invoke(main, ["forecast", "smoke", *QUICK, "--out", str(tmp_path / place)])
    assert result.exit_code == 2
    assert "--out" in result.stderr
    assert not result.stdout


def test_a_full_disk_costs_neither_the_figures_nor_the_report_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is printed all the same, and no half file takes the place of a whole one."""
    (tmp_path / "forecast.json").write_text("before")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = CliRunner().invoke(main, ["forecast", "smoke", *QUICK, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "all_at_once" in result.stdout
    assert "No space left on device" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["forecast.json"]
    assert (tmp_path / "forecast.json").read_text() == "before"


def test_the_table_has_standard_output_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`firmdrill forecast … | head` would otherwise end before the report is written."""
    monkeypatch.setattr(command, "TELL_EVERY", 0.0)
    result = CliRunner().invoke(main, ["forecast", "smoke", *QUICK, "--out", str(tmp_path)])
    assert result.stdout.startswith("strategy ")
    assert "1 of 1 nights, " in result.stderr


def test_a_scenario_without_chargers_is_told(tmp_path: Path) -> None:
    """Nothing to forecast, and no crash."""
    file = tmp_path / "empty.yaml"
    file.write_text("{version: 1, name: x, firmware: {version: '2', size: 1 kB}, "
                    "fleet: [{cohort: c, count: 0}]}")  # fmt: skip
    result = CliRunner().invoke(main, ["forecast", str(file), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "no chargers" in result.stderr


@pytest.mark.parametrize(
    ("words", "p95"), [(["--reaction", "1 h"], "3 h"), (["--reaction-p95", "20 min"], "20 min")]
)
def test_the_page_says_how_long_a_reaction_takes_and_how_to_repeat_it(
    words: list[str], p95: str, tmp_path: Path
) -> None:
    """The slow ones grow with the median, and a command can be pasted."""
    file = tmp_path / "one night.yaml"
    file.write_text(find("smoke").text)
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["forecast", str(file), *QUICK, *words, "--out", str(out)])
    assert result.exit_code == 0, result.output
    about = json.loads((out / "forecast.json").read_text())["about"]
    assert about["reaction"].endswith(f"(in 95 of 100 nights less than {p95})")
    again = shlex.split(about["command"])
    assert again[:3] == ["firmdrill", "forecast", str(file)]
    assert again[again.index("--reaction-p95") + 1] == p95
