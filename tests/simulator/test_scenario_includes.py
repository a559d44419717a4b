"""Scenarios in parts: what an included file gives, and where its problems are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.errors import ScenarioError
from simulator.scenario import dump, load

if TYPE_CHECKING:
    from simulator.scenario import Scenario

MAIN = """\
version: 1
name: main
includes: [yard.yaml, plan.yaml]
seed: 5
fleet:
  - {cohort: own, count: 1}
"""
FILES = {
    "yard.yaml": """\
firmware: {version: "2.0.0"}
seed: 9
fleet:
  - {cohort: yard, count: 2}
""",
    "plan.yaml": """\
operator: [fence]
fleet: [{cohort: plan, count: 1}]
""",
}


def loaded(main: str = MAIN, **files: str) -> Scenario:
    """Load a scenario whose files are these."""
    known = FILES | {f"{name}.yaml": text for name, text in files.items()}
    return load(main, name="main.yaml", include=known.__getitem__)


def problems(main: str = MAIN, **files: str) -> list[str]:
    """Return the problems of a scenario whose files are these."""
    with pytest.raises(ScenarioError) as raised:
        loaded(main, **files)
    return raised.value.problems


def test_included_chargers_come_first_and_own_fields_win() -> None:
    """Fleets are joined in the order of the includes; a field said twice is our own."""
    scenario = loaded()
    assert [cohort.cohort for cohort in scenario.fleet] == ["yard", "plan", "own"]
    assert scenario.firmware.version == "2.0.0"
    assert scenario.seed == 5
    assert [step.do for step in scenario.operator] == ["fence"]


def test_a_dump_needs_no_other_files() -> None:
    """What is written is whole: it can be sent to somebody else."""
    scenario = loaded()
    assert load(dump(scenario)) == scenario


def test_problems_are_told_in_the_file_where_they_are() -> None:
    """Elements that come from elsewhere keep their place, own ones too."""
    found = problems(
        MAIN.replace("count: 1", "count: none"), yard="fleet:\n  - {cohort: y, count: -1}\n"
    )
    assert [problem.split(": ")[0] for problem in found] == [
        "main.yaml:1:1", "main.yaml:6:19", "yard.yaml:2:17"
    ]  # fmt: skip


def test_an_included_file_may_include() -> None:
    """Parts are made of parts."""
    scenario = loaded(plan="includes: [deep.yaml]\n", deep="fleet: [{cohort: deep, count: 1}]\n")
    assert [cohort.cohort for cohort in scenario.fleet] == ["yard", "deep", "own"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("includes: [gone.yaml]", "cannot include gone.yaml"),
        ("includes: [main.yaml]", "main.yaml includes itself"),
        ("includes: [loop.yaml]", "loop.yaml includes itself"),
        ("includes: yard.yaml", "includes is a list of file names"),
        ("includes: [1]", "includes is a list of file names"),
        ("includes: [list.yaml]", "an included file is a mapping"),
        ("includes: [broken.yaml]", "not YAML"),
    ],
)
def test_what_cannot_be_included_is_told(line: str, told: str) -> None:
    """Missing, circular and broken files are problems with a place."""
    main = MAIN.replace("includes: [yard.yaml, plan.yaml]", line) + "firmware: {version: '1'}\n"
    found = problems(main, loop="includes: [loop.yaml]\n", list="- 1\n", broken="a: [\n")
    assert len(found) == 1
    assert told in found[0]


def test_a_text_without_a_folder_includes_nothing() -> None:
    """Whoever loads bare text is told so."""
    with pytest.raises(ScenarioError, match="came without a folder"):
        load(MAIN)
