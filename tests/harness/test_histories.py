"""Recorded histories as people have them: packed, cut, picked apart, saved by an editor."""

from __future__ import annotations

import gzip
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from harness.claims import claimed
from harness.cli import main
from harness.history import encode
from harness.library import find
from harness.rehearsal import rehearse
from harness.review import Reviewer

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from harness.history import Event


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """Return the lines of a drill that passes."""
    return list(rehearse(find("smoke").scenario).history.lines())


def call(*words: str | Path) -> Result:
    """Call firmdrill."""
    return CliRunner().invoke(main, [str(word) for word in words])


def kept(folder: Path, content: bytes, name: str = "history.ndjson") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content)
    return path


def test_a_packed_history_is_judged_as_it_is(lines: list[bytes], tmp_path: Path) -> None:
    """Whoever keeps many packs them."""
    path = kept(tmp_path, gzip.compress(b"".join(lines)), "history.ndjson.gz")
    result = call("judge", path)
    assert result.exit_code == 0, result.output
    assert f"{len(lines) - 1} events" in result.output


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("share", [0.15, 0.4, 0.7])
def test_a_cut_history_proves_nothing(
    lines: list[bytes], tmp_path: Path, share: float, *, packed: bool
) -> None:
    """Wherever it ends, also before the operator began: neither a pass nor a failure."""
    content = b"".join(lines)
    content = gzip.compress(content) if packed else content
    result = call("judge", kept(tmp_path, content[: int(len(content) * share)]))
    assert "the history is cut" in result.output
    assert "INCONCLUSIVE   half a drill proves nothing" in result.output
    assert result.exit_code in {3, 130}


def test_a_history_that_ends_before_the_operator_begins_was_no_drill(
    lines: list[bytes], tmp_path: Path
) -> None:
    """Exit 3: nothing that the scenario expects can have come true."""
    start = next(n for n, line in enumerate(lines) if b'"baseline"' in line)
    result = call("judge", kept(tmp_path, b"".join(lines[: start + 2])))
    assert result.exit_code == 3
    assert "INCONCLUSIVE" in result.output


def test_a_packed_history_gets_a_whole_report(lines: list[bytes], tmp_path: Path) -> None:
    """The picture is drawn from the file once more; it used to end as a defect of ours."""
    packed = kept(tmp_path, gzip.compress(b"".join(lines)), "packed.gz")
    plain = kept(tmp_path, b"".join(lines))
    seen = []
    for number, path in enumerate((packed, plain)):
        folder = tmp_path / str(number)
        assert call("judge", path, "--report", folder).exit_code == 0
        seen.append(json.loads((folder / "report.json").read_bytes())["latencies"])
    assert seen[0] == seen[1] != {}


def test_an_event_that_was_taken_out_is_missed(lines: list[bytes], tmp_path: Path) -> None:
    """What was left out would be held against the innocent: exit 2, and no verdict."""
    path = kept(tmp_path, b"".join(lines[:20] + lines[21:]))
    result = call("judge", path)
    assert result.exit_code == 2
    assert "event 19 is missing (the next one is 20): a history is judged whole" in result.stderr
    assert call("export", path).exit_code == 0  # a part of it can still be handed on


def test_events_without_their_header_are_no_history(lines: list[bytes], tmp_path: Path) -> None:
    """Every field of a header may be left out but the one that says what it is."""
    result = call("judge", kept(tmp_path, b"".join(lines[1:])))
    assert result.exit_code == 2
    assert "line 1: not a history header" in result.stderr
    assert "`format`" in result.stderr


def test_what_an_editor_saved_is_read_or_named(lines: list[bytes], tmp_path: Path) -> None:
    """A mark before the text, Windows' line ends and empty lines change nothing; UTF-16 does."""
    text = b"".join(lines)
    saved = b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n\r\n")
    assert call("judge", kept(tmp_path, saved)).exit_code == 0
    result = call("judge", kept(tmp_path, text.decode().encode("utf-16")))
    assert result.exit_code == 2
    assert "this text is UTF-16: save it as UTF-8" in result.stderr


def test_an_export_that_fails_leaves_what_was_there(lines: list[bytes], tmp_path: Path) -> None:
    """The file is replaced once its successor is whole."""
    output = kept(tmp_path, b"precious", "trace.jsonl")
    broken = (b"", b"\x00 no history", lines[0], b"".join([*lines[:50], b"garbage\n"]))
    for content in broken:
        result = call("export", kept(tmp_path, content), "-o", output)
        assert result.exit_code == 2, result.output
        assert output.read_bytes() == b"precious"
    assert call("export", tmp_path / "nowhere", "-o", output).exit_code == 2
    assert output.read_bytes() == b"precious"
    link = tmp_path / "link"
    link.symlink_to(output)
    assert call("export", kept(tmp_path, b"".join(lines)), "-o", link).exit_code == 0
    assert json.loads(output.read_bytes().splitlines()[0])["schemaVersion"] == "1.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "history.ndjson", "link", "trace.jsonl",
    ]  # fmt: skip


def test_two_commands_never_write_one_history(lines: list[bytes], tmp_path: Path) -> None:
    """The second is told so before it has written a byte; when the first is done, it may."""
    folder = tmp_path / "report"
    folder.mkdir()
    with claimed(folder / "history.ndjson") as first:
        first.write(lines[0])
        first.flush()
        result = call("run", "smoke", "--virtual", "--report", folder)
        assert result.exit_code == 2, result.output
        assert "another command is writing into" in result.stderr
        assert (folder / "history.ndjson").read_bytes() == lines[0]
    assert call("run", "smoke", "--virtual", "--report", folder).exit_code == 0
    assert call("judge", folder).exit_code == 0


def test_an_export_goes_into_a_pipe(lines: list[bytes], tmp_path: Path) -> None:
    """Not every output is a file that can be replaced."""
    path = kept(tmp_path, gzip.compress(b"".join(lines)))
    assert call("export", path, "-o", "/dev/null").exit_code == 0
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("target", ["nowhere/trace.jsonl", "."])
def test_an_output_that_cannot_be_is_named(lines: list[bytes], tmp_path: Path, target: str) -> None:
    """A folder that is not there, and one where a file should be."""
    result = call("export", kept(tmp_path, b"".join(lines)), "-o", tmp_path / target)
    assert result.exit_code == 2
    assert result.stderr.startswith("cannot write ")


def test_a_header_alone_holds_nothing(lines: list[bytes], tmp_path: Path) -> None:
    """Nothing to judge, and nothing to export."""
    path = kept(tmp_path, lines[0])
    assert "there is nothing to judge" in call("judge", path).stderr
    assert "nothing was exported" in call("export", path).stderr
    assert encode(rehearse(find("smoke").scenario).header) == lines[0]


def test_a_judge_that_is_interrupted_says_what_it_has_seen(
    lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 130 and a report, as of a drill; half of a history proves nothing."""
    path = kept(tmp_path, b"".join(lines))
    plain, seen = Reviewer.see, []

    def see(reviewer: Reviewer, event: Event) -> None:
        plain(reviewer, event)
        seen.append(event)
        if len(seen) == 100:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Reviewer, "see", see)
    result = call("judge", path, "--report", tmp_path / "report")
    assert result.exit_code == 130, result.output
    assert "verdict     INCONCLUSIVE" in result.stdout
    assert len(seen) < 110
    report = json.loads((tmp_path / "report" / "report.json").read_bytes())
    assert report["problem"].startswith("interrupted")


@pytest.mark.parametrize("words", [["judge"], ["export", "--anonymise", "-o", "/dev/null"]])
def test_long_work_on_a_history_says_how_far_it_is(
    lines: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """On standard error, as an import does; 200 MB were judged for half a minute in silence."""
    monkeypatch.setattr("harness.cli.importing.EVERY", 0.0)
    path = kept(tmp_path, gzip.compress(b"".join(lines)))
    result = call(*words, path)
    assert result.exit_code == 0
    assert "MB read (" in result.stderr
    assert "MB read (" not in result.stdout
