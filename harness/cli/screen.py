"""What long commands print through: nobody who stops reading (`| head`) ends their work.

A shell. A drill, a search or a suite goes on silently to its report, and the exit code stays the
verdict's: ended by a closed pipe it would be a pass or a failure that nobody has seen.
"""

from __future__ import annotations

import os
import sys
from typing import IO

import click
from rich.console import Console


class Screen(Console):
    """A console that says no more once nobody reads it."""

    def on_broken_pipe(self) -> None:
        """Go on without it."""
        self.quiet = True
        _close(self.file)


def say(text: str = "", *, err: bool = False) -> None:
    """Print a line as `click.echo` does, to nobody once nobody reads it."""
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        _close(sys.stderr if err else sys.stdout)


def _close(stream: IO[str]) -> None:
    """Send what is still written to a stream nowhere; Python flushes it at the end as well."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
