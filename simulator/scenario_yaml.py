"""YAML with places: every value knows its line and column, nothing is quietly converted. A core.

The reading is stricter than YAML's: duplicate keys are refused, `yes`, `no`, `on`, `off` stay the
words they are, dates stay text. Anchors and aliases are allowed, tags are not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a value stands; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong, at its place."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class Places:
    """Where every value of a document stands."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._marks: dict[Path, Place] = {}

    def at(self, mark: yaml.Mark | None) -> Place:
        """Return the place of a mark, or the beginning of the file."""
        if mark is None:
            return Place(self.file, 1, 1)
        return Place(self.file, mark.line + 1, mark.column + 1)

    def __len__(self) -> int:
        """Return how many values have a place."""
        return len(self._marks)

    def put(self, path: Path, mark: yaml.Mark) -> None:
        """Remember where the value at `path` stands."""
        self._marks[path] = self.at(mark)

    def adopt(self, other: Places, section: str) -> None:
        """Take over the places of another file's section, beneath our own."""
        theirs = {path: place for path, place in other._marks.items() if path[:1] == (section,)}
        self._marks = theirs | self._marks

    def shift(self, section: str, by: int) -> None:
        """Move the elements of a section `by` further down: others come before them."""

        def moved(path: Path) -> Path:
            match path:
                case (str(first), int(place), *rest) if first == section:
                    return (first, place + by, *rest)
                case _:
                    return path

        self._marks = {moved(path): place for path, place in self._marks.items()}

    def nearest(self, location: Sequence[str | int]) -> tuple[Place, str]:
        """Return the place of a pydantic location, and its path as a reader would write it.

        Elements that are not in the document (names of union members, missing fields) are skipped.
        """
        path: Path = ()
        for element in location:
            if (*path, element) in self._marks:
                path = (*path, element)
        place = self._marks.get(path, Place(self.file, 1, 1))
        shown = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        return place, f"{shown.lstrip('.')}: " if shown else ""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars: only true and false are booleans, 12:30 and 010 are no numbers."""


_BOOLEAN, _INTEGER, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))
_OWN = {_BOOLEAN, _INTEGER, _FLOAT, "tag:yaml.org,2002:timestamp"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_FLOATS = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))$|[-+]?\.inf$|\.nan$"
)
_Loader.add_implicit_resolver(_BOOLEAN, re.compile(r"(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    _INTEGER, re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(_FLOAT, _FLOATS, list("-+.0123456789"))


def read(text: str, file: str = "") -> tuple[Any, Places, list[Problem]]:
    """Return (data, places, problems); data is None where nothing can be read."""
    places = Places(file)
    problems: list[Problem] = []

    def nothing(mark: yaml.Mark | None, told: str) -> tuple[None, Places, list[Problem]]:
        return None, places, [Problem(places.at(mark), told)]

    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return nothing(None, "the file is empty; `firmdrill scenario new` writes one")
        data = _value(loader, node, (), places, problems, depth=0)
    except yaml.MarkedYAMLError as error:
        return nothing(error.problem_mark, f"not YAML: {error.problem}")
    except yaml.reader.ReaderError as error:
        return nothing(None, f"not YAML: character {error.position} is {error.reason}")
    except (yaml.YAMLError, RecursionError) as error:
        return nothing(None, f"not YAML: {error}")
    finally:
        if loader is not None:
            loader.dispose()
    return data, places, problems


class _Dumper(yaml.SafeDumper):
    """Writes text so that it reads back: line separators of Unicode are escaped."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if any(break_ in value for break_ in "\x85\u2028\u2029\ufeff") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_implicit_resolver(_FLOAT, _FLOATS, list("-+.0123456789"))  # so that '1e5' is quoted


def write(data: Any) -> str:
    """Return YAML of plain data that `read` gives back unchanged, keys in their order."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))


_DEEPEST = 50
_MOST_VALUES = 200_000  # aliases of aliases can make a small file unfold without end
_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def _value(
    loader: _Loader,
    node: yaml.Node,
    path: Path,
    places: Places,
    problems: list[Problem],
    *,
    depth: int,
) -> Any:
    places.put(path, node.start_mark)
    if depth > _DEEPEST:
        raise yaml.YAMLError("nested too deeply")
    if len(places) > _MOST_VALUES:
        raise yaml.YAMLError(f"it unfolds to more than {_MOST_VALUES} values")
    if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
        mark = node.start_mark
        raise yaml.MarkedYAMLError(problem=f"{node.tag:.60} is not for here", problem_mark=mark)
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(loader, child, (*path, index), places, problems, depth=depth + 1)
            for index, child in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        mark = key_node.start_mark
        if not isinstance(key, str):
            problems.append(Problem(places.at(mark), f"a field name is text, not {key!r:.40}"))
            continue
        if key in result:
            problems.append(Problem(places.at(mark), f"{key} is given twice"))
        result[key] = _value(loader, value_node, (*path, key), places, problems, depth=depth + 1)
        places.put((*path, key), mark)
    return result
