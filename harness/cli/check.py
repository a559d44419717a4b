"""`firmdrill check`: the numbered cases, for a CSMS and for chargers."""

from __future__ import annotations

import click

from harness.cli.check_charger import charger
from harness.cli.check_csms import csms


@click.group()
def check() -> None:
    """Run numbered conformance cases against a CSMS or against real chargers."""


check.add_command(csms)
check.add_command(charger)
