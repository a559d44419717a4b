"""The harness measured: every wrong decision is found, and no right one is accused."""

from __future__ import annotations

import pytest

from harness import generate
from harness.explore import try_one
from harness.library import find
from harness.mutants import CSMS, Mutant, mutant, names
from harness.mutants.csms import DECISIONS, mutated
from harness.mutants.more import MORE
from harness.rehearsal import rehearse
from harness.run_record import ExitCode
from harness.verdict import Verdict

pytestmark = pytest.mark.power
LONGEST_SEARCH = 800
BENIGN_DRILLS = 12
MOST_BENIGN_DRILLS = 60  # until one of them shows what varies
WRONG = [one for one in CSMS if not one.benign]
BENIGN = [one for one in CSMS if one.benign]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda one: one.name)
def test_a_wrong_decision_is_killed_by_its_property(wrong: Mutant) -> None:
    """Exit 1, the right property named, and a witness that tells what happened."""
    with mutated(wrong.name):
        outcome = rehearse(find(wrong.scenario).scenario).outcome
    assert outcome.exit_code is ExitCode.FAILED
    failed = {result.requirement.id: result for result in outcome.judgement.failed}
    killers = [failed[one] for one in wrong.kills if one in failed]
    assert killers, f"{wrong.name} should break {wrong.kills}, but broke {sorted(failed)}"
    witness = killers[0].findings[0].witness
    assert witness.expected
    assert witness.seen
    assert len(witness.steps) >= 2
    assert [step.index for step in witness.steps] == sorted({s.index for s in witness.steps})


@pytest.mark.parametrize("variant", BENIGN, ids=lambda one: one.name)
def test_a_benign_variant_passes(variant: Mutant) -> None:
    """Where the contract leaves a decision open, either answer passes."""
    with mutated(variant.name):
        outcome = rehearse(find(variant.scenario).scenario).outcome
    assert outcome.exit_code is ExitCode.PASSED


@pytest.mark.parametrize("variant", BENIGN, ids=lambda one: one.name)
def test_a_benign_variant_is_reached(variant: Mutant) -> None:
    """A variant that changes nothing would prove nothing."""
    scenario = find(variant.scenario).scenario
    with mutated(variant.name):
        varied = rehearse(scenario)
    assert varied.history.digest() != rehearse(scenario).history.digest()


@pytest.mark.parametrize("scenario", sorted({one.scenario for one in CSMS}))
def test_the_reference_passes_where_its_mutants_fail(scenario: str) -> None:
    """Otherwise a scenario would kill by itself."""
    outcome = rehearse(find(scenario).scenario).outcome
    assert outcome.judgement.verdict is Verdict.PASS
    assert outcome.exit_code is ExitCode.PASSED


def test_a_mutation_is_put_back() -> None:
    """What runs afterwards in the same process is the reference again."""
    scenario = find("smoke").scenario
    before = rehearse(scenario).history.digest()
    for name in names():
        with mutated(name):
            pass
    assert rehearse(scenario).history.digest() == before


@pytest.mark.parametrize("wrong", [one for one in MORE if not one.benign], ids=lambda one: one.name)
def test_drawn_drills_find_what_has_no_scenario_of_its_own(wrong: Mutant) -> None:
    """A search of at most a few hundred small drills is enough for each."""
    for number in range(LONGEST_SEARCH):
        outcome = try_one(number, wrong.name, rare=wrong.rare)
        if {failure.requirement for failure in outcome.failures} & set(wrong.kills):
            return
    pytest.fail(f"{wrong.name} survived {LONGEST_SEARCH} drills: {wrong.wrong}")


@pytest.mark.parametrize("variant", [one for one in MORE if one.benign], ids=lambda one: one.name)
def test_drawn_drills_accuse_no_benign_variant(variant: Mutant) -> None:
    """What the contract leaves open changes histories, and no verdict against the CSMS."""
    changes = 0
    for number in range(MOST_BENIGN_DRILLS):
        if changes and number >= BENIGN_DRILLS:
            break
        scenario = generate.scenario(number)
        with mutated(variant.name):
            varied = rehearse(scenario)
        accused = [one for one in varied.judgement.failed if one.requirement.subject == "csms"]
        assert accused == []
        changes += varied.history.digest() != rehearse(scenario).history.digest()
    assert changes, f"{variant.name} changes nothing"


def test_the_catalogue_and_the_decisions_agree() -> None:
    """Every listed mutant exists and says which property kills it, in which scenario."""
    assert list(DECISIONS) == names()
    assert len(set(names())) == len(names())
    for one in WRONG:
        said = DECISIONS[one.name].__doc__ or ""
        assert one.scenario in said
        assert any(killer in said for killer in one.kills)
    assert mutant("stage_skipped").kills == ("R07",)
