"""Draws small drills that are likely to find something: mixtures, not averages.

A core. The same number always gives the same scenario. Sizes, faults and steps follow what real
rollout systems got wrong (properties, section 6): eleven to nineteen chargers, canaries that fail,
late and repeated statuses, pauses and executes that overlap, crashes at any moment.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from harness.circumstances import SHARES, strain
from simulator.scenario import Scenario, built

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Draw = random.Random
    Twist = Callable[[Draw, dict[str, Any]], None]

DIALECTS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
DOWNLOADS: tuple[dict[str, Any], ...] = (
    {"cut": {"at": "60 %"}}, {"cut": {"at": "60 %"}, "times": None}, {"status": 503},
    {"status": 503, "times": None}, {"stall": {"at": "40 %"}}, {"corrupt": True, "times": None},
    {"no_range": True}, {"changed": True}, {"refuse": True}, {"html": True},
)  # fmt: skip
INSTALLS = ("fails", "hangs", "old_version", "bricked", "power_loss", "claims_installed")
NETWORK: tuple[dict[str, Any], ...] = (
    {"disconnect": "UpdateFirmware"}, {"drop": "UpdateFirmware"},
    {"drop": "UpdateFirmware", "frame": "answer"}, {"duplicate": "FirmwareStatusNotification"},
    {"disconnect": "FirmwareStatusNotification"}, {"drop": "FirmwareStatusNotification"},
)  # fmt: skip
QUIRKS = (
    "late_status", "duplicates_status", "skips_downloaded", "only_installed", "never_reports",
    "wrong_request_id", "no_request_id", "answers_callerror", "never_answers",
    "unsolicited_installed", "rejects_but_updates", "spontaneous_idle", "malformed_json",
    "rejects", "reinstalls", "refuses_answers", "skips_installing", "old_request_id", "two_calls",
)  # fmt: skip


def scenario(number: int) -> Scenario:
    """Draw the scenario of this number."""
    return built(fields(number))


def fields(number: int) -> dict[str, Any]:
    """Draw the fields of the scenario of this number, as a file would hold them."""
    return drawn(random.Random(f"scenario/{number}"), number)


def rare(number: int) -> dict[str, Any]:
    """Draw the fields of the scenario of this number in rarer circumstances."""
    out = fields(number)
    strain(random.Random(f"rare/{number}"), out)
    return out


def drawn(draw: Draw, number: int) -> dict[str, Any]:
    """Draw the fields of a scenario from any source of chance; `number` becomes its seed."""
    fleet = cohorts(draw)
    size = sum(cohort["count"] for cohort in fleet)
    plan = draw.choices((_careful, _impatient, _chaotic), (3, 4, 3))[0]
    out: dict[str, Any] = {
        "version": 1,
        "name": f"drawn drill {number}",
        "seed": number,
        "firmware": {"version": "2.0.0", "size": "100 kB"},
        "fleet": fleet,
        "operator": [{"create": creation(draw, size)}, *plan(draw)],
        "heal": {"within": "3 min"},
    }
    for twist in TWISTS:
        if _chance(draw, 0.12):
            twist(draw, out)
    if _chance(draw, 0.3):
        draw.choices(tuple(THEMES), tuple(THEMES.values()))[0](draw, out)
    if _chance(draw, 0.3):
        out["firmware"]["presigned"] = True
    return out


# ---------------------------------------------------------------------- fleet


def cohorts(draw: Draw) -> list[dict[str, Any]]:
    """Draw a fleet of one to nineteen chargers."""
    low, high = draw.choices(((1, 4), (5, 10), (11, 19)), (2, 3, 5))[0]
    total = draw.randint(low, high)
    count = min(total, draw.randint(1, 3))
    sizes = [total // count + (n < total % count) for n in range(count)]
    return [_cohort(draw, f"c{n}", size) for n, size in enumerate(sizes)]


def _cohort(draw: Draw, name: str, size: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cohort": name,
        "count": size,
        "ocpp": draw.choice(DIALECTS),
        "firmware_version": "1.0.0",
        "vendor": draw.choice(("Acme", "Acme", "Other")),
        "site_id": draw.choice(("north", "south")),
        "network": {
            "connect_after": "0 s",
            "latency": draw.choice(["0 s", "5 ms", {"uniform": ["1 ms", "200 ms"]}]),
            "call_timeout": "5 s",
            "reconnect": {"first": "500 ms", "most": "4 s"},
        },
        "download": {"stall_timeout": "2 s", "reports_each_attempt": _chance(draw, 0.5)},
        "install": {"time": "2 s", "reboot": draw.choice(["200 ms", "3 s"])},
    }
    if _chance(draw, 0.4):
        out["download"]["fail"] = [{"p": _share(draw), **draw.choice(DOWNLOADS)}]
    if _chance(draw, 0.25):
        out["install"]["fail"] = [{"p": _share(draw), "how": draw.choice(INSTALLS)}]
    if _chance(draw, 0.25):
        out["network"]["fail"] = [{"p": _share(draw), **draw.choice(NETWORK)}]
    if _chance(draw, 0.3):
        out["offline"] = _offline(draw)
    if _chance(draw, 0.2):
        out["quirks"] = [draw.choice(QUIRKS)]
    return out


def _chance(draw: Draw, probability: float) -> bool:
    return draw.random() < probability


def _share(draw: Draw) -> str:
    return draw.choice(SHARES)


def _offline(draw: Draw) -> dict[str, Any]:
    back = {"after": draw.choice(["execute_stage", "pause", "pause", "resume"]),
            "plus": draw.choice(["0 s", "300 ms", "2 s"])}  # fmt: skip
    if _chance(draw, 0.3):
        begin = {"after": "execute_stage", "plus": "1 s"}
        same = back["after"] == begin["after"]  # the window cannot end before it begins
        return {"from": begin, "until": back | {"plus": "3 s"} if same else back}
    return {"until": back}


# ---------------------------------------------------------------------- operator


def creation(draw: Draw, size: int) -> dict[str, Any]:
    """Draw what a rollout of `size` chargers is created with."""
    strategy = draw.choice(["canary", "rolling", "all_at_once"])
    out: dict[str, Any] = {
        "strategy": strategy,
        "retries": draw.randint(0, 2),
        "retry_interval": "1 s",
        "update_timeout": "30 s",
    }
    if strategy == "canary" and _chance(draw, 0.7):
        out["canary_count"] = draw.randint(1, max(1, size // 2))
    if strategy == "rolling" and _chance(draw, 0.7):
        out["batch_size"] = draw.randint(1, max(1, size // 2 + 1))
    if _chance(draw, 0.4):
        out["max_in_flight"] = draw.randint(1, 6)
    if _chance(draw, 0.2):
        out["failure_threshold"] = draw.choice([0.1, 0.5])
    if _chance(draw, 0.4):
        out["offline_timeout"] = draw.choice(["3 s", "10 s"])
    return out


def _execute(draw: Draw, *, background: float = 0.0) -> dict[str, Any]:
    return {"execute_stage": {"refused": "maybe", "background": _chance(draw, background)}}


def _pause(draw: Draw, *, background: float = 0.0) -> dict[str, Any]:
    step: dict[str, Any] = {
        "pause": {
            "reason": f"reason {draw.randrange(100)}",
            "refused": "maybe",
            "background": _chance(draw, background),
        }
    }
    if _chance(draw, 0.5):
        counter = draw.choice(["UpdateFirmware", "Downloading", "Installed"])
        step["when"] = {counter: draw.randint(1, 4)}
        step["pause"]["within"] = "5 s"
    return step


def _careful(draw: Draw) -> list[Any]:
    """Go stage by stage, with a pause somewhere."""
    stages = draw.randint(1, 4)
    paused = draw.randrange(stages + 1)
    out: list[Any] = []
    for stage in range(stages):
        out.append(_execute(draw, background=0.3))
        if stage == paused:
            out += [_pause(draw), {"hold": draw.choice(["1 s", "10 s"])}, "read", _execute(draw)]
        out.append({"wait": {"stage": "settled", "within": "2 min"}})
        out.append("read")
    return out


def _impatient(draw: Draw) -> list[Any]:
    """Execute, pause and read whenever it comes to mind, overlapping."""
    choices: tuple[Callable[[], Any], ...] = (
        lambda: _execute(draw, background=0.5),
        lambda: _pause(draw, background=0.4),
        lambda: {"wait": {"stage": "settled", "within": "1 min"}},
        lambda: {"hold": draw.choice(["1 ms", "50 ms", "1 s", "10 s"])},
        lambda: "read",
        lambda: "fleet",
    )
    picked = draw.choices(choices, (6, 4, 3, 3, 3, 1), k=draw.randint(4, 14))
    return [_execute(draw), *(choice() for choice in picked)]


def _chaotic(draw: Draw) -> list[Any]:
    """The same, while the CSMS dies now and then: anywhere, or right after it wrote things down."""
    out = _impatient(draw)
    for _ in range(draw.randint(1, 2)):
        at = draw.randint(1, len(out))
        away = draw.choice(["1 ms", "500 ms", "5 s"])
        death: list[Any] = ["kill"]
        if _chance(draw, 0.5):
            what = draw.choice([_execute, _execute, _pause])(draw, background=0.3)
            death = [{"kill": {"at": "commit"}}, what]
        out[at:at] = [*death, {"hold": away}, "restart", {"hold": draw.choice(["1 ms", "1 s"])}]
    return out


# ---------------------------------------------------------------------- twists


def _signed(_: Draw, out: dict[str, Any]) -> None:
    """The image is signed, and every charger wants that."""
    out["firmware"]["signature"] = "good"
    for cohort in out["fleet"]:
        cohort["signed"] = True


def _busy(draw: Draw, out: dict[str, Any]) -> None:
    """Cars are plugged in at some chargers."""
    cohort = draw.choice(out["fleet"])
    cohort["transactions"] = {"busy": _share(draw), "ends": draw.choice(["1 s", "8 s"])}


def _repeated(_: Draw, out: dict[str, Any]) -> None:
    """The create is sent twice, as a client does that heard no answer."""
    (_, create), *_ = out["operator"][0].items()
    create["idempotency_key"] = "the-same"
    out["operator"].insert(1, {"create": dict(create)})


def _refused(draw: Draw, out: dict[str, Any]) -> None:
    """A create that makes no sense comes in between."""
    first = f"{out['fleet'][0]['cohort']}-0001"
    nonsense: dict[str, Any] = draw.choice([
        {"strategy": "all_at_once", "chargers": ["NOBODY-KNOWS-ME"]},
        {"strategy": "all_at_once", "chargers": [first, first]},
        {"strategy": "all_at_once", "chargers": [first], "batch_size": 1},
        {"strategy": "canary", "chargers": [first], "canary_count": 0},
        {"strategy": "rolling", "chargers": [first], "batch_size": 0},
    ])  # fmt: skip
    step = {"create": {**nonsense, "rollout": "nonsense", "refused": True}}
    out["operator"].insert(draw.randint(1, len(out["operator"])), step)


def _second(draw: Draw, out: dict[str, Any]) -> None:
    """One cohort has a rollout of its own at the same time."""
    *first, last = [cohort["cohort"] for cohort in out["fleet"]]
    creates = [step["create"] for step in out["operator"] if "create" in step]
    if not first or any("chargers" in create for create in creates):
        return
    for create in creates:
        create["cohorts"] = first
    plan = out["operator"]
    whom = [*first, last] if _chance(draw, 0.4) else [last]  # some may be busy already (D13)
    other = {"strategy": "all_at_once", "cohorts": whom, "rollout": "second",
             "update_timeout": "30 s", "retries": 1, "retry_interval": "1 s"}  # fmt: skip
    at = draw.randint(1, len(plan))
    plan.insert(at, {"create": {**other, "refused": "maybe"}})
    execute = {"execute_stage": {"rollout": "second", "refused": "maybe"}}
    plan.insert(draw.randint(at + 1, len(plan)), execute)


TWISTS: tuple[Twist, ...] = (
    _signed, _busy, _repeated, _second, _refused,
)  # fmt: skip


# ---------------------------------------------------------------------- themes


def _bereft(draw: Draw, out: dict[str, Any]) -> None:
    """The CSMS dies while chargers are away and others on their way; nobody calls again."""
    _away(draw, out, {"after": "execute_stage", "plus": draw.choice(["2 s", "4 s", "8 s"])})
    death: list[Any] = ["kill", {"hold": draw.choice(["1 ms", "500 ms", "2 s"])}, "restart"]
    before = {"hold": draw.choice(["1 ms", "300 ms", "1 s", "3 s"])}
    _follow(out, _execute(draw), before, *death, "read", SETTLED, "read")


def _asleep(draw: Draw, out: dict[str, Any]) -> None:
    """A pause outlasts all patience with those who are away, or everything that is under way."""
    create = _all_at_once(out)
    pause = {"pause": {"reason": "asleep", "refused": "maybe"}}
    steps: list[Any] = [_execute(draw), {"hold": draw.choice(["1 ms", "300 ms"])}, pause]
    steps += [{"hold": draw.choice(["15 s", "25 s"])}, "read"]
    if _chance(draw, 0.5):
        _away(draw, out, {"after": "resume", "plus": draw.choice(["0 s", "300 ms"])})
        create["offline_timeout"] = draw.choice(["3 s", "10 s"])
        if _chance(draw, 0.7):
            steps += [_execute(draw), SETTLED, "read"]
    else:
        for cohort in out["fleet"]:
            cohort.pop("offline", None)
    _follow(out, *steps)


def _unwilling(draw: Draw, out: dict[str, Any]) -> None:
    """Some refuse, and others of their stage are away until they have."""
    _away(draw, out, {"after": "execute_stage", "plus": draw.choice(["500 ms", "2 s"])})
    unwilling = out["fleet"][0]
    unwilling["quirks"] = [draw.choice(["rejects", "rejects", "answers_callerror"])]
    unwilling["ocpp"] = draw.choice(DIALECTS[1:])  # 1.6 has no other no than a CALLERROR
    _follow(out, _execute(draw), {"hold": "4 s"}, "read", {"hold": "9 s"}, "read", SETTLED, "read")


def _rivals(draw: Draw, out: dict[str, Any]) -> None:
    """A second rollout begins in the midst of the first, over others or over some of the same."""
    _divide(draw, out)
    *first, last = [cohort["cohort"] for cohort in out["fleet"]]
    for cohort in out["fleet"]:
        cohort["install"]["time"] = draw.choice(["2 s", "20 s"])
        cohort.pop("offline", None)
    out["fleet"][-1].pop("quirks", None)
    both = _chance(draw, 0.5)
    _all_at_once(out)["cohorts"] = [*first, last] if both else first
    second = {"strategy": "all_at_once", "cohorts": [last], "rollout": "second"}
    soon = {"hold": draw.choice(["1 ms", "300 ms", "1 s"])}
    begin = {"execute_stage": {"rollout": "second", "refused": "maybe"}}
    _follow(out, _execute(draw), soon, {"create": {**second, "refused": "maybe"}}, begin, SETTLED)


def _peculiar(draw: Draw, out: dict[str, Any]) -> None:
    """Everyone has a habit that shows only where requests have ids, and perhaps another one."""
    for cohort in out["fleet"]:
        rare = draw.choice(["malformed_json", "late_status", "wrong_request_id"])
        cohort["ocpp"] = draw.choice(DIALECTS[1:])
        cohort["quirks"] = sorted({rare, draw.choice(QUIRKS)})


SETTLED: dict[str, Any] = {"wait": {"stage": "settled", "within": "1 min"}}
THEMES: Mapping[Twist, float] = {_bereft: 2, _asleep: 4, _unwilling: 2, _rivals: 4, _peculiar: 3}


def _all_at_once(out: dict[str, Any]) -> dict[str, Any]:
    """Make one stage of everyone, without limits, and return its create."""
    create: dict[str, Any] = out["operator"][0]["create"]
    for name in ("canary_count", "batch_size", "max_in_flight", "idempotency_key"):
        create.pop(name, None)
    create["strategy"] = "all_at_once"
    return create


def _away(draw: Draw, out: dict[str, Any], until: dict[str, Any]) -> None:
    """Keep one cohort away until some moment, in a stage with a cohort that is there."""
    _divide(draw, out)
    out["fleet"][0].pop("offline", None)
    out["fleet"][-1]["offline"] = {"until": until}
    _all_at_once(out).pop("cohorts", None)


def _divide(draw: Draw, out: dict[str, Any]) -> None:
    """Make at least two cohorts of the fleet."""
    if len(out["fleet"]) == 1:
        count = out["fleet"][0]["count"]
        out["fleet"][0]["count"] = (count + 1) // 2
        out["fleet"].append(_cohort(draw, "c1", max(1, count // 2)))


def _follow(out: dict[str, Any], *steps: Any) -> None:
    """Let the operator do this after the create, and nothing else."""
    out["operator"][1:] = steps
