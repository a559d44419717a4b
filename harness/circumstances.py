"""Puts drawn drills into rarer circumstances: what happens in the field, and in few drills at once.

A core. The drills of `generate` are made to be dense: short installations, patient operators, good
lines. Here each cohort and each create gets a few settings out of the tables below, whatever they
were. Kept apart, so that a drawn drill stays the same drill.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from harness.themes import OTHER, execute, play, sensible, settled
from simulator.profiles import PROFILES
from simulator.quirks import QUIRKS

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

LIKELY = 0.15  # for each row of a table
SHARES = ("20 %", "50 %", "100 %")
DOWNLOADS: tuple[dict[str, Any], ...] = (
    {"dns": True}, {"tls": True}, {"redirect": True}, {"wrong_length": {"at": "50 %"}},
    {"cut": {"at": "30 %"}, "then": "changed"}, {"cut": {"at": "30 %"}, "then": "no_range"},
    {"status": 503, "retry_after": "20 s"}, {"throttle": "3 kB/s"},
    {"stall": {"byte": 1}, "times": None},
)  # fmt: skip
INSTALLS: tuple[dict[str, Any], ...] = tuple(
    {"how": how, "times": times}
    for how in ("fails", "verification_fails", "hangs", "old_version", "rolls_back", "boot_loop",
                "bricked", "power_loss", "claims_installed")
    for times in (1, 2, None)
)  # fmt: skip
LINES: tuple[dict[str, Any], ...] = tuple(
    {kind: action, "frame": frame, "skip": skip}
    for kind in ("drop", "duplicate", "disconnect", "half_open", "power_loss")
    for action in ("UpdateFirmware", "FirmwareStatusNotification", "BootNotification",
                   "StatusNotification", "Heartbeat", "TriggerMessage")
    for frame in ("call", "answer")
    for skip in (0, 1, 2)
)  # fmt: skip
FAILURES: Mapping[str, tuple[dict[str, Any], ...]] = {
    "download": DOWNLOADS,
    "install": INSTALLS,
    "network": LINES,
}
"""Section of a cohort -> what may fail there, for a share of the cohort."""

COHORT: Mapping[tuple[str, str], tuple[Any, ...]] = {
    ("", "clock_skew"): ("-1 h", "-2 min", "2 s", {"uniform": ["-2 min", "2 s"]}),
    ("", "heartbeat"): ("500 ms", "2 s", "20 s"),
    ("", "offline"): (
        {"until": {"after": "execute_stage", "plus": "20 s"}},
        {"from": "3 s", "until": "30 s"},
        {"from": {"after": "execute_stage", "plus": "1 s"}, "p": "50 %"},
        {"from": {"after": "execute_stage", "plus": "500 ms"}, "until": "15 s", "p": "50 %"},
    ),
    ("", "profile"): tuple(sorted(PROFILES)),
    ("", "quirks"): tuple([name] for name in sorted(QUIRKS)),
    ("", "transactions"): (
        {"busy": "50 %", "ends": "1 min"},
        {"busy": "100 %", "ends": "8 s", "allow_new_sessions": True},
    ),
    ("download", "pause"): (
        {"after": "0 s", "length": "1 s"}, {"after": "1 s", "length": "1 min"},
    ),
    ("download", "rate"): ("2 kB/s", "20 kB/s", "1 MB/s"),
    ("download", "retries_mean"): ("attempts",),
    ("install", "installed_before_reboot"): (True,),
    ("install", "reboot"): ("0 s", "20 s", "1 min"),
    ("install", "time"): ("0 s", "25 s", "40 s", "2 min"),
    ("network", "connect_after"): ("1 s", {"uniform": ["0 s", "3 s"]}),
    ("network", "latency"): ("1 s", {"uniform": ["0 s", "2 s"]}),
    ("network", "nat_timeout"): ("5 s", "30 s"),
    ("network", "reconnect"): (
        {"first": "10 s", "most": "10 s"},
        {"first": "1 s", "most": "30 s", "random_range": "5 s", "repeats": 2},
    ),
}  # fmt: skip
"""(section, field) of a cohort -> what it may be."""

CREATE: Mapping[str, tuple[Any, ...]] = {
    "offline_timeout": ("1 s", "10 s", "1 min"),
    "retries": (0, 5),
    "retrieve_in": ("2 s", "20 s"),
    "retry_interval": ("0 s", "20 s"),
    "update_timeout": ("2 s", "10 s", "2 min"),
}

TOGETHER: tuple[Mapping[str, Mapping[str, Any]], ...] = (
    {"create": {"retrieve_in": "20 s", "update_timeout": "10 s"}},
    {
        "create": {"retries": 2, "retry_interval": "20 s"},
        "download": {"reports_each_attempt": True, "fail": [{"p": "100 %", "cut": {"at": "30 %"}}]},
    },
    {
        "create": {"max_in_flight": 1, "update_timeout": "5 s"},
        "install": {"fail": [{"p": "50 %", "how": "hangs"}]},
    },
    {"create": {"failure_threshold": 0.0}},
    {
        "install": {
            "installed_before_reboot": True,
            "reboot": "3 s",
            "fail": [{"p": "50 %", "how": "old_version"}],
        }
    },
)
"""What tells something only together: fields of creates, and of sections of cohorts."""

TELLING: tuple[Mapping[str, Mapping[str, Any]], ...] = (
    {
        "create": {"retries": 2, "retry_interval": "1 s", "update_timeout": "2 min"},
        "download": {
            "retries_mean": "attempts",
            "reports_each_attempt": True,
            "fail": [{"p": "50 %", "cut": {"at": "30 %"}, "times": None}],
        },
    },
    {
        "create": {"update_timeout": "2 min"},
        "network": {"fail": [{"p": "50 %", "drop": "UpdateFirmware"}]},
    },
    {
        "create": {"retrieve_in": "50 s", "update_timeout": "2 min"},
        "network": {"fail": [{"p": "50 %", "drop": "UpdateFirmware", "frame": "answer"}]},
    },
    {
        "create": {"max_in_flight": 1, "offline_timeout": "3 s", "update_timeout": "2 min"},
        "install": {"time": "25 s"},
    },
    {
        "create": {"retries": 1, "retry_interval": "0 s"},
        "download": {
            "reports_each_attempt": False,
            "fail": [{"p": "50 %", "cut": {"at": "30 %"}, "times": 1}],
        },
    },
)
"""More of that: drawn last, so that whatever is drawn before stays what it was."""

REASONS = (
    "Überhitzung an Säule 7: bitte prüfen",
    'error rate > 5 % & rising: "stop" <CP-001>, it\'s %41',
    "充电桩温度过高",
    "reason " + "x" * 250,
)
"""Why people pause: with letters of any language, with signs that mean something to somebody."""


def strain(draw: random.Random, out: dict[str, Any]) -> None:
    """Change the fields of a scenario in place."""
    for cohort in out["fleet"]:
        for (section, name), choices in COHORT.items():
            if draw.random() < LIKELY:
                _part(cohort, section)[name] = draw.choice(choices)
        for section, failures in FAILURES.items():
            if draw.random() < LIKELY:
                failure = {"p": draw.choice(SHARES), **draw.choice(failures)}
                _part(cohort, section)["fail"] = [failure]
    creates = sensible(out["operator"])
    for create in creates:
        for name, choices in CREATE.items():
            if draw.random() < LIKELY:
                create[name] = draw.choice(choices)
    if draw.random() < LIKELY:
        _unite(draw.choice(TOGETHER), creates, out["fleet"])
    out["heal"]["within"] = "15 min"
    _repeat(creates)
    _go_on(draw, out, creates)


def _repeat(creates: list[Any]) -> None:
    """Let creates with the same Idempotency-Key be the same request, to the second."""
    first: dict[str, Any] = {}
    for create in creates:
        key = create.get("idempotency_key")
        if key is not None:
            create.pop("retrieve_in", None)
            kept = copy.deepcopy(first.setdefault(key, create))
            create.clear()
            create.update(kept)


def _go_on(draw: random.Random, out: dict[str, Any], creates: list[Any]) -> None:
    """Let the operator say and do more than a drawn drill holds."""
    if not creates:
        return
    if draw.random() < LIKELY:
        _unite(draw.choice(TELLING), creates, out["fleet"])
    if draw.random() < LIKELY:
        _pause_twice(draw, out["operator"])
    for step in out["operator"]:
        if isinstance(step, dict) and "pause" in step and draw.random() < LIKELY:
            step["pause"]["reason"] = draw.choice(REASONS)
    _share(draw, out)
    dated = [create for create in sensible(out["operator"]) if "retrieve_in" in create]
    for create in dated:
        create["retrieve_zone"] = draw.choice((0, 2, -5))
    if draw.random() < LIKELY:
        play(draw, out)


def _share(draw: random.Random, out: dict[str, Any]) -> None:
    """Let there be another rollout, or a second call of the same."""
    if draw.random() < 2 * LIKELY:
        draw.choice((_sequel, _twin, _intruder, _usurper))(out["operator"])
    elif len(out["fleet"]) > 1 and draw.random() < LIKELY:
        _neighbour(out["operator"], [cohort["cohort"] for cohort in out["fleet"]])
    if draw.random() < LIKELY:
        _insist(draw, out["operator"])


def _pause_twice(draw: random.Random, plan: list[Any]) -> None:
    """Pause, go on and pause again, the second time with a reason of its own or with none."""
    again = draw.choice(({"reason": "the second time"}, {}))
    begun = _begun(plan)
    plan[begun:begun] = [
        {"pause": {"reason": "the first time", "refused": "maybe"}}, {"hold": "4 s"}, execute(),
        {"pause": {**again, "refused": "maybe"}}, "read", execute(),
    ]  # fmt: skip


def _sequel(plan: list[Any]) -> None:
    """All chargers are updated once more when the drill is over."""
    plan += [{"hold": "1 min"}, _other(plan), execute(OTHER), settled(OTHER, "2 min"), _read(OTHER)]


def _twin(plan: list[Any]) -> None:
    """A second rollout over the same chargers is created with the first, and has its turn last."""
    plan.insert(1, _other(plan))
    plan += [_read(OTHER), {"hold": "1 min"}, execute(OTHER), settled(OTHER, "2 min"), _read(OTHER)]


def _intruder(plan: list[Any]) -> None:
    """Somebody else wants the same chargers while some of them are done, and others are not."""
    begun = _begun(plan)
    plan[begun:begun] = [{"hold": "9 s"}, _other(plan), execute(OTHER), _read(OTHER)]


def _usurper(plan: list[Any]) -> None:
    """Somebody else wants the same chargers while their rollout is paused."""
    begun = _begun(plan)
    pause = {"pause": {"reason": "for others", "refused": "maybe"}}
    plan[begun:begun] = [pause, _other(plan), execute(OTHER), _read(OTHER), execute()]


def _insist(draw: random.Random, plan: list[Any]) -> None:
    """The first execute-stage is sent again, as a client does that heard no answer."""
    begun = _begun(plan)
    execute = {"execute_stage": {"refused": "maybe", "idempotency_key": "the-first"}}
    wait = {"hold": draw.choice(("1 ms", "1 s", "9 s"))}
    plan[begun - 1 : begun] = [execute, wait, copy.deepcopy(execute), "read"]


def _neighbour(plan: list[Any], cohorts: list[str]) -> None:
    """A rollout over other chargers runs while the drill's own is paused."""
    if any("cohorts" in create or "chargers" in create for create in sensible(plan)):
        return
    other = _other(plan)
    other["create"]["cohorts"] = cohorts[-1:]
    for create in sensible(plan):
        create["cohorts"] = cohorts[:-1]
    begun = _begun(plan)
    pause = {"pause": {"reason": "by itself", "refused": "maybe"}}
    plan[begun:begun] = [
        pause,
        other,
        execute(OTHER),
        settled(OTHER, "2 min"),
        _read(OTHER),
        execute(),
    ]


def _begun(plan: list[Any]) -> int:
    """Return the place in a plan right after the first execute-stage."""
    return next((k for k, step in enumerate(plan, start=1) if _executes(step)), len(plan))


def _other(plan: list[Any]) -> Any:
    create = copy.deepcopy(next(step["create"] for step in plan if "create" in step))
    create.pop("idempotency_key", None)
    return {"create": {**create, "rollout": OTHER, "refused": "maybe"}}


def _executes(step: Any) -> bool:
    return step == "execute_stage" or (isinstance(step, dict) and "execute_stage" in step)


def _read(rollout: str) -> Any:
    return {"read": {"rollout": rollout}}


def _unite(fields: Mapping[str, Mapping[str, Any]], creates: list[Any], fleet: list[Any]) -> None:
    """Set fields that belong together, in every create and every cohort."""
    for section, values in fields.items():
        targets = creates if section == "create" else [_part(one, section) for one in fleet]
        for target in targets:
            target.update(copy.deepcopy(dict(values)))


def _part(cohort: dict[str, Any], section: str) -> dict[str, Any]:
    part: dict[str, Any] = cohort.setdefault(section, {}) if section else cohort
    return part
