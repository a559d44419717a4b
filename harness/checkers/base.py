"""What every checker is: a fold over facts, and the bookkeeping of its findings.

A core. A checker names the facts it wants with `@sees(FactType)`; the driver (`judge.py`) calls the
marked method with the shared `View` and the fact, after the view was updated. `end(view)` runs once
after the last event. A checker never keeps events except through the steps of a witness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from harness.checkers.alone import UNSEEN, judgeable
from harness.checkers.telling import visible
from harness.verdict import Finding, Grade, Result, Step, Subject, Verdict, Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.checkers.view import View
    from harness.history import Event
    from harness.verdict import Requirement

Key = tuple[type, str | None]  # a kind of fact, and what it is about

_NOTHING: frozenset[Grade] = frozenset()
_TOLERATED = frozenset({Grade.TOLERATED})
MOST_FINDINGS = 25  # kept a requirement; the rest is counted

F = TypeVar("F", bound="Callable[..., None]")


def sees(*facts: type, about: Iterable[str] = ()) -> Callable[[F], F]:
    """Mark a checker's method as the one that handles these facts.

    With `about` it is told of few of them only: of CALLs of these actions and the answers to them,
    of requests of these names, of reports of these statuses, of these marks (`facts.ABOUT`).
    """

    def mark(method: F) -> F:
        names = tuple(about)
        keys = [(fact, name) for fact in facts for name in names or (None,)]
        method.__sees__ = keys  # type: ignore[attr-defined]
        return method

    return mark


class Checker:
    """One requirement, judged by folding over facts."""

    requirement: ClassVar[Requirement]
    handlers: ClassVar[dict[Key, str]] = {}

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.exercised = 0
        self.findings: list[Finding] = []
        self.omitted = 0
        self.broken = ""  # the traceback's last line, if the checker crashed
        self.doubt = ""  # why a pass would claim too much
        self.inapplicable = ""  # why the requirement does not apply here

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Collect the marked methods once a class."""
        super().__init_subclass__(**kwargs)
        cls.handlers = {
            key: name
            for base in reversed(cls.__mro__)
            for name, member in vars(base).items()
            for key in getattr(member, "__sees__", ())
        }

    def end(self, view: View) -> None:
        """Judge what only the end of the history can settle."""

    def accuse(  # the parts of a sentence, all needed
        self,
        view: View,
        *,
        who: str,
        expected: str,
        seen: str,
        events: tuple[Event | Step | None, ...],
        charger: str | None = None,
        grade: Grade = Grade.VIOLATES,
        switch: str | None = None,
        subject: Subject | None = None,
    ) -> None:
        """Record a finding with its witness, unless the profile leaves `switch` open."""
        if switch is not None and not view.profile.judges(switch):
            return
        if grade is Grade.VIOLATES and (switch is not None or self.requirement.level == "PROFILE"):
            grade = Grade.DIFFERS
        if len(self.findings) >= MOST_FINDINGS:
            self.omitted += 1
            return
        found = [view.step(e) if not isinstance(e, Step) else e for e in events if e is not None]
        steps = tuple(sorted({s.index: s for s in found}.values(), key=lambda s: s.index))
        side = subject or self.requirement.subject
        quirk = side is Subject.CHARGER and charger in view.quirky
        self.findings.append(
            Finding(
                self.requirement.id,
                grade,
                side,
                visible(who),
                Witness(visible(expected), visible(seen), steps),
                charger,
                quirk,
            )
        )

    def result(self, view: View) -> Result:
        """Return the verdict over everything seen so far."""
        if view.field and not judgeable(self.requirement.id):
            return Result(self.requirement, Verdict.INCONCLUSIVE, 0, note=UNSEEN)
        for switch in self.requirement.switches:
            if not view.profile.judges(switch):
                self.findings = []
                self.inapplicable = f"the target's profile leaves {switch} open"
        verdict, note = self._verdict(view)
        return Result(
            self.requirement, verdict, self.exercised, tuple(self.findings), self.omitted, note
        )

    def _verdict(self, view: View) -> tuple[Verdict, str]:
        """Derive the verdict; an accusation stands even if the checker broke later."""
        decisive = self._decisive(view) if self.findings else _NOTHING
        if decisive and decisive != _TOLERATED:
            return Verdict.FAIL, ""
        if self.broken:
            return Verdict.ERROR, self.broken
        if self.inapplicable:
            return Verdict.NOT_APPLICABLE, self.inapplicable
        if decisive:
            return Verdict.NON_STRICT, ""
        doubt = self.doubt or ("" if self.exercised else "never exercised")
        return (Verdict.INCONCLUSIVE, doubt) if doubt else (Verdict.PASS, "")

    def _decisive(self, view: View) -> frozenset[Grade]:
        """Return how heavy the findings are that decide the verdict."""
        decisive = (f for f in self.findings if not f.expected_by_scenario)
        return frozenset(f.grade for f in decisive if view.decides(f.subject))
