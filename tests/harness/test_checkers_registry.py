"""The registry: every published property has a checker, and the page says so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.checkers import CHECKERS, REQUIREMENTS, Judge, judge
from harness.checkers.base import Checker, sees
from harness.checkers.facts import Answered
from harness.checkers.properties import page
from harness.contract import DEFAULTS
from harness.decisions import DECISIONS, INERT
from harness.history import Header
from harness.verdict import Requirement, Verdict
from tests.harness.tell import Tale, good_canary

if TYPE_CHECKING:
    from harness.checkers.view import View

DOCS = Path(__file__).parents[2] / "docs"


def test_every_property_has_exactly_one_checker() -> None:
    """R01-R46, L1-L8, C01-C15 and the wire rules are all there, once, in order."""
    ids = [requirement.id for requirement in REQUIREMENTS]
    assert len(set(ids)) == len(ids)
    assert ids[:46] == [f"R{n:02}" for n in range(1, 47)]
    assert ids[46:54] == [f"L{n}" for n in range(1, 9)]
    assert ids[54:69] == [f"C{n:02}" for n in range(1, 16)]
    assert ids[69:] == [f"W{n:02}" for n in range(1, len(ids) - 68)]
    assert len(CHECKERS) == len(ids)


def test_every_requirement_says_what_and_where_from() -> None:
    """A sentence, a source and a level; switches are decisions."""
    for requirement in REQUIREMENTS:
        assert requirement.sentence.endswith(".")
        assert requirement.source
        assert requirement.level in {"MUST", "PROFILE"}
        assert set(requirement.switches) <= DECISIONS.keys() - INERT


def test_the_page_of_properties_is_current() -> None:
    """docs/properties.md is what the registry says, with the mutants that were measured."""
    facts = json.loads((DOCS.parent / "reports" / "power.json").read_text("utf-8"))
    assert (DOCS / "properties.md").read_text("utf-8") == page(facts["found_by"])


def test_every_decision_that_is_told_can_be_looked_up() -> None:
    """D1 to D35, none left out; those in the source of a property stand in the page, too."""
    assert list(DECISIONS) == [f"D{n}" for n in range(1, 36)]
    assert DECISIONS.keys() > INERT
    assert DEFAULTS.keys() <= DECISIONS.keys() - INERT
    for requirement in REQUIREMENTS:
        assert set(re.findall(r"\bD\d+", requirement.source)) <= DECISIONS.keys()


def test_live_and_stored_judging_agree() -> None:
    """Folding events one at a time gives the same judgement as folding a list."""
    t = good_canary()
    live = Judge(t.history.header)
    for event in t.history.events:
        live.see(event)
    assert live.judgement() == judge(t.history.header, t.history.events)


class Broken(Checker):
    """A checker that crashes."""

    requirement = Requirement("X01", "Broken", "It breaks.", "nowhere")

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Crash at the first answer."""
        self.exercised += 1
        raise KeyError(view.events, fact.op.id)


class BrokenEnd(Broken):
    """A checker that crashes at the end."""

    requirement = Requirement("X02", "Broken", "It breaks.", "nowhere")

    @sees(Answered)
    def answered(self, view: View, fact: Answered) -> None:
        """Count only."""
        del view, fact
        self.exercised += 1

    def end(self, view: View) -> None:
        """Crash."""
        raise ValueError(view.events)


@pytest.mark.parametrize("kind", [Broken, BrokenEnd])
def test_a_checker_that_crashes_never_passes(kind: type[Checker]) -> None:
    """ERROR, with the reason, and the others go on."""
    t = Tale()
    r = t.create("A")
    t.read(r)
    judged = judge(t.history.header, t.history.events, (kind, *CHECKERS[:2]))
    alone = judge(t.history.header, t.history.events, CHECKERS[:2])
    broken = judged.results[0]
    assert broken.verdict is Verdict.ERROR
    name, where = ("KeyError", "answered") if kind is Broken else ("ValueError", "end")
    assert broken.note.startswith(f"the checker broke: {name}: ")
    assert f" ({where}, line " in broken.note
    assert broken.exercised == (1 if kind is Broken else 2)  # told nothing more once it broke
    assert judged.results[1:] == alone.results
    assert judged.result("R01").exercised == 2
    assert judged.verdict is Verdict.ERROR


def test_findings_are_bounded() -> None:
    """A history that breaks one rule ten thousand times keeps a few witnesses."""
    t = Tale()
    t.boot("A")
    for _ in range(100):
        t.answer("A", t.call("A", "Heartbeat", {}), {})
    result = t.result("W01")
    assert (len(result.findings), result.omitted) == (25, 75)


def test_witnesses_show_hostile_strings_on_one_line() -> None:
    """Control characters are made visible and long strings cut."""
    t = Tale()
    t.boot("A")
    t.event("charger:A", "send", text="\x1b[2J\n" + "x" * 5000)
    text = t.result("W01").findings[0].witness.steps[0].text
    assert text.isprintable()
    assert len(text) <= 240


def test_a_judgement_is_plain_json() -> None:
    """Reports and other tools read it without our classes."""
    import json  # noqa: PLC0415 - only here

    t = Tale()
    t.create("ABC", stages=[["A"]])
    told = json.loads(json.dumps(t.judged().to_dict()))
    assert told["results"][0]["findings"][0]["witness"]["steps"]
    assert Judge(Header()).judgement().to_dict()["verdict"] == "INCONCLUSIVE"
