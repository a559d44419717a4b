"""The scenario: what a drill rehearses, as one immutable value. A core.

`load` reads YAML and reports every problem at once with its place; `dump` writes YAML that loads
back to an equal value; `schema` is the JSON Schema that editors use. Everything is in seconds,
bytes and shares 0..1 once loaded.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field, ValidationError

from simulator.cohorts import Cohort
from simulator.errors import ScenarioError
from simulator.faults import ChargerSpec, Frozen
from simulator.image import HEADER_BYTES, Image
from simulator.scenario_steps import BoundField, CreateStep, Step
from simulator.scenario_yaml import Places, read
from simulator.units import Duration, Size

if TYPE_CHECKING:
    from collections.abc import Iterable

MODELINE = "# yaml-language-server: $schema="


class Firmware(Frozen):
    """The image that the rollout distributes, and how it is served."""

    version: str = Field(min_length=1, max_length=50, description="Version the image carries.")
    size: Size = Field(2_000_000, description="Bytes of the image, its header included.")
    vendor: str = Field("", description="Only chargers of this vendor take it (default: all).")
    model: str = Field("", description="Only chargers of this model take it (default: all).")
    seed: int = Field(0, description="What its bytes are drawn from.")
    tls: bool = Field(True, description="Served over HTTPS, from an authority made on the spot.")

    def model_post_init(self, _: Any) -> None:
        """Refuse an image smaller than its own header."""
        if self.size < HEADER_BYTES:
            raise ValueError(f"the image needs at least {HEADER_BYTES} bytes")

    @property
    def image(self) -> Image:
        """The image itself."""
        return Image(self.version, self.size, self.vendor, self.model, self.seed)


class Heal(Frozen):
    """After the operator's steps: faults stop, and everything must come to an end."""

    within: Duration = Field(600.0, description="How long the rollout may take to end.")


class Expect(Frozen):
    """What must come out; without any of it a drill would assert nothing."""

    rollout: Literal["pending", "in_progress", "paused", "completed", "failed"] | None = Field(
        None, description="The rollout's last status."
    )
    installed: BoundField | None = Field(None, description="Chargers shown as installed.")
    failed: BoundField | None = Field(None, description="Chargers shown as failed.")
    exercises: tuple[str, ...] = Field(
        (), description="Properties that must have been put to the test (else exit code 3)."
    )
    violates: tuple[str, ...] = Field(
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
    seed: int = Field(1, ge=0, description="Everything random is drawn from it.")
    firmware: Firmware = Field(description="The image to roll out.")
    fleet: tuple[Cohort, ...] = Field(min_length=1, description="The chargers, by cohort.")
    operator: tuple[Step, ...] = Field((), description="What the operator does, in order.")
    heal: Heal = Field(Heal(), description="How long everything may take to end afterwards.")
    expect: Expect = Field(Expect(), description="What must come out.")

    def model_post_init(self, _: Any) -> None:
        """Refuse ids that two chargers share, and steps about cohorts that do not exist."""
        seen: dict[str, str] = {}
        for cohort in self.fleet:
            for charger in cohort.ids():
                if charger in seen:
                    raise ValueError(
                        f"cohorts {seen[charger]} and {cohort.cohort} both have a charger {charger}"
                    )
                seen[charger] = cohort.cohort
        names = {cohort.cohort for cohort in self.fleet}
        for step in self.operator:
            for wanted in step.cohorts or () if isinstance(step, CreateStep) else ():
                if wanted not in names:
                    raise ValueError(f"no cohort is called {wanted}{_guess(wanted, names)}")

    def chargers(self, seed: int | None = None) -> list[ChargerSpec]:
        """Return every charger of the fleet in order, its fates drawn from `seed` (or our own)."""
        seed = self.seed if seed is None else seed
        return [spec for cohort in self.fleet for spec in cohort.chargers(seed)]

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


def load(text: str, *, name: str = "<scenario>") -> Scenario:
    """Return the scenario in `text`; raises `ScenarioError` with all problems, each with its place.

    `name` is what the problems call the file.
    """
    data, places, problems = read(text)
    if data is None and problems:
        raise ScenarioError([f"{name}:{problem}" for problem in problems])
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        problems = [*problems, *_explain(error, places)]
    else:
        if not problems:
            return scenario
    raise ScenarioError([f"{name}:{problem}" for problem in sorted(set(problems), key=_by_place)])


def dump(scenario: Scenario, *, schema: str = "./scenario.schema.json") -> str:
    """Return YAML that loads back to an equal scenario; `schema` is for the editor's modeline."""
    fields = scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
    body = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)
    return f"{MODELINE}{schema}\n{body}"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "firmdrill scenario, version 1",
        **Scenario.model_json_schema(by_alias=True, mode="validation"),
    }


# ---------------------------------------------------------------------- explaining problems


def _explain(error: ValidationError, places: Places) -> Iterable[str]:
    for problem in error.errors():
        place, path = places.nearest(problem["loc"])
        yield f"{place}: {path}{_words(problem)}"


def _by_place(problem: str) -> tuple[int, int, str]:
    line, column, text = problem.split(":", 2)
    return int(line), int(column), text


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


def _words(problem: Any) -> str:
    """Return what is wrong, in the words of someone who writes scenarios."""
    last = str(problem["loc"][-1]) if problem["loc"] else ""
    match problem["type"]:
        case "missing":
            return f"{last} is missing"
        case "extra_forbidden":
            return f"{last} is not a field here{_guess(last, _known_fields())}"
        case "literal_error" if str(problem["input"]) in {"1.6", "2.0", "2.1"}:
            return f"write ocpp{problem['input']}: YAML reads {problem['input']} as a number"
        case "literal_error":
            expected = str(problem["ctx"]["expected"])
            names = [name.strip("' ") for name in expected.replace(" or ", ",").split(",")]
            return f"{problem['input']!r:.60} is not one of {expected}" + _guess(
                str(problem["input"]), names
            )
        case "value_error":
            return str(problem["msg"]).removeprefix("Value error, ")
        case "bool_type" | "bool_parsing":
            return "write true or false"
        case _:
            return f"{problem['msg']} (found {problem['input']!r:.60})"


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
