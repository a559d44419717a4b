"""run.py: the way in for somebody with nothing but Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def run() -> Any:
    """Import run.py as a module."""
    spec = importlib.util.spec_from_file_location("run_py", ROOT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_needs_only_the_standard_library() -> None:
    """It starts without site packages and explains itself."""
    command = [sys.executable, "-I", "-S", str(ROOT / "run.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "run.py demo" in done.stdout
    assert "forecast" in done.stdout


def test_an_old_python_gets_one_clear_line(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: what is needed and what this is."""
    monkeypatch.setattr(run.sys, "version_info", (3, 9, 2))
    assert run.main(["demo"]) == 2
    assert "needs Python 3.11 or newer" in capsys.readouterr().out


def test_nothing_is_installed_twice(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A second call with the same inputs starts at once; a changed pin installs again."""
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(run, "CONSTRAINTS", tmp_path / "constraints.txt")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    made: list[str] = []
    monkeypatch.setattr(run, "make_venv", lambda: (tmp_path / ".venv").mkdir(exist_ok=True))
    monkeypatch.setattr(run, "install", made.append)
    for _ in range(3):
        run.prepare(run.PLAIN)
    assert made == [run.PLAIN]
    (tmp_path / "constraints.txt").write_text("a==1\n")
    run.prepare(run.PLAIN)
    assert len(made) == 2
    run.prepare(run.DEV)
    run.prepare(run.LOAD)
    assert made[2:] == [run.DEV]  # it holds what load needs as well


def test_load_gets_its_extra(run: Any, monkeypatch: Any) -> None:
    """`run.py load` works at once: nobody has to install Locust by hand."""
    told: list[list[str]] = []

    def quietly(command: list[str]) -> subprocess.CompletedProcess[str]:
        told.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="")

    monkeypatch.setattr(run, "pip", lambda: ["pip"])
    monkeypatch.setattr(run, "quietly", quietly)
    run.install(run.EXTRAS["load"])
    assert any(word.endswith("[load]") for word in told[0])


def test_an_unreachable_index_says_what_to_do(run: Any, monkeypatch: Any) -> None:
    """The packager's last lines, and the two usual remedies."""
    failed = subprocess.CompletedProcess([], 1, stdout="ERROR: no route\n")
    monkeypatch.setattr(run, "pip", lambda: ["pip"])
    monkeypatch.setattr(run, "quietly", lambda _: failed)
    with pytest.raises(run.SetupError, match="PIP_INDEX_URL"):
        run.install(run.PLAIN)


def test_without_ensurepip_another_pip_is_found(run: Any, monkeypatch: Any) -> None:
    """An environment without pip is filled from outside."""

    def quietly(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0 if "--python" in command else 1, stdout="")

    monkeypatch.setattr(run, "quietly", quietly)
    assert run.pip()[1:4] == ["-m", "pip", "--python"]


def test_without_any_pip_it_says_which_package_to_install(run: Any, monkeypatch: Any) -> None:
    """Debian's own words for the remedy."""
    failed = subprocess.CompletedProcess([], 1, stdout="")
    monkeypatch.setattr(run, "quietly", lambda _: failed)
    monkeypatch.setattr(run.shutil, "which", lambda _: None)
    with pytest.raises(run.SetupError, match="apt install python3-venv"):
        run.pip()


def test_every_check_runs_and_the_first_failure_decides(run: Any, monkeypatch: Any) -> None:
    """One red check hides no other."""
    codes = iter([0, 3, 0, 1])
    ran: list[str] = []

    def call(command: list[str]) -> int:
        ran.append(Path(command[0]).name)
        return next(codes)

    monkeypatch.setattr(run, "call", call)
    assert run.test([]) == 3
    assert ran == ["ruff", "ruff", "mypy", "pytest"]


def test_the_lock_holds_versions_and_no_addresses() -> None:
    """What is committed works behind any mirror."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert len(lines) > 40
    assert all(line.count("==") == 1 and "/" not in line and " " not in line for line in lines)
