"""The driver: folds a history through the view and every checker.

A core. `Judge` takes events one at a time (live, or from a file too large to hold); `judge` is the
same over an iterable. A checker that crashes is an ERROR of that requirement and never a pass.
"""

from __future__ import annotations

import traceback
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

from harness.checkers.facts import ABOUT, Fact
from harness.checkers.registry import CHECKERS
from harness.checkers.view import View
from harness.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.checkers.base import Checker
    from harness.history import Event, Header
    from harness.verdict import Result

    Handler = tuple[int, Callable[[Any, View, Any], None]]  # place of a checker, its method
    # What a fact is about, who is told of those about that, who is told of all others.
    Told = tuple[Callable[[Any], str | None] | None, dict[str | None, list[Handler]], list[Handler]]


class Judge:
    """Judges one history as it grows: `see` every event, then `judgement()` once."""

    def __init__(self, header: Header, checkers: Sequence[type[Checker]] | None = None) -> None:
        """Judge with these checkers, by default all of them."""
        self.view = View(header)
        self.checkers = [kind() for kind in (CHECKERS if checkers is None else checkers)]
        self._listen(self.checkers)

    def see(self, event: Event) -> None:
        """Take one event in."""
        self._tell(self.view.fold(event))

    def judgement(self) -> Judgement:
        """Return the verdict over everything seen; call it once, at the end."""
        view = self.view
        self._tell(view.finish())
        for checker in self.checkers:
            if not checker.broken:
                try:
                    checker.end(view)
                except Exception as error:  # noqa: BLE001 - a broken checker is a verdict, too
                    checker.broken = _place(error)
        results = tuple(checker.result(view) for checker in self.checkers)
        return Judgement(overall(results), results, view.events, view.now)

    def _tell(self, facts: Iterable[Fact]) -> None:
        view = self.view
        for fact in facts:
            listeners = self._listeners
            about, few, others = self._told[type(fact)]
            for place, handle in others if about is None else few.get(about(fact), others):
                try:
                    handle(listeners[place], view, fact)
                except Exception as error:  # noqa: BLE001 - a broken checker is a verdict, too
                    listeners[place].broken = _place(error)
                    # The others hear of this fact still, and it hears of no other one.
                    self._listen([one for one in self.checkers if not one.broken])

    def _listen(self, checkers: list[Checker]) -> None:
        """Tell these checkers what happens from now on."""
        self._listeners = checkers
        self._told = _plan(tuple(type(checker) for checker in checkers))


@lru_cache(maxsize=8)
def _plan(kinds: tuple[type[Checker], ...]) -> dict[type, Told]:
    """Say for every kind of fact who is told of it, in the order of the checkers.

    Most rules are about few actions, requests or statuses: they are not asked about the others.
    """
    plan: dict[type, Told] = {}
    for fact in get_args(Fact):
        told = [
            ((place, getattr(checker, name)), topic)
            for place, checker in enumerate(kinds)
            for (wanted, topic), name in checker.handlers.items()
            if issubclass(fact, wanted)
        ]
        topics = {topic for _, topic in told if topic is not None}
        few: dict[str | None, list[Handler]] = {
            one: list(dict.fromkeys(h for h, t in told if t in {None, one})) for one in topics
        }
        plan[fact] = (ABOUT.get(fact), few, [handler for handler, t in told if t is None])
    return plan


def judge(
    header: Header, events: Iterable[Event], checkers: Sequence[type[Checker]] | None = None
) -> Judgement:
    """Judge a whole history."""
    running = Judge(header, checkers)
    for event in events:
        running.see(event)
    return running.judgement()


def overall(results: Iterable[Result]) -> Verdict:
    """Return the verdict of a drill: the worst of its results, INCONCLUSIVE if none was tested."""
    verdicts = [result.verdict for result in results]
    for worst in (Verdict.ERROR, Verdict.FAIL, Verdict.NON_STRICT):
        if worst in verdicts:
            # A failure outranks a broken checker: the evidence for it stands.
            return Verdict.FAIL if Verdict.FAIL in verdicts else worst
    return Verdict.PASS if Verdict.PASS in verdicts else Verdict.INCONCLUSIVE


def _place(error: Exception) -> str:
    """Say where a checker broke, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].name}, line {frames[-1].lineno}" if frames else "unknown place"
    return f"the checker broke: {type(error).__name__}: {error} ({where})"
