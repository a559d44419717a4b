"""The small changes of the judge's code that `benchmarks/mutation.py` tries.

cosmic-ray knows where `harness/contract.py` and `harness/checkers/` can be changed. A change inside
of a function's body can be made in a process that has imported everything: the function gets the
changed code (`swap`). Any other, and one in a function that runs while modules are imported, needs
a process that imports the changed source instead of the file (`Changed`).
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FILES = (ROOT / "harness" / "contract.py", *sorted((ROOT / "harness" / "checkers").glob("*.py")))
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

    @property
    def function(self) -> str | None:
        """The outermost function whose body holds the place; None outside of all bodies."""
        return bodies(self.file).get(self.line)

    def source(self) -> str:
        """Return the changed module."""
        from cosmic_ray.mutating import mutate_code  # noqa: PLC0415 - an optional tool
        from cosmic_ray.plugins import get_operator  # noqa: PLC0415

        text = self.file.read_text(encoding="utf-8")
        return str(mutate_code(text, get_operator(self.operator)(), self.occurrence))

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


# ---------------------------------------------------------------------- what is left out


def unevaluated(source: str) -> set[tuple[int, int]]:
    """Return all places (line, column) that no verdict can depend on.

    Annotations are evaluated by nobody. Imports under `if TYPE_CHECKING:` are for the type checker.
    The options of `@dataclass(...)` and of structs (frozen, slots, eq) say how values are kept and
    guard against our own slips; `@cache` and `@lru_cache` say what is remembered.
    """
    found: set[tuple[int, int]] = set()
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if isinstance(part, ast.expr):
                found |= _spots(part, lines)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found |= _spots(node, lines)
        if isinstance(node, ast.ClassDef):
            for option in [*node.keywords, *_options(node.decorator_list, {"dataclass"})]:
                found |= _spots(option.value, lines)
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                if _name(decorator) in {"cache", "lru_cache"}:
                    found |= _spots(decorator, lines) | {(decorator.lineno, 0)}
    return found


def _name(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _options(decorators: list[ast.expr], names: set[str]) -> Iterator[ast.keyword]:
    for decorator in decorators:
        if isinstance(decorator, ast.Call) and _name(decorator) in names:
            yield from decorator.keywords


def _spots(part: ast.expr | ast.stmt, lines: Sequence[str]) -> set[tuple[int, int]]:
    last = part.end_lineno or part.lineno
    return {
        (line, column)
        for line in range(part.lineno, last + 1)
        for column in range(
            part.col_offset if line == part.lineno else 0,
            (part.end_col_offset or 0) if line == last else len(lines[line - 1]),
        )
    }


# ---------------------------------------------------------------------- making a change


@cache
def bodies(file: Path) -> dict[int, str]:
    """Return by line the outermost function whose body covers the line, as `named` calls it."""
    found: dict[int, str] = {}
    todo: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            # A body on the line of its `def` shares the line with arguments: it stays out.
            lines = range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
            if lines[0] > node.lineno:
                found |= dict.fromkeys(lines, f"{file}:{first}")
        else:
            todo.extend(ast.iter_child_nodes(node))
    return found


def named(code: CodeType) -> str:
    """Return what tells a function's code from all others."""
    return f"{code.co_filename}:{code.co_firstlineno}"


def live() -> dict[str, list[FunctionType]]:
    """Return the functions of this process by their names, wherever they are held."""
    found: dict[str, list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            found.setdefault(named(one.__code__), []).append(one)
    return found


def swap(change: Change, functions: Sequence[FunctionType]) -> None:
    """Give a function the code that a change makes of it; LookupError if there is none."""
    changed = compile(change.source(), str(change.file), "exec", dont_inherit=True)
    codes = {named(code): code for code in _functions(changed)}
    if not functions:
        raise LookupError(f"nobody holds the function of {change}")
    for function in functions:
        function.__code__ = codes[named(function.__code__)]


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the functions of a module and of its classes."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & 2:  # CO_NEWLOCALS: a function, not the body of a class
                yield constant
            else:
                yield from _functions(constant)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a changed source."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.source = change.source()

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
