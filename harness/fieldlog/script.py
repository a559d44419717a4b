"""Writes a scenario whose chargers behave as those of a history did. A core.

Chargers of one product that deviate alike make a cohort; their times are fitted over the cohort
(one value as it is, a few as a range, many as median and 95th percentile), their failures become
shares of it, so that the cohort can be made larger. The rollout is a plain one: what an operator
did, a log does not show.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.fieldlog.likeness import Likeness, deviations, fates, likenesses
from simulator.scenario import Scenario, built
from simulator.units import write_duration, write_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.fieldlog.likeness import Attempt
    from harness.history import Event

SIZE = 1_000_000  # bytes of the image: only the time that a download took is known
FEW = 5  # values from which a distribution is fitted
SHORTEST = 0.05  # seconds: below it a time is as good as none
LONGEST = 1e9  # seconds between two retries: more than that no float may hold
LONGEST_QUIET = 24 * 3600.0
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,48}")
Pair = tuple[Likeness, "Attempt"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What chargers of one cohort have in common."""

    ocpp: str
    signed: bool
    vendor: str
    model: str
    version: str
    quirks: tuple[str, ...]
    early: bool  # Installed before the reboot


def scenario_of(
    events: Iterable[Event],
    *,
    name: str,
    broken: Sequence[str] = (),
    chargers: int | None = None,
    timed: bool = True,
) -> Scenario:
    """Return the scenario; `broken` are the properties that the history breaks on chargers' side.

    `chargers` scales the fleet. Raises UsageError where no charger was told to update.
    """
    pairs = [(one, attempt) for one in likenesses(events) if (attempt := one.attempt) is not None]
    if not pairs:
        raise UsageError("no charger was told to update: there is nothing to make a scenario of")
    kinds: dict[_Kind, list[Pair]] = {}
    for one, attempt in pairs:
        kinds.setdefault(_kind(one, attempt), []).append((one, attempt))
    factor = chargers / len(pairs) if chargers else 1.0
    fleet = [_cohort(n, kind, group, factor, timed=timed)
             for n, (kind, group) in enumerate(kinds.items(), start=1)]  # fmt: skip
    patience = _patience(pairs)
    tested = [rule for rule in broken if rule[0] in "CW"]
    return built(
        {
            "version": 1,
            "name": f"as in {name}",
            "proves": "the CSMS lives with chargers that behave as those in the log",
            "topic": "from the field",
            "found": f"field log {name}",
            "firmware": _firmware(pairs),
            "fleet": fleet,
            "operator": [
                {"create": {"strategy": "all_at_once", **_retries(pairs),
                            "update_timeout": write_duration(patience)}},
                "execute_stage",
                {"wait": {"status": "terminal", "within": write_duration(2 * patience)}},
            ],
            "heal": {"within": write_duration(2 * patience)},
            "expect": {"exercises": tested or ["R35"],
                       **({"violates": tested} if tested else {})},
        }
    )  # fmt: skip


# ---------------------------------------------------------------------- the fleet


def _kind(one: Likeness, attempt: Attempt) -> _Kind:
    installed = attempt.first("Installed")
    booted = min((time for time, _ in attempt.boots), default=None)
    return _Kind(
        one.ocpp or "ocpp1.6",
        "signature" in attempt.firmware or "signingCertificate" in attempt.firmware,
        one.vendor[:20] or "Unknown",
        one.model[:20] or "Unknown",
        (attempt.before or one.version or "1.0.0")[:50],
        deviations(one, attempt),
        installed is not None and booted is not None and booted > installed,
    )


def _cohort(
    number: int, kind: _Kind, group: list[Pair], factor: float, *, timed: bool
) -> dict[str, Any]:
    count = max(1, round(len(group) * factor))
    only = group[0][0].id
    alone = count == 1 and _PLAIN_ID.fullmatch(only) and "{" not in only
    slug = re.sub(r"[^a-z0-9]+", "-", f"{kind.vendor} {kind.model}".lower()).strip("-")
    cohort: dict[str, Any] = {
        "cohort": f"{slug or 'chargers'}-{number}",
        "count": count,
        "ocpp": kind.ocpp,
        "vendor": kind.vendor,
        "model": kind.model,
        "firmware_version": kind.version,
        "network": _network(group, timed=timed),
        "download": _download(group, timed=timed),
        "install": _install(group, early=kind.early, timed=timed),
    }
    cohort = {name: part for name, part in cohort.items() if part != {}}
    cohort |= {"id": only} if alone else {}
    cohort |= {"signed": True} if kind.signed else {}
    cohort |= {"quirks": list(kind.quirks)} if kind.quirks else {}
    return cohort


def _network(group: list[Pair], *, timed: bool) -> dict[str, Any]:
    network: dict[str, Any] = {"connect_after": "0 s"}
    delays = [_median(one.delays) / 2 for one, _ in group if one.delays]  # one way
    if timed and delays and _median(delays) >= SHORTEST / 2:
        network["latency"] = fitted(delays, write_duration)
    breaks = [found for _, attempt in group for found in _reconnects(attempt)]
    if not breaks:
        return network
    waits = [back - down for down, back, _ in breaks if back is not None]
    if timed and waits:
        wait = write_duration(max(0.1, round(_median(waits), 3)))
        network["reconnect"] = {"first": wait, "most": wait, "factor": 1, "jitter": 0}
    after = Counter(said for _, _, said in breaks)
    network["fail"] = [
        {"share": round(min(1.0, times / len(group)), 6),
         **({"disconnect": "FirmwareStatusNotification", "skip": said - 1} if said else
            {"disconnect": _action(group), "frame": "answer"})}
        for said, times in sorted(after.items())
    ]  # fmt: skip
    return network


def _action(group: list[Pair]) -> str:
    signed = any("firmware" in attempt.payload and one.ocpp == "ocpp1.6" for one, attempt in group)
    return "SignedUpdateFirmware" if signed else "UpdateFirmware"


def _reconnects(attempt: Attempt) -> list[tuple[float, float | None, int]]:
    """Return the breaks that no reboot explains."""
    return [
        (down, back, said)
        for down, back, said in attempt.breaks
        if back is not None and not any(back <= time <= back + 30.0 for time, _ in attempt.boots)
    ]


def _download(group: list[Pair], *, timed: bool) -> dict[str, Any]:
    download: dict[str, Any] = {}
    times = [time for _, attempt in group if (time := _download_time(attempt)) is not None]
    if timed and times:
        download["rate"] = fitted([SIZE / max(SHORTEST, t) for t in times], write_rate)
    each = any(attempt.names.count("DownloadFailed") > 1 or _again(attempt) for _, attempt in group)
    download |= {"reports_each_attempt": True} if each else {}
    pauses = [attempt for _, attempt in group if "DownloadPaused" in attempt.names]
    if pauses:
        download["pause"] = _pause(pauses[0])
    ends = Counter(
        (how, attempt.names.count("DownloadFailed") if how == "retried" else 0)
        for one, attempt in group
        if (how := fates(one, attempt).get("download"))
    )
    if any(how == "stalled" for how, _ in ends):
        download["stall_timeout"] = write_duration(LONGEST_QUIET)
    fail = [_failing(how, times, count / len(group)) for (how, times), count in ends.items()]
    return {**download, "fail": fail} if fail else download


def _failing(how: str, times: int, share: float) -> dict[str, Any]:
    fault: dict[str, Any] = {"share": round(share, 6)}
    if how == "stalled":
        return {**fault, "stall": {"at": "50 %"}, "times": None}
    # Nothing of an interrupted image may be left over, or a retry would be shorter than it was.
    return {**fault, "status": 503, "times": times if how == "retried" else None}


def _again(attempt: Attempt) -> bool:
    names = attempt.names
    return "DownloadFailed" in names and "Downloading" in names[names.index("DownloadFailed") :]


def _download_time(attempt: Attempt) -> float | None:
    began = attempt.first("Downloading")
    ended = attempt.first("Downloaded", "Installing")
    if ended is None:
        return None
    began = began if began is not None and began < ended else attempt.answered or attempt.time
    starts = [said.time for said in attempt.statuses
              if said.status == "Downloading" and said.time < ended]  # fmt: skip
    return ended - max([began, *starts])


def _pause(attempt: Attempt) -> dict[str, Any]:
    began, paused = attempt.first("Downloading"), attempt.first("DownloadPaused")
    paused = attempt.time if paused is None else paused
    later = [said.time for said in attempt.statuses if said.time > paused]
    return {
        "after": write_duration(max(0.1, round(paused - (began or paused), 3))),
        "length": write_duration(max(0.1, round((later[0] if later else paused + 1) - paused, 3))),
    }


def _install(group: list[Pair], *, early: bool, timed: bool) -> dict[str, Any]:
    install: dict[str, Any] = {"installed_before_reboot": True} if early else {}
    spans = [span for _, attempt in group if (span := _install_time(attempt)) is not None]
    if timed and spans:
        install["time"] = fitted([length for length, _ in spans], write_duration)
        away = [reboot for _, reboot in spans if reboot is not None]
        if away:
            install["reboot"] = fitted(away, write_duration)
    ends = Counter(how for one, attempt in group if (how := fates(one, attempt).get("install")))
    fail = [
        {"share": round(count / len(group), 6), "how": how, "times": None}
        for how, count in ends.items()
    ]
    return {**install, "fail": fail} if fail else install


def _install_time(attempt: Attempt) -> tuple[float, float | None] | None:
    """Return how long an installation took, and how long the charger was away after it."""
    began = attempt.first("Installing", "InstallRebooting")
    if began is None:
        began = attempt.first("Downloaded")
    ended = attempt.first("Installed", "InstallationFailed", "InstallVerificationFailed")
    if began is None or (ended is None and not attempt.boots):
        return None
    down, boot = attempt.end_of_install(began)
    if boot is None or down is None:
        return (max(SHORTEST, ended - began), None) if ended is not None else None
    if down == boot:  # nobody saw the connection close: it was away for some part of it
        away = min(30.0, (boot - began) / 2)
        return max(SHORTEST, boot - began - away), max(SHORTEST, away)
    return max(SHORTEST, down - began), max(SHORTEST, boot - down)


# ---------------------------------------------------------------------- the rest


def _firmware(pairs: list[Pair]) -> dict[str, Any]:
    """Return the image: the version that most chargers came back with."""
    new = Counter(
        version
        for _, attempt in pairs
        for _, version in attempt.boots
        if version and version != attempt.before
    )
    old = {attempt.before or one.version for one, attempt in pairs}
    version = new.most_common(1)[0][0] if new else "2.0.0"
    firmware: dict[str, Any] = {
        "version": (version if version not in old else f"{version}-new")[:50],
        "size": f"{SIZE // 1_000_000} MB",
    }
    if any("signature" in attempt.firmware for _, attempt in pairs):
        wrong = any("signature" in fates(one, attempt) for one, attempt in pairs)
        firmware["signature"] = "wrong_signature" if wrong else "good"
    return firmware


def _retries(pairs: list[Pair]) -> dict[str, Any]:
    payload = pairs[0][1].payload
    given: dict[str, Any] = {}
    retries, interval = payload.get("retries"), payload.get("retryInterval")
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        given["retries"] = retries
    if isinstance(interval, int) and not isinstance(interval, bool) and 0 <= interval <= LONGEST:
        given["retry_interval"] = write_duration(float(interval))
    return given


def _patience(pairs: list[Pair]) -> float:
    """Return how long the CSMS should wait: twice the longest update that came to an end."""
    longest = max((attempt.last - attempt.time for _, attempt in pairs), default=0.0)
    return float(round(min(LONGEST_QUIET, max(120.0, 2 * longest))))


def fitted(values: Sequence[float], write: Callable[[float], str]) -> Any:
    """Return a distribution as a scenario writes it."""
    known = sorted(float(f"{max(SHORTEST, value):.3g}") for value in values)
    if known[0] == known[-1]:
        return write(known[0])
    if len(known) < FEW:
        return {"uniform": [write(known[0]), write(known[-1])]}
    p95 = known[min(len(known) - 1, int(0.95 * len(known)))]
    return {"lognormal": {"median": write(_median(known)), "p95": write(p95)}}


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
