"""The cases for chargers in virtual time: sound chargers pass them, wrong ones do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from harness.checkers import REQUIREMENTS
from harness.mutants.chargers import CHARGERS, mutated_charger
from harness.suites.charger_cases import CASES, VARIANTS, Equipment, Variant, case, inapplicable
from harness.suites.charger_draws import draw, try_suite
from harness.suites.charger_register import all_cases, chosen
from harness.suites.charger_virtual import VIRTUAL, rehearse_case
from harness.verdict import Verdict
from simulator.faults import Fixed

if TYPE_CHECKING:
    from harness.mutants import Mutant

RULES = {one.id for one in REQUIREMENTS}
WRONG = [one for one in CHARGERS if not one.benign]
BENIGN = [one for one in CHARGERS if one.benign]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_a_sound_charger_passes_every_case(variant: Variant) -> None:
    """Also those that want a car plugged in, or the mains pulled."""
    for one in all_cases():
        if not inapplicable(one, variant, VIRTUAL):
            result = rehearse_case(one, variant)
            assert result.verdict in {Verdict.PASS, Verdict.NOT_APPLICABLE}, (
                one.id,
                result.reason,
            )


def test_cases_say_what_they_are() -> None:
    """A number, a sentence, a source; the properties they name exist."""
    for one in all_cases():
        assert re.fullmatch(r"[a-z]+/\d+", one.id)
        assert one.title
        assert one.expects
        assert one.requirement
        assert one.level in {"MUST", "SHOULD"}
        assert set(one.properties) <= RULES


def test_two_cases_of_one_number_are_refused() -> None:
    """The second would hide the first."""
    with pytest.raises(ValueError, match="update/1"):
        case("update/1", "", "")(all_cases()[0].script)


def test_every_alias_and_prefix_finds_its_cases() -> None:
    """The certification programme's names are taken, too."""
    assert [one.id for one in chosen(("TC_044_1",))] == ["update/1"]
    assert {one.id for one in chosen(("dates/",))} == {"dates/1", "dates/2", "dates/3"}
    assert len(chosen(())) == len(CASES) >= 34


def test_what_does_not_apply_says_why() -> None:
    """A reason for people, in the case's own terms."""
    nobody = Equipment(person=False, signing=False)
    reasons = {inapplicable(one, Variant("ocpp1.6"), nobody) for one in all_cases()}
    assert "somebody must do something at the charger" in reasons
    signed = {inapplicable(one, Variant("ocpp2.1", signed=True), nobody) for one in all_cases()}
    assert "no signing key that the charger trusts was given" in signed


@pytest.mark.parametrize("mutant", WRONG, ids=lambda m: m.name)
def test_a_wrong_charger_is_found(mutant: Mutant) -> None:
    """By what it is known to break, within one charger of each variant."""
    fired: set[str] = set()
    for number in range(len(VARIANTS)):
        outcome = try_suite(number, mutant.name)
        assert outcome.error == ""
        fired |= {one.requirement for one in outcome.failures}
        if fired & set(mutant.kills):
            break
    assert fired & set(mutant.kills), fired


def test_a_case_that_a_rule_failed_saw_nothing_itself() -> None:
    """So a rule can be the only one to find a charger wrong; what a script sees itself counts."""
    found = {one.requirement for one in try_suite(0, "retries_without_waiting").failures}
    assert found == {"C04"}
    found = {one.requirement for one in try_suite(0, "downloads_at_once").failures}
    assert found == {"C03", "dates/1", "dates/3"}


def test_a_slow_download_hides_no_hasty_retry() -> None:
    """The interval ends where a request begins, however long its bytes then take."""
    (cut_once,) = chosen(("download/1",))
    rate = Fixed(value=1e5)
    assert rehearse_case(cut_once, VARIANTS[0], download_rate=rate).verdict is Verdict.PASS
    with mutated_charger("retries_without_waiting"):
        assert "C04" in rehearse_case(cut_once, VARIANTS[0], download_rate=rate).fired


@pytest.mark.parametrize("mutant", BENIGN, ids=lambda m: m.name)
def test_a_sound_variant_is_not_accused(mutant: Mutant) -> None:
    """Every version once; thousands of runs stand in reports/power.md."""
    for number in range(len(VARIANTS)):
        outcome = try_suite(number, mutant.name)
        assert (outcome.error, outcome.failures) == ("", ())


def test_there_are_enough_of_both() -> None:
    """Forty wrong decisions and a dozen sound variants; each names cases or properties we have."""
    assert len(WRONG) >= 40
    assert len(BENIGN) >= 12
    for one in WRONG:
        assert set(one.kills) <= RULES | set(CASES), one.name


def test_a_draw_is_its_number() -> None:
    """Equal numbers, equal chargers; six of them are the six variants."""
    assert draw(7) == draw(7)
    assert [draw(number)[0] for number in range(6)] == list(VARIANTS)
    assert try_suite(3) == try_suite(3)


def test_a_crash_of_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no verdict about the charger."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("harness.suites.charger_draws.rehearse_case", broken)
    assert try_suite(1).error == "ZeroDivisionError: oops"
