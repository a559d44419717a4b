"""`firmdrill load` from outside: processes of their own, since `import locust` patches ours.

What takes longer was run by hand and is told in reports/benchmarks.md (2 000 and 10 000 chargers).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness import targets
from harness.library import find
from harness.load.document import checked
from harness.load.options import LOCUSTFILE
from harness.run_record import ExitCode
from harness.world import Ok, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.sockets, pytest.mark.slow]

QUICK = """\
version: 1
name: {count} chargers and a pause in the middle
firmware: {{version: "2.0.0", size: 2 kB, tls: false}}
fleet:
  - cohort: old
    count: {old}
    ocpp: ocpp1.6
    firmware_version: "1.0.0"
    network: {{connect_after: 0 s}}
    install: &quick {{time: 100 ms, reboot: 100 ms}}
  - cohort: new
    count: {new}
    ocpp: ocpp2.0.1
    firmware_version: "1.0.0"
    network: {{connect_after: 0 s}}
    install: *quick
operator:
  - create: {{strategy: all_at_once, max_in_flight: 60, update_timeout: 1 min}}
  - execute_stage: {{background: true}}
  - when: {{UpdateFirmware: ">= 30 %"}}
    pause: {{reason: in the middle}}
  - wait: {{until: {{in_flight: "<= 0"}}, within: 30 s}}
  - hold: 500 ms
  - execute_stage
  - wait: {{status: terminal, within: 60 s}}
heal: {{within: 30 s}}
expect: {{rollout: completed, installed: {count}, exercises: [R13, R18, R20, R23]}}
load:
  connect_rate: 1000
  readers: 2
  read_every: 200 ms
  boot_within: {boot_within}
  thresholds:
    boot: {{p99: 20 s}}
    FirmwareStatusNotification: {{p99: 10 s, errors: 0 %}}
{more}"""


def quick(path: Path, count: int, *, boot_within: str = "30 s", more: str = "") -> str:
    """Write a scenario of so many chargers; return where it is."""
    old = count // 3
    text = QUICK.format(count=count, old=old, new=count - old, boot_within=boot_within, more=more)
    path.write_text(text, encoding="utf-8")
    return str(path)


def load(
    folder: Path, *words: str, within: float = 90.0, key: str = "", descriptors: int = 0
) -> tuple[int, dict[str, Any], str]:
    """Run `firmdrill load …`; return its exit code, its load.json and what it said."""
    command = [sys.executable, "-m", "harness", "load", *words, "--report", str(folder)]
    if descriptors:
        command = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=within,
        env={**os.environ, targets.KEY_VARIABLE: key},
    )  # fmt: skip
    said = done.stdout + done.stderr
    path = folder / "load.json"
    if not path.exists():
        return done.returncode, {}, said
    return done.returncode, checked(json.loads(path.read_text("utf-8")), str(path)), said


def names(record: dict[str, Any]) -> set[tuple[str, str]]:
    """Return what was measured."""
    return {(row["type"], row["name"]) for row in record["latencies"]}


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_one_process_runs_a_whole_drill_and_measures_both_directions(tmp_path: Path) -> None:
    """Calls of chargers, commands of the CSMS, the operator and dashboards all become figures."""
    code, record, said = load(tmp_path, "smoke", "--statuses", "30", "--heartbeats", "20")
    assert code == 0, said
    assert record["chargers"] == {"asked": 10, "booted": 10}
    assert "--heartbeats 20 --statuses 30" in record["reproduce"]
    assert names(record) >= {
        ("OCPP call", "BootNotification"), ("OCPP call", "FirmwareStatusNotification"),
        ("OCPP command", "UpdateFirmware"), ("REST", "pause"), ("dashboard", "dashboard rollout"),
        ("time", "boot"), ("time", "connect"), ("time", "dispatch"), ("time", "heartbeat"),
        ("time", "status"),
    }  # fmt: skip
    locust = json.loads((tmp_path / "locust.json").read_text("utf-8"))
    assert {"BootNotification", "UpdateFirmware", "execute_stage"} <= {
        one["name"] for one in locust
    }
    assert (tmp_path / "load.html").exists()
    assert (tmp_path / "locust.html").exists()


def test_a_master_and_two_workers_drive_300_chargers_with_a_pause(tmp_path: Path) -> None:
    """As on three machines: each with a command of its own, and one history judged in the end."""
    place = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "harness", "load", "worker", place]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        code, record, said = load(
            tmp_path, quick(tmp_path / "quick.yaml", 300), "--master", "--expect-workers", "2",
            "--bind", place,
        )  # fmt: skip
        assert code == 0, said
        for one in workers:
            one.communicate(timeout=20)
    finally:
        for one in workers:
            one.kill()
            one.communicate()
    assert record["workers"] == 2
    assert record["chargers"] == {"asked": 300, "booted": 300}
    assert record["judgement"]["verdict"] == "PASS"
    assert [window["kind"] for window in record["windows"]] == ["pause"]
    assert {use["worker"] for use in record["generator"]["uses"]} == {-1, 0, 1}
    history = (tmp_path / "history.ndjson").read_bytes()
    assert history.count(b'"UpdateFirmware"') >= 300
    assert not list(tmp_path.glob("slice-*"))


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in told.split()]


def workers_of(command: subprocess.Popen[str]) -> list[int]:
    """Return the workers of a running `firmdrill load --processes`."""
    return [
        pid
        for pid in children(command.pid)
        if b"locustfile.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@contextlib.contextmanager
def running(folder: Path, chargers: int = 20) -> Iterator[subprocess.Popen[str]]:
    """Run some chargers in two workers, in a process group as a terminal's; it has begun."""
    command = [
        sys.executable, "-m", "harness", "load", "smoke", "--chargers", str(chargers),
        "--processes", "2", "--heartbeats", "50", "--report", str(folder),
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for _ in range(600):
            if (folder / "slice-002.ndjson").exists():
                break
            time.sleep(0.1)
        yield process


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")
def test_a_worker_that_is_late_is_not_given_up(tmp_path: Path) -> None:
    """On a busy machine a worker may be silent for seconds: its slice counts all the same."""
    with running(tmp_path) as process:
        late = workers_of(process)[0]
        os.kill(late, signal.SIGSTOP)
        time.sleep(6.0)
        os.kill(late, signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    record = json.loads((tmp_path / "load.json").read_text("utf-8"))
    assert record["chargers"] == {"asked": 20, "booted": 20}


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group")
def test_ctrl_c_ends_a_run_with_a_report_of_all_workers(tmp_path: Path) -> None:
    """A terminal tells every process at once: the workers still hand over what they saw."""
    with running(tmp_path) as process:
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, said
    record = json.loads((tmp_path / "load.json").read_text("utf-8"))
    assert record["reasons"] == ["interrupted"], said
    assert record["ocpp_calls"] > 0
    assert (tmp_path / "load.html").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals to a process group")
def test_ctrl_c_does_not_hit_the_judge(tmp_path: Path) -> None:
    """What was run to its end is judged to its end."""
    with running(tmp_path, chargers=300) as process:
        assert process.stderr is not None
        said = [next(line for line in process.stderr if line.startswith("Merging"))]
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        said += process.stderr
        process.wait(timeout=60)
    assert process.returncode == 0, said
    assert json.loads((tmp_path / "load.json").read_text("utf-8"))["passed"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds workers in /proc")
def test_no_worker_outlives_a_coordinator_that_was_killed(tmp_path: Path) -> None:
    """Nothing of ours keeps loading a CSMS that nobody watches."""
    with running(tmp_path) as process:
        workers = workers_of(process)
        process.kill()
        process.communicate(timeout=60)
    for _ in range(200):
        if not any(Path(f"/proc/{pid}").exists() for pid in workers):
            break
        time.sleep(0.1)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_a_pause_that_leaks_only_under_load_is_caught_and_named(tmp_path: Path) -> None:
    """The small drill passes, the large one ends with 1 and says R18."""
    scenario = quick(tmp_path / "quick.yaml", 240)
    words = (scenario, "--mutant", "pause_leaks_under_load")
    code, record, said = load(tmp_path / "many", *words)
    assert code == ExitCode.FAILED, said
    assert record["reasons"][0].startswith("R18 "), record["reasons"]
    code, record, said = load(tmp_path / "few", *words, "--chargers", "90")
    assert not [reason for reason in record["reasons"] if reason.startswith("R18 ")], said


def test_a_threshold_without_samples_is_no_pass(tmp_path: Path) -> None:
    """What was never measured was not fast enough: a message and an exit code of its own."""
    path = tmp_path / "q.yaml"
    more = "load:\n  thresholds:\n    MeterValues: {p99: 1 s}\n"
    path.write_text(find("smoke").text + more, encoding="utf-8")
    code, record, said = load(tmp_path / "r", str(path))
    assert code == 5, said
    assert record["reasons"] == [
        "threshold MeterValues p99 has no samples: nothing of that name was measured"
    ]


@pytest.fixture
def csms(tmp_path: Path) -> Iterator[targets.Address]:
    """Our CSMS as a system of somebody else's: it knows 4 chargers."""
    started: list[targets.Reference] = []
    loop = asyncio.new_event_loop()

    async def start() -> None:
        reference = await targets.start_reference(tmp_path, options=["--insecure-firmware-url"])
        started.append(reference)
        api = targets.RestApi(reference.address)
        await api.open()
        rows = {"chargers": [{"charge_point_id": f"CP-{n}"} for n in range(1, 5)]}
        request = Request("other", "POST", "/chargers", rows)
        assert isinstance(await api.request(request, base=reference.address.ext), Ok)
        await api.close()

    loop.run_until_complete(start())
    yield started[0].address
    loop.run_until_complete(started[0].stop())
    loop.close()


def target(path: Path, address: targets.Address, ocpp: str) -> str:
    """Write a target file."""
    path.write_text(
        f"version: 1\nname: theirs\napi: {address.api}\nocpp: {ocpp}\n"
        'chargers: {pattern: "CP-{n}"}\n',
        encoding="utf-8",
    )
    return str(path)


def test_fewer_chargers_than_asked_is_no_pass(tmp_path: Path, csms: targets.Address) -> None:
    """A CSMS that lets only some in was not loaded as asked: exit code 7, and who is missing."""
    file = target(tmp_path / "t.yaml", csms, csms.ocpp)
    scenario = quick(tmp_path / "q.yaml", 9, boot_within="1 s")
    code, record, said = load(tmp_path / "r", scenario, "--target", file, key=csms.key)
    assert code == 7, said
    assert record["chargers"] == {"asked": 9, "booted": 4}
    assert record["reasons"][0].startswith("fewer chargers than asked: 4 of 9 came up. 5 of 9")


def test_a_fleet_that_this_machine_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    """Our CSMS could not take that many sockets: said before anything starts, with the remedy."""
    code, record, said = load(tmp_path / "r", "smoke", "--chargers", "600", descriptors=512)
    assert code == ExitCode.NOT_RUN, said
    assert "run `ulimit -n" in record["reasons"][0]
    assert not (tmp_path / "r" / "csms.log").exists()
    code, _, said = load(tmp_path / "q", "smoke", "--chargers", "1000000000")
    assert code == ExitCode.USAGE
    assert "1<=x<=1000000" in said


def test_a_place_where_no_master_can_listen_is_wrong_usage(tmp_path: Path) -> None:
    """Not a traceback of Locust with the exit code of a broken property."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        code, _, said = load(tmp_path, "smoke", "--master", "--bind", place)
    assert code == ExitCode.USAGE
    assert f"--bind {place}: nobody can listen there" in said


def test_zero_traffic_is_no_pass(tmp_path: Path, csms: targets.Address) -> None:
    """Nobody listens where the chargers connect: exit code 6 and not a silent 0."""
    file = target(tmp_path / "t.yaml", csms, f"ws://127.0.0.1:{free_port()}/ocpp")
    scenario = quick(tmp_path / "q.yaml", 9, boot_within="1 s")
    code, record, said = load(tmp_path / "r", scenario, "--target", file, key=csms.key)
    assert code == 6, said
    assert record["reasons"][0].startswith("zero traffic: not one OCPP call was answered")
    assert record["ocpp_calls"] == 0


def test_plain_locust_runs_the_same_file(tmp_path: Path) -> None:
    """Who knows Locust uses its command line; the verdict becomes Locust's exit code."""
    words = ["--headless", "--only-summary", "-u", "1", "--scenario", "smoke"]
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", LOCUSTFILE, *words, "--report-folder", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "load.json").read_text("utf-8"))["passed"]


def test_without_locust_the_command_says_how_to_install_it(tmp_path: Path) -> None:
    """The extra is named, and nothing else happens."""
    hidden = "import sys, importlib.util as u; f = u.find_spec; "
    hidden += "u.find_spec = lambda n, p=None: None if n == 'locust' else f(n, p); "
    hidden += "from harness.cli import main; main(['load', 'smoke'])"
    done = subprocess.run(
        [sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE
    assert "pip install 'firmdrill[load]'" in done.stderr
    assert not list(tmp_path.iterdir())
