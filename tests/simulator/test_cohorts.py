"""How many chargers become specs, and how chance chooses among them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from simulator.cohorts import Cohort, download_plan
from simulator.faults import DownloadFault, Fixed, InstallFault, NetworkFault, Window
from simulator.profiles import PROFILES
from tests.simulator.strategies import COHORT_FIELDS, some


def cohort(count: int = 100, **fields: Any) -> Cohort:
    """Return a cohort as YAML would make it."""
    return Cohort.model_validate({"cohort": "a", "count": count, **fields})


def struck(one: Cohort, seed: int = 1) -> dict[str, str]:
    """Return which chargers meet which kind of download fault."""
    return {
        spec.id: fault.kind for spec in one.chargers(seed) for fault in spec.download_faults
    }  # fmt: skip


def test_ids_come_from_the_template() -> None:
    """`{n}` counts from 1 and may be padded; without a template the cohort's name is used."""
    assert cohort(2, id="TB-{n:04}").ids() == ["TB-0001", "TB-0002"]
    assert cohort(2).ids() == ["a-0001", "a-0002"]
    assert cohort(1, id="the-only-one").ids() == ["the-only-one"]


def test_each_charger_meets_at_most_one_fault_of_a_list() -> None:
    """`only` is looked at first, then `count`, then `p`; nobody is struck twice."""
    one = cohort(
        download={
            "fail": [
                {"p": "100 %", "html": True},
                {"count": 10, "corrupt": True},
                {"only": [1, 2, 999], "cut": {"at": "60 %"}},
            ]
        }
    )
    kinds = struck(one)
    assert kinds["a-0001"] == kinds["a-0002"] == "cut"
    assert sorted(kinds.values()) == ["corrupt"] * 10 + ["cut"] * 2 + ["html"] * 88


@pytest.mark.parametrize("seed", range(5))
def test_an_exact_count_is_exact_for_every_seed(seed: int) -> None:
    """`count` and `share` guarantee a mix, whatever the seed; only whom they strike changes."""
    one = cohort(
        50, download={"fail": [{"count": 4, "html": True}, {"share": "8 %", "refuse": True}]}
    )
    assert sorted(struck(one, seed).values()) == ["html"] * 4 + ["refuse"] * 4


def test_another_seed_strikes_others() -> None:
    """Whom a fault strikes is drawn from the seed."""
    one = cohort(download={"fail": [{"count": 10, "html": True}]})
    assert struck(one, 1) == struck(one, 1)
    assert struck(one, 1) != struck(one, 2)


def test_a_probability_strikes_about_that_many() -> None:
    """6 % of ten thousand is about 600, and the probabilities of one list add up."""
    one = cohort(
        10_000, download={"fail": [{"p": "6 %", "html": True}, {"p": "2 %", "refuse": True}]}
    )
    kinds = list(struck(one).values())
    assert 520 < kinds.count("html") < 680
    assert 150 < kinds.count("refuse") < 250


@settings(max_examples=40, deadline=None)
@given(some(**COHORT_FIELDS), st.integers(0, 2**32))
def test_what_is_drawn_for_a_charger_does_not_depend_on_the_others(
    fields: dict[str, Any], seed: int
) -> None:
    """With probabilities, removing the last charger changes no other charger's fate."""
    for part in ("network", "download", "install"):
        if part in fields:
            kept = [one.model_copy(update={"count": 0, "share": 0.0}) for one in fields[part].fail]
            fields[part] = fields[part].model_copy(update={"fail": tuple(kept)})
    for part in ("quirks", "offline"):
        fields[part] = tuple(
            one if isinstance(one, str) else one.model_copy(update={"count": 0, "share": 0.0})
            for one in fields.get(part, ())
        )
    more = Cohort(cohort="a", count=4, **fields).chargers(seed)
    fewer = Cohort(cohort="a", count=3, **fields).chargers(seed)
    assert more[:3] == fewer


def test_a_larger_cohort_keeps_who_was_struck_by_count_or_drops_them_for_others() -> None:
    """An exact count takes the chargers with the lowest lots: growth replaces some, swaps none."""
    few = set(struck(cohort(20, download={"fail": [{"count": 5, "html": True}]})))
    many = set(struck(cohort(40, download={"fail": [{"count": 5, "html": True}]})))
    old = {f"a-{number:04}" for number in range(1, 21)}
    assert many & old <= few


def test_every_download_fault_reaches_the_firmware_server_in_its_words() -> None:
    """The plan is what seam 4 says, and only struck chargers are in it."""
    one = cohort(
        3,
        download={
            "fail": [
                {"only": [2], "status": 503, "retry_after": "2 s", "times": None},
                {"only": [3], "throttle": "100 kB/s", "times": 2},
            ]
        },
    )
    assert download_plan(one.chargers(1)) == {
        "a-0002": [{"kind": "status", "at": None, "byte": None, "status": 503,
                    "retry_after": 2.0, "rate": None, "times": None}],
        "a-0003": [{"kind": "throttle", "at": None, "byte": None, "status": None,
                    "retry_after": None, "rate": 100_000.0, "times": 2}],
    }  # fmt: skip


def test_a_second_fault_meets_the_request_after_the_first() -> None:
    """A cut, and then a server that knows nothing of ranges."""
    one = cohort(1, download={"fail": [{"only": [1], "cut": {"at": 0.6}, "then": "no_range"}]})
    assert one.chargers(1)[0].download_faults == (
        DownloadFault(kind="cut", at=0.6),
        DownloadFault(kind="no_range"),
    )


def test_faults_of_installs_and_downloads_are_drawn_apart() -> None:
    """A charger whose download fails once may still brick."""
    one = cohort(
        1,
        download={"fail": [{"only": [1], "cut": {}}]},
        install={"fail": [{"only": [1], "how": "power_loss", "at": "25 %"}]},
    )
    (spec,) = one.chargers(1)
    assert spec.download_faults == (DownloadFault(kind="cut", at=0.5),)
    assert spec.install_faults == (InstallFault(how="power_loss", at=0.25),)


def test_offline_windows_are_relative_to_power_on_or_to_marks() -> None:
    """A window has a beginning and an end, each a time or a mark with a time after it."""
    one = cohort(
        1,
        offline=[
            {"until": {"after": "pause", "plus": "2 s"}},
            {"from": "10 s", "until": "20 s"},
            {"from": {"after": "resume"}},
        ],
    )
    assert one.chargers(1)[0].offline == (
        Window(from_s=0.0, until_mark="pause", plus=2.0),
        Window(from_s=10.0, until_s=20.0, plus=20.0),
        Window(from_mark="resume"),
    )
    assert len(cohort(1, offline={"until": "5 s"}).offline) == 1


def test_what_a_cohort_says_is_what_its_chargers_are() -> None:
    """The fields of the YAML arrive in the spec."""
    (spec,) = cohort(
        1,
        ocpp="ocpp2.1",
        site_id="berlin",
        network={"latency": "60 ms", "call_timeout": "5 s"},
        download={"retries_mean": "attempts", "rate": "1 MB/s"},
        install={"reboot": "30 s"},
    ).chargers(1)
    assert (spec.ocpp, spec.site_id, spec.call_timeout) == ("ocpp2.1", "berlin", 5.0)
    assert (spec.latency, spec.retries_mean) == (Fixed(value=0.06), "attempts")
    assert (spec.download_rate, spec.reboot_time) == (Fixed(value=1e6), Fixed(value=30.0))


@pytest.mark.parametrize(
    "fail", [{"p": 1}, {"p": 1, "cut": {}, "html": True}, {"p": 1, "retry_after": "1 s"}]
)
def test_a_failing_download_has_exactly_one_kind(fail: dict[str, Any]) -> None:
    """No kind and two kinds are refused."""
    with pytest.raises(ValidationError, match="exactly one of cut"):
        cohort(1, download={"fail": [fail]})


def test_a_fault_that_strikes_nobody_is_refused() -> None:
    """Without p, count, share or only a fault would quietly do nothing."""
    with pytest.raises(ValidationError, match="strikes nobody"):
        cohort(1, download={"fail": [{"html": True}]})
    with pytest.raises(ValidationError, match="strikes nobody"):
        cohort(1, install={"fail": [{"how": "bricked"}]})


def test_a_profile_gives_what_the_cohort_does_not_say() -> None:
    """Quirks are added, settings stand beneath those of the cohort."""
    (spec,) = cohort(1, profile="microocpp", quirks=["late_status"]).chargers(1)
    assert spec.quirks == (*PROFILES["microocpp"].quirks, "late_status")
    assert (spec.retries_mean, spec.reports_each_attempt) == ("attempts", True)
    (own,) = cohort(1, profile="microocpp", download={"retries_mean": "retries"}).chargers(1)
    assert (own.retries_mean, own.reports_each_attempt) == ("retries", True)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_names_fields_that_exist(name: str) -> None:
    """What a profile gives arrives in the spec, and it says whom it imitates and how we know."""
    profile = PROFILES[name]
    (spec,) = cohort(1, profile=name).chargers(1)
    assert spec.quirks == profile.quirks
    for settings_ in (profile.download, profile.install):
        for field, value in settings_.items():
            assert getattr(spec, field) == value
    for field, value in profile.reconnect.items():
        assert getattr(spec.reconnect, field) == value
    assert profile.imitates
    assert profile.source.startswith(("run", "read"))


def test_network_faults_are_drawn_apart_from_each_other() -> None:
    """A line may be bad in several ways; whom each entry strikes is its own draw."""
    one = cohort(
        10,
        network={
            "fail": [
                {"only": [1, 2], "drop": "FirmwareStatusNotification", "skip": 1},
                {"only": [2], "delay": "BootNotification", "frame": "answer", "by": "2 s"},
            ]
        },
    )
    drop = NetworkFault(kind="drop", action="FirmwareStatusNotification", skip=1)
    delay = NetworkFault(kind="delay", action="BootNotification", frame="answer", by=2.0)
    faults = [spec.network_faults for spec in one.chargers(1)]
    assert faults == [(drop,), (drop, delay), *[()] * 8]


@pytest.mark.parametrize(
    "fail", [{"p": 1}, {"p": 1, "drop": "Heartbeat", "duplicate": "Heartbeat"}]
)
def test_a_network_fault_has_exactly_one_kind(fail: dict[str, Any]) -> None:
    """No kind and two kinds are refused."""
    with pytest.raises(ValidationError, match="exactly one of drop"):
        cohort(1, network={"fail": [fail]})


def test_a_quirk_of_some_is_theirs_alone() -> None:
    """By number, by an exact share, by chance: the others are sound, and each draw is its own."""
    one = cohort(
        100,
        quirks=[
            "no_reboot",
            {"quirk": "two_calls", "only": [1, 7]},
            {"quirk": "late_status", "share": "20 %"},
            {"quirk": "never_reports", "p": "30 %"},
        ],
    )
    having = {
        name: [spec.id for spec in one.chargers(1) if name in spec.quirks]
        for name in ("no_reboot", "two_calls", "late_status", "never_reports")
    }
    assert len(having["no_reboot"]) == 100
    assert having["two_calls"] == ["a-0001", "a-0007"]
    assert len(having["late_status"]) == 20
    assert 15 <= len(having["never_reports"]) <= 45
    with pytest.raises(ValidationError, match=r"who\?"):
        cohort(1, quirks=[{"quirk": "two_calls"}])


def test_a_window_of_some_is_theirs_alone() -> None:
    """A window may be for a part of the cohort; without a word it is for all."""
    one = cohort(10, offline=[{"until": "5 s", "count": 3}, {"from": "9 s"}])
    windows = sorted(len(spec.offline) for spec in one.chargers(1))
    assert windows == [1] * 7 + [2] * 3
    with pytest.raises(ValidationError, match="ends before it begins"):
        cohort(1, offline={"from": "20 s", "until": "10 s"})


def test_each_clock_is_off_in_its_own_way() -> None:
    """A distribution of clocks is drawn once a charger; the same seed, the same clocks."""
    one = cohort(50, clock_skew={"uniform": ["-2 min", "2 min"]})
    skews = [spec.clock_skew for spec in one.chargers(1)]
    assert min(skews) < -60 < 60 < max(skews)
    assert skews[:20] == [spec.clock_skew for spec in cohort(20, **one.model_dump(
        include={"clock_skew"})).chargers(1)]  # fmt: skip


def test_a_download_breaks_at_a_byte() -> None:
    """Instead of a share of the image; both at once would be two places."""
    one = cohort(1, download={"fail": [{"only": [1], "cut": {"byte": "64 kB"}}]})
    (fault,) = one.chargers(1)[0].download_faults
    assert (fault.at, fault.byte, fault.spot(1_000_000)) == (None, 64_000, 64_000)
    with pytest.raises(ValidationError, match="at or byte"):
        cohort(1, download={"fail": [{"only": [1], "cut": {"at": 0.5, "byte": 9}}]})


@pytest.mark.parametrize(
    ("template", "told"),
    [("{n:1000000000}", "only field"), ("{n.__class__}", "only field"), ("{m}", "only field"),
     ("{n!r}", "only field"), ("{", "broken"), ("", "1 to 255"), ("x" * 300, "1 to 255"),
     ("a\n", "printed"), ("\x1b[2J", "printed")],
)  # fmt: skip
def test_a_template_that_makes_no_ids_is_refused(template: str, told: str) -> None:
    """Ids that nobody can use, or that would fill the memory."""
    with pytest.raises(ValidationError, match=told):
        cohort(1, id=template)
    assert cohort(2, id="<b>{n:03}</b>").ids() == ["<b>001</b>", "<b>002</b>"]
    assert Cohort(cohort="{x}", count=1).ids() == ["{x}-0001"]


def test_an_action_that_no_frame_has_is_told() -> None:
    """A misspelt action would make a fault that never strikes."""
    with pytest.raises(ValidationError, match="did you mean FirmwareStatusNotification"):
        cohort(1, network={"fail": [{"p": 1, "drop": "FirmwareStatusNotificaton"}]})
