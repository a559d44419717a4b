"""How good the judge's own tests are: small changes to its code, and how many a test notices.

    pip install cosmic-ray
    python -m benchmarks.mutation --sample 600 --seed 1 --out reports

cosmic-ray says where `harness/contract.py` and `harness/checkers/` can be changed; a sample of
those places, drawn by the seed, is changed one at a time. Each change runs the judge's tests in a
forked process that imports the changed source instead of the file. Changes inside of annotations
are left out: nothing evaluates them. Prints what survives and writes `mutation.md`.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FILES = (ROOT / "harness" / "contract.py", *sorted((ROOT / "harness" / "checkers").glob("*.py")))
TESTS = (
    ROOT / "tests" / "harness" / "test_corpus.py",
    *sorted((ROOT / "tests" / "harness").glob("test_checkers_*.py")),
    ROOT / "tests" / "harness" / "test_contract.py",
)
LIMIT = 120.0  # seconds: a change that makes a test run for ever is noticed
# Same for the values that occur: identity of small integers and of interned strings.
EQUAL = ("Eq_Is", "NotEq_IsNot", "Is_Eq", "IsNot_NotEq")


@dataclass(frozen=True)
class Change:
    """One place and what is done to it."""

    file: Path
    operator: str
    occurrence: int
    line: int
    column: int

    @property
    def module(self) -> str:
        """The module's name."""
        return ".".join(self.file.relative_to(ROOT).with_suffix("").parts)

    def __str__(self) -> str:
        """Say where it is."""
        name = self.operator.removeprefix("core/")
        return f"{self.file.relative_to(ROOT)}:{self.line}:{self.column + 1} {name}"


def changes() -> Iterator[Change]:
    """Yield every change that cosmic-ray knows for the judge's code."""
    from cosmic_ray.ast import get_ast  # noqa: PLC0415 - an optional tool
    from cosmic_ray.plugins import get_operator, operator_names  # noqa: PLC0415

    for file in FILES:
        source = file.read_text(encoding="utf-8")
        tree, quiet = get_ast(source), unevaluated(source)
        for name in operator_names():
            if name.endswith((*EQUAL, "VariableReplacer", "VariableInserter")):
                continue
            for number, (start, _) in enumerate(_places(get_operator(name)(), tree)):
                if start not in quiet:
                    yield Change(file, name, number, *start)


def _places(operator: Any, tree: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield the places of an operator in the order in which cosmic-ray counts them."""
    from cosmic_ray.ast import ast_nodes  # noqa: PLC0415

    for node in ast_nodes(tree):
        yield from operator.mutation_positions(node)


def unevaluated(source: str) -> set[tuple[int, int]]:
    """Return all places (line, column) inside of annotations."""
    found: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                found |= _spots(part, source.splitlines())
    return found


def _spots(part: ast.expr, lines: Sequence[str]) -> set[tuple[int, int]]:
    last = part.end_lineno or part.lineno
    return {
        (line, column)
        for line in range(part.lineno, last + 1)
        for column in range(
            part.col_offset if line == part.lineno else 0,
            (part.end_col_offset or 0) if line == last else len(lines[line - 1]),
        )
    }


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, change: Change) -> None:
        from cosmic_ray.mutating import mutate_code  # noqa: PLC0415
        from cosmic_ray.plugins import get_operator  # noqa: PLC0415

        self.change = change
        source = change.file.read_text(encoding="utf-8")
        self.source = mutate_code(source, get_operator(change.operator)(), change.occurrence)

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for the one module."""
        del path, target
        if name != self.change.module:
            return None
        return importlib.util.spec_from_loader(name, self, origin=str(self.change.file))

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed source."""
        module.__file__ = str(self.change.file)
        exec(compile(self.source, str(self.change.file), "exec"), module.__dict__)  # noqa: S102


def noticed(change: Change | None) -> None:
    """Run the tests over a change, in this (forked) process; exit 0 if none notices."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if change is not None:
        sys.meta_path.insert(0, Changed(change))
    words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    os._exit(int(pytest.main([*words, *map(str, TESTS)])))


def run(sample: Sequence[Change], jobs: int) -> list[Change]:
    """Try all changes of the sample, `jobs` at a time; return those that nobody noticed."""
    waiting, running = list(reversed(sample)), dict[int, tuple[Change, float]]()
    survivors: list[Change] = []
    done = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            change = waiting.pop()
            child = os.fork()
            if child == 0:
                noticed(change)
            running[child] = (change, time.monotonic())
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended:
            change, _ = running.pop(ended)
            done += 1
            if status == 0:
                survivors.append(change)
                print(f"{done}/{len(sample)} survives: {change}", flush=True)
            continue
        for child, (_, began) in running.items():
            if time.monotonic() - began > LIMIT:
                os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    return survivors


def page(sample: Sequence[Change], survivors: Sequence[Change], total: int, words: str) -> str:
    """Return the report."""
    tried = Counter(change.file.name for change in sample)
    left = Counter(change.file.name for change in survivors)
    killed = len(sample) - len(survivors)
    lines = [
        "# How good the judge's own tests are", "",
        f"{killed} of {len(sample)} changed judges ({killed / len(sample):.1%}) are noticed by the",
        f"judge's tests; the sample was drawn from {total} possible changes of",
        "`harness/contract.py` and `harness/checkers/`.", "",
        f"`{words}` repeats it (with `pip install cosmic-ray`).",
        "Left out are changes inside of annotations, which nothing evaluates, and `==` turned",
        "into `is`.", "",
        "| module | tried | noticed |", "|---|---|---|",
        *(f"| `{name}` | {tried[name]} | {tried[name] - left[name]} |" for name in sorted(tried)),
        "", "## Not noticed", "",
        *(f"- `{change}`" for change in sorted(survivors, key=str)), "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    """Draw a sample, try it and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sample", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("reports"))
    options = parser.parse_args()
    every = list(changes())
    picked = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    # What all forks need is imported once; nothing of the judge may be among it.
    import reference_csms.service  # noqa: F401, PLC0415
    import simulator.scenario  # noqa: F401, PLC0415

    if "harness.checkers" in sys.modules:
        raise RuntimeError("the judge is imported already: no change would be seen")
    if os.fork() == 0:
        noticed(None)
    if os.wait()[1] != 0:
        raise RuntimeError("the tests fail over the judge as it is: nothing can be measured")
    survivors = run(picked, options.jobs)
    words = f"python -m benchmarks.mutation --sample {options.sample} --seed {options.seed}"
    text = page(picked, survivors, len(every), words)
    (options.out / "mutation.md").write_text(text, encoding="utf-8")
    print(f"{len(picked) - len(survivors)} of {len(picked)} noticed")


if __name__ == "__main__":
    main()
