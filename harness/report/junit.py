"""`junit.xml`: one test case per property and per expectation, for every CI. A core.

FAIL is a failure, ERROR an error, what was not put to the test is skipped with its reason: nothing
that failed is ever shown as passed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.verdict import Verdict

if TYPE_CHECKING:
    from harness.run_record import Expectation, RunRecord
    from harness.verdict import Finding, Result

# XML 1.0 cannot hold these at all, not even escaped; chargers may well send them.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """Return the text with everything that XML cannot hold replaced."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def junit(run: RunRecord) -> str:
    """Return the text of junit.xml."""
    results = run.judgement.results if run.judgement else ()
    name = clean(run.scenario.get("name", "drill"))
    suite = ET.Element("testsuite", name=f"firmdrill: {name}")
    for result in results:
        _property(suite, result)
    for expectation in run.expectations:
        _expectation(suite, expectation)
    if run.problem:
        case = _case(suite, "drill", "it ran")
        ET.SubElement(case, "error", message=clean(run.problem))
    for kind, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"),
                      ("skipped", "skipped")):  # fmt: skip
        suite.set(kind, str(sum(1 for _ in suite.iter(tag))))
    suite.set("time", f"{run.wall_seconds:.3f}")
    _properties(suite, run)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, group: str, name: str) -> ET.Element:
    names = {"classname": clean(f"firmdrill.{group}"), "name": clean(name)}
    return ET.SubElement(suite, "testcase", names)


def _property(suite: ET.Element, result: Result) -> None:
    requirement = result.requirement
    case = _case(suite, "property", f"{requirement.id} {requirement.title}")
    match result.verdict:
        case Verdict.FAIL:
            text = "\n\n".join(map(witness_text, result.findings))
            message = f"{requirement.id}: {requirement.sentence}"
            failure = ET.SubElement(case, "failure", message=clean(message))
            failure.text = clean(text)
        case Verdict.ERROR:
            ET.SubElement(case, "error", message=clean(result.note or "checker broke"))
        case Verdict.INCONCLUSIVE | Verdict.NOT_APPLICABLE:
            why = result.note or "never put to the test"
            ET.SubElement(case, "skipped", message=clean(why))
        case Verdict.PASS | Verdict.NON_STRICT:
            pass


def _expectation(suite: ET.Element, expectation: Expectation) -> None:
    case = _case(suite, "expectation", f"{expectation.name} {expectation.expected}")
    if not expectation.met:
        message = f"expected {expectation.expected}, saw {expectation.seen}"
        ET.SubElement(case, "failure", message=clean(message))


def _properties(suite: ET.Element, run: RunRecord) -> None:
    properties = ET.Element("properties")
    facts = {"verdict": run.verdict, "seed": str(run.seed), "reproduce": run.reproduce}
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=clean(value))
    suite.insert(0, properties)


def witness_text(finding: Finding) -> str:
    """Return a finding as plain text: what was expected, what was seen, the events in order."""
    witness = finding.witness
    lines = [f"{finding.who} ({finding.grade}, {finding.subject})",
             f"  expected: {witness.expected}", f"  seen:     {witness.seen}"]  # fmt: skip
    lines += [f"  {step.time:10.3f}  #{step.index:<6} {step.source:<18} {step.text}"
              for step in witness.steps]  # fmt: skip
    return "\n".join(lines)
