"""The judge on whole drills: it accuses nobody who did nothing, and repeats itself."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from harness.checkers import judge
from harness.history import read
from harness.rehearsal import rehearse
from harness.verdict import Subject
from simulator.scenario import load

SEEDS = range(40)
DIALECTS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
LATENCIES = ("0 s", "5 ms", {"lognormal": {"median": "60 ms", "p95": "400 ms"}})
FAULTS: tuple[dict[str, Any], ...] = (
    {"cut": {"at": "60 %"}}, {"status": 503}, {"stall": {"at": "40 %"}}, {"corrupt": True},
    {"no_range": True}, {"changed": True}, {"refuse": True}, {"dns": True}, {"tls": True},
)  # fmt: skip


def cohort(rng: random.Random, number: int) -> dict[str, Any]:
    """Draw a handful of chargers that fail and stay away as real ones do."""
    drawn: dict[str, Any] = {
        "cohort": f"c{number}",
        "count": rng.randint(2, 5),
        "ocpp": rng.choice(DIALECTS),
        "network": {"latency": rng.choice(LATENCIES), "connect_after": "0 s"},
        "download": {
            "stall_timeout": "2 s",
            "reports_each_attempt": rng.random() < 0.5,
            "fail": [{"count": 1, **fault} for fault in rng.sample(FAULTS, rng.randint(0, 2))],
        },
        "install": {"time": "1 s", "reboot": rng.choice(["200 ms", "3 s"])},
    }
    if rng.random() < 0.4:
        mark = rng.choice(["pause", "resume", "execute_stage"])
        drawn["offline"] = {"until": {"after": mark, "plus": "200 ms"}}
    return drawn


def steps(rng: random.Random) -> list[Any]:
    """Draw what an impatient operator does: overlapping, too early, twice."""
    choices: list[Any] = [
        {"execute_stage": {"background": rng.random() < 0.5}},
        {"pause": {"reason": "why not", "background": rng.random() < 0.5}},
        {"wait": {"stage": "settled", "within": "30 s"}},
        {"hold": rng.choice(["1 ms", "50 ms", "5 s"])},
        "read",
        "fleet",
        ["kill", {"hold": "1 s"}, "restart"],
    ]
    drawn: list[Any] = []
    for step in rng.choices(choices, (6, 4, 3, 3, 2, 1, 1), k=rng.randint(4, 14)):
        drawn += step if isinstance(step, list) else [step]
    return drawn


def scenario(seed: int) -> dict[str, Any]:
    """Draw one small drill."""
    rng = random.Random(seed)
    create: dict[str, Any] = {
        "strategy": rng.choice(["canary", "rolling", "all_at_once"]),
        "retries": rng.randint(0, 2),
        "retry_interval": "1 s",
        "update_timeout": rng.choice(["20 s", "10 min"]),
    }
    if rng.random() < 0.4:
        create["max_in_flight"] = rng.randint(1, 6)
    return {
        "version": 1,
        "name": "drawn",
        "seed": seed,
        "firmware": {"version": "2.0.0", "size": "200 kB"},
        "fleet": [cohort(rng, number) for number in range(rng.randint(1, 3))],
        "operator": [{"create": create}, "execute_stage", *steps(rng)],
        "heal": {"within": "60 s"},
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_never_accused(seed: int) -> None:
    """Whatever chargers and operators do, the CSMS that keeps the contract passes."""
    judged = rehearse(load(json.dumps(scenario(seed)))).judgement
    accused = [f for r in judged.results for f in r.findings if f.subject is Subject.CSMS]
    assert accused == []


def test_a_stored_history_is_judged_as_the_run_was() -> None:
    """Writing a history down and reading it again changes no verdict."""
    rehearsed = rehearse(load(json.dumps(scenario(3))))
    header, events = read(rehearsed.history.lines())
    assert judge(header, events) == rehearsed.judgement
