"""The last lines on the screen: verdict, what failed and why, counts, seed, report, reproduce.

The block reads the same on a terminal and in a log; only the colours differ.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.text import Text

from harness.report.junit import witness_text
from harness.run_record import Ending
from harness.verdict import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from harness.run_record import RunRecord

STYLES = {"PASS": "bold white on green", "NON_STRICT": "bold black on yellow",
          "INCONCLUSIVE": "bold black on yellow"}  # fmt: skip
# Controls, what turns the direction of writing round, and halves of characters.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
MOST_FINDINGS = 3
MOST_STEPS = 12


def console(run: RunRecord, console: Console) -> None:
    """Print the verdict block; nothing a charger sent can move the cursor or change colours."""
    console.print()
    for result in run.judgement.failed if run.judgement else ():
        requirement = result.requirement
        _say(console, f"FAIL {requirement.id} {requirement.title}", "bold red")
        _say(console, f"  {requirement.sentence}  [{requirement.source}]")
        for finding in result.findings[:MOST_FINDINGS]:
            lines = witness_text(finding).splitlines()
            for line in lines[: MOST_STEPS + 3]:
                _say(console, f"  {line}")
            if len(lines) > MOST_STEPS + 3:
                _say(console, f"    … {len(lines) - MOST_STEPS - 3} more events in the report")
        more = max(0, len(result.findings) - MOST_FINDINGS) + result.omitted
        if more:
            _say(console, f"  and {more} more like this")
    for expectation in run.expectations:
        if not expectation.met:
            text = f"expected {expectation.name} {expectation.expected}, saw {expectation.seen}"
            _say(console, f"MISSED {text}", "bold red")
    if run.problem:
        _say(console, run.problem, "bold red")
    _summary(run, console)


def _summary(run: RunRecord, console: Console) -> None:
    style = STYLES.get(run.verdict, "bold white on red")
    counts = run.counts
    console.print(Text.assemble(("verdict    ", "bold"), (f" {run.verdict} ", style),
                                f"  {cleaned(in_words(run))}"))  # fmt: skip
    _row(console, "properties", properties_in_words(run))
    if planned := _as_planned(run):
        _row(console, "as planned", planned)
    _row(
        console,
        "chargers",
        f"{counts.chargers} in all, {counts.triggered} triggered, {counts.installed} installed, "
        f"{counts.failed} failed",
    )
    if counts.downloads:
        endings = ", ".join(f"{n} {name}" for name, n in sorted(counts.downloads.items()))
        _row(console, "downloads", f"{endings} ({counts.bytes_served / 1e6:.0f} MB served)")
    _row(console, "took", f"{run.wall_seconds:.1f} s, {counts.events} events, seed {run.seed}")
    if run.folder is not None:
        _row(console, "report", str(run.folder / "report.html"))
    _row(console, "reproduce", run.reproduce)


def _as_planned(run: RunRecord) -> str:
    """Return what the scenario's own chargers broke, as it says they do."""
    said = []
    for result in run.judgement.results if run.judgement else ():
        count = len({f.charger for f in result.findings if f.expected_by_scenario})
        more = " or more" if result.omitted else ""  # only the first findings are kept
        said += [f"{result.requirement.id} broken by {count}{more}"] if count else []
    return f"{', '.join(said)} of the scenario's own odd chargers" if said else ""


def in_words(run: RunRecord) -> str:
    """Return the verdict as a sentence."""
    failed = run.judgement.failed if run.judgement else ()
    missed = [expectation for expectation in run.expectations if not expectation.met]
    match run.verdict:
        case "PASS":
            return "everything that was put to the test held"
        case "NON_STRICT":
            return "allowed, but not what a careful implementation does"
        case "FAIL" if failed:
            names = ", ".join(result.requirement.id for result in failed)
            return f"broken: {names}"
        case "FAIL":
            return "an expectation of the scenario was not met"
        case "INCONCLUSIVE" if run.ending is not Ending.COMPLETED:
            return "half a drill proves nothing"
        case "INCONCLUSIVE":
            names = ", ".join(expectation.expected for expectation in missed)
            return f"not put to the test: {names}" if names else "too little was seen to judge"
        case _:
            return run.problem or "the drill itself broke"


def properties_in_words(run: RunRecord) -> str:
    """Return how many properties came out how."""
    if run.judgement is None:
        return "none judged"
    order = [Verdict.PASS, Verdict.FAIL, Verdict.NON_STRICT, Verdict.ERROR, Verdict.INCONCLUSIVE,
             Verdict.NOT_APPLICABLE]  # fmt: skip
    words = {Verdict.PASS: "held", Verdict.FAIL: "broken", Verdict.NON_STRICT: "not strict",
             Verdict.ERROR: "in error", Verdict.INCONCLUSIVE: "not exercised",
             Verdict.NOT_APPLICABLE: "not applicable"}  # fmt: skip
    verdicts = [result.verdict for result in run.judgement.results]
    return ", ".join(f"{verdicts.count(v)} {words[v]}" for v in order if v in verdicts)


def _row(console: Console, name: str, text: str) -> None:
    console.print(Text.assemble((f"{name:<11}", "bold"), cleaned(text)), soft_wrap=True)


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(cleaned(text), style=style), soft_wrap=True)


def cleaned(text: str) -> str:
    """Return the text without what could rewrite the terminal or cannot be printed."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
