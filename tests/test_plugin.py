"""The pytest plugin, used as a stranger uses it: a project of their own, pytest in a subprocess."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from simulator.scenario import dump, load

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose folders are named as ours are, and whose import would end everything."""
    for package in ("harness", "simulator", "reference_csms", "scenarios"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = '-ra'\n")
    return tmp_path


def pytest_in(
    project: Path, test: str, *options: str, name: str = "test_it.py"
) -> subprocess.CompletedProcess[str]:
    """Run pytest over one test file, the way people do: the project's root is importable."""
    (project / name).write_text(textwrap.dedent(test))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=project, env={**os.environ, "THEIR_KEY": "k" * 32},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


def test_a_marked_test_runs_its_drill_first(project: Path) -> None:
    """A shipped scenario by name, a file beside the test, options, and the result in the body."""
    own = load((ROOT / "scenarios" / "smoke.yaml").read_text(encoding="utf-8"))
    (project / "own.yaml").write_text(dump(own))
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("smoke", virtual=True, seed=3)
        def test_shipped(drilled):
            assert drilled.passed and drilled.verdict == "PASS" and drilled.broken == []
            assert drilled.counts["installed"] == 10
            assert (drilled.report / "report.html").is_file()
            assert "--seed 3" in drilled.reproduce

        @pytest.mark.drill("own.yaml")
        def test_own_file_over_real_sockets():
            pass

        def test_as_a_call(drill):
            result = drill("pause", virtual=True, mutant="pause_ignored", check=False)
            assert result.broken == ["R18"]
    """)  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_failure_shows_the_witness_and_the_replay(project: Path) -> None:
    """What was expected, what was seen, the events, and the command; no traceback of ours."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("pause", virtual=True, mutant="pause_ignored")
        def test_pause():
            raise SystemExit("a body that must not run")
    """, "--firmdrill-report", "kept", "--junitxml=junit.xml")  # fmt: skip
    assert done.returncode == 1, done.stdout
    for told in (
        "FAIL R18 Silence", "expected: no UpdateFirmware", "seen:     yard-", "POST /firmware",
        "reproduce  firmdrill run pause --seed 11 --virtual --mutant pause_ignored", "1 failed",
    ):  # fmt: skip
        assert told in done.stdout
    assert "subprocess" not in done.stdout
    assert "pytest_firmdrill/" not in done.stdout
    assert list((project / "kept").rglob("report.html"))
    assert "firmdrill run pause" in (project / "junit.xml").read_text(encoding="utf-8")


def test_a_mistake_is_told_in_the_first_line(project: Path) -> None:
    """The line that pytest's summary shows; no traceback, and the command below it."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("smok")
        def test_misspelt():
            pass

        @pytest.mark.drill
        def test_nothing():
            pass

        @pytest.mark.drill("smoke", target="nowhere.yaml")
        def test_nowhere():
            pass
    """)  # fmt: skip
    assert done.returncode == 1, done.stdout
    for told in (
        "test_misspelt - Failed: there is neither", "did you mean smoke?",
        "reproduce  firmdrill run smok --json",
        "test_nothing - Failed: the mark needs a scenario",
        "test_nowhere - Failed: cannot read nowhere.yaml: No such",
    ):  # fmt: skip
        assert told in done.stdout
    assert "Traceback" not in done.stdout


def test_one_exception_class_a_property(project: Path) -> None:
    """Whoever catches, or shrinks, keeps distinct defects apart; and mistakes are explained."""
    done = pytest_in(project, """
        import pytest
        from pytest_firmdrill import DrillFailed, failure_of

        def test_class(drill):
            with pytest.raises(failure_of("R18")) as caught:
                drill("pause", virtual=True, mutant="pause_ignored")
            assert isinstance(caught.value, DrillFailed)
            assert caught.value.result.broken == ["R18"]
            assert failure_of("R18") is not failure_of("R13")

        def test_typo(drill):
            drill("smoek", virtual=True)

        def test_option(drill):
            drill("smoke", sede=3)

        def test_no_mark(drilled):
            pass
    """)  # fmt: skip
    assert "1 passed" in done.stdout
    assert "did you mean" in done.stdout.lower()
    assert "another exception occurred" not in done.stdout
    assert "sede is not an option; known: mutant, processes, seed, target, virtual" in done.stdout
    assert '@pytest.mark.drill("smoke")' in done.stdout


def test_the_parts_run_beside_a_test(project: Path) -> None:
    """A fleet of ours updates itself at our CSMS, from our firmware server, told by the test."""
    done = pytest_in(project, """
        import json, urllib.request

        def post(csms, path, body):
            headers = {"Authorization": f"Bearer {csms.key}", "Content-Type": "application/json"}
            url, data = csms.api + path, json.dumps(body).encode()
            return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers)))

        def test_parts(reference_csms, firmware_server, virtual_fleet):
            cut = "kind=cut,at=0.5,client=yard-0001"
            server = firmware_server("fw.bin=100kB@2.0.0", faults=[cut])
            fleet = virtual_fleet("pause", csms=reference_csms)
            fleet.wait_for(booted=12)
            ids = [f"yard-{n:04}" for n in range(1, 13)]
            rollout = post(reference_csms, "/firmware/rollout", {
                "charger_ids": ids, "firmware_url": server.image("fw.bin"),
                "strategy": "all_at_once"})
            post(reference_csms, f"/firmware/rollout/{rollout['rollout_id']}/execute-stage", {})
            requests = server.wait_for(12)
            assert {"cut", "complete"} == {request["outcome"] for request in requests}
            fleet.wait_for(Installed=11)
            assert fleet.state["online"] <= 12
    """)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_part_that_cannot_start_says_why(project: Path) -> None:
    """Its last words are the failure."""
    done = pytest_in(project, """
        def test_image(firmware_server):
            firmware_server("gone.bin")

        def test_fleet(virtual_fleet):
            virtual_fleet("smoke", ocpp="http://wrong")
    """)  # fmt: skip
    assert "no such file" in done.stdout
    assert "write it as ws://" in done.stdout
    assert "2 failed" in done.stdout


def test_a_target_that_is_down_fails_with_its_address(project: Path) -> None:
    """--firmdrill-target drills a CSMS of theirs; drills in virtual time stay ours."""
    (project / "csms.yaml").write_text(
        "version: 1\nname: theirs\napi: http://127.0.0.1:1/api\nocpp: ws://127.0.0.1:1/{id}\n"
        "key_env: THEIR_KEY\nchargers: {pattern: 'CP-{n:04}'}\nfirmware: {host: 127.0.0.1}\n"
    )
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("smoke")
        def test_theirs(): ...

        @pytest.mark.drill("smoke", virtual=True)
        def test_ours(): ...
    """, "--firmdrill-target", "csms.yaml")  # fmt: skip
    assert "firmdrill: drills csms.yaml" in done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "127.0.0.1:1" in done.stdout


def test_a_drill_that_takes_too_long_is_stopped(project: Path) -> None:
    """The limit ends it as Ctrl-C would: the verdict so far is told."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("demo")
        def test_long(): ...
    """, "--firmdrill-timeout", "3")  # fmt: skip
    assert "the drill took longer than 3 s" in done.stdout
    assert "1 failed" in done.stdout


def test_the_page_in_the_docs_is_true(project: Path) -> None:
    """The example to copy runs as it stands; the first is long in another test."""
    page = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    done = pytest_in(project, example, "-k", "not canary")
    assert done.returncode == 0, done.stdout
    assert "7 passed, 1 deselected" in done.stdout
