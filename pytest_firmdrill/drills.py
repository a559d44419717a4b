"""One drill as a call: the `firmdrill run` command, its result, and how it fails a test."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_firmdrill.parts import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REPORT_WITHIN = 30.0  # seconds that a drill has to write its report after Ctrl-C
_OPTIONS = ("mutant", "processes", "seed", "target", "virtual")


class DrillFailed(AssertionError):
    """A drill broke a property or missed an expectation; the text has the witness and the replay.

    `result` is the `DrillResult`. There is one subclass a property (`DrillFailed.R18`), so that
    whatever shrinks a failing example does not slide onto another defect.
    """

    def __init__(self, result: DrillResult) -> None:
        super().__init__(result.text)
        self.result = result


@cache
def failure_of(requirement: str) -> type[DrillFailed]:
    """Return the exception class of one property, or DrillFailed itself where none was broken."""
    if not requirement:
        return DrillFailed
    return type(f"DrillFailed.{requirement}", (DrillFailed,), {"__module__": __name__})


@dataclass(frozen=True)
class DrillResult:
    """One drill: `data` is the run as the command's `--json` gives it, `text` its verdict block."""

    data: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)
    verdict: str  # PASS | FAIL | NON_STRICT | INCONCLUSIVE | ERROR
    passed: bool

    @property
    def counts(self) -> Mapping[str, Any]:
        """How many chargers were triggered, installed, failed …, and how many bytes were served."""
        counts: Mapping[str, Any] = self.data["counts"]
        return counts

    @property
    def broken(self) -> list[str]:
        """The ids of the properties that were broken."""
        results = (self.data.get("judgement") or {}).get("results", [])
        return [entry["requirement"]["id"] for entry in results if entry["verdict"] == "FAIL"]

    @property
    def report(self) -> Path:
        """The folder with report.html, report.json, junit.xml and history.ndjson."""
        return Path(self.data["report"])

    @property
    def reproduce(self) -> str:
        """The command that repeats it."""
        command: str = self.data["reproduce"]
        return command

    def check(self) -> DrillResult:
        """Return itself if it passed; raises DrillFailed with the witness otherwise."""
        __tracebackhide__ = True
        if self.passed:
            return self
        raise failure_of(next(iter(self.broken), ""))(self)


class Drill:
    """Runs scenarios for one test."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def __call__(self, scenario: str, *, check: bool = True, **options: Any) -> DrillResult:
        """Run a scenario, a file beside the test or the name of a shipped one, and return it.

        Options: `seed`, `virtual` (no sockets, in a blink; our CSMS only), `mutant`, `target` (a
        target file, instead of --firmdrill-target), `processes`. Raises DrillFailed unless it
        passed; with `check=False` a verdict is only returned. What cannot run at all (an invalid
        scenario, an unreachable target) fails the test with the command's own words.
        """
        __tracebackhide__ = True
        result = self._run(scenario, options)
        self._item.user_properties.append(("firmdrill", result.reproduce))
        return result.check() if check else result

    def _run(self, scenario: str, options: Mapping[str, Any]) -> DrillResult:
        __tracebackhide__ = True
        unknown = sorted(set(options).difference(_OPTIONS))
        if unknown:
            known = ", ".join(_OPTIONS)
            pytest.fail(f"drill(…): {unknown[0]} is not an option; known: {known}", pytrace=False)
        words = [
            "run",
            scenario_file(self._item, scenario),
            "--json",
            "--report",
            str(self._folder()),
        ]
        words += self._options(options)
        done = _finish(words, self._item.config)
        data = _json(done.stdout)
        if data is None:  # outside of any `except`: pytest would tell of that error first
            text = done.stderr.strip() or f"firmdrill ended with {done.returncode}, saying nothing"
            # The first line is what pytest's summary shows of it.
            pytest.fail(f"{text}\nreproduce  firmdrill {shlex.join(words)}", pytrace=False)
        passed = done.returncode == 0 and data["passed"] is True
        return DrillResult(data, done.stderr.strip(), data["verdict"], passed)

    def _options(self, options: Mapping[str, Any]) -> list[str]:
        target = options.get("target") or (
            None
            if options.get("virtual") or options.get("mutant")  # those are about our own CSMS
            else self._item.config.getoption("--firmdrill-target")
        )
        words = [] if target is None else ["--target", os.fspath(target)]
        words += ["--virtual"] if options.get("virtual") else []
        for name in ("seed", "mutant", "processes"):
            if options.get(name) is not None:
                words += [f"--{name}", str(options[name])]
        return words

    def _folder(self) -> Path:
        """Return a new folder for the report: in --firmdrill-report, or among pytest's own."""
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self._item.nodeid).strip("-")[-100:]
        kept = self._item.config.getoption("--firmdrill-report")
        if kept is None:
            factory: pytest.TempPathFactory = self._item.config._tmp_path_factory  # type: ignore[attr-defined]  # noqa: SLF001 - what the fixture of that name returns
            return factory.mktemp(name[:60], numbered=True)
        number, folder = 1, Path(kept).absolute() / name
        while folder.exists():
            number += 1
            folder = Path(kept).absolute() / f"{name}-{number}"
        return folder


def scenario_file(item: pytest.Item, scenario: str) -> str:
    """Return a file beside the test as a path, anything else (a shipped scenario) as it is."""
    beside = item.path.parent / scenario
    return os.path.relpath(beside, item.config.rootpath) if beside.is_file() else scenario


def _finish(words: Sequence[str], config: pytest.Config) -> subprocess.CompletedProcess[str]:
    """Run `firmdrill` to its end; Ctrl-C and a time-out still let it write its report."""
    __tracebackhide__ = True
    limit = config.getoption("--firmdrill-timeout")
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command(["harness", *words]), cwd=config.rootpath, text=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            _, err = _last_words(process)
            pytest.fail(f"the drill took longer than {limit:g} s\n{err}", pytrace=False)
        except KeyboardInterrupt:  # the terminal told the drill as well
            _last_words(process)
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _last_words(process: subprocess.Popen[str]) -> tuple[str, str]:
    try:
        return process.communicate(timeout=REPORT_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _json(text: str) -> Any:
    """Return what JSON says, None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
