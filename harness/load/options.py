"""What a load run is asked to do, and the words that say so on Locust's command line. Values."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.library import find
from harness.load.partition import scaled
from harness.mutants import UNDER_LOAD, insist, names
from harness.target_file import load_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.target_file import Target
    from simulator.scenario import Scenario

MOST_CHARGERS = 1_000_000
RATES = ("heartbeats", "statuses")
LOCUSTFILE = Path(__file__).with_name("locustfile.py")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """One load run; `reproduce` repeats it."""

    scenario: Scenario
    source: str
    folder: Path
    text: str = ""
    seed: int | None = None
    chargers: int | None = None
    target: Target | None = None
    target_source: str = ""
    mutant: str | None = None
    keep_history: bool = True
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the scenario's `load`

    @property
    def actual_seed(self) -> int:
        """The seed of this run."""
        return self.scenario.seed if self.seed is None else self.seed

    def reproduce(self, processes: int) -> str:
        """Return one copyable command that repeats this run."""
        words = ["firmdrill", "load", self.source, "--seed", str(self.actual_seed)]
        if self.chargers is not None:
            words += ["--chargers", str(self.chargers)]
        for name in RATES:
            if name in self.changes:
                words += [f"--{name}", f"{self.changes[name]:g}"]
        if "repeat" in self.changes:
            words += ["--repeat", f"{self.changes['repeat']:g} s"]
        if processes:
            words += ["--processes", str(processes)]
        if self.target_source:
            words += ["--target", self.target_source]
        if self.mutant is not None:
            words += ["--mutant", self.mutant]
        return shlex.join(words)


def known_mutant(name: str) -> bool:
    """Whether our CSMS can be wrong in this way."""
    word, _, rate = name.partition("=")
    if word == "slow_answers":
        return rate.replace(".", "", 1).isdigit() and float(rate) > 0
    return name in {*names(), *(one.name for one in UNDER_LOAD)}


def options_from(said: Mapping[str, Any]) -> LoadOptions:
    """Return the options that Locust's command line gave; UsageError or ScenarioError if wrong."""
    source = str(said.get("scenario") or "")
    if not source:
        raise UsageError("name a scenario: --scenario NAME (a file, or a shipped one)")
    found = find(source)
    chargers, target = said.get("chargers"), said.get("target_file")
    mutant = said.get("mutant") or None
    if target and mutant:
        raise UsageError("--target is a system of yours: no --mutant of ours")
    if mutant and not known_mutant(mutant):
        insist(mutant, [*(one.name for one in UNDER_LOAD), "slow_answers=RATE", *names()])
    if chargers is not None and not 1 <= chargers <= MOST_CHARGERS:
        raise UsageError(f"--chargers {chargers}: from 1 to {MOST_CHARGERS}")
    repeat = said.get("repeat")
    changes = {name: float(said[name]) for name in RATES if said.get(name) is not None}
    changes |= {} if repeat is None else {"repeat": float(repeat)}
    scenario = scaled(found.scenario, chargers)
    if changes:
        load = scenario.load.model_copy(update=changes)
        scenario = scenario.model_copy(update={"load": load})
    return LoadOptions(
        scenario=scenario,
        source=source,
        folder=Path(said.get("report_folder") or "firmdrill-load"),
        text=found.text,
        seed=said.get("seed"),
        chargers=chargers,
        target=load_target(Path(target)) if target else None,
        target_source=str(target or ""),
        mutant=mutant,
        keep_history=not said.get("no_history"),
        changes=changes,
    )
