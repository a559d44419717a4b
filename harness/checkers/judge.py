"""The driver: folds a history through the view and every checker.

A core. `Judge` takes events one at a time (live, or from a file too large to hold); `judge` is the
same over an iterable. A checker that crashes is an ERROR of that requirement and never a pass.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from harness.checkers.facts import Called, Replied
from harness.checkers.registry import CHECKERS
from harness.checkers.view import View
from harness.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.checkers.base import Checker, Key
    from harness.checkers.facts import Fact
    from harness.history import Event, Header
    from harness.verdict import Result

    Handler = tuple[Checker, Callable[[View, Any], None]]


class Judge:
    """Judges one history as it grows: `see` every event, then `judgement()` once."""

    def __init__(self, header: Header, checkers: Sequence[type[Checker]] | None = None) -> None:
        """Judge with these checkers, by default all of them."""
        self.view = View(header)
        self.checkers = [kind() for kind in (CHECKERS if checkers is None else checkers)]
        self._handlers: dict[Key, list[Handler]] = {}
        for checker in self.checkers:
            for key, name in checker.handlers.items():
                self._handlers.setdefault(key, []).append((checker, getattr(checker, name)))

    def see(self, event: Event) -> None:
        """Take one event in."""
        for fact in self.view.fold(event):
            self._tell(fact)

    def judgement(self) -> Judgement:
        """Return the verdict over everything seen; call it once, at the end."""
        view = self.view
        for fact in view.finish():
            self._tell(fact)
        for checker in self.checkers:
            if not checker.broken:
                try:
                    checker.end(view)
                except Exception as error:  # noqa: BLE001 - a broken checker is a verdict, too
                    checker.broken = _place(error)
        results = tuple(checker.result(view) for checker in self.checkers)
        return Judgement(overall(results), results, view.events, view.now)

    def _tell(self, fact: Fact) -> None:
        kind = type(fact)
        handlers = self._handlers.get((kind, None))
        if handlers is not None:
            self._run(handlers, fact)
        # Most rules about CALLs are about few actions: they are not asked about the others.
        if isinstance(fact, Called | Replied) and fact.call is not None:
            handlers = self._handlers.get((kind, fact.call.action))
            if handlers is not None:
                self._run(handlers, fact)

    def _run(self, handlers: list[Handler], fact: Fact) -> None:
        view = self.view
        for checker, handle in handlers:
            try:
                handle(view, fact)
            except Exception as error:  # noqa: BLE001 - a broken checker is a verdict, too
                self._retire(checker, _place(error))

    def _retire(self, checker: Checker, why: str) -> None:
        """Tell a broken checker nothing any more."""
        checker.broken = why
        for key, handlers in self._handlers.items():
            self._handlers[key] = [pair for pair in handlers if pair[0] is not checker]


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
