"""A CSMS that is described by a target file is drilled from the outside, like a stranger's."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from harness import runner, targets
from harness.cli import main
from harness.library import find
from harness.live import Quiet
from harness.run_record import ExitCode
from harness.target_file import load_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Our CSMS in the role of a foreign one: only its file tells where it is."""
    started: list[targets.Address] = []
    up, down = threading.Event(), threading.Event()

    async def live() -> None:
        reference = await targets.start_reference(tmp_path)
        started.append(reference.address)
        up.set()
        await asyncio.to_thread(down.wait)
        await reference.stop()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert up.wait(30)
    address = started[0]
    monkeypatch.setenv("STRANGER_KEY", address.key)
    file = tmp_path / "stranger.yaml"
    file.write_text(
        f"version: 1\nname: a stranger\napi: {address.api}\nocpp: {address.ocpp}/{{id}}\n"
        f'key_env: STRANGER_KEY\nchargers: {{pattern: "X-{{n}}", register: "{address.ext}"}}\n'
    )
    yield file
    down.set()
    thread.join()


def test_a_target_is_drilled_with_its_own_charger_ids(stranger: Path, tmp_path: Path) -> None:
    """No extension field is sent, its chargers are known by its ids, and it passes."""
    found = find("rolling")
    options = runner.Options(
        scenario=found.scenario,
        source="rolling",
        folder=tmp_path / "run",
        text=found.text,
        target=load_target(stranger),
        target_source=str(stranger),
    )
    done = runner.run(options, Quiet())
    assert (done.problem, done.verdict, done.exit_code) == ("", "PASS", ExitCode.PASSED)
    assert done.target["name"] == "a stranger"
    assert done.reproduce.endswith(f"--target {stranger}")
    history = (tmp_path / "run" / "history.ndjson").read_text()
    assert "update_timeout" not in history.split('"name":"create"', 2)[1].split("}}")[0]
    assert "charger:X-1" in history
    assert "STRANGER" not in history
    probe = CliRunner().invoke(main, ["target", "probe", str(stranger)])
    assert probe.exit_code == 0, probe.output
    assert {line[:4] for line in probe.stdout.splitlines()} == {"ok  "}
    for version in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"):
        assert f"{version}: {load_target(stranger).ocpp.replace('{id}', 'X-')}" in probe.stdout
    assert probe.stdout.count("BootNotification: Accepted") == 3


def test_probing_tells_a_charger_that_is_not_known(stranger: Path) -> None:
    """Where the file has no way to make one known, OCPP fails, with the hint; exit 3."""
    told = stranger.read_text()
    stranger.write_text(re.sub(r', register: "[^"]*"', "", told))
    result = CliRunner().invoke(main, ["target", "probe", str(stranger)])
    assert result.exit_code == 3
    assert "so it exists" in result.stdout
    assert "with the key wrong: 401" in result.stdout
    assert "/ocpp/X-1: HTTP failed: HTTP/1.1 404 Not Found" in result.stdout
