"""What is wrong with a scenario, in the words of someone who writes scenarios. A core.

Turns what pydantic finds into problems that read `file:line:col: path: what is wrong, what to do`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, NamedTuple

from simulator.scenario_yaml import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import ValidationError

    from simulator.scenario_yaml import Places


class Misplaced(NamedTuple):
    """A problem that one model finds deep inside itself: `where` is the path to it."""

    told: str
    where: tuple[str | int, ...]


class Several(ValueError):
    """Problems of that kind, all of them at once."""

    def __init__(self, problems: Sequence[Misplaced]) -> None:
        super().__init__("; ".join(problem.told for problem in problems))
        self.problems = problems


def explain(error: ValidationError, places: Places, fields: Iterable[str]) -> Iterator[Problem]:
    """Yield every problem at its place; `fields` are the names to guess from."""
    problems = error.errors()
    deeper = {it["loc"][:length] for it in problems for length in range(len(it["loc"]))}
    for problem in problems:
        if problem["type"] == "too_short" and problem["loc"] in deeper:
            continue  # wrong elements do not count as elements: they are told already
        cause = problem.get("ctx", {}).get("error")
        for misplaced in cause.problems if isinstance(cause, Several) else ():
            place, path = places.nearest((*problem["loc"], *misplaced.where))
            yield Problem(place, f"{path}{misplaced.told}")
        if not isinstance(cause, Several):
            place, path = places.nearest(problem["loc"])
            yield Problem(place, f"{path}{_words(problem, fields)}")


def guess(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` where one of the known words is close, else nothing."""
    close = difflib.get_close_matches(word, sorted(set(known) - {word}), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _words(problem: Any, fields: Iterable[str]) -> str:
    last = str(problem["loc"][-1]) if problem["loc"] else ""
    found = f"(found {problem['input']!r:.60})"
    match problem["type"]:
        case "missing":
            return f"{last} is missing"
        case "extra_forbidden":
            return f"{last} is not a field here{guess(last, fields)}"
        case "literal_error":
            return _not_one_of(problem)
        case "value_error":
            return str(problem["msg"]).removeprefix("Value error, ")
        case "too_short":
            return f"at least {problem['ctx']['min_length']} is needed {found}"
        case kind if kind in _PLAIN:
            return f"{_PLAIN[kind].format(**problem.get('ctx', {}))} {found}"
        case _:
            return f"{problem['msg']} {found}"


_PLAIN = {
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "string_type": "write text, in quotes where it looks like a number",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "model_type": "write a mapping of fields",
    "model_attributes_type": "write a mapping of fields",
    "dict_type": "write a mapping of fields",
    "tuple_type": "write a list",
    "list_type": "write a list",
}


def _not_one_of(problem: Any) -> str:
    given = str(problem["input"])
    if given in {"1.6", "2.0", "2.1"}:
        return f"write ocpp{given}: YAML reads {given} as a number"
    expected = str(problem["ctx"]["expected"])
    names = [name.strip("' ") for name in expected.replace(" or ", ",").split(",")]
    return f"{problem['input']!r:.60} is not one of {expected}{guess(given, names)}"
