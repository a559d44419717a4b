"""Reads logs in tests: a sample or a text, to header, events, problems and summary."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.fieldlog.files import LogFile, import_log
from harness.fieldlog.intake import Options, Summary
from harness.review import Reviewer

if TYPE_CHECKING:
    from harness.fieldlog.registry import Recognised
    from harness.history import Event, Header
    from harness.review import Review
    from harness.verdict import Result

SAMPLES = Path(__file__).parent / "samples"
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@dataclass
class Read:
    """What came of one import."""

    header: Header
    summary: Summary
    form: str
    events: list[Event] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    @property
    def frames(self) -> list[tuple[str, list[Any]]]:
        """The frames in order, each with its way."""
        return [
            (event.kind, event.data["frame"])
            for event in self.events
            if event.kind in {"send", "recv"}
        ]

    @property
    def chargers(self) -> list[str]:
        """The chargers' ids."""
        return sorted({event.charger for event in self.events if event.charger is not None})

    def review(self) -> Review:
        """Judge it."""
        reviewer = Reviewer(self.header)
        for event in self.events:
            reviewer.see(event)
        return reviewer.review()

    def result(self, requirement: str) -> Result:
        """Judge it and return one property's result."""
        return self.review().judgement.result(requirement)

    @property
    def accused(self) -> set[tuple[str, str]]:
        """Every property that found something, with the side that it accuses."""
        return {
            (result.requirement.id, str(finding.subject))
            for result in self.review().judgement.results
            for finding in result.findings
        }


def read(path: Path, **options: Any) -> Read:
    """Import a file."""
    encoding = options.pop("encoding", "")
    headers: list[Header] = []
    events: list[Event] = []
    problems: list[tuple[int, str]] = []
    forms: list[Recognised] = []
    summary = import_log(
        LogFile(path, encoding),
        Options(name=path.name, **options),
        begin=headers.append,
        see=events.append,
        report=lambda line, text: problems.append((line, text)),
        chosen=forms.append,
    )
    (header,) = headers
    return Read(header, summary, forms[0].form.name, events, problems)


def read_text(folder: Path, text: str | bytes, **options: Any) -> Read:
    """Import a text, as a file in `folder`."""
    path = folder / "field.log"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, **options)
