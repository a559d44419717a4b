"""The CSMS as a process: ready line, signals, and clear words when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from reference_csms import certificates, process
from reference_csms.auth import KEY_VARIABLE
from reference_csms.options import build_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).parents[2]
KEY = "a-key-for-the-process"


def command(*arguments: str) -> list[str]:
    """Return the command line of a CSMS."""
    return [sys.executable, "-m", "reference_csms", *arguments]


def environment(key: str | None) -> dict[str, str]:
    """Return the environment with or without a key."""
    others = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    return others if key is None else {**others, KEY_VARIABLE: key}


@contextmanager
def started(
    *arguments: str, key: str | None = KEY
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Start a CSMS and yield it with its ready line; kill it if the test did not stop it."""
    with subprocess.Popen(
        command(*arguments), cwd=ROOT, env=environment(key), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        try:
            assert running.stdout is not None
            yield running, json.loads(running.stdout.readline())
        finally:
            running.kill()


def refused(*arguments: str, key: str | None = KEY) -> str:
    """Return the one line on stderr of a CSMS that cannot start."""
    done = subprocess.run(
        command(*arguments), cwd=ROOT, env=environment(key),
        text=True, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == process.COULD_NOT_START
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_says_when_it_is_ready_and_stops_cleanly(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The ready line has the addresses; SIGTERM ends with 0, Ctrl-C with 130, both silently."""
    with started("--database", str(tmp_path / "x.sqlite")) as (running, ready):
        assert ready["ready"] is True
        assert set(ready) == {"ready", "api", "ext", "ocpp"}
        headers = {"Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(f"{ready['ext']}/chargers", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            assert json.load(answer) == {"chargers": [], "total": 0}
        running.send_signal(number)
        _, errors = running.communicate(timeout=20)
        assert (running.returncode, errors) == (code, "")


def test_it_stops_cleanly_with_stations_and_readers_connected(tmp_path: Path) -> None:
    """Open sockets and event streams neither delay the end nor make noise."""
    with started("--database", str(tmp_path / "x.sqlite")) as (running, ready):
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        body = b'{"charge_point_id": "CP-1"}'
        request = urllib.request.Request(f"{ready['ext']}/chargers", body, headers)  # noqa: S310
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - loopback
        stream = urllib.request.Request(f"{ready['ext']}/events", headers=headers)  # noqa: S310
        with (
            connect(f"{ready['ocpp']}/CP-1", subprotocols=[Subprotocol("ocpp1.6")]) as link,
            urllib.request.urlopen(stream, timeout=10) as events,  # noqa: S310 - loopback
        ):
            assert events.readline() == b": connected\n"
            running.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                link.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
            _, errors = running.communicate(timeout=20)
        assert (running.returncode, errors) == (0, "")


def test_tls_serves_both_ports(tmp_path: Path) -> None:
    """Profile 2: the ready line says https and wss, and a client that trusts the CA gets in."""
    certificates.write_all(tmp_path, [], ["127.0.0.1"])
    files = (f"--tls-cert={tmp_path}/server.pem", f"--tls-key={tmp_path}/server.key")
    with started("--database", str(tmp_path / "x.sqlite"), *files) as (_, ready):
        assert ready["ocpp"].startswith("wss://")
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        health = ready["api"].removesuffix("/api/v1/cpo") + "/healthz"
        with urllib.request.urlopen(health, timeout=10, context=context) as answer:  # noqa: S310
            assert json.load(answer)["status"] == "ok"


def test_without_a_key_one_is_made_and_only_its_path_is_told(tmp_path: Path) -> None:
    """Seam 4: a 0600 file beside the database; the key itself is nowhere in the output."""
    with started("--database", str(tmp_path / "x.sqlite"), key=None) as (running, ready):
        path = Path(ready["key_file"])
        assert path.parent == tmp_path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key = path.read_text().strip()
        running.send_signal(signal.SIGTERM)
        out, errors = running.communicate(timeout=20)
        assert key not in json.dumps(ready) + out + errors


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """Exit 3, and the line names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        database = str(tmp_path / "x.sqlite")
        line = refused("--database", database, "--ocpp-port", port)
        assert port in line
        assert "--ocpp-port" in line
        assert f"--port {port}" not in refused("--database", database, "--port", port)


def test_a_database_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    """Owned by another process, not a database, no folder: exit 3 and what to do."""
    used = str(tmp_path / "used.sqlite")
    with started("--database", used):
        assert "Another process" in refused("--database", used)
    text = tmp_path / "text.sqlite"
    text.write_text("this is no database, " * 100)
    refused("--database", str(text))
    refused("--database", str(tmp_path / "missing" / "x.sqlite"))


def test_secrets_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    """A short key, a missing key file, half a TLS configuration."""
    database = ("--database", str(tmp_path / "x.sqlite"))
    assert "16 characters" in refused(*database, key="short")
    assert "keys.json" in refused(*database, "--api-keys", str(tmp_path / "keys.json"))
    assert "--tls-key" in refused(*database, "--tls-cert", str(tmp_path / "c.pem"))
    both = ("--tls-cert", str(tmp_path / "c.pem"), "--tls-key", str(tmp_path / "k.pem"))
    assert "certificates" in refused(*database, *both)


def test_the_help_tells_how_to_start_each_profile() -> None:
    """`--help` names every option, the security profiles and the exit codes."""
    text = build_parser().format_help()
    for word in ("--database", "profile 3", "--client-ca", "FIRMDRILL_API_KEY", "exit codes"):
        assert word in text


WRONG = [
    "--port=99999",
    "--update-timeout=nan",
    "--password-length=9-3",
    "--ping-interval=-1",
    "--heartbeat-interval=0",
    "--batch=x",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_usage_exits_with_2(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Argparse refuses what makes no sense."""
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([wrong])
    assert stopped.value.code == 2
    assert wrong.split("=", maxsplit=1)[0] in capsys.readouterr().err


MUTANT = """
import os, signal, sys
from reference_csms.process import main
from reference_csms.service import Service

class Mutant(Service):
    def wake(self, now):
        super().wake(now)
        os.kill(os.getpid(), signal.SIGTERM)

sys.exit(main(sys.argv[1:], service_factory=Mutant))
"""


def test_a_harness_may_substitute_the_service(tmp_path: Path) -> None:
    """`service_factory` makes the service; the rest of the process is the same."""
    done = subprocess.run(
        [sys.executable, "-c", MUTANT, "--database", str(tmp_path / "x.sqlite")],
        cwd=ROOT, env=environment(KEY), text=True, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ready"] is True
