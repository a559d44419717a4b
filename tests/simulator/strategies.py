"""What scenarios can look like, for property tests: every field of the language is drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from simulator import cohort_failures as failures
from simulator import cohort_parts, cohorts, scenario, scenario_steps
from simulator.faults import Exponential, Fixed, Lognormal, Mixture, Uniform
from simulator.profiles import PROFILES
from simulator.quirks import QUIRKS
from simulator.units import SHORTEST

AMOUNTS = st.one_of(
    st.integers(min_value=0, max_value=3600).map(float),
    st.floats(min_value=0, max_value=1e5),
    st.integers(min_value=0, max_value=9999).map(lambda ms: ms / 1000),
)
POSITIVE = AMOUNTS.filter(bool)
INTERVALS = AMOUNTS.filter(lambda value: value >= SHORTEST)
SHARES = st.one_of(st.integers(0, 100).map(lambda percent: percent / 100), st.floats(0, 1))
WORDS = st.text(min_size=1, max_size=12)  # any text: a dump must quote what YAML would misread
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
PAIRS = st.tuples(POSITIVE, POSITIVE).map(sorted)
SIMPLE = st.one_of(
    AMOUNTS.map(lambda value: Fixed(value=value)),
    PAIRS.map(lambda pair: Uniform(low=pair[0], high=pair[1])),
    PAIRS.map(lambda pair: Lognormal(median=pair[0], p95=pair[1])),
    POSITIVE.map(lambda mean: Exponential(mean=mean)),
)
RATES = st.one_of(
    POSITIVE.map(lambda value: Fixed(value=value)),
    PAIRS.map(lambda pair: Uniform(low=pair[0], high=pair[1])),
    st.tuples(SHARES.filter(bool), POSITIVE).map(
        lambda pair: Mixture(parts=((pair[0], Fixed(value=pair[1])),))
    ),
)
DISTRIBUTIONS = SIMPLE | st.lists(
    st.tuples(SHARES.filter(bool), SIMPLE), min_size=1, max_size=3
).map(lambda parts: Mixture(parts=tuple(parts)))


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return keyword arguments with any of these fields, or none."""
    return st.fixed_dictionaries({}, optional=fields)


def model(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return models with any of these fields set."""
    return some(**fields).map(lambda given: kind(**given))


WHOM: dict[str, st.SearchStrategy[Any]] = {
    "share": SHARES,
    "count": st.integers(0, 3),
    "only": st.lists(st.integers(1, 5), max_size=3).map(tuple),
    "times": st.none() | st.integers(1, 3),
}
WHOMS = st.fixed_dictionaries({"p": SHARES}, optional=WHOM)
AT = SHARES.map(lambda at: failures.At(at=at)) | st.integers(0, 511).map(
    lambda byte: failures.At(byte=byte)
)
KINDS = st.one_of(
    st.fixed_dictionaries({"cut": AT}),
    st.fixed_dictionaries({"stall": AT}),
    st.fixed_dictionaries({"wrong_length": AT}),
    st.fixed_dictionaries({"status": st.integers(400, 599)}, optional={"retry_after": AMOUNTS}),
    st.fixed_dictionaries({"throttle": POSITIVE}),
    st.sampled_from(
        ["corrupt", "html", "redirect", "no_range", "changed", "refuse", "dns", "tls"]
    ).map(lambda kind: {kind: True}),
)
DOWNLOAD_FAILURES = st.tuples(WHOMS, KINDS, some(then=st.sampled_from(["changed", "html"]))).map(
    lambda parts: failures.DownloadFailure(**parts[0], **parts[1], **parts[2])
)
INSTALL_FAILURES = st.tuples(
    WHOMS,
    some(at=SHARES),
    st.sampled_from(["fails", "verification_fails", "hangs", "old_version", "rolls_back",
                     "boot_loop", "bricked", "power_loss", "claims_installed"]),
).map(lambda parts: failures.InstallFailure(**parts[0], **parts[1], how=parts[2]))  # fmt: skip
NETWORK_FAILURES = st.tuples(
    WHOMS,
    st.sampled_from(["drop", "duplicate", "delay", "disconnect", "half_open", "power_loss"]),
    st.sampled_from(["UpdateFirmware", "Heartbeat"]),
    some(frame=st.sampled_from(["call", "answer"]), by=AMOUNTS, skip=st.integers(0, 3)),
).map(lambda parts: failures.NetworkFailure(**parts[0], **{parts[1]: parts[2]}, **parts[3]))
MOMENTS = model(
    cohort_parts.Moment, after=st.sampled_from(["create", "pause", "resume"]), plus=AMOUNTS
)
WHOM_IF_ANY = {"p": SHARES, "share": SHARES, "only": WHOM["only"]}


def _forward(given: dict[str, Any]) -> bool:
    """Whether a window does not end before it begins."""
    begin, until = given.get("from", cohort_parts.Moment()), given.get("until")
    return until is None or begin.after != until.after or begin.plus <= until.plus


WINDOWS = (
    some(**{"from": MOMENTS}, until=MOMENTS, **WHOM_IF_ANY)
    .filter(_forward)
    .map(lambda given: cohort_parts.Offline(**given))
)
QUIRK = st.sampled_from(sorted(QUIRKS)) | st.tuples(
    st.sampled_from(sorted(QUIRKS)), SHARES, some(**WHOM_IF_ANY)
).map(lambda parts: cohort_parts.SomeQuirk(quirk=parts[0], **{"p": parts[1], **parts[2]}))
OFFSETS = st.one_of(
    DISTRIBUTIONS,
    st.tuples(AMOUNTS, AMOUNTS).map(lambda pair: Uniform(low=-pair[0], high=pair[1])),
    AMOUNTS.map(lambda value: Fixed(value=-value)),
)

COHORT_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "ocpp": st.sampled_from(["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]),
    "signed": st.booleans(),
    "vendor": WORDS,
    "model": WORDS,
    "firmware_version": WORDS,
    "site_id": st.none() | WORDS,
    "heartbeat": st.none() | INTERVALS,
    "network": model(
        cohorts.Network,
        latency=DISTRIBUTIONS,
        connect_after=DISTRIBUTIONS,
        reconnect=model(
            cohorts.ReconnectPolicy, first=INTERVALS, most=INTERVALS, jitter=SHARES,
            factor=st.floats(1, 4), random_range=AMOUNTS, repeats=st.none() | st.integers(0, 5),
        ),
        call_timeout=AMOUNTS,
        nat_timeout=st.none() | AMOUNTS,
        fail=st.lists(NETWORK_FAILURES, max_size=2).map(tuple),
    ),
    "download": model(
        cohorts.Download,
        rate=st.none() | RATES,
        stall_timeout=AMOUNTS,
        retries_mean=st.sampled_from(["retries", "attempts"]),
        reports_each_attempt=st.booleans(),
        pause=st.none() | st.builds(cohorts.PauseOwnDownload, after=AMOUNTS, length=AMOUNTS),
        fail=st.lists(DOWNLOAD_FAILURES, max_size=3).map(tuple),
    ),
    "install": model(
        cohorts.Install,
        time=DISTRIBUTIONS,
        reboot=DISTRIBUTIONS,
        installed_before_reboot=st.booleans(),
        fail=st.lists(INSTALL_FAILURES, max_size=3).map(tuple),
    ),
    "clock_skew": OFFSETS,
    "transactions": st.none()
    | st.builds(cohorts.Transactions, busy=SHARES, ends=DISTRIBUTIONS),
    "quirks": st.lists(QUIRK, max_size=3).map(tuple),
    "profile": st.none() | st.sampled_from(sorted(PROFILES)),
    "offline": st.lists(WINDOWS, max_size=2).map(tuple),
}  # fmt: skip

BOUNDS = st.builds(
    scenario_steps.Bound,
    sign=st.sampled_from([">=", "<=", "==", ">", "<"]),
    value=st.integers(0, 1000).map(lambda permille: permille / 10 / 100),  # as 12.3 % is read
    share=st.just(True),
) | st.builds(
    scenario_steps.Bound,
    sign=st.sampled_from([">=", "<=", "==", ">", "<"]),
    value=st.integers(0, 400).map(float) | st.floats(0, 1e6),
)
COUNTS = st.dictionaries(st.sampled_from(scenario_steps.COUNTERS), BOUNDS, min_size=1, max_size=2)
BESIDE: dict[str, st.SearchStrategy[Any]] = {
    "when": COUNTS, "within": AMOUNTS, "background": st.booleans(), "rollout": NAMES,
}  # fmt: skip


def step(name: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return steps called `name` with some of these fields set."""
    return model(scenario_steps.STEPS[name], **BESIDE, **fields)


CREATES = st.tuples(
    st.sampled_from(["canary", "rolling", "all_at_once"]),
    some(
        **BESIDE,
        canary_count=st.none() | st.integers(0, 9),
        batch_size=st.integers(0, 9),
        chargers=st.lists(WORDS, max_size=3).map(tuple),
        retrieve_in=AMOUNTS,
        max_in_flight=st.integers(1, 9),
        failure_threshold=SHARES,
        update_timeout=AMOUNTS,
        retries=st.integers(0, 3),
        retry_interval=AMOUNTS,
        refused=st.booleans(),
    ),
).map(lambda parts: scenario_steps.CreateStep(strategy=parts[0], **parts[1]))
WAITS = st.tuples(COUNTS, some(**BESIDE, stage=st.just("settled"))).map(
    lambda parts: scenario_steps.WaitStep(until=parts[0], **parts[1])
)
HOLDS = AMOUNTS.map(lambda seconds: scenario_steps.HoldStep(seconds=seconds))
MARKS = NAMES.map(lambda name: scenario_steps.MarkStep(name=name))
STEPS = st.one_of(
    CREATES, WAITS, HOLDS, MARKS,
    step("execute_stage", refused=st.booleans()),
    step("pause", reason=WORDS),
    step("read"), step("fence"), step("kill"), step("restart"),
    step("fleet", site_id=WORDS, vendor=WORDS),
)  # fmt: skip


@st.composite
def fleets(draw: st.DrawFn) -> tuple[cohorts.Cohort, ...]:
    """Return a few cohorts whose chargers have ids of their own, and whose faults all strike."""
    drawn = (
        cohorts.Cohort(
            cohort=f"c{number}", count=draw(st.integers(0, 5)), **draw(some(**COHORT_FIELDS))
        )
        for number in range(draw(st.integers(1, 2)))
    )
    return tuple(map(_striking, drawn))


def _striking(cohort: cohorts.Cohort) -> cohorts.Cohort:
    """Return the cohort without the faults that would miss."""
    for path, _ in list(cohort.misses(image=512)):
        name = str(path[0])
        part = getattr(cohort, name)
        kept = () if isinstance(part, tuple) else part.model_copy(update={"fail": ()})
        cohort = cohort.model_copy(update={name: kept})
    return cohort


SCENARIOS = st.tuples(
    st.fixed_dictionaries({"name": WORDS, "fleet": fleets()}),
    some(
        proves=WORDS,
        topic=WORDS,
        seed=st.integers(0, 2**64),
        operator=st.lists(STEPS, max_size=4).map(tuple),
        heal=model(scenario.Heal, within=AMOUNTS),
        expect=model(
            scenario.Expect,
            rollout=st.sampled_from(["completed", "failed", "paused"]),
            installed=BOUNDS,
            failed=BOUNDS,
            exercises=st.just(("R18", "C05")),
        ),
    ),
    st.fixed_dictionaries(
        {"version": WORDS},
        optional={
            "size": st.integers(512, 10**9),
            "tls": st.booleans(),
            "seed": st.integers(),
            "signature": st.none() | st.sampled_from(["good", "revoked"]),
        },
    ),
).map(
    lambda parts: scenario.Scenario(
        version=1, **parts[0], **parts[1], firmware=scenario.Firmware(**parts[2])
    )
)
