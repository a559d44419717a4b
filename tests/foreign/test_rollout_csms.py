"""Somebody else's rollout CSMS, checked from the outside: sound, and wrong in one decision each.

It runs on node and npm's ocpp-rpc and knows nothing but the published API (see `node.py`).
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.suites import csms_run
from harness.suites.csms_run import Suite
from harness.target_file import load_target
from harness.verdict import Verdict
from tests.foreign.node import needs_ocpp_rpc, program

if TYPE_CHECKING:
    from pathlib import Path

    from harness.suites.results import CaseReport

pytestmark = [needs_ocpp_rpc, pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(120)]
KEY = "a-key-of-the-test"
SOUND = ("api/", "rollout/canary", "rollout/pause", "rollout/turns", "chargers/late")
FAULTS = {
    "pause_ignored": "rollout/pause/2",
    "double_trigger": "rollout/all/3",
    "stage_skipped": "rollout/rolling/3",
    "no_authentication": "api/key/1",
    "installed_early": "rollout/gate/3",
}


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *cases: str, fault: str = "") -> Any:
    """Start it, describe it, check it; return the cases by number."""
    monkeypatch.setenv("FOREIGN_KEY", KEY)
    reports: list[CaseReport] = []

    async def live() -> None:
        async with program("rollout_csms.cjs", KEY, fault) as csms:
            port = (await csms.until(lambda line: "port" in line))["port"]
            (tmp_path / "target.yaml").write_text(json.dumps(described(port)))
            await asyncio.to_thread(run, tmp_path, cases, reports)

    asyncio.run(live())
    return {one.id: one for one in reports}


def described(port: int) -> dict[str, Any]:
    """Return the target file: its own paths, its own way to make chargers known."""
    base = f"http://127.0.0.1:{port}"
    return {
        "version": 1, "name": "somebody else's", "api": f"{base}/api",
        "ocpp": f"ws://127.0.0.1:{port}/ocpp/{{id}}", "key_env": "FOREIGN_KEY",
        "subprotocols": ["ocpp2.0.1", "ocpp1.6"],
        "chargers": {
            "pattern": "F-{n:03}",
            "provision": {"method": "PUT", "url": f"{base}/known/{{id}}",
                          "body": {"site": "{site_id}"}},
        },
    }  # fmt: skip


def run(folder: Path, cases: tuple[str, ...], reports: list[CaseReport]) -> None:
    """Check the target of a folder."""
    suite = Suite(folder, load_target(folder / "target.yaml"))
    drilled, probes = csms_run.chosen(cases)
    reports += csms_run.probed(suite, probes)
    reports += csms_run.drilled(suite, drilled)


def test_a_sound_csms_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another author, another language, other libraries: nothing of it is accused."""
    cases = check(tmp_path, monkeypatch, *SOUND)
    wrong = {name: one.reason for name, one in cases.items() if one.failed}
    assert wrong == {}
    passed = sum(one.verdict is Verdict.PASS for one in cases.values())
    assert passed >= len(cases) - 3, {n: o.reason for n, o in cases.items() if not o.ran}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_decision_is_found(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the case that is about it."""
    case = FAULTS[fault]
    cases = check(tmp_path, monkeypatch, case, fault=fault)
    assert cases[case].verdict is Verdict.FAIL, cases[case].reason
