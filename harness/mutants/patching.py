"""How a wrong decision takes the place of a right one, and gives it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Patch:
    """Replaced attributes and table entries, to be put back."""

    _undo: list[Callable[[], None]] = field(default_factory=list)

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Replace an attribute of a module or class."""
        before = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    def entry(self, table: Any, key: Any, value: Any) -> None:
        """Replace an entry of a table."""
        before = table[key]
        self._undo.append(lambda: table.__setitem__(key, before))
        table[key] = value

    def undo(self) -> None:
        """Put everything back, the latest first."""
        while self._undo:
            self._undo.pop()()
