"""What virtual time costs: drawn drills a second, and large fleets through ten stages.

Everything is real but sockets and the clock: chargers, JSON frames, schemas, the reference CSMS
(its database is written when somebody reads it back), the operator, the history, all properties.
`floor` is the least that such a frame costs in Python: for each frame of the drill two callbacks on
a heap, one JSON encoding and two decodings (charger or CSMS, and recorder), in the same process.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import msgspec

from benchmarks._proc import resident
from harness import generate
from harness.beside import judged_beside
from harness.explore import try_one
from harness.rehearsal import rehearse
from harness.verdict import Verdict
from simulator.event_loop import be_patient, patient_collector
from simulator.scenario import Scenario, built
from simulator.virtual import Scheduler

TITLE = "Virtual time"
REASON = """
From a thousand chargers on, a second process judges the history while the first one makes it
(`harness/beside.py`); MiB are those of the first, the judge needs some 20 KiB a charger of its own.
The aims of 10 000 chargers in 5 s, 100 000 in a minute and 100 drawn drills a second are missed:
the profile is flat. Of the 13 ms of a drawn drill its 180 frames take 28 µs each (recording 6, the
CSMS 6, the charger 8, the judge the rest), its ten reads of a rollout 220 each, its sixteen
connections 84 each, and 1.7 ms go to the drill as such (least squares over 600 drills). Python
itself matters: one built with profile-guided optimisation, as most distributions do and this one
is not, is a tenth faster. What paid: the judge beside (a third of the time), a judge that looks at
changed rows only, a garbage collector that waits (40 % of ten thousand chargers), and of a drawn
drill: no YAML (a quarter), a database that is written when somebody reads it back (an eighth),
letting go of a drill while the cache holds it (a twelfth), checkers that hear only of what they
look at, one search for the orders of requests, no turn of the CSMS without work, structs. Counted
in instructions (callgrind, drills 500 to 519) a drawn drill became a tenth cheaper after this table
was made: 85.7 million, then 77.7; what paid was `round` (a fiftieth), members of enumerations that
every frame asks for kept as constants (a fortieth: Python 3.11 finds them slowly in their class),
one plan of who is told what for all judges, and fewer calls for each frame. It is 85.8 million
again since drills go on to the end of their plans: a third of them used to stop half-way.
"""
STAGES = 10
FRAME = [2, "m-1", "FirmwareStatusNotification", {"status": "Downloading"}]


def rolling(chargers: int) -> Scenario:
    """Return a rollout in ten stages over two versions of OCPP."""
    step: list[Any] = ["execute_stage", {"wait": {"stage": "settled", "within": "30 min"}}]
    half = {"install": {"time": "20 s", "reboot": "10 s"}, "count": chargers // 2}
    create = {"strategy": "rolling", "batch_size": chargers // STAGES, "update_timeout": "20 min"}
    return built(
        {
            "version": 1,
            "name": "a large fleet",
            "seed": 7,
            "firmware": {"version": "2.0.0", "size": "2 MB"},
            "fleet": [
                {"cohort": "a", "ocpp": "ocpp1.6", **half},
                {"cohort": "b", "ocpp": "ocpp2.0.1", **half},
            ],
            "operator": [{"create": create}, *step * STAGES],
            "heal": {"within": "40 min"},
            "expect": {"rollout": "completed"},
        }
    )


def floor(frames: int) -> float:
    """Return the seconds that so many frames cost at least."""
    scheduler = Scheduler(0.0)
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode

    def arrive(text: str) -> None:
        decode(text)

    def depart(_: Any) -> None:
        text = encode(FRAME).decode()
        decode(text)
        scheduler.at(scheduler.now, arrive, text)

    begun = time.perf_counter()
    with patient_collector():
        for number in range(frames):
            scheduler.at(number / 1000, depart)
        while scheduler.step():
            pass
    return time.perf_counter() - begun


def fleet(chargers: int) -> dict[str, object]:
    """Rehearse one fleet, its history judged and forgotten."""
    begun = time.perf_counter()
    with judged_beside(chargers) as judging:
        done = rehearse(rolling(chargers), keep=False, judging=judging)
    frames = 2 * sum(done.progress.calls.values())
    seconds = time.perf_counter() - begun
    if done.outcome.verdict != str(Verdict.PASS):
        raise RuntimeError(f"the drill ended {done.outcome.verdict}")
    return row(f"{chargers} chargers, {STAGES} stages", 1, seconds, len(done.history), frames)


def drawn(drills: int) -> dict[str, object]:
    """Draw, run and judge random drills of about ten chargers, as a worker of `explore` does."""
    be_patient()
    try_one(0)
    begun = time.perf_counter()
    for number in range(1, drills + 1):
        if outcome := try_one(number).error:
            raise RuntimeError(outcome)
    seconds = time.perf_counter() - begun
    events, frames = 0, 0
    for number in range(1, drills + 1):  # the same drills once more, to count what they are made of
        done = rehearse(built(generate.fields(number)), keep=False)
        events, frames = events + len(done.history), frames + 2 * sum(done.progress.calls.values())
    return row("drawn drills of some ten chargers", drills, seconds, events, frames)


def row(what: str, drills: int, seconds: float, events: int, frames: int) -> dict[str, object]:
    """Return one line of the table."""
    return {
        "what": what,
        "drills": drills,
        "seconds": round(seconds, 1),
        "drills/s": round(drills / seconds, 2),
        "events": events or "",
        "µs an event": round(seconds / events * 1e6, 1) if events else "",
        "x floor": round(seconds / floor(frames), 1) if frames else "",
        "MiB": round(resident() / (1 << 20)),
    }


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure each in a fresh process, so that memory is its own."""
    work: list[tuple[Any, int]] = [(drawn, 100 if quick else 1000), (fleet, 1000)]
    work += [] if quick else [(fleet, 10_000), (fleet, 100_000)]
    rows = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        for measure, size in work:
            rows.append(pool.submit(measure, size).result())
            print(rows[-1], flush=True)
    return rows
