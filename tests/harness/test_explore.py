"""The search: it finds a wrong decision, tells failures apart and writes what replays them."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import generate
from harness.cli import main
from harness.explore import Failure, Outcome, Search, search, smallest, try_one
from harness.mutants.csms import mutated
from harness.rehearsal import rehearse
from simulator.scenario import load

MUTANT = "pause_ignored_on_reconnect"


def test_the_reference_is_not_accused() -> None:
    """A few dozen drills, of which most properties are put to the test."""
    seen = search(range(60))
    assert seen.failures == {}
    assert seen.broken == []
    assert seen.runs == 60
    assert len(seen.exercised) > 50


def test_a_wrong_decision_is_found_and_made_small() -> None:
    """A handful of chargers and steps are enough to show it, and they replay it."""
    seen = search(range(100), mutant=MUTANT, go_on=lambda: True)
    found = seen.failures["R18", "csms"]
    small = smallest(found)
    assert small.identity == found.identity
    chargers = sum(cohort["count"] for cohort in small.fields["fleet"])
    # The drill has no offline windows, only crashes: the least that shows it is one charger that
    # updates and one that waits; create, execute, restart and pause.
    assert chargers == 2
    assert len(small.fields["operator"]) == 4
    scenario = load(small.yaml())
    assert scenario.expect.violates == ("R18",)
    assert f"drawn drill {found.number} with the mutant {MUTANT}" in scenario.found
    with mutated(MUTANT):
        judgement = rehearse(scenario).judgement
    assert "R18" in {result.requirement.id for result in judgement.failed}
    assert rehearse(scenario).judgement.failed == ()


def test_distinct_failures_are_kept_apart() -> None:
    """The same property and side is one failure, however often it is found."""
    seen = Search()
    first, other = (Failure(one, "csms", 1, None, {}, "") for one in ("R01", "R02"))
    assert seen.add(Outcome(1, (first,))) == [first]
    assert seen.add(Outcome(2, (first, other), ("R01",), "")) == [other]
    seen.add(Outcome(3, error="ValueError: x"))
    assert (seen.runs, len(seen.failures), seen.broken) == (3, 2, [(3, "ValueError: x")])


def test_a_drill_that_breaks_our_own_code_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted as broken, and never as passed."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("harness.explore.rehearse", broken)
    assert try_one(1).error == "ZeroDivisionError: oops"


def test_both_sides_may_break_the_same_property(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures of the same property by two sides are two files."""

    def two(number: int, mutant: str | None, **_: object) -> Outcome:
        fields = generate.fields(number)
        return Outcome(
            number,
            tuple(
                Failure("W01", side, number, mutant, fields, "x") for side in ("csms", "charger")
            ),
        )

    monkeypatch.setattr("harness.cli.search.try_one", two)
    options = ["explore", "--runs", "1", "--jobs", "1", "--tries", "0", "--out", str(tmp_path)]
    assert CliRunner().invoke(main, options).exit_code == 1
    names = sorted(path.name for path in tmp_path.glob("*.yaml"))
    assert names == ["w01-charger-reference.yaml", "w01-csms-reference.yaml"]


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--mutant", "url_is_changed"], 1)])
def test_the_command_ends_as_documented(words: list[str], code: int, tmp_path: Path) -> None:
    """0 if nothing was found, 1 if something was; every find is a file with its command."""
    out = tmp_path / "found"
    options = ["explore", "--runs", "12", "--jobs", "1", "--tries", "20", "--out", str(out), *words]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == code
    assert "12 drills (numbers 0 to 11)" in result.stdout
    assert "put a property to the test: R01=12, " in result.stdout
    assert ", L8=0, " in " ".join(result.stdout.split())
    assert out.exists() == bool(code)
    for path in out.glob("*.yaml"):
        assert f"firmdrill run {path} --virtual --mutant url_is_changed" in result.stdout


def test_a_search_lasts_as_long_as_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search of hours is not over after a thousand drills, unless `--runs` says so."""
    clock = iter(float(second) for second in range(100_000))
    monkeypatch.setattr("harness.cli.search.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("harness.cli.search.try_one", lambda number, **_: Outcome(number))
    options = ["explore", "--seconds", "6000", "--jobs", "1", "--out", str(tmp_path)]
    told = CliRunner().invoke(main, options).stdout
    assert int(told.split(" drills (numbers")[-2].split()[-1]) > 2500
    assert "3 drills (numbers 0 to 2)" in CliRunner().invoke(main, [*options, "--runs", "3"]).stdout


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenProcessPool(), 4)])
def test_what_was_found_is_kept_when_the_search_is_cut_short(
    error: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was drawn: making it small would take long, and the user has had enough."""

    def cut(number: int, mutant: str | None = None, **_: object) -> Outcome:
        if number:
            raise error
        return Outcome(0, (Failure("W01", "csms", 0, mutant, generate.fields(0), "x"),))

    monkeypatch.setattr("harness.cli.search.try_one", cut)
    result = CliRunner().invoke(main, _few(tmp_path))
    assert result.exit_code == code
    assert "1 drills (numbers 0 to 0)" in result.stdout
    assert "W01 (csms): as it was drawn, " in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["w01-csms-reference.yaml"]


def test_an_interrupt_while_finds_are_made_small_keeps_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those whose turn had not come."""

    def two(number: int, mutant: str | None = None, **_: object) -> Outcome:
        fields = generate.fields(number)
        sides = ("csms", "charger")
        return Outcome(number, tuple(Failure("W01", s, number, mutant, fields, "x") for s in sides))

    def interrupted(*_: object, **__: object) -> Failure:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.search.try_one", two)
    monkeypatch.setattr("harness.cli.search.smallest", interrupted)
    result = CliRunner().invoke(main, _few(tmp_path))
    assert result.exit_code == 130
    assert result.stdout.count("as it was drawn, ") == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("words", [["--seconds", "nan"], ["--out", "FILE"]])
def test_what_cannot_be_is_told_before_the_search(words: list[str], tmp_path: Path) -> None:
    """Nan seconds would last for ever, and finds would have nowhere to go."""
    file = tmp_path / "file"
    file.touch()
    words = [str(file) if word == "FILE" else word for word in words]
    result = CliRunner().invoke(main, [*_few(Path("unused")), *words])
    assert result.exit_code == 2
    assert words[0] in result.stderr
    assert not result.stdout


def _few(out: Path) -> list[str]:
    return ["explore", "--runs", "2", "--jobs", "1", "--out", str(out)]
