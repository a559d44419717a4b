"""Finds and loads scenarios: a file, or a name from the shipped library."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from simulator.scenario import load
from simulator.scenario_problems import guess

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from simulator.scenario import Scenario

SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Found:
    """A scenario and where it came from: `source` is what a command line repeats."""

    source: str
    text: str
    scenario: Scenario


def names() -> list[str]:
    """Return the names of the shipped scenarios, those in folders with their folder."""
    return sorted(_names(resources.files("scenarios"), ""))


def _names(folder: Traversable, prefix: str) -> list[str]:
    out = []
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith(("_", ".")):
            out += _names(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            out.append(prefix + entry.name.removesuffix(SUFFIX))
    return out


def text_of(source: str) -> tuple[str, str]:
    """Return the YAML of a scenario and what its problems call it; UsageError if there is none."""
    path = Path(source)
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8"), os.fspath(path)
        except OSError as error:
            raise UsageError(f"cannot read {source}: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"cannot read {source}: it is not UTF-8 ({error.reason})") from error
    shipped = source.split("/")
    known = names()
    if source in known:  # a folder may be called the same: that of the report, for example
        entry = resources.files("scenarios").joinpath(*shipped[:-1], shipped[-1] + SUFFIX)
        return entry.read_text(encoding="utf-8"), source + SUFFIX
    if path.suffix in {SUFFIX, ".yml"} or path.is_dir() or source.startswith("."):
        raise UsageError(f"there is no scenario file {source}")
    close = guess(source, known)
    raise UsageError(
        f"there is neither a file nor a shipped scenario called {source}"
        f"{close or '; firmdrill scenario list shows those that there are'}"
    )


def find(source: str) -> Found:
    """Load a scenario; raises UsageError, or ScenarioError with every problem and its place."""
    text, name = text_of(source)
    return Found(source, text, load(text, name=name, include=partial(included, source)))


def included(source: str, part: str) -> str:
    """Return the text of a part that a scenario includes, from the folder of that scenario.

    Raises OSError or ValueError where it cannot be read, or lies outside of that folder and of the
    one where we work: a scenario from elsewhere has no business in other files.
    """
    path = Path(source)
    if path.is_file():
        wanted = (path.parent / part).resolve()
        if not any(wanted.is_relative_to(home.resolve()) for home in (path.parent, Path())):
            raise ValueError("it lies outside of the scenario's folder and of this one")
        if not wanted.is_file():
            raise ValueError("there is no such file")
        return wanted.read_text(encoding="utf-8")
    folder = resources.files("scenarios").joinpath(*source.split("/")[:-1])
    return folder.joinpath(part).read_text(encoding="utf-8")
