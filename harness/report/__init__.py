"""Reports of a drill: `write` for the folder, `console` for the last lines on the screen.

Everything is made from a `RunRecord` and its history file, so a report can be made again from what
was kept. What a charger said is hostile everywhere: escaped in HTML, cleaned in XML and terminals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.block import console
from harness.report.html import html
from harness.report.json_file import report_json
from harness.report.junit import junit
from harness.report.picture import picture
from harness.whole_files import put

if TYPE_CHECKING:
    from pathlib import Path

    from harness.run_record import RunRecord

__all__ = ["console", "write"]


def write(directory: Path, run: RunRecord) -> None:
    """Write report.html, report.json and junit.xml into `directory` (made if missing).

    Each is whole or absent; raises OSError.
    """
    seen = picture(run)
    files = {
        "report.json": report_json(run, seen).encode(),
        "junit.xml": junit(run).encode(),
        "report.html": html(run, seen).encode("utf-8", "replace"),  # half a surrogate pair
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        put(directory / name, content)
