"""Registers wrong decisions of chargers, and the few ways in which they replace a right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.mutants import Mutant
from simulator import effects
from simulator.charger import Charger

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.mutants.patching import Patch

    Decision = Callable[[Patch], None]
    Told = list[tuple[str, int | None]]

CHARGERS: list[Mutant] = []
CHARGER_DECISIONS: dict[str, Decision] = {}


def wrong(*kills: str) -> Callable[[Decision], Decision]:
    """Register a wrong decision of a charger; `kills`: case ids or properties."""

    def register(decide: Decision) -> Decision:
        said = (decide.__doc__ or "").strip().rstrip(".")
        CHARGERS.append(Mutant(decide.__name__, said, kills, "", side="charger"))
        CHARGER_DECISIONS[decide.__name__] = decide
        return decide

    return register


def benign(decide: Decision) -> Decision:
    """Register a decision that is a charger's own: nothing may be accused."""
    return wrong()(decide)


def method(patch: Patch, owner: type, name: str, change: Callable[..., Any]) -> None:
    """Put `change(original, self, ...)` in the place of a method."""
    original = getattr(owner, name)

    def replaced(self: Any, *arguments: Any, **named: Any) -> Any:
        return change(original, self, *arguments, **named)

    patch.attribute(owner, name, replaced)


def says(patch: Patch, told: Callable[[Charger, str, int | None], Told]) -> None:
    """Have `told(charger, status, request id)` choose what is said in the place of a status."""

    def change(tell: Any, self: Charger, status: str, request_id: int | None) -> None:
        for one in told(self, status, request_id):
            tell(self, *one)

    method(patch, Charger, "_tell", change)


def sends(patch: Patch, change: Callable[[str], str]) -> None:
    """Change the text of every frame that a charger sends."""

    def act(transmit: Any, self: Charger, frame: Any, action: str) -> None:
        before = len(self._out)
        transmit(self, frame, action)
        self._out[before:] = [
            effects.Send(change(one.text), one.delay) if isinstance(one, effects.Send) else one
            for one in self._out[before:]
        ]

    method(patch, Charger, "transmit", act)
