"""The outbox opens with commits, in order, and never otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_csms.model import Hangup
from reference_csms.outbox import Outbox


@settings(deadline=None)
@given(st.lists(st.sampled_from(["put", "open", "commit", "crash"]), max_size=40))
def test_items_leave_once_in_order_and_only_when_durable(steps: list[str]) -> None:
    """Whatever happens, what left is a subsequence of what was put, by closed transactions."""
    outbox, sequence, closed = Outbox(), 1, 0
    put: list[tuple[int, Hangup]] = []
    left: list[Hangup] = []
    for number, step in enumerate(steps):
        if step == "put":
            put.append((sequence, Hangup("CP", str(number))))
            outbox.put(*put[-1])
        elif step == "open":
            sequence += 1
        elif step == "commit":
            closed, sequence = sequence, sequence + 1
            left += [item for item in outbox.committed(closed) if isinstance(item, Hangup)]
        else:
            gone = outbox.abandoned()
            put = [pair for pair in put if pair[1] not in gone]
        assert left == [item for seq, item in put if seq <= closed]
        assert len(outbox.waiting) == len(put) - len(left)


def test_a_closed_transaction_takes_nothing_more() -> None:
    """An item for an earlier transaction would overtake what already waits."""
    outbox = Outbox()
    outbox.put(2, Hangup("CP", "1"))
    with pytest.raises(ValueError, match="closed"):
        outbox.put(1, Hangup("CP", "2"))
