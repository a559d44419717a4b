"""The trace of a drill comes back as it was, or is not judged: its checkers know no gaps."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.fieldlog.files import LogFile
from harness.fieldlog.trace import line, records
from harness.history import Event
from harness.library import find
from harness.rehearsal import rehearse
from tests.harness.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.history import Header


@dataclass(frozen=True)
class Drill:
    """A drill that passes: its header and events."""

    header: Header
    events: list[Event]

    def trace(self, events: list[Event] | None = None) -> list[bytes]:
        """Return it as lines of a trace."""
        return [
            line(one) for one in records(self.header, self.events if events is None else events)
        ]


@pytest.fixture(scope="module")
def drill() -> Drill:
    """Return a drill that passes."""
    history = rehearse(find("smoke").scenario).history
    return Drill(history.header, history.events)


def imported(lines: list[bytes], folder: Path, *, packed: bool = False) -> Result:
    """Import these lines."""
    file = folder / "trace.jsonl"
    content = b"".join(lines)
    file.write_bytes(gzip.compress(content)[:-20] if packed else content)
    return call("import", str(file), "--report", str(folder / "report"))


def test_what_was_read_of_a_large_fleet_fits_into_a_line(drill: Drill, tmp_path: Path) -> None:
    """Ten thousand rows are some megabytes; a cut line loses what came before its frame."""
    rows = [{"charge_point_id": f"c-{n}", "version": "v" * 200} for n in range(20_000)]
    at = next(n for n, event in enumerate(drill.events) if event.kind == "ok")
    read = drill.events[at]
    wide = Event(read.index, read.time, read.source, read.kind, "other", read.ref,
                 {"status": 200, "body": {"rows": rows}})  # fmt: skip
    events = [*drill.events[:at], wide, *drill.events[at + 1 :]]
    lines = drill.trace(events)
    assert max(map(len, lines)) > 4 << 20
    result = imported(lines, tmp_path)
    assert "not JSON" not in result.output
    with (tmp_path / "report" / "history.ndjson").open("rb") as file:
        assert sum(1 for _ in file) == 1 + len(events)


@pytest.mark.parametrize("lost", ["first half of a line", "a line", "packed data", "grep"])
def test_a_damaged_trace_of_a_drill_accuses_nobody(lost: str, drill: Drill, tmp_path: Path) -> None:
    """Exit 3 and why: what a lost line told may be what everything else hangs on."""
    lines = drill.trace()
    creates = next(
        n for n, text in enumerate(lines) if b'"create"' in text and b'"kind":"ok"' in text
    )
    if lost == "first half of a line":
        lines[creates] = lines[creates][len(lines[creates]) // 2 :]
    elif lost == "a line":
        lines[creates] = b"{nonsense}\n"
    elif lost == "grep":
        del lines[creates]
    result = imported(lines, tmp_path, packed=lost == "packed data")
    assert result.exit_code == 3, result.output
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert report["verdict"] == "ERROR"
    assert report["problem"].startswith("events of this drill are missing")
    assert call("judge", str(tmp_path / "report")).exit_code == 3


def test_a_trace_that_ends_before_its_drill_proves_nothing(drill: Drill, tmp_path: Path) -> None:
    """Whole lines, but not all: the same verdict as of a history that is cut."""
    events = drill.events
    heal = next(n for n, event in enumerate(events) if event.name == "final")
    result = imported(drill.trace(events[: heal + 1]), tmp_path)
    assert result.exit_code == 130, result.output
    assert "verdict     INCONCLUSIVE" in result.stdout


def test_a_line_of_any_length_comes_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that memory stays bounded, whatever a file holds."""
    monkeypatch.setattr("harness.fieldlog.files.LONGEST", 1000)
    file = tmp_path / "log"
    file.write_bytes(b"x" * 2500 + b"\nend\n")
    assert [(n, len(text)) for n, text in LogFile(file).lines()] == [
        (1, 1000), (1, 1000), (1, 501), (2, 4),
    ]  # fmt: skip
