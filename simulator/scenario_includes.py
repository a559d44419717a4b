"""Scenarios in parts: `includes: [fleet.yaml, …]` puts other files beneath one's own. A core.

An included file holds top-level fields of a scenario. Its `fleet` and `operator` come before those
of the file that includes it; every other field counts only where that file does not say it itself.
A problem in an included file is told with that file's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.scenario_yaml import Places, Problem, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Include = Callable[[str], str]
    """From what stands in `includes` to the text of that file; raises LookupError or OSError."""

FIELD = "includes"
_LISTS = ("fleet", "operator")
_DEEPEST = 8


def assemble(
    text: str, name: str, include: Include | None, above: tuple[str, ...] = ()
) -> tuple[Any, Places, list[Problem]]:
    """Return the data of a file with everything that it includes, the places and all problems."""
    data, places, problems = read(text, name)
    if not isinstance(data, dict) or FIELD not in data:
        return data, places, problems
    wanted = data.pop(FIELD)
    if not isinstance(wanted, list) or not all(isinstance(ref, str) for ref in wanted):
        problems.append(_at(places, f"{FIELD} is a list of file names"))
        return data, places, problems
    for ref in reversed(wanted):  # the first comes first: it is put in front last
        told = _refusal(ref, include, (*above, name))
        if told is not None or include is None:
            problems.append(_at(places, told or ""))
            continue
        try:
            inner = include(ref)
        except (LookupError, OSError, ValueError) as error:
            problems.append(_at(places, f"cannot include {ref}: {error}"))
            continue
        part, part_places, part_problems = assemble(inner, ref, include, (*above, name))
        problems += part_problems
        if isinstance(part, dict):
            _beneath(data, places, part, part_places)
        elif part is not None:
            problems.append(_at(part_places, "an included file is a mapping of fields"))
    return data, places, problems


def _at(places: Places, told: str) -> Problem:
    return Problem(places.nearest((FIELD,))[0], told)


def _refusal(ref: str, include: Include | None, above: tuple[str, ...]) -> str | None:
    if include is None:
        return f"cannot include {ref}: this text came without a folder"
    if ref in above:
        return f"{ref} includes itself"
    return f"{ref}: includes are nested too deeply" if len(above) > _DEEPEST else None


def _beneath(
    data: dict[str, Any], places: Places, part: dict[str, Any], part_places: Places
) -> None:
    """Put the fields of an included file beneath those of the file that includes it."""
    for field, value in part.items():
        own = data.get(field)
        if field in _LISTS and isinstance(own, list) and isinstance(value, list):
            places.shift(field, len(value))
            places.adopt(part_places, field)
            data[field] = [*value, *own]
        elif field not in data:
            places.adopt(part_places, field)
            data[field] = value
