"""Every wrong charger over real sockets: the case that is about it has to find it there, too.

`tried(name, folder)` looks up in virtual time which case finds a wrong decision, on which variant.
Then a charger that decides rightly runs that case over sockets, and must pass; and one that decides
wrongly, and must fail it for what it is known to break.

    python -m tests.charger_campaign                 # all of them, with figures
    python -m tests.charger_campaign hammers         # these
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.mutants.chargers import CHARGERS, mutated_charger
from harness.suites.charger_cases import QUICK, VARIANTS, Case, Equipment, Variant, inapplicable
from harness.suites.charger_register import all_cases
from harness.suites.charger_run import Plan, on_charger
from harness.suites.charger_signing import OurSigner
from harness.suites.charger_site import ChargerSite, SiteOptions, manufacturer
from harness.suites.charger_virtual import VIRTUAL, rehearse_case, spec_for
from harness.suites.results import CaseReport
from harness.verdict import Verdict
from simulator.charger import Charger
from simulator.faults import Fixed
from simulator.sockets import Fleet

WRONG = {one.name: one for one in CHARGERS if not one.benign}
MOST_CASES = 3  # that are tried, one after the other
MAINS = "power/2"  # nobody pulls the plug of a simulated charger that hangs on a socket


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one wrong decision over sockets."""

    mutant: str
    variant: str
    case: str
    sound: Verdict  # of the charger that decides rightly
    wrong: Verdict
    broken: frozenset[str]  # the case if it failed, and the judge's rules
    reason: str

    @property
    def found(self) -> bool:
        """Whether only the wrong charger fails, and for what it is known to break."""
        rightly = self.broken & set(WRONG[self.mutant].kills)
        return self.sound is Verdict.PASS and self.wrong is Verdict.FAIL and bool(rightly)


def tried(name: str, folder: Path) -> Tried:
    """Run cases that find a wrong decision on a sound charger and on that one, over sockets.

    The first that finds it settles the matter, as it would in a run of the whole suite.
    """
    seen: Tried | None = None
    for number, (variant, case) in enumerate(_places(name)):
        here = folder / str(number)
        sound = asyncio.run(over_sockets(case, variant, here / "sound"))
        with mutated_charger(name):
            wrong = asyncio.run(over_sockets(case, variant, here / "wrong"))
        broken = {finding.requirement for finding in wrong.findings}
        if wrong.failed:
            broken.add(case.id)
        seen = Tried(
            name, variant.name, case.id, sound.verdict, wrong.verdict, frozenset(broken),
            wrong.reason,
        )  # fmt: skip
        if seen.found:
            return seen
    if seen is None:
        raise LookupError(f"no case finds {name} in virtual time")
    return seen


def _places(name: str) -> list[tuple[Variant, Case]]:
    """Return where virtual time finds a wrong decision: a few cases, those about it first."""
    kills, places = set(WRONG[name].kills), list[tuple[Variant, Case]]()
    cases = sorted(all_cases(), key=lambda one: (one.id not in kills, "person" in one.needs))
    with mutated_charger(name):
        for case in cases:
            variant = next((one for one in VARIANTS if _finds(case, one, kills)), None)
            if variant is not None and case.id != MAINS:
                places.append((variant, case))
            if len(places) == MOST_CASES:
                break
    return places


def _finds(case: Case, variant: Variant, kills: set[str]) -> bool:
    if inapplicable(case, variant, VIRTUAL):
        return False
    result = rehearse_case(case, variant)
    return result.verdict is Verdict.FAIL and bool({case.id, *result.fired} & kills)


async def over_sockets(case: Case, variant: Variant, folder: Path) -> CaseReport:
    """Run one case on one charger that connects over sockets."""
    maker, out = manufacturer(), list[CaseReport]()
    site = ChargerSite(SiteOptions(), signer=OurSigner(maker), ask=_at_once, refused=_ignored)
    await site.start()
    car = {"transaction": Fixed(value=6.0)} if "person" in case.needs else {}
    spec = spec_for(
        variant, firmware_root=maker.root, revoked=maker.revoked, install_time=Fixed(value=0.5),
        reboot_time=Fixed(value=0.3), **car,
    )  # fmt: skip
    fleet = Fleet(
        [Charger(spec, seed=1, start=time.time())],
        url=lambda charger: f"{site.urls[0]}/{charger}", observe=lambda *_: None,
    )  # fmt: skip
    await fleet.start()
    plan = Plan([case], QUICK, Equipment(person=True), folder, variant.signed)
    try:
        await on_charger(site, spec.id, plan, out.append)
    finally:
        await fleet.stop()
        await site.stop()
    return out[0]


def _ignored(_why: str) -> None:
    """Nobody reads what was refused at the door."""


async def _at_once(_charger: str, _what: str) -> bool:
    """The simulated car comes and goes by itself."""
    return True


def _in_a_folder(name: str) -> Tried:
    with tempfile.TemporaryDirectory(prefix="firmdrill-campaign-") as folder:
        return tried(name, Path(folder))


def main() -> int:
    """Run the campaign and print its figures; 1 if a wrong charger was not found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", default=list(WRONG), help="these only")
    parser.add_argument("--jobs", type=int, default=4, help="how many at a time: most time is wait")
    asked = parser.parse_args()
    began, found = time.monotonic(), 0
    # A wrong decision replaces methods of its whole process, so each has one of its own.
    with multiprocessing.get_context("spawn").Pool(asked.jobs, maxtasksperchild=1) as pool:
        for one in pool.imap_unordered(_in_a_folder, asked.names):
            found += one.found
            how = "found" if one.found else f"NOT FOUND (sound: {one.sound}, wrong: {one.wrong})"
            told = f"{how:<6} {one.mutant:<36} {one.variant:<13} {one.case:<15} {one.reason[:90]}"
            sys.stdout.write(told + "\n")
            sys.stdout.flush()
    took = time.monotonic() - began
    sys.stdout.write(f"{found} of {len(asked.names)} found in {took:.0f} s\n")
    return 0 if found == len(asked.names) else 1


if __name__ == "__main__":
    raise SystemExit(main())
