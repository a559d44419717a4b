"""`firmdrill export`: a history as Open OCPP Trace, for other tools or another desk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import click

from harness.cli.histories import Lines, named, place
from harness.cli.importing import progress, spare
from harness.cli.problems import reported
from harness.cli.writing import replacing
from harness.errors import UsageError
from harness.fieldlog.anonymise import Anonymiser
from harness.fieldlog.trace import line, records
from harness.history import read


@click.command()
@click.argument("history", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Instead of standard output.")
@click.option("--anonymise", is_flag=True, help="Replace ids, serials, tags, URLs and passwords.")
@reported
def export(history: Path, output: Path | None, *, anonymise: bool) -> None:
    """Write a recorded HISTORY as Open OCPP Trace v1.1, one record a line.

    `firmdrill import` reads it back: what a record cannot hold travels in its `meta`.
    """
    path = place(history)
    if output is None:
        count = _export(path, sys.stdout.buffer, anonymise=anonymise)
    else:
        spare(path, output)
        with replacing(output) as file:
            count = _export(path, file, anonymise=anonymise)
    click.echo(f"{count} records", err=True)


def _export(path: Path, out: IO[bytes], *, anonymise: bool) -> int:
    """Write the records and count them; UsageError if there is none."""
    hidden, lines = Anonymiser(), Lines(path)
    with progress(lines, quiet=False), named(path):
        if anonymise:  # twice through: a name may stand in a text before it is known to be one
            hidden.learn(*read(lines.read()))
        header, events = read(lines.read())
        if anonymise:
            header, events = hidden.header(header), map(hidden.event, events)
        count = 0
        for record in records(header, events):
            out.write(line(record))
            count += 1
    if not count:
        raise UsageError(f"{path} holds no frame that a trace can hold: nothing was exported")
    return count
