"""`firmdrill import`: a log from the field becomes a history, a verdict and a report."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from harness.about import version
from harness.claims import claimed, empty
from harness.cli.drills import report_folder
from harness.cli.importing import (
    blaming,
    interruptible,
    load_importer,
    progress,
    spare,
    writing,
)
from harness.cli.outcome import show
from harness.cli.problems import reported
from harness.cli.recordings import recorded
from harness.cli.scenarios import SCHEMA_FILE
from harness.cli.screen import Screen
from harness.errors import UsageError
from harness.fieldlog.anonymise import Anonymiser
from harness.fieldlog.files import LogFile, import_log
from harness.fieldlog.formats_tables import subprotocol
from harness.fieldlog.intake import Options, Summary
from harness.fieldlog.moments import UnknownZone, zone
from harness.fieldlog.registry import FORMATS
from harness.fieldlog.script import scenario_of
from harness.history import encode, read
from harness.report.block import cleaned
from harness.review import Reviewer
from harness.runner import HISTORY
from harness.verdict import Subject
from harness.whole_files import REPORTS, forget
from simulator.scenario import dump, schema

if TYPE_CHECKING:
    from datetime import tzinfo

    from rich.console import Console

    from harness.fieldlog.registry import Recognised
    from harness.history import Event, Header
    from harness.run_record import ExitCode, RunRecord

PROBLEMS = "import.txt"
WRITTEN = (HISTORY, PROBLEMS, *REPORTS)
MOST_SHOWN = 20  # problems on the screen; all of them are in the file


class _Import:
    """One import under way: the history file, the judge and what is said meanwhile."""

    def __init__(
        self, folder: Path, console: Console, hidden: Anonymiser | None, *, quiet: bool
    ) -> None:
        self.folder = folder
        self.history = folder / HISTORY
        self.header: Header | None = None
        self.reviewer: Reviewer | None = None
        self.problems = 0
        self.quiet = quiet
        self._console, self._hidden = console, hidden
        folder.mkdir(parents=True, exist_ok=True)
        self._new = not self.history.exists()
        self._out = claimed(self.history, emptied=False)
        self._told: IO[str] = (folder / PROBLEMS).open("w", encoding="utf-8")

    def close(self) -> None:
        """Close the files; of a log that nobody can read there is no history."""
        with self._told:  # closed as well if the disk is full
            self._out.close()
        if self.header is None and self._new:
            self.history.unlink(missing_ok=True)

    def begin(self, header: Header) -> None:
        """Take the header: the log can be read, and takes the place of an earlier import."""
        empty(self._out, self.history)
        forget(self.folder)
        if self._hidden is not None:
            header = self._hidden.header(header)
        self.header, self.reviewer = header, Reviewer(header)
        self._out.write(encode(header))

    def see(self, event: Event) -> None:
        """Keep and judge one event."""
        assert self.reviewer is not None  # noqa: S101 - the header came first
        if self._hidden is not None:
            event = self._hidden.event(event)
        self._out.write(encode(event))
        self.reviewer.see(event)

    def report(self, line: int, problem: str) -> None:
        """Tell of a line that could not be used."""
        self.problems += 1
        problem = problem if self._hidden is None else self._hidden.words(problem)
        text = cleaned(f"line {line}: {problem}")
        self._told.write(text + "\n")
        if self.problems <= MOST_SHOWN:
            self.say(text)
        elif self.problems == MOST_SHOWN + 1:
            self.say(f"… all of them are in {self.folder / PROBLEMS}")

    def chosen(self, best: Recognised) -> None:
        """Tell which format it is, and how that is known."""
        known = ", by its lines; --format chooses another" if best.hits else ""
        self.say(f"Read as {best.title}{known}.")

    def say(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            self._console.print(text, markup=False, highlight=False)


@click.command("import")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--format", "form", help="Instead of recognising it: " + ", ".join(FORMATS) + ".")
@click.option("--charge-point-id", default="", help="The charger, where the log names none.")
@click.option("--timezone", help="Of times without one: UTC, +02:00, Europe/Berlin.")
@click.option("--ocpp", default="", help="1.6, 2.0.1 or 2.1, where the log does not show it.")
@click.option("--side", type=click.Choice(["charger", "csms"]), help="Which side wrote the log.")
@click.option("--encoding", default="", help="Of the file, if it is neither UTF-8 nor UTF-16.")
@click.option(
    "--importer",
    type=click.Path(exists=True, dir_okay=False),
    help="A Python file of yours that registers a format.",
)
@click.option("--anonymise", is_flag=True, help="Replace ids, serials, tags, URLs and passwords.")
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    help="Write a scenario whose chargers behave as those in the log.",
)
@click.option("--chargers", type=click.IntRange(1), help="How many the scenario shall have.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for history and report.")
@click.option("-q", "--quiet", is_flag=True, help="Only the verdict.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on standard output.")
@reported
def import_command(
    log: Path,
    *,
    form: str | None,
    charge_point_id: str,
    timezone: str | None,
    ocpp: str,
    side: str | None,
    encoding: str,
    importer: str | None,
    anonymise: bool,
    scenario: Path | None,
    chargers: int | None,
    report: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Read a LOG from the field, judge what it shows and write history and report.

    Damaged lines are reported and skipped. What the log cannot show stays inconclusive; the side
    that a finding accuses is named: the CSMS, the charger or the network.
    """
    if importer is not None:
        load_importer(importer)
    options = Options(
        charger=charge_point_id,
        zone=None if timezone is None else _zone(timezone),
        ocpp=_ocpp(ocpp),
        side=side or "",
        name=log.name,
        form=form or "",
        versions={"firmdrill": version()},
    )
    console = Screen(stderr=as_json, soft_wrap=True)
    file = LogFile(log, encoding)
    # Files are named after customers, too, and the folder's name stands in the report.
    folder = report_folder(report, "import-anonymised" if anonymise else f"import-{log.stem}")
    spare(log, *(folder / name for name in WRITTEN), *filter(None, [scenario]))
    if scenario is not None and scenario.absolute() in {folder.absolute() / n for n in WRITTEN}:
        raise UsageError(f"--scenario {scenario} is a file of the report: choose another name")
    with writing(folder), blaming(importer):
        hidden = _names(log, encoding, options, quiet=quiet) if anonymise else None
        running = _Import(folder, console, hidden, quiet=quiet)
        summary = _run(file, options, running)
        if file.stopped:
            running.say("Interrupted: what was read until now is kept and judged.")
        running.say(summary.sentence)
        _advise(running, summary)
        record, code = _conclude(running, console, as_json=as_json)
    if scenario is not None:
        _write_scenario(scenario, record, chargers)
        running.say(f"scenario   {scenario}: firmdrill run {scenario} --virtual")
    sys.exit(int(code))


def _names(log: Path, encoding: str, options: Options, *, quiet: bool) -> Anonymiser:
    """Read the log once for its names: one may stand in a text before it is known to be one."""
    hidden, file = Anonymiser(), LogFile(log, encoding)

    def see(event: Event) -> None:
        hidden.event(event)

    with progress(file, quiet=quiet):
        import_log(file, options, begin=lambda header: hidden.learn(header, ()), see=see,
                   report=lambda *_: None)  # fmt: skip
    return hidden


def _run(file: LogFile, options: Options, running: _Import) -> Summary:
    """Import until the log ends or is interrupted."""
    with contextlib.closing(running), progress(file, quiet=running.quiet), interruptible(file):
        return import_log(
            file,
            options,
            begin=running.begin,
            see=running.see,
            report=running.report,
            chosen=running.chosen,
        )


def _advise(running: _Import, summary: Summary) -> None:
    """Say what would tell more."""
    if summary.nameless:
        running.say("The log names no charger: --charge-point-id does.")
    if summary.zone == "messages" and summary.offset:
        hours = summary.offset / 3600
        running.say(f"Its times are {hours:+g} h from UTC, by its messages; --timezone overrides.")
    elif summary.zone == "assumed" and summary.clock == "log":
        running.say("Its times name no zone: read as UTC, and no date is judged; see --timezone.")
    if summary.clock == "messages":
        running.say("The log has no times: those inside its messages were used.")
    elif summary.clock == "none":
        running.say("Neither the log nor its messages have times: only the order is judged.")


def _write_scenario(path: Path, record: RunRecord, chargers: int | None) -> None:
    """Write the scenario of a history that was just imported."""
    assert record.history is not None  # noqa: S101 - it was just written
    broken = [
        result.requirement.id
        for result in (record.judgement.results if record.judgement else ())
        if any(finding.subject is Subject.CHARGER for finding in result.findings)
    ]
    with record.history.open("rb") as lines:
        header, events = read(lines)
        made = scenario_of(
            events,
            name=str(header.scenario.get("file") or "without a name"),
            broken=broken,
            chargers=chargers,
            timed=header.target.get("clock", "log") != "none",
        )
    try:
        path.write_text(dump(made), encoding="utf-8")
        beside = path.parent / SCHEMA_FILE  # what the first line tells editors to look for
        if path.is_file() and not beside.exists():  # not beside /dev/stdout
            beside.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--scenario {path}: {error.strerror or error}") from error


def _conclude(running: _Import, console: Console, *, as_json: bool) -> tuple[RunRecord, ExitCode]:
    """Write the report, print the verdict and return the record, and how the command ends."""
    assert running.reviewer is not None  # noqa: S101 - an import always has a header
    assert running.header is not None  # noqa: S101
    running.reviewer.cut_short()  # the trace of a drill may end in the middle of it
    record = recorded(running.header, running.reviewer.review(), running.history, running.folder)
    return record, show(record, console, as_json=as_json)


def _zone(name: str) -> tzinfo:
    try:
        return zone(name)
    except UnknownZone as error:
        raise UsageError(f"--timezone: {error}") from error


def _ocpp(name: str) -> str:
    if not name:
        return ""
    known = subprotocol(name)
    if not known:
        raise UsageError(f"--ocpp {name}: write 1.6, 2.0.1 or 2.1")
    return known
