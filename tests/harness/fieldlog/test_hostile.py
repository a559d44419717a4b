"""What a charger may say: hidden, shortened, and no end of an import."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from tests.harness.fieldlog.reading import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def call(*words: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(word) for word in words])


def test_half_a_character_in_a_tag_is_hidden_like_any_other(tmp_path: Path) -> None:
    """JSON may hold what UTF-8 cannot."""
    log = tmp_path / "a.log"
    log.write_text('[MO] Send: [2,"7","Authorize",{"idTag":"\\ud800secret-tag"}]\n' * 2)
    done = call("import", log, "--anonymise", "--report", tmp_path / "r")
    assert done.exit_code in {0, 3}
    assert not any(b"secret-tag" in path.read_bytes() for path in (tmp_path / "r").iterdir())


@pytest.mark.parametrize("asked", [{}, [], 5, None])
def test_a_scenario_of_a_log_with_an_odd_trigger(asked: object, tmp_path: Path) -> None:
    """What is asked for may be anything."""
    log = tmp_path / "a.log"
    trigger = json.dumps([2, "t", "TriggerMessage", {"requestedMessage": asked}])
    log.write_bytes((SAMPLES / "microocpp.log").read_bytes() + f"[MO] Recv: {trigger}\n".encode())
    done = call("import", log, "--report", tmp_path / "r", "--scenario", tmp_path / "s.yaml")
    assert done.exit_code == 1
    assert (tmp_path / "s.yaml").exists()


def test_a_long_action_does_not_fill_the_screen(tmp_path: Path) -> None:
    """Of a message that nobody can place, its beginning says enough."""
    log = tmp_path / "a.log"
    log.write_text(f'[2,"1","{"x" * 100_000}",{{}}]\n')
    done = call("import", log, "--report", tmp_path / "r")
    assert "nobody can tell" in done.output
    assert len(done.output) < 2000


@pytest.mark.parametrize("interval", [10**400, 10**30, -1, True, None, "60"])
def test_a_scenario_of_a_log_with_an_odd_interval(interval: object, tmp_path: Path) -> None:
    """Between retries; a number that no float holds is none."""
    log = tmp_path / "a.log"
    text = (SAMPLES / "microocpp.log").read_text(encoding="utf-8")
    log.write_text(
        text.replace('{"location"', f'{{"retryInterval":{json.dumps(interval)},"location"'),
        encoding="utf-8",
    )
    done = call("import", log, "--report", tmp_path / "r", "--scenario", tmp_path / "s.yaml")
    assert done.exit_code == 1
    assert "retry_interval" not in (tmp_path / "s.yaml").read_text(encoding="utf-8")
