"""The six mutants and the two variants as processes, on real sockets, through the command line."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from harness import processes
from harness.mutants import CSMS, Mutant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.power,
    pytest.mark.sockets,
    pytest.mark.slow,
    pytest.mark.xdist_group("mutants_sockets"),  # what all of them look at runs once
]
AT_ONCE = 4


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Run all of them, a few at a time; name -> the JSON of the run and the exit code."""
    folder = tmp_path_factory.mktemp("mutants")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda one: run(one, folder / one.name), CSMS)
        yield dict(zip((one.name for one in CSMS), results, strict=True))


def run(one: Mutant, folder: Path) -> dict[str, Any]:
    """Run one mutant in its scenario."""
    words = ["run", one.scenario, "--mutant", one.name, "--json", "--report", str(folder)]
    done = subprocess.run(
        processes.command("harness", words),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return {**said, "code": done.returncode, "screen": done.stderr}


@pytest.mark.parametrize("one", CSMS, ids=lambda one: one.name)
def test_its_exit_code_and_its_property(one: Mutant, runs: dict[str, dict[str, Any]]) -> None:
    """A wrong decision ends with 1 and is named on the screen; a benign variant ends with 0."""
    seen = runs[one.name]
    failed = {
        result["requirement"]["id"]
        for result in seen["judgement"]["results"]
        if result["verdict"] == "FAIL"
    }
    if one.benign:
        assert (seen["code"], failed) == (0, set())
        return
    assert seen["code"] == 1
    killers = failed & set(one.kills)
    assert killers
    assert f"FAIL {min(killers)}" in seen["screen"]
    assert "expected:" in seen["screen"]
