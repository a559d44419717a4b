"""Systems that are wrong in one decision each: what the judge must find, and what it must not.

Values. A mutant that no property kills, or a benign variant that one does, is a defect of the
harness. `csms.py` is the door to decisions of the CSMS (a drill runs one with `--mutant NAME`),
`chargers.py` to those of chargers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UsageError
from simulator.scenario_problems import guess

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong decision, of which at least one of `kills` must fail.

    `kills` names properties, and numbered cases where a charger decides wrongly. `scenario` is the
    shipped scenario that shows it ("": some drawn drill, see `generate`; `rare`: some drawn drill
    in rarer circumstances, see `circumstances`).

    A benign variant (`kills` empty) decides differently where the contract leaves it open.
    """

    name: str
    wrong: str
    kills: tuple[str, ...]
    scenario: str
    side: str = "csms"  # csms | charger: who decides so
    rare: bool = False

    @property
    def benign(self) -> bool:
        """Whether it must pass."""
        return not self.kills


CSMS = (
    Mutant("pause_ignored", "dispatch goes on while paused", ("R18",), "pause"),
    Mutant(
        "pause_ignored_on_reconnect",
        "a charger that connects during a pause is triggered",
        ("R18", "R21"),
        "smoke",
    ),
    Mutant("stage_skipped", "execute-stage leaves one stage out", ("R07",), "rolling"),
    Mutant(
        "triggered_twice",
        "a charger that is already updating gets the command again",
        ("R13",),
        "smoke",
    ),
    Mutant(
        "next_stage_early",
        "execute-stage starts the next stage while the last one still runs",
        ("R09",),
        "early",
    ),
    Mutant(
        "late_status_overwrites",
        "a status that arrives after the end moves a charger back",
        ("R29", "R31", "R33"),
        "late",
    ),
    Mutant("last_come_first_served", "a stage is dispatched from its end", (), "smoke"),
    Mutant("other_progress", "downloading shows 42 percent instead of 10", (), "smoke"),
)

# Wrong only under load: no small drill shows them, so they are not in the catalogue.
UNDER_LOAD = (
    Mutant(
        "pause_leaks_under_load",
        "a pause empties a short list, but who stands in a long queue is still told",
        ("R18",),
        "load/rollout",
    ),
)


def names(side: str = "csms") -> list[str]:
    """Return the names that `--mutant` takes."""
    return [one.name for one in every() if one.side == side]


def every() -> list[Mutant]:
    """Return all mutants: of the CSMS (those with a scenario of their own first), of chargers."""
    from harness.mutants.chargers import CHARGERS  # noqa: PLC0415 - imports the simulator
    from harness.mutants.more import MORE  # noqa: PLC0415 - imports the reference

    return [*CSMS, *MORE, *CHARGERS]


def insist(name: str, known: Collection[str] | None = None) -> None:
    """Raise `UsageError` unless one of these mutants has the name; by default those of a CSMS."""
    known = names() if known is None else known
    if name not in known:
        told = guess(name, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"no mutant is called {name}{told}")


def mutant(name: str) -> Mutant:
    """Return one mutant; KeyError if there is none of that name."""
    return {one.name: one for one in every()}[name]
