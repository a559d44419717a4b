"""Where an import writes: never over what it reads, and never where nobody asked it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from tests.harness.fieldlog.reading import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

STEVE = (SAMPLES / "steve.log").read_bytes()


def call(*words: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("name", ["history.ndjson", "import.txt", "report.json"])
def test_an_import_never_writes_over_its_log(name: str, tmp_path: Path) -> None:
    """The report's folder may be where the log lies, the scenario may bear its name."""
    log = tmp_path / name
    log.write_bytes(STEVE)
    places: list[list[str | Path]] = [
        ["--report", tmp_path],
        ["--report", tmp_path / "r", "--scenario", log],
    ]
    for words in places:
        done = call("import", log, *words)
        assert done.exit_code == 2
        assert "overwritten" in done.output
        assert log.read_bytes() == STEVE


def test_an_export_never_writes_over_its_history(tmp_path: Path) -> None:
    """Nor is half of it read before that is noticed."""
    call("import", SAMPLES / "steve.log", "--report", tmp_path)
    history = tmp_path / "history.ndjson"
    before = history.read_bytes()
    done = call("export", history, "-o", history)
    assert (done.exit_code, history.read_bytes()) == (2, before)
    assert "overwritten" in done.output


def test_no_schema_is_left_beside_a_stream(tmp_path: Path) -> None:
    """A scenario may be written to what is no file: /dev is no place for files of ours."""
    beside = tmp_path / "dev"
    beside.mkdir()
    (beside / "null").symlink_to("/dev/null")
    words: list[str | Path] = ["--report", tmp_path / "r", "--scenario", beside / "null"]
    assert call("import", SAMPLES / "steve.log", *words).exit_code == 0
    assert [path.name for path in beside.iterdir()] == ["null"]


def test_a_folder_s_name_that_is_too_long_is_explained(tmp_path: Path) -> None:
    """It is no defect of ours."""
    done = call("import", SAMPLES / "steve.log", "--report", tmp_path / ("x" * 300))
    assert done.exit_code == 2
    assert "cannot be made" in done.output


def test_the_name_of_a_file_cannot_rewrite_the_terminal(tmp_path: Path) -> None:
    """Customers name their files, and archives carry any name."""
    done = CliRunner().invoke(main, ["import", str(tmp_path / "a\x1b[31m.log")], color=True)
    assert done.exit_code == 2
    assert "\x1b" not in done.output
