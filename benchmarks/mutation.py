"""How good the judge's own tests are: small changes to its code, and how many a test notices.

    pip install cosmic-ray
    python -m benchmarks.mutation --sample 600 --seed 1 --out reports

A sample of all changes (`benchmarks/judge_changes.py`), drawn by the seed, is tried one at a time,
each in a forked process. First the judge's tests run over the unchanged code, watched: which
functions each of them calls, and how long it takes. A change inside of a function then meets only
the tests that call the function, the quickest first; a change elsewhere meets all. Prints what
survives and writes `mutation.md`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.judge_changes import FILES, ROOT, Changed, changes, live, named, swap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.judge_changes import Change

TESTS = (
    ROOT / "tests" / "harness" / "test_corpus.py",
    *sorted((ROOT / "tests" / "harness").glob("test_checkers_*.py")),
    ROOT / "tests" / "harness" / "test_contract.py",
    ROOT / "tests" / "harness" / "fieldlog" / "test_judging.py",
)
WORDS = ("-x", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:hypothesispytest")
LIMIT = 60  # seconds of a core: a change that makes a test run for ever is noticed
MEMORY = 4 << 30  # bytes
UNMADE = 71  # exit code: the change could not be made


class Steady:
    """A pytest plugin: property-based tests draw the same every time, however busy the machine."""

    def pytest_configure(self) -> None:
        """Settle how Hypothesis draws, before any test is imported."""
        from hypothesis import HealthCheck, settings  # noqa: PLC0415

        slow = [HealthCheck.too_slow]
        settings.register_profile(
            "steady", deadline=None, derandomize=True, database=None, suppress_health_check=slow
        )
        settings.load_profile("steady")


# ---------------------------------------------------------------------- the tests, watched


class Watch:
    """A pytest plugin: which of the judge's functions run at import, and which in each test."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.files = {str(file) for file in FILES}
        self.called: set[str] = set()
        self.importing: set[str] = set()
        self.tests: dict[str, Any] = {}

    def note(self, frame: Any, event: str, _: object) -> None:
        """Note a call; called by the interpreter."""
        if event == "call" and frame.f_code.co_filename in self.files:
            self.called.add(named(frame.f_code))

    def pytest_collection_finish(self) -> None:
        """Everything is imported."""
        self.importing, self.called = self.called, set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Watch one test."""
        self.called = set()
        began = time.process_time()
        try:
            return (yield)
        finally:
            took = time.process_time() - began
            self.tests[item.nodeid] = {"took": took, "calls": sorted(self.called)}

    def pytest_sessionfinish(self) -> None:
        """Leave what was seen."""
        found = {"importing": sorted(self.importing), "tests": self.tests}
        self.out.write_text(json.dumps(found), encoding="utf-8")


def watched(out: Path) -> None:
    """Run the tests over the unchanged judge, watched, and exit with pytest's code."""
    watch = Watch(out)
    sys.setprofile(watch.note)
    code = pytest.main([*WORDS, *map(str, TESTS)], [Steady(), watch])
    sys.setprofile(None)
    os._exit(int(code))


# ---------------------------------------------------------------------- one change


def imported(change: Change) -> int:
    """Run all tests over a changed source; return 0 if none notices."""
    sys.meta_path.insert(0, Changed(change))
    return int(pytest.main([*WORDS, *map(str, TESTS)], [Steady()]))


class Swapped:
    """A pytest plugin that runs the tests over many changes instead of once."""

    def __init__(self, sample: Sequence[Change], seen: dict[str, Any], jobs: int) -> None:
        self.sample, self.seen, self.jobs = sample, seen, jobs
        self.survivors: list[Change] = []
        self.ran = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try every change, each in a process of its own."""
        tests = self.seen["tests"]
        items = sorted(session.items, key=lambda item: float(tests[item.nodeid]["took"]))

        functions = live()
        gc.collect()
        gc.freeze()  # forked processes share what they do not change

        def attempt(change: Change) -> int:
            swap(change, functions.get(str(change.function), []))
            for item in items:
                if change.function in tests[item.nodeid]["calls"]:
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
                    if session.testsfailed:
                        return 1
            return 0

        self.survivors = run(self.sample, attempt, self.jobs)
        self.ran = True
        return True


# ---------------------------------------------------------------------- all changes


def run(sample: Sequence[Change], attempt: Callable[[Change], int], jobs: int) -> list[Change]:
    """Try all changes, `jobs` at a time; return those that nobody noticed."""
    waiting = list(reversed(sample))
    running: dict[int, Change] = {}
    survivors: list[Change] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            change = waiting.pop()
            running[forked(attempt, change)] = change
        ended, status = os.wait()
        change = running.pop(ended)
        if os.waitstatus_to_exitcode(status) == UNMADE:
            raise RuntimeError(f"{change} could not be made")
        if status == 0:
            survivors.append(change)
            print(f"{len(waiting)} to go; survives: {change}", flush=True)
    return survivors


def forked(attempt: Callable[..., int], *arguments: Any, limit: int = LIMIT) -> int:
    """Start an attempt in a quiet process of its own, bounded in time and memory."""
    child = os.fork()
    if child:
        return child
    code = 70  # whatever goes wrong in here is a change that was noticed
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        code = attempt(*arguments)
    except LookupError:
        code = UNMADE
    finally:
        os._exit(code)


def survey() -> dict[str, Any]:
    """Return what the tests call, and that they pass."""
    # What all forks need is imported once; nothing of the judge may be among it.
    import harness.history  # noqa: F401, PLC0415
    import reference_csms.service  # noqa: F401, PLC0415
    import simulator.scenario  # noqa: F401, PLC0415

    if "harness.checkers" in sys.modules:
        raise RuntimeError("the judge is imported already: no change would be seen")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seen.json"
        forked(watched, out, limit=20 * LIMIT)  # all tests, and watched: a slow machine needs it
        if os.wait()[1] != 0:
            raise RuntimeError("the tests fail over the judge as it is: nothing can be measured")
        return dict(json.loads(out.read_text(encoding="utf-8")))


def survivors_of(sample: Sequence[Change], jobs: int) -> list[Change]:
    """Try a sample; return what nobody noticed."""
    seen = survey()
    early = {None, *seen["importing"]}
    found = run([change for change in sample if change.function in early], imported, jobs)
    later = Swapped([change for change in sample if change.function not in early], seen, jobs)
    pytest.main([*WORDS, *map(str, TESTS)], [Steady(), later])
    if not later.ran:
        raise RuntimeError("the tests could not be collected")
    return found + later.survivors


def page(sample: Sequence[Change], survivors: Sequence[Change], total: int, words: str) -> str:
    """Return the report."""
    tried = Counter(change.file.name for change in sample)
    left = Counter(change.file.name for change in survivors)
    killed = len(sample) - len(survivors)
    # Not sooner: it may bring the judge in, which has to be imported changed.
    from harness.power import wilson  # noqa: PLC0415

    low, high = wilson(killed, len(sample))
    lines = [
        "# How good the judge's own tests are", "",
        f"{killed} of {len(sample)} changed judges ({killed / len(sample):.1%}; 95 %: {low:.1%} to",
        f"{high:.1%}) are noticed by the judge's tests; the sample was drawn from {total} possible",
        "changes of `harness/contract.py` and `harness/checkers/`.", "",
        f"`{words}` repeats it (with `pip install cosmic-ray`).",
        "Left out are changes of what no verdict can depend on: inside of annotations, which",
        "nothing evaluates; of imports for the type checker alone (`if TYPE_CHECKING:`); of the",
        "options of `@dataclass(...)` and of structs, of `@cache` and `@lru_cache`, which say how",
        "values are kept; and `==` turned into `is`, the same for the values that occur.", "",
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
    options.out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    every = list(changes())
    picked = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    survivors = survivors_of(picked, options.jobs)
    words = f"python -m benchmarks.mutation --sample {options.sample} --seed {options.seed}"
    text = page(picked, survivors, len(every), words)
    (options.out / "mutation.md").write_text(text, encoding="utf-8")
    print(f"{len(picked) - len(survivors)} of {len(picked)} noticed")


if __name__ == "__main__":
    main()
