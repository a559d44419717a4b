"""Our reference as somebody else's CSMS: a process of its own, plain, over TLS and mutual TLS.

A few cases in every run; with FIRMDRILL_LONG=1 all of them, and the search.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cli import main
from simulator.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = os.environ.get("FIRMDRILL_LONG") == "1"
pytestmark = [
    pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(1200 if LONG else 180),
]  # fmt: skip
KEY = "a-key-of-the-tests-that-is-long-enough"
IDS = [f"S-{number:03}" for number in range(1, 801 if LONG else 61)]
CASES = () if LONG else ("api/key/", "rollout/canary/1", "rollout/pause/1")


@contextmanager
def served(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Run the reference CSMS; give what it says when it is ready."""
    command = [sys.executable, "-m", "reference_csms", "--database", str(folder / "csms.sqlite"),
               "--insecure-firmware-url", *options]  # fmt: skip
    environment = {**os.environ, "FIRMDRILL_API_KEY": KEY}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


def protected(folder: Path, profile: str) -> tuple[list[str], dict[str, Any], dict[str, Any]]:
    """Return the server's options, and what its target file says of trust and of chargers."""
    if profile == "plain":
        return [], {}, {}
    authority = Authority(folder / "pki")
    pair = authority.server()
    options = ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    trust = {"ca": "pki/ca.pem"}
    if profile == "tls":
        return options, trust, {}
    (folder / "shown").mkdir()
    for one in IDS:
        shown = authority.client(one)
        shutil.copy(shown.certificate, folder / "shown" / f"{one}.pem")
        shutil.copy(shown.key, folder / "shown" / f"{one}.key")
    options += ["--client-ca", str(authority.certificate)]
    return options, trust, {"certificates": "shown"}


def described(said: dict[str, Any], name: str) -> dict[str, Any]:
    """Return its target file."""
    return {
        "version": 1, "name": name, "api": said["api"], "ocpp": said["ocpp"] + "/{id}",
        "key_env": "THEIR_KEY", "chargers": {"pattern": "S-{n:03}", "register": said["ext"]},
        "firmware": {"host": "127.0.0.1"},
    }  # fmt: skip


@pytest.mark.parametrize("profile", ["plain", "tls", "mutual"])
def test_the_reference_passes_as_anybody_s_csms(
    profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No deviation announced, none found."""
    monkeypatch.setenv("THEIR_KEY", KEY)
    options, trust, chargers = protected(tmp_path, profile)
    with served(tmp_path, *options) as said:
        target = described(said, profile) | trust
        target["chargers"] |= chargers
        (tmp_path / "target.yaml").write_text(json.dumps(target))
        words = ["check", "csms", *CASES, "--target", str(tmp_path / "target.yaml")]
        done = CliRunner().invoke(main, [*words, "--report", str(tmp_path / "report")])
        assert done.exit_code == 0, done.output


def test_without_a_certificate_no_charger_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was put to the test then, and nothing has passed: exit code 3, and why."""
    monkeypatch.setenv("THEIR_KEY", KEY)
    monkeypatch.setattr("harness.drill.BOOT_WITHIN", 2.0)
    options, trust, _ = protected(tmp_path, "mutual")
    with served(tmp_path, *options) as said:
        target = described(said, "mutual") | trust
        (tmp_path / "target.yaml").write_text(json.dumps(target))
        words = ["check", "csms", "rollout/canary", "--target", str(tmp_path / "target.yaml")]
        done = CliRunner().invoke(main, [*words, "--report", str(tmp_path / "report")])
    assert done.exit_code == 3, done.output
    assert "never put to the test: rollout/canary/1" in done.output
