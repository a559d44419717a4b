"""The scenario: what a drill rehearses, as one immutable value. A core.

`load` reads YAML and reports every problem at once with its place; `dump` writes YAML that loads
back to an equal value; `schema` is the JSON Schema that editors use. Everything is in seconds,
bytes and shares 0..1 once loaded.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from simulator.cohorts import Cohort
from simulator.errors import ScenarioError
from simulator.faults import ChargerSpec, Frozen
from simulator.image import HEADER_BYTES, Image
from simulator.manufacturer import How, KeyKind, Manufacturer
from simulator.scenario_includes import FIELD, assemble
from simulator.scenario_load import Load
from simulator.scenario_problems import Misplaced, Several, explain, guess
from simulator.scenario_steps import BoundField, CreateStep, MarkStep, Step
from simulator.scenario_yaml import write
from simulator.units import Count, Duration, Flag, Rate, Size, write_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulator.scenario_includes import Include

# What a drill marks by itself: answered requests of the operator, and its own phases.
MARKS = ("create", "execute_stage", "pause", "resume", "baseline", "act", "heal", "drain", "final")
MODELINE = "# yaml-language-server: $schema="


def _property_id(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z][0-9]{1,2}", value):
        raise ValueError(f"{value!r:.40} is not the id of a property; they look like R18")
    return value


PropertyId = Annotated[
    str,
    BeforeValidator(_property_id),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z][0-9]{1,2}$", "examples": ["R18", "C05"]}),
]


LARGEST_IMAGE = 10e9  # bytes: every one of them is digested before the drill begins


class Firmware(Frozen):
    """The image that the rollout distributes, and how it is served."""

    version: str = Field(min_length=1, max_length=50, description="Version the image carries.")
    size: Size = Field(2_000_000, description="Bytes of the image, its header included.")
    vendor: str = Field("", description="Only chargers of this vendor take it (default: all).")
    model: str = Field("", description="Only chargers of this model take it (default: all).")
    seed: Count = Field(0, description="What its bytes are drawn from.")
    signature: How | None = Field(
        None, description="Signed by the manufacturer, well or badly (default: not signed)."
    )
    key: KeyKind = Field("ecdsa", description="What it is signed with: ECDSA or RSA-PSS.")
    tls: Flag = Field(True, description="Served over HTTPS, from an authority made on the spot.")
    presigned: Flag = Field(
        False, description="Its address has a long query with escapes, and no other one is served."
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse an image smaller than its own header, or too large to be made and digested."""
        if self.size < HEADER_BYTES:
            raise ValueError(f"the image needs at least {HEADER_BYTES} bytes")
        if self.size > LARGEST_IMAGE:
            raise ValueError(f"the image has at most {write_size(LARGEST_IMAGE)}")
        _ = self.image  # raises ValueError where its header would be too long

    @property
    def image(self) -> Image:
        """The image itself."""
        return _image(self.version, self.size, self.vendor, self.model, self.seed)


# Equal values, equal bytes: a thousand drills with the same image digest it once.
_image = lru_cache(maxsize=4)(Image)


class Site(Frozen):
    """What the chargers of one site have in common."""

    uplink: Rate = Field(description="Bandwidth that all downloads of the site share.")


class Heal(Frozen):
    """After the operator's steps: lines are sound again, and everything must come to an end."""

    within: Duration = Field(600.0, description="How long the rollout may take to end.")


class Expect(Frozen):
    """What must come out; without any of it a drill would assert nothing."""

    rollout: Literal["pending", "in_progress", "paused", "completed", "failed"] | None = Field(
        None, description="The rollout's last status."
    )
    installed: BoundField | None = Field(None, description="Chargers shown as installed.")
    failed: BoundField | None = Field(None, description="Chargers shown as failed.")
    exercises: tuple[PropertyId, ...] = Field(
        (), description="Properties that must have been put to the test (else exit code 3)."
    )
    violates: tuple[PropertyId, ...] = Field(
        (), description="Properties that a recorded failure breaks: passing is then a surprise."
    )

    @property
    def nothing(self) -> bool:
        """Whether nothing at all is expected."""
        return self == Expect()


class Scenario(Frozen):
    """One drill: a fleet, an operator's plan, and what must come of it."""

    version: Literal[1] = Field(description="Version of this language.")
    name: str = Field(min_length=1, description="What happens, in a few words.")
    proves: str = Field("", description="What a PASS shows.")
    topic: str = Field("", description="Heading under which the library lists it.")
    found: str = Field("", description="Where a recorded failure came from.")
    seed: Count = Field(1, ge=0, description="Everything random is drawn from it.")
    firmware: Firmware = Field(description="The image to roll out.")
    fleet: tuple[Cohort, ...] = Field(min_length=1, description="The chargers, by cohort.")
    sites: dict[str, Site] = Field({}, description="By `site_id`: what its chargers share.")
    operator: tuple[Step, ...] = Field((), description="What the operator does, in order.")
    heal: Heal = Field(Heal(), description="How long everything may take to end afterwards.")
    expect: Expect = Field(Expect(), description="What must come out.")
    load: Load = Field(Load(), description="For `firmdrill load`: pace, readers, thresholds.")

    def model_post_init(self, _: Any) -> None:
        """Refuse ids that two chargers share, names that nothing bears, faults that miss."""
        found = [
            *self._shared_ids(),
            *self._unknown_cohorts(),
            *self._unknown_marks(),
            *self._empty_sites(),
            *self._faults_that_miss(),
        ]
        if found:
            raise Several(found)

    def _shared_ids(self) -> Iterator[Misplaced]:
        seen: dict[str, str] = {}
        for place, cohort in enumerate(self.fleet):
            shared = next((charger for charger in cohort.ids() if charger in seen), None)
            if shared is not None:
                both = f"cohorts {seen[shared]} and {cohort.cohort} both have a charger"
                yield Misplaced(f"{both} {shared}", ("fleet", place))
            seen |= dict.fromkeys(cohort.ids(), cohort.cohort)

    def _unknown_cohorts(self) -> Iterator[Misplaced]:
        names = {cohort.cohort for cohort in self.fleet}
        for place, step in enumerate(self.operator):
            for wanted in step.cohorts or () if isinstance(step, CreateStep) else ():
                if wanted not in names:
                    told = f"no cohort is called {wanted}{guess(wanted, names)}"
                    yield Misplaced(told, ("operator", place, "create", "cohorts"))

    def _unknown_marks(self) -> Iterator[Misplaced]:
        """A window that waits for a mark which never comes would never open, or never close."""
        marks = {*MARKS, *(step.name for step in self.operator if isinstance(step, MarkStep))}
        for place, cohort in enumerate(self.fleet):
            moments = [end for window in cohort.offline for end in (window.begin, window.until)]
            for after in (moment.after for moment in moments if moment):
                if after is not None and after not in marks:
                    told = f"nothing marks {after}; a step `mark: {after}` would"
                    yield Misplaced(told + guess(after, marks), ("fleet", place, "offline"))

    def _empty_sites(self) -> Iterator[Misplaced]:
        inhabited = {cohort.site_id for cohort in self.fleet if cohort.site_id is not None}
        for site in self.sites:
            if site not in inhabited:
                told = f"no cohort has site_id {site}{guess(site, inhabited)}"
                yield Misplaced(told, ("sites", site))

    def _faults_that_miss(self) -> Iterator[Misplaced]:
        """A fault for chargers that do not exist, or behind the image's end, would do nothing."""
        for place, cohort in enumerate(self.fleet):
            for where, told in cohort.misses(self.firmware.size):
                yield Misplaced(told, ("fleet", place, *where))

    def chargers(self, seed: int | None = None) -> list[ChargerSpec]:
        """Return every charger of the fleet in order, its fates drawn from `seed` (or our own)."""
        seed = self.seed if seed is None else seed
        specs = [spec for cohort in self.fleet for spec in cohort.chargers(seed)]
        if self.firmware.signature is not None:
            maker = Manufacturer(self.firmware.seed, now=0.0)  # its keys do not depend on the time
            trust = {"firmware_root": maker.root, "revoked": maker.revoked}
            specs = [spec.model_copy(update=trust) for spec in specs]
        return [self._behind_uplink(spec) for spec in specs] if self.sites else specs

    def _behind_uplink(self, spec: ChargerSpec) -> ChargerSpec:
        site = self.sites.get(spec.site_id) if spec.site_id is not None else None
        if site is None:
            return spec
        return spec.model_copy(update={"uplink": (f"site {spec.site_id}", site.uplink)})

    def members(self, step: CreateStep) -> list[str]:
        """Return the ids that a create step puts into its rollout, in fleet order."""
        if step.chargers is not None:
            return list(step.chargers)
        wanted = step.cohorts
        return [
            charger
            for cohort in self.fleet
            if wanted is None or cohort.cohort in wanted
            for charger in cohort.ids()
        ]


def load(text: str, *, name: str = "<scenario>", include: Include | None = None) -> Scenario:
    """Return the scenario in `text`; raises `ScenarioError` with all problems, each with its place.

    `name` is what the problems call the file; `include` finds the text of files that it includes.
    """
    data, places, problems = assemble(text, name, include)
    if data is None and problems:
        raise ScenarioError([str(problem) for problem in problems])
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        problems = [*problems, *explain(error, places, _known_fields())]
    else:
        if not problems:
            return scenario
    raise ScenarioError([str(problem) for problem in sorted(set(problems))])


def built(fields: Mapping[str, Any]) -> Scenario:
    """Return the scenario that a file with these fields would give; raises `ScenarioError`.

    For scenarios that are drawn or made smaller by the thousand: reading YAML costs more than the
    drill does. Fields are those of a file, without `includes`.
    """
    try:
        return Scenario.model_validate(fields)
    except ValidationError:
        return load(json.dumps(fields, ensure_ascii=False))  # says what is wrong, as in a file


def dump(scenario: Scenario, *, schema: str = "./scenario.schema.json") -> str:
    """Return YAML that loads back to an equal scenario; `schema` is for the editor's modeline."""
    fields = scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return f"{MODELINE}{schema}\n{write(fields)}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    whole = Scenario.model_json_schema(by_alias=True, mode="validation")
    whole["properties"][FIELD] = {
        "type": "array",
        "items": {"type": "string"},
        "description": "Files whose fields come beneath these; their fleet and operator before.",
    }
    whole["required"] = ["version", "name"]
    whole["anyOf"] = [{"required": ["firmware", "fleet"]}, {"required": [FIELD]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **whole,
        "title": "firmdrill scenario, version 1",
    }


def _known_fields() -> set[str]:
    """Return the name of every field that can stand somewhere in a scenario."""
    names: set[str] = set()
    todo: list[Any] = [schema()]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            properties = node.get("properties", {})
            names |= set(properties) if isinstance(properties, dict) else set()
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return names
