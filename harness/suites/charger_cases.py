"""What a case for chargers is, and the register of all of them. Values, no decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from harness.history import History
    from harness.suites.charger_bench import Bench
    from harness.verdict import Judgement, Verdict

    Script = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Variant:
    """How the charger under test speaks: its version, and whether its updates are signed."""

    ocpp: str  # ocpp1.6 | ocpp2.0.1 | ocpp2.1
    signed: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return self.ocpp.removeprefix("ocpp") + ("-signed" if self.signed else "")

    @property
    def core(self) -> bool:
        """Whether it is plain OCPP 1.6: seven statuses, no ids, no answers."""
        return self.ocpp == "ocpp1.6" and not self.signed

    @property
    def old(self) -> bool:
        """Whether it is 1.6, signed or not."""
        return self.ocpp == "ocpp1.6"


VARIANTS = tuple(
    Variant(ocpp, signed)
    for ocpp in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
    for signed in (False, True)
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient we are: seconds a charger may take for each step.

    `HUMAN` is for a charger on a desk; simulators finish in the times of `QUICK`.
    """

    connect: float = 300.0  # until it connects (again)
    answer: float = 30.0
    download: float = 1800.0
    install: float = 1800.0
    reboot: float = 600.0
    retry_interval: int = 10
    soon: float = 60.0  # something that needs neither bytes nor a reboot
    later: float = 60.0  # how far away dates are put
    quiet: float = 10.0  # for how long nothing must happen
    person: float = 600.0  # until somebody plugs a cable or pulls one

    @property
    def update(self) -> float:
        """A whole update."""
        return self.download + self.install + self.reboot


HUMAN = Pace()
QUICK = Pace(connect=10.0, answer=5.0, download=10.0, install=10.0, reboot=10.0, retry_interval=1,
             soon=5.0, later=2.0, quiet=1.0, person=5.0)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One numbered case. `properties` are the judge's rules that it puts to the test.

    `needs` are words about the variant or the surroundings, see `inapplicable`.
    """

    id: str
    title: str
    expects: str
    script: Script
    aliases: tuple[str, ...] = ()
    requirement: str = ""
    level: str = "MUST"
    needs: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    flaw: str = ""  # of the signature (`manufacturer.How`), '' for none


CASES: dict[str, Case] = {}


def case(
    id: str,  # noqa: A002 - what cases are called by
    title: str,
    expects: str,
    **about: Any,
) -> Callable[[Script], Script]:
    """Register a case."""

    def register(script: Script) -> Script:
        if id in CASES:
            raise ValueError(f"two cases are called {id}")
        CASES[id] = Case(id, title, expects, script, **about)
        return script

    return register


ALL_FLAWS = frozenset({"wrong_signature", "expired", "unknown_root", "not_yet", "no_pem"})


@dataclass(frozen=True, slots=True)
class Equipment:
    """What we were given to test with."""

    signing: bool = True  # we can sign, with a root that the charger trusts
    flaws: frozenset[str] = ALL_FLAWS  # and badly: how we can make certificate or signature wrong
    person: bool = False  # somebody is there to plug a car and to pull the plug
    older: bool = True  # an image of another version


def inapplicable(case: Case, variant: Variant, equipment: Equipment) -> str:
    """Return why a case says nothing about this charger, '' if it does."""
    reasons = {
        "identified": (variant.core, "OCPP 1.6 without the security extension has no such field"),
        "core": (not variant.core, "it is about OCPP 1.6 without the security extension"),
        "2.x": (variant.old, "it is about OCPP 2.x"),
        "signed": (not variant.signed, "this charger's updates are not signed (--signed)"),
        "unsigned": (variant.signed, "this charger takes signed updates only"),
        "signing": (not equipment.signing, "no signing key that the charger trusts was given"),
        "person": (not equipment.person, "somebody must do something at the charger"),
        "older": (not equipment.older, "it needs an image of another version (--older)"),
    }
    if case.flaw and case.flaw not in equipment.flaws:
        return "only who issued the signing certificate can make one like that"
    wanted = (*case.needs, *(("signing",) if variant.signed else ()))
    return next((why for need in wanted for fails, why in [reasons[need]] if fails), "")


class Unmet(Exception):
    """The charger did not do what the case expects."""

    def __init__(self, expected: str, seen: str) -> None:
        super().__init__(f"expected {expected}; seen: {seen}")
        self.expected = expected
        self.seen = seen


class Skipped(Exception):
    """The case turned out to say nothing about this charger."""


@dataclass(slots=True)
class CaseResult:
    """What came of one case on one charger."""

    case: Case
    charger: str
    variant: str
    verdict: Verdict
    reason: str = ""  # one sentence: what was unmet, or why it does not apply
    judgement: Judgement | None = None
    history: History | None = None
    seconds: float = 0.0
    fired: tuple[str, ...] = field(default=())  # the judge's rules that the charger broke
