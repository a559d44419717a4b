"""What the load generator itself uses, and whether it was the bottleneck. A shell: it looks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EVERY = 1.0
BUSY = 0.9  # of one core: a process of ours has no more than one
LATE = 0.25  # seconds that a wake-up came late
OFTEN = 0.1  # share of the looks
_STATM = Path("/proc/self/statm")
_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Use:
    """One process of the generator at one moment."""

    worker: int  # -1: the coordinator of a run with workers
    time: float
    cpu: float  # share of a core since the look before
    late: float  # seconds by which the loop woke up too late
    memory: int  # bytes resident

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


async def watch(worker: int, now: Callable[[], float], seen: Callable[[Use], None]) -> None:
    """Look once a second, for as long as nobody cancels."""
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(EVERY)
        passed = time.perf_counter() - wall
        share = (time.process_time() - cpu) / passed
        seen(Use(worker, round(now(), 3), round(share, 3), round(passed - EVERY, 4), resident()))


def resident() -> int:
    """Return the resident memory of this process in bytes; 0 where the system does not say."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def warning(uses: Sequence[Use]) -> str:
    """Say why the generator, not the target, was the bottleneck; "" if it was not."""
    for worker in sorted({use.worker for use in uses}):
        mine = [use for use in uses if use.worker == worker]
        name = "the coordinator" if worker < 0 else f"worker {worker}"
        busy = sum(use.cpu >= BUSY for use in mine) / len(mine)
        late = sum(use.late >= LATE for use in mine) / len(mine)
        if busy >= OFTEN:
            return (
                f"{name} of the generator used a whole core for {busy:.0%} of the time: "
                "latencies are partly its own. Use more processes (--processes) or machines."
            )
        if late >= OFTEN:
            return (
                f"{name} of the generator woke up {LATE * 1000:.0f} ms late or more for {late:.0%} "
                "of the time: latencies are partly its own. Is the machine busy with other things? "
                "Run the target elsewhere, or use more machines."
            )
    return ""
