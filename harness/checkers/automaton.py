"""The contract as an automaton, and the set of its states that a history still allows.

A core. One rollout is one object; its operations are create, execute-stage, pause and read. Each
takes effect at one moment between its invocation and its answer. `Automaton` keeps every state
that some order of the effects explains (the just-in-time search for linearisations): an answer
that none of them gives is the first event that no behaviour explains.

What a stranger cannot see (has the CSMS taken notice that a stage is settled? has the rollout
ended by itself?) is asked of an `Outlook`, which answers with every possibility.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT, PENDING, RUNNING, PAUSED = "absent", "pending", "in_progress", "paused"
COMPLETED, FAILED = "completed", "failed"
ENDED = frozenset({COMPLETED, FAILED})
UNDER_WAY = frozenset({PENDING, RUNNING, PAUSED})
REFUSED = "409"


class State(msgspec.Struct, frozen=True, order=True):
    """One contract state of a rollout: its status and how many stages have begun."""

    status: str
    stage: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What an operation would answer: `ok`, `409`; with the stage or status that it would show."""

    code: str
    status: str = ""
    stage: int | None = None

    def __str__(self) -> str:
        """Say it as a person would."""
        if self.code == REFUSED:
            return "409"
        shown = [self.status] if self.status else []
        shown += [f"stage {self.stage}"] if self.stage is not None else []
        return " ".join(["2xx", *shown])


class Operation(msgspec.Struct, frozen=True):
    """An operation that may take effect: `since` is when it was invoked."""

    id: str
    name: str
    since: float


class Outlook(Protocol):
    """What may be true of the chargers while an operation is under way."""

    @property
    def stages(self) -> int:
        """How many stages the plan has."""

    def settled(self, stage: int, operation: Operation) -> frozenset[bool]:
        """Whether the CSMS may, or must, take this stage as settled."""

    def may_end(self) -> bool:
        """Whether the rollout may have ended by itself."""

    def may_refuse(self) -> bool:
        """Whether execute-stage may be refused for other reasons, such as a busy charger (D13)."""

    def judges(self, switch: str) -> bool:
        """Whether the target's profile settles a decision as the contract does."""


Config = tuple[State, frozenset[tuple[str, Answer]]]
MOST_CONFIGS = 20_000
UNSEEN = Answer("unseen")  # what an operation would have answered, had its answer arrived


class TooManyOrders(Exception):
    """So many requests overlap that their orders cannot be searched."""


class Automaton:
    """The states of one rollout that its history allows."""

    def __init__(self, outlook: Outlook) -> None:
        """Start before the rollout exists."""
        self._outlook = outlook
        self._open: dict[str, Operation] = {}
        self._unseen: set[str] = set()  # open operations whose answer will never be seen
        self.configs: set[Config] = {(State(ABSENT), frozenset())}

    def invoke(self, operation: Operation) -> None:
        """From now on this operation may take effect."""
        self._open[operation.id] = operation

    def answer(self, operation_id: str, seen: Answer) -> list[Answer]:
        """Keep the states that explain an answer; return [] or, if none does, what they allow.

        Raises TooManyOrders.
        """
        if operation_id not in self._open:
            return []
        if seen.status in UNDER_WAY and self._undisturbed():
            # Only reads say a status: this one shows where the rollout is, without a search.
            shown = {c for c in self.configs if fits(Answer("ok", c[0].status, c[0].stage), seen)}
            if shown:
                self._open.clear()
                self.configs = shown
                return []
        reached = self._closure(operation_id)
        allowed = {a for _, done in reached for op, a in done if op == operation_id}
        kept = {
            (state, done - {(op, a)})
            for state, done in reached
            for op, a in done
            if op == operation_id and fits(a, seen)
        }
        del self._open[operation_id]
        if kept:
            self.configs = kept
            return []
        return sorted(allowed, key=str) or [Answer("nothing")]

    def _undisturbed(self) -> bool:
        """Whether one operation is open, and cannot have taken effect before the last answer."""
        return len(self._open) == 1 and not any(done for _, done in self.configs)

    def drop(self, operation_id: str) -> None:
        """An operation was refused for itself: it had no effect."""
        if self._open.pop(operation_id, None) is not None:
            self.configs = {
                config for config in self.configs if all(op != operation_id for op, _ in config[1])
            } or {(state, frozenset()) for state, _ in self.configs}

    def forget(self, operation_id: str) -> None:
        """An operation's answer was lost: it may still take effect at any later time."""
        if operation_id in self._open:
            self._unseen.add(operation_id)
            self.configs = {
                (state, frozenset((op, UNSEEN if op == operation_id else a) for op, a in done))
                for state, done in self.configs
            }

    def settle(self, operation_id: str) -> None:
        """An operation has had its effect or never will (its server was killed).

        Raises TooManyOrders.
        """
        if operation_id in self._open:
            self.forget(operation_id)
            reached = self._closure(operation_id)
            del self._open[operation_id]
            self.configs = {(state, done - {(operation_id, UNSEEN)}) for state, done in reached}

    def states(self) -> list[State]:
        """Return the states that the history allows, in order."""
        return sorted({state for state, _ in self.configs})

    def _closure(self, target: str) -> set[Config]:
        """Let open operations take effect in every order, up to `target`.

        What takes effect after the target is left to the answer that needs it (just in time):
        without this, every unanswered request would double the states.
        """
        reached = set(self.configs)
        work = list(reached)
        while work:
            state, done = work.pop()
            finished = {op for op, _ in done}
            if target in finished:
                continue
            for config in self._after(state, done, finished):
                if config not in reached:
                    reached.add(config)
                    work.append(config)
            if len(reached) > MOST_CONFIGS:
                raise TooManyOrders
        return reached

    def _after(
        self, state: State, done: frozenset[tuple[str, Answer]], finished: set[str]
    ) -> Iterator[Config]:
        if state.status in {RUNNING, PAUSED} and self._outlook.may_end():
            yield State(COMPLETED, state.stage), done
            yield State(FAILED, state.stage), done
        for operation in self._open.values():
            if operation.id in finished:
                continue
            unseen = operation.id in self._unseen
            for new, answer in step(state, operation, self._outlook):
                if unseen and new == state:
                    continue  # no effect and no answer: as if it had not happened yet
                yield new, done | {(operation.id, UNSEEN if unseen else answer)}


def fits(possible: Answer, seen: Answer) -> bool:
    """Whether a possible answer is the one seen; what the seen one does not say, fits."""
    return (
        possible.code == seen.code
        and (not seen.status or not possible.status or possible.status == seen.status)
        and (seen.stage is None or possible.stage is None or possible.stage == seen.stage)
    )


def step(state: State, operation: Operation, outlook: Outlook) -> Iterator[tuple[State, Answer]]:
    """Yield every effect that an operation may have in a state, and its answer."""
    if operation.name == "create":
        if state.status == ABSENT:
            yield State(PENDING), Answer("ok")
    elif state.status == ABSENT:
        return
    elif operation.name == "read":
        yield state, Answer("ok", state.status, state.stage)
    elif operation.name == "pause":
        yield from _pause(state, outlook)
    elif operation.name == "execute_stage":
        yield from _execute(state, operation, outlook)


def _pause(state: State, outlook: Outlook) -> Iterator[tuple[State, Answer]]:
    """The table's right column: D8, D9."""
    refused = (state, Answer(REFUSED))
    if state.status == RUNNING:
        yield State(PAUSED, state.stage), Answer("ok")
    elif state.status == PAUSED:
        yield state, Answer("ok")
        if not outlook.judges("D9"):
            yield refused
    else:
        yield refused
        if not outlook.judges("D9" if state.status == PENDING else "D8"):
            yield state, Answer("ok")


def _execute(
    state: State, operation: Operation, outlook: Outlook
) -> Iterator[tuple[State, Answer]]:
    """The table's left column: D1-D4, D8, D13."""
    refused = (state, Answer(REFUSED))
    if state.status in ENDED:
        yield refused
        return
    if outlook.may_refuse():
        yield refused
    following = state.stage + 1
    begun = (State(RUNNING, following), Answer("ok", stage=following))
    if state.status == PENDING:
        yield begun
        return
    more = following <= outlook.stages
    for settled in outlook.settled(state.stage, operation):
        if state.status == RUNNING:
            if not settled or not more:
                yield refused
            if more and (settled or not outlook.judges("D1")):
                yield begun
        else:
            yield from _resume(state, settled=settled, more=more, begun=begun, outlook=outlook)


def _resume(
    state: State,
    *,
    settled: bool,
    more: bool,
    begun: tuple[State, Answer],
    outlook: Outlook,
) -> Iterator[tuple[State, Answer]]:
    """Execute-stage on a paused rollout: go on with the stage, or begin the next one."""
    same = (State(RUNNING, state.stage), Answer("ok", stage=state.stage))
    if not settled:
        yield same
        return
    if more:
        yield begun
        if not outlook.judges("D4"):
            yield same
    else:
        yield state, Answer(REFUSED)  # it is over, and about to say so
        yield same
