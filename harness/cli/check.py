"""`firmdrill check`: the numbered cases, for a CSMS and for chargers."""

from __future__ import annotations

import click

from harness.cli.check_charger import charger


@click.group()
def check() -> None:
    """Run numbered conformance cases against a CSMS or against real chargers."""


check.add_command(charger)
