"""Writes what a load run leaves: load.json, and load.html beside Locust's own page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from harness.load.page import PAGE, html
from harness.load.share import Dashboard
from harness.whole_files import put

if TYPE_CHECKING:
    from pathlib import Path

    from harness.load.verdict import LoadRecord

JSON = "load.json"


def write(folder: Path, record: LoadRecord) -> None:
    """Write the report into the run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record.to_dict(), ensure_ascii=False, indent=1, default=str)
    put(folder / JSON, text + "\n")
    put(folder / PAGE, html(json.loads(text)))


def dashboard(share: dict[str, Any]) -> Dashboard:
    """Return the readers' part of a share as it was sent."""
    return msgspec.convert(share["dashboard"], Dashboard)
