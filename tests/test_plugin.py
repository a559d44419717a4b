"""The pytest plugin, used as a stranger uses it: a project of their own, pytest in a subprocess."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
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
        cwd=project, env={**os.environ, "THEIR_KEY": "k" * 32, "COLUMNS": "200"},
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
    assert "are hidden" not in done.stdout
    assert list((project / "kept").rglob("report.html"))
    assert "firmdrill run pause" in (project / "junit.xml").read_text(encoding="utf-8")


def test_a_mistake_is_told_in_the_first_line(project: Path) -> None:
    """The line that pytest's summary shows; no traceback, and the command below it."""
    (project / "broken.yaml").write_text("{")
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

        @pytest.mark.drill("smoke", "pause")
        def test_two_words():
            pass

        @pytest.mark.drill("smoke")
        @pytest.mark.drill("pause")
        def test_two_marks():
            pass

        @pytest.mark.drill("smoke", virtual=True, seed="abc")
        def test_seed():
            pass

        @pytest.mark.drill("smoke", virtual="no")
        def test_virtual():
            pass

        @pytest.mark.drill("broken.yaml")
        def test_broken():
            pass

        def test_no_name(drill):
            drill(3)

        def test_an_option(drill):
            drill("--help")
    """)  # fmt: skip
    assert done.returncode == 1, done.stdout
    for told in (
        "test_misspelt - Failed: there is neither", "did you mean smoke?",
        "reproduce  firmdrill run smok --json",
        "test_nothing - Failed: the mark needs a scenario",
        "test_two_words - Failed: the mark takes one scenario, and options by name",
        "test_two_marks - Failed: one test has one mark `drill`",
        "test_seed - Failed: Invalid value for '--seed': 'abc' is not a valid",
        "test_virtual - Failed: drill(…): virtual is True or False, not 'no'",
        "test_broken - Failed: The scenario has 1 problem: broken.yaml:1:2: not YAML",
        "test_no_name - Failed: a scenario is a YAML file or the name of a shipped one, not 3",
        "test_an_option - Failed: a scenario is a YAML file or the name of a shipped one, not '--h",
        "test_nowhere - Failed: cannot read nowhere.yaml: No such",
    ):  # fmt: skip
        assert told in done.stdout
    assert "Traceback" not in done.stdout
    assert "pytest_firmdrill/" not in done.stdout
    assert "are hidden" not in done.stdout


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

        def test_nowhere(virtual_fleet):
            virtual_fleet("smoke")

        def test_never(virtual_fleet):
            fleet = virtual_fleet("smoke", ocpp="ws://127.0.0.1:1/")
            fleet.wait_for(within=1, booted=3, Installed=2)
    """)  # fmt: skip
    assert "no such file" in done.stdout
    assert "write it as ws://" in done.stdout
    assert "virtual_fleet(…) needs csms=reference_csms or ocpp=" in done.stdout
    assert "the fleet: booted=3, Installed=2 did not come true in 1 s" in done.stdout
    assert "4 failed" in done.stdout
    assert "pytest_firmdrill/" not in done.stdout


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

        def test_unchecked(drill):
            assert not drill("smoke", check=False).broken
    """, "--firmdrill-target", "csms.yaml")  # fmt: skip
    assert "firmdrill: drills csms.yaml" in done.stdout
    assert "2 failed, 1 passed" in done.stdout
    for test in ("test_theirs", "test_unchecked"):
        assert f"{test} - Failed: the CSMS cannot be reached: http://127.0.0.1:1" in done.stdout


def test_files_are_looked_for_where_they_are_named(project: Path) -> None:
    """The target of the command line from there, else from the root; that of a mark by its test."""
    (project / "csms.yaml").write_text("version: 2\n")
    (project / "deep").mkdir()
    (project / "deep" / "near.yaml").write_text("version: 3\n")
    test = """
        import pytest

        @pytest.mark.drill("smoke")
        def test_theirs(): ...

        @pytest.mark.drill("smoke", target="near.yaml")
        def test_near(): ...
    """
    (project / "deep" / "test_deep.py").write_text(textwrap.dedent(test))
    for target in ("../csms.yaml", "csms.yaml"):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--firmdrill-target", target],
            cwd=project / "deep", capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert "cannot read" not in done.stdout, done.stdout
        assert "csms.yaml:1" in done.stdout
        assert "deep/near.yaml:1" in done.stdout


def test_drills_that_run_at_the_same_time_keep_their_reports_apart(project: Path) -> None:
    """Long names that end alike, in two workers: the folder is taken before the drill begins."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.parametrize("kind", ["ä", "ö"], ids=lambda kind: kind + 100 * "x")
        def test_kind(drill, kind):
            drill("smoke", virtual=True)

        def test_wrong(drill):
            drill("smok")
    """, "-n", "2", "--firmdrill-report", "kept")  # fmt: skip
    assert "1 failed, 2 passed" in done.stdout
    assert len(list((project / "kept").iterdir())) == 2  # and none of what never ran
    assert len(list((project / "kept").glob("*/report.html"))) == 2


def test_a_drill_that_takes_too_long_is_stopped(project: Path) -> None:
    """The limit ends it as Ctrl-C would: the verdict so far is told."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.drill("demo")
        def test_long(): ...
    """, "--firmdrill-timeout", "3")  # fmt: skip
    assert "the drill took longer than 3 s" in done.stdout
    assert "1 failed" in done.stdout
    assert "another exception occurred" not in done.stdout
    never = pytest_in(project, "", "--firmdrill-timeout", "0")
    assert never.returncode == 4
    assert "--firmdrill-timeout: write seconds, more than 0" in never.stderr


def interrupted(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Interrupt pytest alone, as an IDE or a CI server does, once a drill of the demo runs."""
    (project / "test_it.py").write_text(
        "import pytest\n\n@pytest.mark.drill('demo')\ndef test_long(): ...\n"
    )
    kept = project / "kept" / "test_it.py-test_long"
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "--firmdrill-report", "kept", *options],
        cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60.0
        while not (kept / "history.ndjson").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=25.0)  # less than a drill is waited for
    return subprocess.CompletedProcess(process.args, process.returncode, out, "")


def test_who_interrupts_pytest_alone_gets_the_report(project: Path) -> None:
    """The drill is told: it would have gone on, and been killed before it wrote anything."""
    done = interrupted(project)
    assert done.returncode == 2, done.stdout
    assert (project / "kept" / "test_it.py-test_long" / "report.html").is_file()


def test_a_time_out_of_somebody_else_ends_the_drill(project: Path) -> None:
    """pytest-timeout raises in the middle of a drill, which must not go on to its end."""
    done = pytest_in(project, """
        import pytest

        @pytest.mark.timeout(4, method="signal")
        @pytest.mark.drill("demo")
        def test_long(): ...
    """, "--firmdrill-report", "kept")  # fmt: skip
    assert "1 failed" in done.stdout
    (page,) = (project / "kept").rglob("report.json")
    assert json.loads(page.read_text(encoding="utf-8"))["exit_code"] == 130


def test_the_page_in_the_docs_is_true(project: Path) -> None:
    """The example to copy runs as it stands; the first is long in another test."""
    page = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    example = page.split("```python\n")[1].split("```")[0]
    done = pytest_in(project, example, "-k", "not canary")
    assert done.returncode == 0, done.stdout
    assert "7 passed, 1 deselected" in done.stdout
