"""How the judge is measured: intervals, what counts as a kill, and what is published."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness import power as power_module
from harness.checkers import REQUIREMENTS
from harness.cli import main
from harness.explore import Failure, Outcome
from harness.mutants import Mutant
from harness.power import Power, measure, plan, wilson
from harness.power_report import IMPLIED, UNDRAWN, markdown

if TYPE_CHECKING:
    from pathlib import Path

WRONG = Mutant("wrong", "does wrong", ("R18",), "")
BENIGN = Mutant("benign", "does otherwise", (), "")


def outcome(number: int, *failed: str, subject: str = "csms") -> Outcome:
    """A run in which these properties failed."""
    return Outcome(number, tuple(Failure(one, subject, number, None, {}, "") for one in failed))


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_stays_a_probability(sample: tuple[int, int]) -> None:
    """Also at its ends, where a naive interval has no width."""
    hits, runs = sample
    low, high = wilson(hits, runs)
    assert 0.0 <= low <= hits / runs <= high + 1e-12 <= 1.0 + 1e-9
    assert high - low > 0.0


def test_only_its_own_properties_kill_a_mutant() -> None:
    """Another failure is seen and told, but it is no kill."""
    power = Power(WRONG)
    for one in (outcome(1), outcome(2, "R01"), outcome(3, "R18", "R01"), outcome(4, "R18")):
        power.add(one)
    assert (power.runs, power.kills, power.accused, power.first) == (4, 2, 3, 3)
    assert power.works
    assert power.runs_for() == 7  # half of the runs kill it: 0.5 ** 7 < 1 %
    assert power.fired == {"R01": 2, "R18": 2}
    assert power.alone == {"R01": 1, "R18": 1}


def test_a_benign_variant_must_never_be_accused() -> None:
    """An accusation of a charger is none of it."""
    power = Power(BENIGN)
    power.add(outcome(1))
    power.add(outcome(2, "C01", subject="charger"))
    assert power.works
    power.add(outcome(3, "R18"))
    assert not power.works


def test_measuring_stops_when_its_time_is_up() -> None:
    """The clock is handed in, so the budget can be a core's and not the wall's."""
    ticks = itertools.count()
    power = measure(
        Mutant("other_progress", "", (), ""),
        range(100),
        clock=lambda: float(next(ticks)),
        within=3.0,
    )
    assert power.runs == 3


def test_what_is_published_names_survivors_and_alarms() -> None:
    """A table that can be read, and no figure without its runs."""
    killed, survives, benign = Power(WRONG), Power(Mutant("s", "x", ("R1",), "")), Power(BENIGN)
    killed.add(outcome(1, "R18"))
    survives.add(outcome(1))
    benign.add(outcome(1))
    text = markdown([killed, survives, benign])
    assert "1 of 2 wrong decisions" in text
    assert "**survives**" in text
    assert "| `benign` | does otherwise | 0 / 1 |" in text


def test_a_property_is_needed_where_nothing_else_fires() -> None:
    """In all runs of a mutant, or else in some, which are counted; or else there is a reason."""
    wholly, partly, never = (Power(Mutant(name, "x", ("R18",), "")) for name in ("a", "b", "c"))
    wholly.add(outcome(1, "R18"))
    for one in (outcome(1, "R08", "R10"), outcome(2, "R08")):
        partly.add(one)
    never.add(outcome(1, "R10", "R08"))
    lines = markdown([wholly, partly, never]).splitlines()
    row = {line.split()[1]: line for line in lines if line.startswith(("| R", "| W"))}
    assert row["R18"].endswith("| `a` | `a` |")
    assert row["R08"].endswith("| `b`, `c` | `b` in 1 run |")
    assert "R08, where answers name stages" in row["R10"]


def test_a_reason_is_given_for_properties_that_exist() -> None:
    """None of them is both undrawn and implied."""
    known = {one.id for one in REQUIREMENTS}
    assert known >= UNDRAWN.keys() | IMPLIED.keys()
    assert UNDRAWN.keys().isdisjoint(IMPLIED)


@pytest.mark.parametrize(
    ("names", "code"), [(["url_is_changed", "other_progress"], 0), (["nobody_times_out"], 1)]
)
def test_the_command_publishes_and_ends_as_documented(
    names: list[str], code: int, tmp_path: Path
) -> None:
    """1 if a mutant survives its budget (here: two drills) or a variant is accused."""
    only = [word for name in names for word in ("--only", name)]
    words = ["power", "--runs", "2", "--jobs", "1", "--out", str(tmp_path), *only]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code, result.output
    facts = json.loads((tmp_path / "power.json").read_text())
    assert list(dict.fromkeys(one["name"] for one in facts["mutants"])) == names
    assert all(set(found) <= set(names) for found in facts["found_by"].values())
    assert "# How good the judge is" in (tmp_path / "power.md").read_text()


def test_an_unknown_mutant_is_a_usage_error() -> None:
    """With the names that are known."""
    result = CliRunner().invoke(main, ["power", "--only", "nobody"])
    assert result.exit_code == 2
    assert "url_is_changed" in result.stderr


def test_a_misspelt_mutant_is_told_its_name() -> None:
    """Not a list of two hundred."""
    result = CliRunner().invoke(main, ["power", "--only", "url_is_chnged"])
    assert result.exit_code == 2
    assert "did you mean url_is_changed?" in result.stderr
    assert "other_progress" not in result.stderr


def test_a_name_of_both_sides_means_both(tmp_path: Path) -> None:
    """A CSMS and a charger may take the same wrong decision."""
    words = ["--only", "dates_have_no_zone", "--runs", "1", "--suites", "1", "--jobs", "1"]
    CliRunner().invoke(main, ["power", *words, "--out", str(tmp_path)])
    facts = json.loads((tmp_path / "power.json").read_text())
    assert [one["side"] for one in facts["mutants"]] == ["csms", "charger"]


def test_a_benign_variant_is_measured_in_rarer_circumstances_too() -> None:
    """And a wrong decision where it shows; chargers have no drills that are rare."""
    rare = Mutant("rare", "", ("R14",), "", rare=True)
    charger = Mutant("charger", "", (), "", side="charger")
    assert plan([WRONG, rare, BENIGN, charger]) == [
        (WRONG, False), (rare, True), (BENIGN, False), (BENIGN, True), (charger, False),
    ]  # fmt: skip


def test_what_is_published_tells_rare_drills_apart() -> None:
    """The alarms of rare drills stand beside the others, and are counted apart."""
    often, seldom, found = Power(BENIGN), Power(BENIGN, rare=True), Power(WRONG, rare=True)
    for number in range(3):
        often.add(outcome(number))
    seldom.add(outcome(1, "R18"))
    found.add(outcome(1, "R18"))
    page = markdown([found, often, seldom])
    assert "0 of 3 runs of 1 benign variants were accused" in page
    assert "In rarer circumstances: 1 of 1 runs of 1 benign variants were accused" in page
    assert "| `benign` | does otherwise | 0 / 3 | 1 / 1 |" in page
    assert "| `wrong` (rare) |" in page
    assert [one.to_dict()["rare"] for one in (often, seldom)] == [False, True]


def test_rare_drills_are_other_drills(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers, in rarer circumstances."""
    asked: list[tuple[int, bool]] = []

    def tried(number: int, _: str | None, *, rare: bool) -> Outcome:
        asked.append((number, rare))
        return outcome(number)

    monkeypatch.setattr(power_module, "try_one", tried)
    for rare in (False, True):
        assert measure(BENIGN, range(2), clock=lambda: 0.0, within=9.0, rare=rare).rare is rare
    assert asked == [(0, False), (1, False), (0, True), (1, True)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seconds", "nan"], "nan is no number"),
        (["--only", "nobody"], "no mutant is called nobody"),
        (["--out", "{file}"], "give another folder"),
        (["--out", "{file}/below"], "give another folder"),
    ],
)
def test_wrong_words_are_told_before_anything_is_measured(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement takes half an hour: nothing may be found out in vain."""
    monkeypatch.setattr(power_module, "measure", lambda *_, **__: pytest.fail("it was measured"))
    file = tmp_path / "file"
    file.write_text("")
    result = CliRunner().invoke(main, ["power", *(word.format(file=file) for word in words)])
    assert result.exit_code == 2
    assert said in result.output


def test_a_mutant_named_twice_is_measured_once() -> None:
    """The second time would say the same."""
    words = ["power", "--runs", "1", "--jobs", "1", *["--only", "total_is_off_by_one"] * 2]
    assert "1/1 killed" in CliRunner().invoke(main, words).output


@pytest.mark.parametrize(
    ("why", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: 1 were"),
        (BrokenExecutor(), 4, "ended from outside"),
    ],
)
def test_what_was_measured_is_kept_when_it_is_cut_short(
    why: BaseException, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a process that something killed: the report has what there is."""
    measured = measure

    def once(mutant: Mutant, *arguments: Any, **named: Any) -> Power:
        if mutant.name != "total_is_off_by_one":
            raise why
        return measured(mutant, *arguments, **named)

    monkeypatch.setattr(power_module, "measure", once)
    only = ["--only", "total_is_off_by_one", "--only", "any_key_opens"]
    words = ["power", "--runs", "1", "--jobs", "1", "--out", str(tmp_path), *only]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == code
    assert said in result.output
    facts = json.loads((tmp_path / "power.json").read_text())
    assert [one["name"] for one in facts["mutants"]] == ["total_is_off_by_one"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["power.json", "power.md"]
