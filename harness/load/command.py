"""The command line that runs Locust on our locustfile. Values, and the environment it needs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.errors import UsageError
from harness.load.options import LOCUSTFILE

# Locust's own entry point, found where we were found; it reads sys.argv. The checkout (or
# site-packages) comes last, so that it shadows nothing.
_BOOT = (
    "import sys; sys.path.append(sys.argv.pop(1)); sys.argv[0] = 'locust'; "
    "from locust.main import main; sys.exit(main())"
)
_ROOT = Path(__file__).resolve().parents[2]
LOCUST_PAGE = "locust.html"
PORT = "5557"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What one process of Locust is asked to be."""

    scenario: str
    folder: Path
    target: Path | None = None
    chargers: int | None = None
    heartbeats: float | None = None
    statuses: float | None = None
    repeat: float | None = None
    readers: int = 1
    seed: int | None = None
    mutant: str | None = None
    processes: int | None = None
    master: bool = False
    expect_workers: int = 1
    bind: str = f"127.0.0.1:{PORT}"
    master_at: str = ""  # this is a worker
    history: bool = True
    verbose: bool = False


def environment() -> dict[str, str]:
    """Return the environment of Locust: ours, without its complaint about being imported late."""
    return {**os.environ, "LOCUST_SKIP_URL_CHECK": "1"}


def become(command: list[str], variables: dict[str, str]) -> NoReturn:
    """Turn this process into that of a command: signals reach it, and its exit code is ours."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(command[0], command, variables)  # noqa: S606 - our own interpreter
    sys.exit(subprocess.call(command, env=variables))  # noqa: S603 - likewise


def line(words: Words) -> list[str]:
    """Return the whole command line."""
    start = [sys.executable, "-c", _BOOT, os.fspath(_ROOT), "-f", os.fspath(LOCUSTFILE)]
    quiet = [] if words.verbose else ["--loglevel", "WARNING"]
    if words.master_at:
        host, port = _place(words.master_at)
        where = ["--worker", "--master-host", host, "--master-port", port]
        return [*start, *where, "--processes", str(words.processes or 1), *quiet]
    users = str(max(1, words.readers))
    out = [*start, "--headless", "--only-summary", "--users", users, "--spawn-rate", users, *quiet,
           "--html", os.fspath(words.folder / LOCUST_PAGE),
           "--json-file", os.fspath(words.folder / "locust"), *_ours(words)]  # fmt: skip
    if words.master:
        host, port = _free(words.bind)
        out += ["--master", "--expect-workers", str(words.expect_workers),
                "--master-bind-host", host, "--master-bind-port", port]  # fmt: skip
    elif words.processes:
        port = str(_free_port())  # several runs may share a machine
        out += ["--processes", str(words.processes), "--master-bind-host", "127.0.0.1",
                "--master-bind-port", port, "--master-port", port]  # fmt: skip
    return out


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ours(words: Words) -> list[str]:
    said: dict[str, object] = {
        "--scenario": words.scenario,
        "--report-folder": words.folder,
        "--target-file": words.target,
        "--chargers": words.chargers,
        "--heartbeats": words.heartbeats,
        "--statuses": words.statuses,
        "--repeat": words.repeat,
        "--seed": words.seed,
        "--mutant": words.mutant,
    }
    out = [word for name, value in said.items() if value is not None for word in (name, str(value))]
    return out if words.history else [*out, "--no-history"]


def _place(place: str) -> tuple[str, str]:
    host, _, port = place.rpartition(":") if ":" in place else (place, "", PORT)
    if not host or not port.isdigit():
        raise UsageError(f"{place} is not a place; write it as host:port")
    return host, port


def _free(place: str) -> tuple[str, str]:
    """Return where a master can listen; Locust itself would end there with a traceback."""
    host, port = _place(place)
    try:
        with socket.create_server((host, int(port))):
            return host, port
    except (OSError, OverflowError) as error:
        raise UsageError(f"--bind {place}: nobody can listen there ({error})") from error
