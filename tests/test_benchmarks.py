"""The benchmarks are in one place, and the published page has every one of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import run

PAGE = run.MARKDOWN.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", run.names())
def test_every_benchmark_is_published_with_the_command_that_repeats_it(name: str) -> None:
    """A benchmark that nobody ran is no benchmark; a quick run is none either."""
    module = run.load(name)
    assert module.TITLE
    assert callable(module.main)
    assert f"## {module.TITLE}\n" in PAGE
    assert f"`python benchmarks/run.py {name}` · " in PAGE


def test_the_page_is_what_the_kept_results_say() -> None:
    """`python benchmarks/run.py --render` refreshes it."""
    results = json.loads(run.JSON.read_text(encoding="utf-8"))
    assert set(results) == set(run.names())
    for name, result in results.items():
        assert run.section(name, result) in PAGE, name


def test_whatever_is_no_benchmark_is_left_out() -> None:
    """`mutation` measures the judge's tests and has a command line of its own."""
    assert "mutation" not in run.names()
    assert {path.stem for path in Path(run.HERE).glob("_*.py")}.isdisjoint(run.names())
