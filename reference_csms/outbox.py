"""Commands and answers wait here until the transaction they belong to is durable. A core.

Everything put in carries the number of the transaction that was open. `committed(seq)` hands out,
in the order they were put in, all items of transactions up to `seq`; `abandoned()` hands out what
must now never happen, so that its tickets can be answered. Nothing leaves any other way: a frame
cannot precede its intent, and an answer cannot precede a frame put in before it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_csms.model import Released


class Outbox:
    """A queue between the deciding and the doing, opened by commits."""

    def __init__(self) -> None:
        # (transaction, item), transactions ascending.
        self.waiting: deque[tuple[int, Released]] = deque()

    def put(self, seq: int, item: Released) -> None:
        """Hold `item` back until transaction `seq` is durable."""
        if self.waiting and self.waiting[-1][0] > seq:
            raise ValueError(f"transaction {seq} is already closed")
        self.waiting.append((seq, item))

    def committed(self, seq: int) -> list[Released]:
        """Return what waited for transactions up to `seq`, in order."""
        released = []
        while self.waiting and self.waiting[0][0] <= seq:
            released.append(self.waiting.popleft()[1])
        return released

    def abandoned(self) -> list[Released]:
        """Forget and return everything that waits: its transaction will never be durable."""
        dropped = [item for _, item in self.waiting]
        self.waiting.clear()
        return dropped
