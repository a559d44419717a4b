"""The shipped scenarios: each loads, proves something, and passes against the reference CSMS."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel

from harness.checkers import REQUIREMENTS
from harness.rehearsal import rehearse
from harness.verdict import Verdict
from simulator.cohort_failures import At, Chosen, DownloadFailure, InstallFailure, NetworkFailure
from simulator.cohort_parts import Moment, Offline, SomeQuirk
from simulator.cohorts import (
    Cohort,
    Download,
    Install,
    Network,
    PauseOwnDownload,
    ReconnectPolicy,
    Transactions,
)
from simulator.faults import DownloadFault, NetworkFault, QuirkName
from simulator.manufacturer import How, KeyKind
from simulator.profiles import PROFILES
from simulator.scenario import Scenario, Site, dump, load, schema
from simulator.scenario_steps import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.faults import ChargerSpec

FOLDER = Path(__file__).parents[1] / "scenarios"
GUIDE = FOLDER.parent / "docs" / "scenarios.md"
WHOLE = "firmware: {version: '2.0.0'}\nfleet: [{cohort: guide, count: 1}]\n"
FILES = sorted(FOLDER.rglob("*.yaml"))
LIBRARY = [path for path in FILES if path.parent == FOLDER]


def name(path: Path) -> str:
    """Return what a test is called after."""
    return path.relative_to(FOLDER).with_suffix("").as_posix()


def scenario(path: Path) -> Scenario:
    """Return a shipped scenario."""
    return load(path.read_text(encoding="utf-8"), name=path.name)


@pytest.fixture(scope="module")
def library() -> list[Scenario]:
    """Return every shipped scenario outside of the regressions."""
    return [scenario(path) for path in LIBRARY]


@pytest.fixture(scope="module")
def fleet(library: list[Scenario]) -> list[ChargerSpec]:
    """Return every charger of every shipped scenario."""
    return [spec for one in library for spec in one.chargers()]


@pytest.mark.parametrize("path", FILES, ids=name)
def test_it_can_be_read_and_edited(path: Path) -> None:
    """An editor finds the schema, and the file survives being written again."""
    text = path.read_text(encoding="utf-8")
    place = "../scenario.schema.json" if path.parent != FOLDER else "./scenario.schema.json"
    assert text.startswith(f"# yaml-language-server: $schema={place}\n")
    one = load(text)
    assert load(dump(one)) == one


@pytest.mark.parametrize("path", FILES, ids=name)
def test_an_editor_underlines_nothing(path: Path) -> None:
    """The exported schema accepts the file as it is written, short forms included."""
    data = yaml.load(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    errors = jsonschema_rs.Draft202012Validator(schema()).iter_errors(data)
    assert [f"{error.instance_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_it_says_what_it_proves_and_asserts_something(path: Path) -> None:
    """Each has one idea in one sentence, a heading, and something that can fail."""
    one = scenario(path)
    assert one.proves
    assert not one.proves.endswith(".")
    assert one.topic
    assert not one.expect.nothing
    known = {requirement.id for requirement in REQUIREMENTS}
    assert set(one.expect.exercises) <= known


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_reference_passes_it(path: Path) -> None:
    """Rehearsed in virtual time, every step works, every expectation holds, nothing is violated."""
    done = rehearse(scenario(path))
    assert not done.drill.operator.troubles
    assert [one for one in done.expectations if not one.met] == []
    accused = [
        finding
        for result in done.judgement.results
        for finding in result.findings
        if result.verdict is Verdict.FAIL and not finding.expected_by_scenario
    ]
    assert accused == []
    assert done.judgement.verdict in {Verdict.PASS, Verdict.NON_STRICT}


def test_there_are_at_least_thirty_with_one_idea_each(library: list[Scenario]) -> None:
    """No two scenarios say the same."""
    assert len(library) >= 30
    assert len({one.name for one in library}) == len(library)
    assert len({one.proves for one in library}) == len(library)


def kinds(model: type[DownloadFault | NetworkFault]) -> set[str]:
    """Return every kind of fault that the model knows."""
    return set(get_args(model.model_fields["kind"].annotation))


def test_every_fault_of_downloads_is_in_one(fleet: list[ChargerSpec]) -> None:
    """Whatever a firmware server can do to a download is shown."""
    assert {fault.kind for spec in fleet for fault in spec.download_faults} == kinds(DownloadFault)


def test_every_fault_of_installs_is_in_one(fleet: list[ChargerSpec]) -> None:
    """Whatever can go wrong in an installation is shown."""
    known = set(get_args(InstallFailure.model_fields["how"].annotation))
    assert {fault.how for spec in fleet for fault in spec.install_faults} == known


def test_every_fault_of_the_network_is_in_one(fleet: list[ChargerSpec]) -> None:
    """Whatever can happen to a frame is shown."""
    assert {fault.kind for spec in fleet for fault in spec.network_faults} == kinds(NetworkFault)


def test_every_quirk_is_in_one(library: list[Scenario]) -> None:
    """Every deviation is shown by name, apart from the profiles that bundle some."""
    shown = {quirk for one in library for cohort in one.fleet for quirk in cohort.quirks}
    names = {quirk if isinstance(quirk, str) else quirk.quirk for quirk in shown}
    assert names == set(get_args(QuirkName))


def said(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (kind of part, field) for every field that a scenario says itself."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield type(value).__name__, name
            yield from said(getattr(value, name))
    elif isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from said(one)


def test_every_field_of_a_fleet_is_in_one(library: list[Scenario]) -> None:
    """Whatever a cohort, its line, its downloads and its faults may be told is shown by a drill."""
    shown = {pair for one in library for pair in said(one)}
    failures = [fail for one in library for cohort in one.fleet for fail in cohort.download.fail]
    shown |= {(DownloadFailure.__name__, fail.then) for fail in failures if fail.then}
    whom = set(Chosen.model_fields)  # how to choose is one thing for all of them
    parts = (Cohort, Network, ReconnectPolicy, NetworkFailure, Download, DownloadFailure, At,
             PauseOwnDownload, Install, InstallFailure, Offline, Moment, SomeQuirk, Transactions,
             Site)  # fmt: skip
    known = {(part.__name__, name) for part in parts for name in set(part.model_fields) - whom}
    assert known - shown == set()


def test_every_profile_is_in_one(library: list[Scenario]) -> None:
    """Every product whose behaviour is known is met."""
    shown = {cohort.profile for one in library for cohort in one.fleet} - {None}
    assert shown == set(PROFILES)


def test_every_step_is_in_one(library: list[Scenario]) -> None:
    """Whatever the operator can do is shown; a mark is only for scripts of one's own."""
    shown = {step.do for one in library for step in one.operator}
    assert shown | {"mark"} == set(STEPS)


def test_every_way_of_signing_is_in_one(library: list[Scenario]) -> None:
    """Good and flawed signatures and certificates are all met."""
    assert {one.firmware.signature for one in library} == {None, *get_args(How)}


def test_every_kind_of_key_is_in_one(library: list[Scenario]) -> None:
    """ECDSA and RSA-PSS."""
    keys = {one.firmware.key for one in library if one.firmware.signature is not None}
    assert keys == set(get_args(KeyKind))


def test_every_version_is_in_one(fleet: list[ChargerSpec]) -> None:
    """OCPP 1.6, 2.0.1 and 2.1 are all driven."""
    assert {spec.ocpp for spec in fleet} == {"ocpp1.6", "ocpp2.0.1", "ocpp2.1"}


BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("block", BLOCK.findall(GUIDE.read_text(encoding="utf-8")))
def test_the_examples_of_the_guide_are_valid(block: str) -> None:
    """Every YAML block of docs/scenarios.md is a part of a scenario that loads."""
    parts = {"whole.yaml": WHOLE, "block.yaml": block}
    included = {"berlin-yard.yaml": "seed: 2", "night-plan.yaml": "seed: 3"}
    main = "version: 1\nname: guide\nincludes: [block.yaml, whole.yaml]\n"
    one = load(main, include=(parts | included).__getitem__)
    assert one.chargers()
