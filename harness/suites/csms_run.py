"""Runs the cases for a CSMS: every drill once, the probes, then drawn drills. A shell.

Without a target our reference is started for each drill, right or with one wrong decision: to see
what the suite is like, and that it finds something.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import generate, runner, targets
from harness.checkers import REQUIREMENTS
from harness.diagnosis import diagnose
from harness.history import Header, History
from harness.library import find
from harness.live import Quiet
from harness.recorder import Recorder
from harness.rehearsal import rehearse
from harness.run_record import ExitCode
from harness.socket_world import Clock
from harness.suites.csms_cases import DRILLED, ENDS, CsmsCase
from harness.suites.csms_probes import PROBES, Probe
from harness.suites.results import CaseReport
from harness.verdict import Subject, Verdict
from simulator.credentials import basic
from simulator.scenario import built, dump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.diagnosis import Diagnosis
    from harness.run_record import RunRecord
    from harness.target_file import Target
    from harness.targets import Address
    from harness.verdict import Finding, Result
    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

TEXTS = {one.id: one for one in REQUIREMENTS}
SEARCHED = "search"
LONGEST = 15.0  # seconds of a drawn drill that is still worth its time
WRONG_PASSWORD = "firmdrill-probe-wrong"  # noqa: S105 - it is meant to be wrong
_WORST = (Verdict.ERROR, Verdict.FAIL, Verdict.NON_STRICT)


class Interrupted(Exception):
    """The user interrupted; what was told until then stands."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What is checked, and where the logs go."""

    folder: Path
    target: Target | None = None
    target_source: str = ""
    mutant: str | None = None
    seed: int | None = None
    announced: Mapping[str, str] = field(default_factory=dict)  # case -> why it is to fail
    taken: Counter[str] = field(default_factory=Counter)  # chargers that drills have used up

    def fresh(self, scenario: Scenario) -> Target | None:
        """Return the target with chargers that no drill has used, where it can make them known.

        What a drill left behind (a rollout that never ended) then cannot disturb the next.
        """
        target = self.target
        if target is None or target.chargers.pattern is None:
            return target
        if target.chargers.register_url is None and target.chargers.provision is None:
            return target
        first = target.chargers.first + self.taken["chargers"]
        self.taken["chargers"] += len(scenario.chargers(scenario.seed))
        chargers = target.chargers.model_copy(update={"first": first})
        return target.model_copy(update={"chargers": chargers})

    @property
    def who(self) -> str:
        """What the report calls the system."""
        if self.target is not None:
            return self.target.name
        return f"reference CSMS with {self.mutant}" if self.mutant else "reference CSMS"


def chosen(prefixes: Sequence[str]) -> tuple[list[CsmsCase], list[Probe]]:
    """Return the cases whose id, or one of whose aliases, begins with one of these."""
    wanted = tuple(prefixes)
    drilled = [
        one for one in DRILLED
        if not wanted or any(name.startswith(wanted) for name in (one.id, *one.aliases))
    ]  # fmt: skip
    return drilled, [one for one in PROBES if not wanted or one.id.startswith(wanted)]


def inapplicable(case: CsmsCase, target: Target | None) -> str:
    """Return why a case cannot be asked of this system, '' if it can."""
    if target is None:
        return ""
    for need in case.needs:
        if need == "restart" and target.restart is None:
            return "the target file gives no restart: commands, so it may not be killed"
        if need.startswith("ocpp") and need not in target.subprotocols:
            return f"the target does not speak {need}"
    return ""


# ---------------------------------------------------------------------- drills


def drilled(suite: Suite, cases: Sequence[CsmsCase]) -> Iterator[CaseReport]:
    """Run every drill that a case asks about, and yield the cases; raises `Interrupted`."""
    for one in cases:
        if why := inapplicable(one, suite.target):
            yield _report(one, suite, Verdict.NOT_APPLICABLE, reason=why)
    asked = [one for one in cases if not inapplicable(one, suite.target)]
    for name in dict.fromkeys(one.drill for one in asked):
        record = _drill(suite, find(name).scenario, name, name)
        if record.exit_code is ExitCode.INTERRUPTED:
            raise Interrupted
        for one in asked:
            if one.drill == name:
                yield _answer(one, suite, record)


def _drill(suite: Suite, scenario: Scenario, source: str, name: str) -> RunRecord:
    folder = suite.folder / "drills" / runner.slug(name)
    options = runner.Options(
        scenario=scenario, source=source, folder=folder, text=dump(scenario), seed=suite.seed,
        target=suite.fresh(scenario), target_source=suite.target_source, mutant=suite.mutant,
    )  # fmt: skip
    return runner.run(options, Quiet())


def _answer(case: CsmsCase, suite: Suite, record: RunRecord) -> CaseReport:
    """Ask one question of a drill that ran."""
    facts: dict[str, Any] = {"seconds": record.wall_seconds}
    if record.history is not None:
        facts["log"] = record.history.relative_to(suite.folder).as_posix()
    if record.judgement is None:
        why = f"the drill {case.drill} could not be run: {record.problem}"
        return _report(case, suite, Verdict.INCONCLUSIVE, reason=why, **facts)
    if case.properties == (ENDS,):
        return _report(case, suite, *_ended(record), **facts)
    results = [record.judgement.result(one) for one in case.properties]
    return _report(case, suite, *_judged(results), findings=_against_csms(results), **facts)


def _ended(record: RunRecord) -> tuple[Verdict, str]:
    missed = [one for one in record.expectations if not one.met and not one.inconclusive]
    if missed:
        told = "; ".join(f"expected {e.name} {e.expected}, seen {e.seen}" for e in missed)
        return Verdict.FAIL, told
    if record.problem:
        return Verdict.FAIL, record.problem
    return Verdict.PASS, ""


def _judged(results: Sequence[Result]) -> tuple[Verdict, str]:
    """Return the worst verdict; a case is passed only if every property was put to the test."""
    for verdict in _WORST:
        for one in results:
            if one.verdict is verdict and (verdict is Verdict.ERROR or _against_csms([one])):
                return verdict, _first(one)
    for one in results:
        if one.verdict is Verdict.NOT_APPLICABLE:
            return Verdict.NOT_APPLICABLE, one.note or "the target's profile leaves it open"
    idle = [one.requirement.id for one in results if not one.exercised]
    if idle:
        return Verdict.INCONCLUSIVE, f"the drill did not put {', '.join(idle)} to the test"
    return Verdict.PASS, ""


def _first(result: Result) -> str:
    for finding in _against_csms([result]):
        witness = finding.witness
        return f"{result.requirement.id}: expected {witness.expected}; seen: {witness.seen}"
    return f"{result.requirement.id}: {result.note}"


def _against_csms(results: Sequence[Result]) -> tuple[Finding, ...]:
    return tuple(f for one in results for f in one.findings if f.subject is Subject.CSMS)


def _report(
    case: CsmsCase, suite: Suite, verdict: Verdict, reason: str = "", **rest: Any
) -> CaseReport:
    known = [TEXTS[one] for one in case.properties if one in TEXTS]
    return CaseReport(
        id=case.id, title=case.title, level=case.level, who=suite.who, verdict=verdict,
        expects=" ".join(one.sentence for one in known)
        or f"the scenario {case.drill} ends as it says: {find(case.drill).scenario.proves}",
        requirement="; ".join(dict.fromkeys(one.source for one in known)) or "the scenario",
        reason=reason, aliases=case.aliases,
        properties=tuple(one for one in case.properties if one != ENDS),
        variant=f"drill {case.drill}", **rest,
    )  # fmt: skip


# ---------------------------------------------------------------------- probes


def probed(suite: Suite, probes: Sequence[Probe]) -> list[CaseReport]:
    """Send the probes and return their cases; `TargetError` if nobody answers."""
    return asyncio.run(_probed(suite, probes)) if probes else []


async def _probed(suite: Suite, probes: Sequence[Probe]) -> list[CaseReport]:
    if suite.target is not None:
        chargers = find("smoke").scenario.chargers(1)
        known = suite.target.rename(chargers)
        return await _asked(suite, suite.target.address(known), known, probes)
    with tempfile.TemporaryDirectory(prefix="firmdrill-") as folder:
        reference = await targets.start_reference(Path(folder), mutant=suite.mutant)
        try:
            known = find("smoke").scenario.chargers(1)
            return await _asked(suite, reference.address, known, probes)
        finally:
            await reference.stop()


async def _asked(
    suite: Suite, address: Address, chargers: Sequence[Any], probes: Sequence[Probe]
) -> list[CaseReport]:
    clock = Clock()
    history = History(Header(
        scenario={"name": "probes", "proves": "what makes no sense is refused"},
        target=address.describe(), under_test=("csms",),
        profile=dict(suite.target.profile) if suite.target is not None else {},
    ))  # fmt: skip
    recorder = Recorder(history, clock.now)
    api = targets.RestApi(address)
    await api.open()
    out = []
    try:
        await api.check()
        await targets.provision(api, chargers)
        for probe in probes:
            request = probe.request(tuple(one.id for one in chargers[:2]))
            began, ref = time.monotonic(), recorder.invoke(request)
            outcome = await api.request(request)
            recorder.outcome(request, ref, outcome)
            why = probe.unmet(outcome)
            out.append(_probe_report(probe, suite, why, time.monotonic() - began))
    finally:
        await api.close()
        recorder.mark("end")
        (suite.folder / "drills").mkdir(parents=True, exist_ok=True)
        (suite.folder / PROBE_LOG).write_bytes(b"".join(history.lines()))
    return out


PROBE_LOG = "drills/probes.ndjson"


def _probe_report(probe: Probe, suite: Suite, why: str, seconds: float) -> CaseReport:
    return CaseReport(
        id=probe.id, title=probe.title, level=probe.level, who=suite.who,
        verdict=Verdict.FAIL if why else Verdict.PASS, reason=why, log=PROBE_LOG,
        expects=f"{probe.method} {probe.path} is answered with "
        f"{' or '.join(map(str, probe.statuses))}, and has no effect",
        requirement=probe.requirement, properties=probe.properties, variant="probe",
        seconds=seconds,
    )  # fmt: skip


DOOR = "ocpp/password/1"


def at_the_door(suite: Suite) -> list[CaseReport]:
    """Try to connect with a wrong password: the case of W10, where stations have passwords."""
    return [asyncio.run(_at_the_door(suite))]


async def _at_the_door(suite: Suite) -> CaseReport:
    target, why = suite.target, "stations have no passwords here (password_env)"
    verdict = Verdict.NOT_APPLICABLE
    if target is not None and target.chargers.password_env is not None:
        (charger,) = target.rename(find("smoke").scenario.chargers(1)[:1])
        address = target.address([charger])
        right = await _knocked(address, charger, address.passwords.get(charger.id, ""))
        verdict, why = _admission(right, await _knocked(address, charger, WRONG_PASSWORD))
    requirement = TEXTS["W10"]
    return CaseReport(
        id=DOOR, title="A wrong password", expects=requirement.sentence, level="MUST",
        requirement=requirement.source, who=suite.who, verdict=verdict, reason=why,
        properties=("W10",), variant="probe",
    )  # fmt: skip


async def _knocked(address: Address, charger: ChargerSpec, password: str) -> Diagnosis:
    """Return how far a station with this password comes."""
    return await diagnose(
        address.charger_url(charger.id), subprotocols=(charger.ocpp,),
        authorization=basic(charger.id, password), tls=address.charger_trust(charger.id),
    )  # fmt: skip


def _admission(right: Diagnosis, wrong: Diagnosis) -> tuple[Verdict, str]:
    """Judge a door at which the right and a wrong password were tried.

    That a wrong one does not open says something only where the right one does.
    """
    if right.step != "ok":
        return Verdict.INCONCLUSIVE, f"the right password does not open, either: {right.detail}"
    if wrong.step == "ok":
        return Verdict.FAIL, "a station with a wrong password was let in"
    if wrong.step in {"auth", "http"}:
        return Verdict.PASS, ""
    return Verdict.INCONCLUSIVE, f"no answer to a wrong password: {wrong.step}, {wrong.detail}"


# ---------------------------------------------------------------------- search


def searched(
    suite: Suite, within: float, *, first: int = 0, tell: Callable[[str], None] = lambda _: None
) -> Iterator[CaseReport]:
    """Run drawn drills until the time is up; yield one case for each property that broke."""
    deadline, number, ran = time.monotonic() + within, first, 0
    broken: dict[str, CaseReport] = {}
    while time.monotonic() < deadline:
        scenario = _drawn(number, suite)
        if scenario is not None and _lasts(scenario) <= min(LONGEST, deadline - time.monotonic()):
            record = _drill(suite, scenario, f"search-{number}", f"search-{number}")
            if record.exit_code is ExitCode.INTERRUPTED:
                raise Interrupted
            ran += record.judgement is not None
            (suite.folder / "drills" / f"search-{number}" / "scenario.yaml").write_text(
                dump(scenario), encoding="utf-8"
            )
            tell(f"search: drill {number}, {max(0.0, deadline - time.monotonic()):.0f} s left")
            for result in record.judgement.failed if record.judgement else ():
                if _against_csms([result]) and result.requirement.id not in broken:
                    found = broken[result.requirement.id] = _found(suite, record, result, number)
                    yield found
        number += 1
    yield _summed(suite, [one for one in broken.values() if one.id not in suite.announced], ran)


def _summed(suite: Suite, broken: Sequence[CaseReport], ran: int) -> CaseReport:
    """Return the case about the whole search; what only should hold makes it no MUST."""
    lax = broken and all(one.level != "MUST" for one in broken)
    names = sorted(one.properties[0] for one in broken)
    return CaseReport(
        id=f"{SEARCHED}/all", title=f"{ran} drawn drills", level="SHOULD" if lax else "MUST",
        expects="no drawn drill breaks a property that is not announced",
        requirement="every property", who=suite.who,
        verdict=Verdict.INCONCLUSIVE if not ran else Verdict.FAIL if broken else Verdict.PASS,
        reason=f"broken: {', '.join(names)}" if broken else "" if ran else "no time",
        variant="search",
    )  # fmt: skip


def _drawn(number: int, suite: Suite) -> Scenario | None:
    """Return a drawn drill that this system can be put through, None if it cannot."""
    fields = generate.fields(number)
    steps = [one if isinstance(one, str) else next(iter(one)) for one in fields["operator"]]
    killed = suite.target is not None and suite.target.restart is None
    if killed and {"kill", "restart"} & set(steps):
        return None
    return built(fields)


def _lasts(scenario: Scenario) -> float:
    """Return how many seconds a drill takes, as its rehearsal in virtual time says.

    Many short drills show more than one that waits for a charger that never answers.
    """
    events = rehearse(scenario).history.events
    return events[-1].time - events[0].time if events else 0.0


def _found(suite: Suite, record: RunRecord, result: Result, number: int) -> CaseReport:
    requirement = result.requirement
    return CaseReport(
        id=f"{SEARCHED}/{requirement.id}", title=requirement.title, who=suite.who,
        level="MUST" if requirement.level == "MUST" else "SHOULD",
        expects=requirement.sentence, requirement=requirement.source, verdict=Verdict.FAIL,
        reason=f"drawn drill {number}: {_first(result)}", findings=_against_csms([result])[:3],
        properties=(requirement.id,), variant=f"drawn drill {number}",
        log=f"drills/search-{number}/{runner.HISTORY}", seconds=record.wall_seconds,
    )  # fmt: skip
