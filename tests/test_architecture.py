"""The plan of the house holds: who imports whom, what a core may touch, how big a module gets."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("simulator", "reference_csms", "harness")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

# package -> what it must never import (ARCHITECTURE.md, import law)
FORBIDDEN = {
    "simulator": {"ocpp", "reference_csms", "harness"},
    "reference_csms": {"simulator", "harness"},
    "harness": {"reference_csms"},
}
# The in-process target and the CSMS mutants are the two doors of the harness.
DOORS = ("harness/inprocess.py", "harness/mutants/")

CORES = (
    "simulator/effects.py", "simulator/wire.py", "simulator/dialect.py", "simulator/firmware.py",
    "simulator/image.py", "simulator/signing.py", "simulator/charger.py",
    "simulator/charger_link.py", "simulator/charger_calls.py", "simulator/charger_update.py",
    "simulator/faults.py", "simulator/cohorts.py", "simulator/units.py",
    "simulator/distributions.py", "simulator/scenario.py", "simulator/scenario_steps.py",
    "simulator/scenario_yaml.py", "simulator/scenario_problems.py",
    "simulator/scenario_includes.py", "simulator/scenario_reference.py",
    "simulator/cohort_failures.py", "simulator/cohort_parts.py", "simulator/charger_ids.py",
    "simulator/update_phase.py", "simulator/rsa_key.py", "simulator/quirks.py",
    "simulator/network.py",
    "simulator/profiles.py", "simulator/virtual.py", "simulator/virtual_downloads.py",
    "reference_csms/rollout.py", "reference_csms/rollout_row.py", "reference_csms/rollout_plan.py",
    "reference_csms/rollout_values.py", "reference_csms/outbox.py",
    "reference_csms/service.py", "reference_csms/ocpp_session.py", "reference_csms/ocpp_hub.py",
    "harness/history.py", "harness/contract.py", "harness/progress.py", "harness/recorder.py",
    "harness/operator.py", "harness/drill.py", "harness/world.py", "harness/virtual_world.py",
    "harness/verdict.py", "harness/checkers/",
    "harness/fieldlog/anonymise.py", "harness/fieldlog/clock.py",
    "harness/fieldlog/formats_everest.py", "harness/fieldlog/formats_lines.py",
    "harness/fieldlog/formats_tables.py", "harness/fieldlog/formats_trace.py",
    "harness/fieldlog/frames.py", "harness/fieldlog/intake.py", "harness/fieldlog/likeness.py",
    "harness/fieldlog/moments.py", "harness/fieldlog/objects.py", "harness/fieldlog/registry.py",
    "harness/fieldlog/repeats.py",
    "harness/fieldlog/replay.py", "harness/fieldlog/replay_turns.py", "harness/fieldlog/script.py",
    "harness/fieldlog/sides.py", "harness/fieldlog/trace.py", "harness/fieldlog/tracks.py",
)  # fmt: skip
IMPURE = {"asyncio", "socket", "time", "logging", "threading", "random", "subprocess", "select"}
MAY_BE_RANDOM = {"simulator/faults.py"}  # the only module where chance is made


def name(path: Path) -> str:
    """Return a path as the plan writes it."""
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> set[str]:
    """Return the top-level modules that a file imports when it runs or is type-checked."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nobody_imports_against_the_law(path: Path) -> None:
    """Each package keeps to what the plan allows it."""
    package = name(path).split("/")[0]
    if name(path).startswith(DOORS):
        return
    assert not imports(path) & FORBIDDEN[package]


def test_locust_is_only_ever_imported_by_processes_of_locust() -> None:
    """It patches the standard library: not inside pytest, and by no module that others import."""
    patching, doors = {"locust", "gevent"}, {"engine", "locustfile"}
    assert not patching & set(sys.modules)
    for path in [*SOURCES, *(ROOT / "tests").rglob("*.py")]:
        inside = name(path) in {f"harness/load/{door}.py" for door in doors}
        assert inside or not imports(path) & patching, name(path)
        text = path.read_text(encoding="utf-8")
        opened = re.findall(r"from harness\.load(?:\.| import .*?\b)(engine|locustfile)\b", text)
        assert inside or not opened, name(path)


def test_the_oracle_and_the_defendant_share_no_code() -> None:
    """What judges never reads what is judged: only the two doors import the reference."""
    guests = {name(path) for path in SOURCES if "reference_csms" in imports(path)}
    outside = {path for path in guests if not path.startswith(("reference_csms/", *DOORS))}
    assert not outside


CORE_FILES = [path for path in SOURCES if name(path).startswith(CORES)]


@pytest.mark.parametrize("path", CORE_FILES, ids=name)
def test_cores_touch_no_clock_socket_or_chance(path: Path) -> None:
    """Time and chance come in as arguments, so every core runs in virtual time."""
    allowed = {"random"} if name(path) in MAY_BE_RANDOM else set()
    typing_only = _typing_only(path)
    assert not (imports(path) - typing_only) & (IMPURE - allowed)


def _typing_only(path: Path) -> set[str]:
    """Return what is imported for annotations only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in inner.names}
                elif isinstance(inner, ast.ImportFrom) and inner.module:
                    found.add(inner.module.split(".")[0])
    return found


def test_every_core_of_the_plan_exists() -> None:
    """A core that was renamed must not silently drop out of the law."""
    missing = [core for core in CORES if not (ROOT / core).exists()]
    assert not missing


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    """Every module opens with its one job; none is longer than a reader's patience."""
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"
    if path in SOURCES:
        assert text.count("\n") <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_stay_short(path: Path) -> None:
    """No function is longer than a screen."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno
            assert length <= 60, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_what_it_proves(path: Path) -> None:
    """A failing test tells its reader what no longer holds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_the_project_names_no_machine() -> None:
    """No path of somebody's machine is in any file."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:home|root|Users)/[a-z]|/w[o]rk/|/t[m]p/")
    guilty = [
        path
        for path in listed.stdout.splitlines()
        if path.endswith((".py", ".md", ".yaml", ".toml", ".txt", ".json"))
        and pattern.search((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    ]
    assert not guilty
