"""`firmdrill scenario`: the shipped library, one's own files, and the schema for editors."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import click

from harness.cli.problems import reported, stop
from harness.errors import UsageError
from harness.library import find, names, text_of
from harness.run_record import ExitCode
from simulator.errors import ScenarioError
from simulator.scenario import schema

STARTER = "starter"
SCHEMA_FILE = "scenario.schema.json"
_SCHEMA_LINE = re.compile(rf"\A(# yaml-language-server: \$schema=)[./]*{re.escape(SCHEMA_FILE)}")


@click.group("scenario")
def scenario() -> None:
    """List, show, check and copy scenarios."""


@scenario.command("list")
@reported
def list_() -> None:
    """List the shipped scenarios and what a PASS of each shows."""
    topic = None
    found = [find(name) for name in names()]
    width = max(map(len, names()), default=0)
    for item in sorted(found, key=lambda item: (item.scenario.topic, item.source)):
        if item.scenario.topic != topic:
            topic = item.scenario.topic
            click.echo(f"{topic or 'other'}:")
        size = sum(cohort.count for cohort in item.scenario.fleet)
        click.echo(f"  {item.source:<{width}} {size:>5} chargers  {item.scenario.name}")
        if item.scenario.proves:
            click.echo(f"  {'':<{width}} {'':>5}           proves: {item.scenario.proves}")


@scenario.command()
@click.argument("name")
@reported
def show(name: str) -> None:
    """Print a scenario's YAML."""
    text, _ = text_of(name)
    click.echo(text, nl=False)


@scenario.command()
@click.argument("files", nargs=-1, required=True, metavar="SCENARIO...")
@reported
def validate(files: tuple[str, ...]) -> None:
    """Check scenarios; every problem of every file is shown with its place."""
    problems: list[str] = []
    for name in files:
        try:
            found = find(name)
        except ScenarioError as error:
            problems += error.problems
        except UsageError as error:
            problems.append(str(error))
        else:
            size = sum(cohort.count for cohort in found.scenario.fleet)
            note = (
                "; without `expect`: judged by its steps and the properties only"
                * found.scenario.expect.nothing
            )
            click.echo(f"{name}: valid, {size} chargers{note}")
    if problems:
        plural = "s" if len(problems) != 1 else ""
        stop("\n".join([f"{len(problems)} problem{plural}:", *problems]), ExitCode.USAGE)


@scenario.command("schema")
@reported
def schema_() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    click.echo(json.dumps(schema(), indent=1))


@scenario.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "source", default=STARTER, show_default=True, help="What to copy.")
@reported
def new(file: Path, source: str) -> None:
    """Write a commented scenario to FILE and the schema beside it, ready to be edited."""
    text, _ = text_of(source)
    if file.exists():
        raise UsageError(f"{file} exists already; choose another name")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_SCHEMA_LINE.sub(rf"\g<1>./{SCHEMA_FILE}", text, count=1), "utf-8")
        beside = file.parent / SCHEMA_FILE
        beside.write_text(json.dumps(schema(), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror or error}") from error
    click.echo(f"wrote {os.fspath(file)} and {os.fspath(beside)}")
    quoted = shlex.quote(os.fspath(file))
    click.echo(f"next: firmdrill scenario validate {quoted}; firmdrill run {quoted}")
