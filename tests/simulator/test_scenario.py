"""Scenarios in and out: every problem at once, each with its place; what is written reads back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from simulator.errors import ScenarioError
from simulator.manufacturer import Manufacturer
from simulator.scenario import MARKS, Scenario, built, dump, load, schema
from simulator.signing import certificate_verdict, verified
from tests.simulator.strategies import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

MINIMAL = """\
version: 1
name: one charger
firmware: {version: "2.0.0"}
fleet:
  - {cohort: a, count: 3}
  - {cohort: b, count: 2}
"""
COMMITTED = Path(__file__).parents[2] / "scenarios" / "scenario.schema.json"


def problems(text: str) -> list[str]:
    """Return the problems of a scenario that cannot be loaded."""
    with pytest.raises(ScenarioError) as raised:
        load(text, name="f.yaml")
    return raised.value.problems


# ---------------------------------------------------------------------- in


@given(SCENARIOS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_fields_build_what_a_file_with_them_gives(scenario: Scenario) -> None:
    """The quick way for drawn scenarios and the way through YAML agree."""
    fields = scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert built(fields) == load(dump(scenario)) == scenario


def test_fields_that_build_nothing_say_why() -> None:
    """The same problems as those of a file."""
    with pytest.raises(ScenarioError, match="versoin"):
        built({"versoin": 1})


def test_a_minimal_scenario_loads_with_defaults() -> None:
    """A name, an image and a fleet are enough."""
    scenario = load(MINIMAL)
    assert [spec.id for spec in scenario.chargers()] == [
        "a-0001", "a-0002", "a-0003", "b-0001", "b-0002"
    ]  # fmt: skip
    assert scenario.firmware.size == 2_000_000
    assert scenario.expect.nothing


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    """Six different errors give six lines, in the order of the file."""
    found = problems(
        """\
version: 1
name: bad
seed: yes
frimware: {version: "1"}
firmware: {version: "1", size: 2 XB}
fleet:
  - cohort: a
    count: 3
    count: 4
    ocpp: 1.6
    network: {latency: 5 parsecs}
operator:
  - execute_stge
"""
    )
    places = [":".join(problem.split(":")[:3]) for problem in found]
    assert places == [
        "f.yaml:3:1", "f.yaml:4:1", "f.yaml:5:26", "f.yaml:9:5", "f.yaml:10:5",
        "f.yaml:11:15", "f.yaml:13:5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("frimware: 1", "did you mean firmware?"),
        ("seed: yes", "seed: write a whole number"),
        ("seed: -1", "seed: "),
        ("expect: {rollout: complete}", "did you mean completed?"),
        ("expect: {installed: lots}", "not a bound"),
        ("expect: {exercises: [R18, pause]}", "not the id of a property"),
        ("heal: {within: 2 hours}", "not a duration"),
        ("operator: [execute_stge]", "did you mean execute_stage?"),
        ("operator: [{hold: 1 s, read: {}}]", "exactly one of"),
        ("operator: [{wait: {}}]", "wait for what?"),
        ("operator: [{when: {UpdateFirmwar: 3}, read: {}}]", "did you mean UpdateFirmware?"),
        ("operator: [{create: {strategy: rolling, cohorts: [c]}}]", "no cohort is called c"),
        ("operator: [{execute_stage: now}]", "takes a mapping"),
        ("name: twice", "name is given twice"),
        ("3: three", "a field name is text"),
    ],
)
def test_a_problem_says_what_to_do(line: str, told: str) -> None:
    """The words are those of someone who writes scenarios, with a guess where one is close."""
    found = problems(f"{MINIMAL}{line}\n")
    assert len(found) == 1
    assert found[0].startswith("f.yaml:7:")
    assert told in found[0]


@pytest.mark.parametrize(
    ("cohort", "told"),
    [
        ("{cohort: c, count: 1, ocpp: 1.6}", "write ocpp1.6"),
        ("{cohort: c, count: 1, ocpp: 2.1}", "write ocpp2.1"),
        ("{cohort: c, count: 1, ocpp: ocpp2}", "did you mean ocpp2."),
        ("{cohort: c, count: 1, signed: on}", "write true or false"),
        ("{cohort: c, count: many}", "write a whole number"),
        ("{cohort: c, count: 2, id: same}", "needs {n}"),
        ("{cohort: c, count: 2, id: 'X-{m}'}", "id template"),
        ("{cohort: a, count: 2}", "cohorts a and a both have a charger a-0001"),
        ("{cohort: c, count: 1, download: {fail: [{p: 5 %}]}}", "exactly one of cut"),
        (
            "{cohort: c, count: 1, download: {fail: [{p: 1, html: true, cut: {}}]}}",
            "exactly one of cut",
        ),
        ("{cohort: c, count: 1, download: {fail: [{p: 120 %, html: true}]}}", "at most 1"),
        ("{cohort: c, count: 1, install: {fail: [{how: brickd}]}}", "did you mean bricked?"),
        ("{cohort: c, count: 1, offline: {until: {after: puase}}}", "did you mean pause?"),
    ],
)
def test_a_wrong_cohort_is_told(cohort: str, told: str) -> None:
    """Whatever is wrong about a cohort is one problem with a remedy."""
    found = problems(f"{MINIMAL}  - {cohort}\n")
    assert len(found) == 1
    assert told in found[0]


def test_wrong_elements_do_not_look_like_no_elements() -> None:
    """A fleet whose only cohort is wrong is not also told to be empty."""
    found = problems("version: 1\nname: n\nfirmware: {version: '1'}\nfleet: [{cohort: a}]\n")
    assert found == ["f.yaml:4:9: fleet[0]: count is missing"]


def test_an_empty_fleet_is_told() -> None:
    """A scenario without chargers is refused where `fleet` stands."""
    found = problems("version: 1\nname: n\nfirmware: {version: '1'}\nfleet: []\n")
    assert len(found) == 1
    assert found[0].startswith("f.yaml:4:1: fleet:")


def test_a_mark_of_the_operator_may_be_waited_for() -> None:
    """`after:` takes the drill's own marks and those of `mark` steps."""
    waits = MINIMAL + "  - {cohort: c, count: 1, offline: {until: {after: dawn}}}\n"
    assert "nothing marks dawn" in problems(waits)[0]
    assert (
        load(waits + "operator: [{mark: dawn}]\n").fleet[2].offline[0].window.until_mark == "dawn"
    )
    for mark in MARKS:
        load(MINIMAL + f"  - {{cohort: c, count: 1, offline: {{until: {{after: {mark}}}}}}}\n")


def test_a_hostile_file_is_a_problem_and_not_a_crash() -> None:
    """Endless nesting, tags, broken syntax and emptiness end in one line each."""
    for text in ("[" * 3000, "!!python/object:os.system {}", "a: [", "", "just text", "- 1", "\0"):
        assert len(problems(text)) == 1


# ---------------------------------------------------------------------- members


def test_a_create_step_takes_the_whole_fleet_or_what_it_names() -> None:
    """By default everyone in fleet order; else these cohorts, or exactly these chargers."""
    scenario = load(
        MINIMAL
        + """operator:
  - create: {strategy: all_at_once}
  - create: {strategy: all_at_once, cohorts: [b]}
  - create: {strategy: all_at_once, chargers: [b-0002, a-0001]}
"""
    )
    members: list[list[str]] = [scenario.members(step) for step in scenario.operator]  # type: ignore[arg-type]
    assert members == [
        ["a-0001", "a-0002", "a-0003", "b-0001", "b-0002"],
        ["b-0001", "b-0002"],
        ["b-0002", "a-0001"],
    ]


def test_the_chargers_of_a_site_share_its_uplink() -> None:
    """Who stands at the site is behind its uplink, wherever its cohort is written."""
    scenario = load(
        MINIMAL.replace("count: 2", "count: 2, site_id: yard") + "sites: {yard: {uplink: 1 MB/s}}"
    )
    assert [spec.uplink for spec in scenario.chargers()] == [
        *[None] * 3,
        *[("site yard", 1_000_000.0)] * 2,
    ]
    assert load(dump(scenario)) == scenario


def test_a_site_where_nobody_stands_is_told() -> None:
    """A misspelt site would quietly limit nothing."""
    text = MINIMAL.replace("count: 2", "count: 2, site_id: yard")
    (problem,) = problems(f"{text}sites: {{yrad: {{uplink: 1 MB/s}}}}\n")
    assert problem == "f.yaml:7:9: sites.yrad: no cohort has site_id yrad; did you mean yard?"


def test_chargers_trust_the_manufacturer_of_a_signed_image() -> None:
    """A signature over the image is good for every charger of the fleet; unsigned, nobody asks."""
    scenario = load(MINIMAL.replace('version: "2.0.0"', 'version: "2.0.0", signature: good'))
    digest, now = scenario.firmware.image.sha256, 1.8e9
    signed = Manufacturer(scenario.firmware.seed, now=now).sign(digest, "good")
    for spec in scenario.chargers():
        verdict = certificate_verdict(signed.certificate, spec.firmware_root, now, spec.revoked)
        assert verdict == "Accepted"
    assert verified(signed.certificate, signed.signature, digest)
    assert {spec.firmware_root for spec in load(MINIMAL).chargers()} == {None}


# ---------------------------------------------------------------------- out


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCENARIOS)
def test_what_is_dumped_loads_as_the_same_scenario(scenario: Scenario) -> None:
    """load(dump(s)) == s, chargers and their fates included."""
    text = dump(scenario)
    loaded = load(text)
    assert loaded == scenario
    assert loaded.chargers() == scenario.chargers()
    assert dump(loaded) == text


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCENARIOS)
def test_what_is_dumped_is_valid_for_the_editor(scenario: Scenario) -> None:
    """The exported JSON Schema accepts everything that the model accepts."""
    validator = jsonschema_rs.Draft202012Validator(schema())
    errors = [f"{e.instance_path}: {e.message}" for e in validator.iter_errors(
        yaml.safe_load(dump(scenario)))]  # fmt: skip
    assert not errors


def test_a_dump_begins_with_the_modeline() -> None:
    """An editor finds the schema beside the file."""
    first = dump(load(MINIMAL)).splitlines()[0]
    assert first == "# yaml-language-server: $schema=./scenario.schema.json"


# ---------------------------------------------------------------------- the schema


def described(node: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the path of every field in a schema, and whether it has a description."""
    if isinstance(node, dict):
        properties = node.get("properties")
        for name, field in properties.items() if isinstance(properties, dict) else ():
            yield f"{path}.{name}", bool(field.get("description"))
        for name, inner in node.items():
            yield from described(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from described(inner, f"{path}[{index}]")


def test_every_field_is_described() -> None:
    """An editor has something to say about each field."""
    fields = list(described(schema()))
    assert len(fields) > 100
    assert not [path for path, is_described in fields if not is_described]


def test_the_committed_schema_is_current() -> None:
    """scenarios/scenario.schema.json is what `schema()` returns; regenerate it when this fails."""
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == schema()


@pytest.mark.parametrize(
    "wrong",
    [
        "frimware: 1",
        "seed: x",
        "operator: [execute_stge]",
        "expect: {installed: lots}",
        "operator: [{when: {Instaled: 3}, read: {}}]",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(wrong: str) -> None:
    """An editor underlines the common mistakes too."""
    validator = jsonschema_rs.Draft202012Validator(schema())
    assert validator.is_valid(yaml.safe_load(MINIMAL))
    assert not validator.is_valid(yaml.safe_load(f"{MINIMAL}{wrong}\n"))


@pytest.mark.parametrize(
    "short",
    [
        "operator: [{hold: 3 s}, {pause: enough}, {mark: dawn}, fence, {read: null}]",
        "operator: [{when: {UpdateFirmware: '>= 5 %'}, execute_stage: {background: true}}]",
        "expect: {installed: 3, failed: '<= 2', exercises: [R18, L1]}",
        "  - {cohort: c, count: 1, offline: {until: 5 s}}",
        "  - {cohort: c, count: 1, offline: [{from: 3, until: {after: pause}}]}",
        "  - {cohort: c, count: 1, install: {time: {mixture: [[80 %, 1 s], [20 %, 1 min]]}}}",
    ],
)
def test_the_schema_accepts_short_forms(short: str) -> None:
    """What the loader takes is not underlined."""
    text = f"{MINIMAL}{short}\n"
    load(text)
    assert jsonschema_rs.Draft202012Validator(schema()).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("download: {fail: [{only: [1, 4], html: true}]}", "no charger 4 among 3"),
        ("install: {fail: [{only: [0], how: fails}]}", "no charger 0 among 3"),
        ("network: {fail: [{count: 9, drop: Heartbeat}]}", "count: 9 of 3 chargers"),
        ("quirks: [{quirk: two_calls, only: [5]}]", "no charger 5 among 3"),
        ("offline: {count: 4}", "count: 4 of 3 chargers"),
        ("install: {fail: [{p: 60 %, how: fails}, {p: 70 %, how: hangs}]}", "add up to 130%"),
        ("download: {fail: [{p: 1, cut: {byte: 2 MB}}]}", "the image has only 2000000 bytes"),
    ],
)
def test_a_fault_that_would_miss_is_told(fields: str, told: str) -> None:
    """A fault for nobody, behind the end, or with more than all of the chance does nothing."""
    text = MINIMAL.rstrip() + f"\n  - {{cohort: c, count: 3, {fields}}}\n"
    with pytest.raises(ScenarioError, match=told):
        load(text)


def test_problems_between_the_parts_are_told_at_once_too() -> None:
    """Names that nothing bears and faults that miss: each with its place, none behind another."""
    found = problems(
        f"{MINIMAL}  - {{cohort: c, count: 1, install: {{fail: [{{only: [2], how: fails}}]}}}}\n"
        "  - {cohort: a, count: 1, offline: {until: {after: puase}}}\n"
        "sites: {garage: {uplink: 1 MB/s}}\n"
        "operator: [{create: {strategy: rolling, cohorts: [d, e]}}]\n"
    )
    assert [problem.split(": ", 1)[1] for problem in found] == [
        "fleet[2].install.fail[0]: only: there is no charger 2 among 1; they count from 1",
        "fleet[3]: cohorts a and a both have a charger a-0001",
        "fleet[3].offline: nothing marks puase; a step `mark: puase` would; did you mean pause?",
        "sites.garage: no cohort has site_id garage",
        "operator[0].create.cohorts: no cohort is called d",
        "operator[0].create.cohorts: no cohort is called e",
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("size: 1e30 GB", "firmware: the image has at most 10 GB"),
        (f"vendor: {'x' * 5000}", "firmware: version, vendor and model are too long"),
        (f"model: '{chr(0x1F4A9) * 40}'", "firmware: version, vendor and model are too long"),
    ],
)
def test_an_image_that_nobody_can_make_is_refused(more: str, told: str) -> None:
    """Before the drill, which would digest it for ever or could not write its header."""
    (found,) = problems(MINIMAL.replace('"2.0.0"', f'"2.0.0", {more}'))
    assert told in found


@pytest.mark.parametrize("odd", ["[everest]", "{everest: 1}"])
def test_a_profile_that_is_no_text_is_unknown(odd: str) -> None:
    """Not even its hash is asked for."""
    (found,) = problems(MINIMAL.replace("count: 3", f"count: 3, profile: {odd}"))
    assert "fleet[0].profile: no profile is called" in found
