"""The wheel carries everything: installed elsewhere, it runs from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once, with the build backend that is installed."""
    pytest.importorskip("hatchling", reason="the build backend is a development tool")
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a fresh environment; return its bin folder.

    The libraries come from the environment that runs the tests, without our own source.
    """
    folder = tmp_path_factory.mktemp("fresh environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "libraries.pth").write_text(libraries + "\n")
    script = folder / "bin" / "firmdrill"
    python = folder / "bin" / "python"
    script.write_text(f"#!/bin/sh\nexec '{python}' -I -m harness \"$@\"\n")
    script.chmod(0o755)
    return script


def call(script: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command from another folder, with a hostile environment."""
    environment = {**os.environ, "PYTHONPATH": "/nowhere"}
    return subprocess.run(
        [str(script), *words],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


def test_the_wheel_holds_scenarios_templates_and_types(wheel: Path) -> None:
    """Data files are in, tests and reports are not."""
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "scenarios/demo.yaml", "scenarios/scenario.schema.json", "harness/report/page.html.j2",
        "harness/report/page.css", "harness/report/page.js", "simulator/py.typed",
    ):  # fmt: skip
        assert wanted in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "reports/"))]


def test_the_installed_command_lists_its_scenarios(installed: Path, tmp_path: Path) -> None:
    """The library comes with the wheel."""
    done = call(installed, "scenario", "list", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


@pytest.mark.sockets
def test_folders_with_our_names_do_no_harm(installed: Path, tmp_path: Path) -> None:
    """A user's own `harness` or `simulator` folder is not imported, and a drill runs beside it."""
    for package in ("harness", "simulator", "reference_csms", "scenarios"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    done = call(installed, "run", "smoke", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict     PASS" in done.stdout


@pytest.mark.sockets
def test_the_demo_runs_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """The README's first promise, from the wheel: exit code 0 and a report."""
    done = call(installed, "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.rglob("report.html"))
