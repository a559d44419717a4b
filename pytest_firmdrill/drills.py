"""One drill as a call: the `firmdrill run` command, its result, and how it fails a test."""

from __future__ import annotations

import contextlib
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

    def __call__(
        self, scenario: str | os.PathLike[str], *, check: bool = True, **options: Any
    ) -> DrillResult:
        """Run a scenario, a file beside the test or the name of a shipped one, and return it.

        Options: `seed`, `virtual` (no sockets, in a blink; our CSMS only), `mutant`, `target` (a
        target file, instead of --firmdrill-target), `processes`. Raises DrillFailed unless it
        passed; with `check=False` a verdict is only returned. What cannot run at all (an invalid
        scenario, an unreachable target) fails the test with the command's own words.
        """
        __tracebackhide__ = True
        result = self._run(scenario_file(self._item, scenario), options)
        self._item.user_properties.append(("firmdrill", result.reproduce))
        return result.check() if check else result

    def _run(self, scenario: str, options: Mapping[str, Any]) -> DrillResult:
        __tracebackhide__ = True
        unknown = sorted(set(options).difference(_OPTIONS))
        if unknown:
            known = ", ".join(_OPTIONS)
            pytest.fail(f"drill(…): {unknown[0]} is not an option; known: {known}", pytrace=False)
        if options.get("virtual") not in (None, True, False):
            said = options["virtual"]
            pytest.fail(f"drill(…): virtual is True or False, not {said!r}", pytrace=False)
        folder = self._folder()
        words = ["run", scenario, "--json", "--report", str(folder), *self._options(options)]
        done = _finish(words, self._item.config)
        data = _json(done.stdout)
        if data is None:  # outside of any `except`: pytest would tell of that error first
            with contextlib.suppress(OSError):
                folder.rmdir()  # nothing ran, nothing is in it
            text = _first_line_first(done.stderr)
            text = text or f"firmdrill ended with {done.returncode}, saying nothing"
            pytest.fail(f"{text}\nreproduce  firmdrill {shlex.join(words)}", pytrace=False)
        if data["judgement"] is None:  # nothing ran: that is no verdict, not even for check=False
            pytest.fail(done.stderr.strip(), pytrace=False)
        passed = done.returncode == 0 and data["passed"] is True
        return DrillResult(data, done.stderr.strip(), data["verdict"], passed)

    def _options(self, options: Mapping[str, Any]) -> list[str]:
        target = options.get("target")
        if target:
            target = _beside(self._item, target)
        elif not options.get("virtual") and not options.get("mutant"):  # those are about ours
            target = _target(self._item.config)
        words = ["--target", os.fspath(target)] if target else []
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
        while not _made(folder):
            number += 1
            folder = Path(kept).absolute() / f"{name}-{number}"
        return folder


def scenario_file(item: pytest.Item, scenario: str | os.PathLike[str]) -> str:
    """Return a file beside the test as a path, anything else (a shipped scenario) as it is.

    Fails the test where it is neither a name nor a path.
    """
    __tracebackhide__ = True
    if not isinstance(scenario, str | os.PathLike) or os.fspath(scenario).startswith("-"):
        pytest.fail(
            f"a scenario is a YAML file or the name of a shipped one, not {scenario!r}",
            pytrace=False,
        )
    return _beside(item, scenario)


def _beside(item: pytest.Item, name: str | os.PathLike[str]) -> str:
    """Return a file beside the test as seen from the root, where commands run."""
    beside = item.path.parent / name
    return os.path.relpath(beside, item.config.rootpath) if beside.is_file() else os.fspath(name)


def _target(config: pytest.Config) -> str | None:
    """Return --firmdrill-target: from where pytest was called, else (addopts) from the root."""
    target: str | None = config.getoption("--firmdrill-target")
    if target and (config.invocation_params.dir / target).is_file():
        return os.path.relpath(config.invocation_params.dir / target, config.rootpath)
    return target


def _made(folder: Path) -> bool:
    """Make a folder; False if another drill, perhaps of another worker, has that one."""
    __tracebackhide__ = True
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        return False
    except OSError as error:
        problem = error.strerror
    else:
        return True
    pytest.fail(f"--firmdrill-report: {folder} cannot be made ({problem})", pytrace=False)


def _first_line_first(said: str) -> str:
    """Begin with what is wrong: the first line is what pytest's summary shows."""
    said = re.sub(r"\AUsage: .*?^Error: ", "", said, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"\A(The scenario has .*:)\n", r"\1 ", said).strip()


def _finish(words: Sequence[str], config: pytest.Config) -> subprocess.CompletedProcess[str]:
    """Run `firmdrill` to its end; Ctrl-C and a time-out still let it write its report."""
    __tracebackhide__ = True
    limit = config.getoption("--firmdrill-timeout")
    late, out, err = False, "", ""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command(["harness", *words]), cwd=config.rootpath, text=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            late = True
            _, err = _last_words(process)
        except BaseException:  # Ctrl-C, or somebody else's time-out for the test
            _last_words(process)
            raise
    if late:  # outside of `except`: pytest would tell of that error first
        pytest.fail(f"the drill took longer than {limit:g} s\n{err}", pytrace=False)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _last_words(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Tell a drill to end, which may know it from the terminal: twice does no harm."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=REPORT_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()
    except BaseException:  # Ctrl-C once more: somebody is in a hurry
        process.kill()
        raise


def _json(text: str) -> Any:
    """Return what JSON says, None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
