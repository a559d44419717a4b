"""CSMSs that are wrong only under load, and one that is slow: `firmdrill load --mutant NAME`.

Small drills never show them, so they stand apart from what `firmdrill power` measures.
`slow_answers=RATE` is no wrong decision: it takes no more than RATE frames a second from all
chargers together, so that a search for the limit can be checked against where the limit was put.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from reference_csms import ocpp_hub, rollout_row, service_live
from reference_csms.model import RolloutStatus
from reference_csms.rollout_values import Dispatched, changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.mutants.patching import Patch
    from reference_csms.rollout_values import Head, Row
    from reference_csms.service_live import Live

PREFETCHED = 100  # chargers waiting at the pause; fewer were never put into the queue
SLOW = "slow_answers"
BURST = 10.0


def pause_leaks_under_load(patch: Patch) -> None:
    """A pause empties a short list, but who stands in a long queue is still told. R18."""
    guard = rollout_row.HANDLERS[Dispatched]
    empty = service_live.Live.hold_back

    def hold_back(live: Live) -> None:
        if live.head.terminal or len(live.waiting) < PREFETCHED:
            empty(live)

    def dispatched(head: Head, row: Row, event: Dispatched, now: float) -> Row:
        if head.status is RolloutStatus.PAUSED:  # only the queue leads here during a pause
            head = changed(head, status=RolloutStatus.IN_PROGRESS)
        return guard(head, row, event, now)

    patch.attribute(service_live.Live, "hold_back", hold_back)
    patch.entry(rollout_row.HANDLERS, Dispatched, dispatched)


def slow_answers(patch: Patch, rate: float) -> None:
    """Take `rate` frames a second at most; who comes when the bucket is empty waits, all do."""
    receive = ocpp_hub.Hub.receive
    bucket = {"tokens": BURST, "at": time.monotonic()}

    def slowly(hub: Any, now: float, line: Any, data: str | bytes) -> None:
        moment = time.monotonic()
        tokens = min(BURST, bucket["tokens"] + (moment - bucket["at"]) * rate) - 1.0
        bucket["tokens"], bucket["at"] = tokens, moment  # a sleep too long is made up for
        if tokens < 0.0:  # as if its handler took that long: everything else waits as well
            time.sleep(-tokens / rate)
        receive(hub, now, line, data)

    patch.attribute(ocpp_hub.Hub, "receive", slowly)


DECISIONS: dict[str, Callable[[Patch], None]] = {
    pause_leaks_under_load.__name__: pause_leaks_under_load
}


def find(name: str) -> Callable[[Patch], None] | None:
    """Return the decision of that name, `slow_answers=RATE` included; None if there is none."""
    word, mark, rate = name.partition("=")
    if word == SLOW and mark and rate.replace(".", "", 1).isdigit() and float(rate) > 0:
        return lambda patch: slow_answers(patch, float(rate))
    return DECISIONS.get(name)
