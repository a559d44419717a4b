"""The report of a suite: a matrix of cases, with what was expected, seen and sent. A core.

`write` makes report.html (one page, offline), report.json and junit.xml; `console` prints the last
lines. Whatever a system under test said is hostile everywhere: escaped or cleaned.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import jinja2
from markupsafe import Markup
from rich.text import Text

from harness.report.block import STYLES, cleaned
from harness.report.junit import clean, witness_text
from harness.verdict import Verdict
from harness.whole_files import put

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.suites.results import CaseReport, SuiteReport


def write(folder: Path, suite: SuiteReport) -> None:
    """Write the three files into a folder that exists, each whole or not at all."""
    facts = json.dumps(suite.to_dict(), indent=1, default=str) + "\n"
    put(folder / "report.json", facts)
    put(folder / "junit.xml", junit(suite))
    page = html(suite).encode("utf-8", "replace")  # JSON may hold half a surrogate pair
    put(folder / "report.html", page)


def html(suite: SuiteReport) -> str:
    """Return the page: the matrix first, then what every case expected and saw."""
    here = resources.files("harness.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(here.joinpath("matrix.html.j2").read_text(encoding="utf-8"))
    who = list(dict.fromkeys(one.who for one in suite.cases))
    ids = list(dict.fromkeys(one.id for one in suite.cases))
    return template.render(
        suite=suite,
        who=who,
        rows=[(name, [_cell(suite, name, one) for one in who]) for name in ids],
        words=in_words(suite),
        style=Markup(here.joinpath("page.css").read_text(encoding="utf-8")),  # noqa: S704
    )


def _cell(suite: SuiteReport, name: str, who: str) -> CaseReport | None:
    return next((one for one in suite.cases if one.id == name and one.who == who), None)


def junit(suite: SuiteReport) -> str:
    """Return the text of junit.xml: a test case for each case on each system."""
    root = ET.Element("testsuites")
    element = ET.SubElement(root, "testsuite", name=f"firmdrill {clean(suite.name)}")
    for one in suite.cases:
        _junit_case(element, suite, one)
    if suite.problem:
        broken = ET.SubElement(element, "testcase", classname="firmdrill", name="it ran")
        ET.SubElement(broken, "error", message=clean(suite.problem))
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"),
                      ("skipped", "skipped")):  # fmt: skip
        element.set(kind, str(sum(1 for _ in element.iter(tag))))
    element.set("time", f"{suite.seconds:.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _junit_case(element: ET.Element, suite: SuiteReport, one: CaseReport) -> None:
    case = ET.SubElement(
        element, "testcase", classname=clean(f"firmdrill.{suite.name}.{one.who}"),
        name=clean(f"{one.id} {one.title}"), time=f"{one.seconds:.3f}",
    )  # fmt: skip
    text = "\n\n".join(map(witness_text, one.findings))
    if one in suite.wrong:
        tag = "error" if one.verdict is Verdict.ERROR else "failure"
        message = one.reason or f"passed, but was expected to fail: {one.announced}"
        ET.SubElement(case, tag, message=clean(message)).text = clean(text)
    elif one.failed or not one.ran:
        why = f"expected to fail: {one.announced}; {one.reason}" if one.announced else one.reason
        ET.SubElement(case, "skipped", message=clean(why))


def in_words(suite: SuiteReport) -> str:
    """Return the verdict as a sentence."""
    said = _in_words(suite)
    return f"interrupted; until then: {said}" if suite.interrupted else said


def _in_words(suite: SuiteReport) -> str:
    names = list(dict.fromkeys(one.id for one in suite.wrong))
    match suite.verdict:
        case Verdict.FAIL:
            told = f"{len(names)} case{'s' if len(names) != 1 else ''} failed: {', '.join(names)}"
            if should := len(dict.fromkeys(one.id for one in suite.lax)):
                told = f"{told}; and {should} of level SHOULD"
            return f"{told}; then: {suite.problem}" if suite.problem else told
        case Verdict.PASS:
            as_said = sum(bool(one.announced) for one in suite.cases)
            but = f", but for {as_said} as announced" if as_said else ""
            return f"every case that applies passed{but}"
        case Verdict.NON_STRICT:
            return "nothing that must be is missing; some that should be is"
        case _ if suite.problem:
            return suite.problem
        case _ if suite.open:
            names = list(dict.fromkeys(one.id for one in suite.open))
            return f"never put to the test: {', '.join(names)}"
        case _:
            ran = sum(one.ran for one in suite.cases)
            return f"{ran} cases said something" if ran else "no case could be run"


def console(suite: SuiteReport, console: Console, folder: Path) -> None:
    """Print what failed and the last lines; nothing that was sent can move the cursor."""
    console.print()
    for one in suite.wrong:
        _say(console, f"FAIL {one.id} {one.title} ({one.who})", "bold red")
        _say(console, f"  {one.expects}  [{one.requirement}]")
        _say(console, f"  {one.reason or 'passed, but was expected to fail: ' + one.announced}")
        for finding in one.findings[:2]:
            for line in witness_text(finding).splitlines()[:12]:
                _say(console, f"    {line}")
    style = STYLES.get(str(suite.verdict), "bold white on red")
    console.print(Text.assemble(("verdict    ", "bold"), (f" {suite.verdict} ", style),
                                f"  {cleaned(in_words(suite))}"), soft_wrap=True)  # fmt: skip
    counts = ", ".join(f"{n} {name.lower().replace('_', ' ')}" for name, n in suite.counts.items())
    _say(console, f"cases      {counts or 'none'}")
    _say(console, f"took       {suite.seconds:.1f} s")
    _say(console, f"report     {folder / 'report.html'}")
    _say(console, f"reproduce  {suite.reproduce}")


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(cleaned(text), style=style), soft_wrap=True)
