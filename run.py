#!/usr/bin/env python3
"""Set firmdrill up and run it, on a machine that has nothing but Python 3.11 or newer.

    python3 run.py demo           the main job, with nothing configured
    python3 run.py test [-- ...]  format, lint, types and tests (what CI runs); `...` goes to pytest
    python3 run.py lock           write constraints.txt anew from what is installed in .venv
    python3 run.py ANYTHING ...   the firmdrill command, as `firmdrill ANYTHING ...`:
                                  run, check, target, load, import, replay, explore, forecast,
                                  scenario … (`python3 run.py help` lists them all)

The first call makes `.venv` beside this file and installs into it; later calls start at once.
Standard library only; works without ensurepip and on systems whose Python is externally managed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
CONSTRAINTS = HERE / "constraints.txt"
OLDEST = (3, 11)
# What a command needs beside the package; each kind serves what stands before it as well.
PLAIN, LOAD, DEV = KINDS = ("", "load", "dev")
EXTRAS = {"load": LOAD, "test": DEV, "lock": DEV}
CHECKS = (
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
)


class SetupError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def main(argv: list[str]) -> int:
    """Set up what this call needs, run it, and return its exit code."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        print(f"firmdrill needs Python {wanted} or newer; this is {sys.version.split()[0]}.")
        return 2
    if not argv or argv[0] in {"-h", "--help"}:
        print(__doc__)
        return 0 if argv else 2
    command, rest = argv[0], argv[1:]
    try:
        prepare(EXTRAS.get(command, PLAIN))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 4
    if command == "test":
        return test([word for word in rest if word != "--"])
    if command == "lock":
        return lock()
    return call([tool("firmdrill"), "--help" if command == "help" else command, *rest])


# ---------------------------------------------------------------------- the environment


def tool(name: str) -> str:
    """Return the path of a program in the environment."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return str(VENV / folder / (f"{name}.exe" if os.name == "nt" else name))


def stamp(kind: str) -> str:
    """Return a fingerprint of everything the environment was made from."""
    files = [path for path in (HERE / "pyproject.toml", CONSTRAINTS) if path.exists()]
    parts = [sys.version, str(HERE), kind, *(path.read_text("utf-8") for path in files)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def prepare(kind: str) -> None:
    """Make the environment of this kind, unless one made from the same things is there."""
    mark = VENV / ".firmdrill-stamp"
    have = mark.read_text(encoding="utf-8").split() if mark.exists() else []
    if stamp(kind) in have:
        return
    began = time.monotonic()
    print("Setting up firmdrill (the first time takes about half a minute) …", flush=True)
    if not Path(tool("python")).exists():
        make_venv()
    install(kind)
    made = sorted(stamp(one) for one in KINDS[: KINDS.index(kind) + 1])
    mark.write_text("\n".join(made), encoding="utf-8")
    print(f"… ready after {time.monotonic() - began:.0f} s.", flush=True)


def make_venv() -> None:
    """Create the environment; without pip where this Python has no ensurepip."""
    if VENV.exists():
        shutil.rmtree(VENV)
    make = [sys.executable, "-m", "venv", str(VENV)]
    if quietly(make).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    done = quietly([*make, "--without-pip"])
    if done.returncode == 0:
        return
    raise SetupError(
        f"No virtual environment could be made in {VENV}:\n{tail(done.stdout)}\n"
        "On Debian and Ubuntu: apt install python3-venv. Then run the same command again."
    )


def pip() -> list[str]:
    """Return the command that installs into the environment."""
    inside = [tool("python"), "-m", "pip"]
    if quietly([*inside, "--version"]).returncode == 0:
        return inside
    outside = [sys.executable, "-m", "pip", "--python", tool("python")]
    if quietly([*outside, "--version"]).returncode == 0:
        return outside
    if shutil.which("uv"):
        return ["uv", "pip", "--python", tool("python")]
    raise SetupError(
        "There is no pip to install with. On Debian and Ubuntu: apt install python3-venv "
        "python3-pip. Then remove .venv and run the same command again."
    )


def install(kind: str) -> None:
    """Install firmdrill in place, at the versions of constraints.txt."""
    words = ["install", "--quiet", "--editable", f"{HERE}[load]" if kind == LOAD else str(HERE)]
    if CONSTRAINTS.exists():
        words += ["--constraint", str(CONSTRAINTS)]
    if kind == DEV:
        words += dev_packages()
    command = pip()
    if command[0] != "uv":
        words[1:1] = ["--disable-pip-version-check", "--no-warn-script-location"]
    done = quietly([*command, *words])
    if done.returncode != 0:
        raise SetupError(
            f"The packages could not be installed:\n{tail(done.stdout)}\n"
            "Is a package index reachable? Behind a proxy set HTTPS_PROXY, for a mirror set "
            "PIP_INDEX_URL; then run the same command again."
        )


def dev_packages() -> list[str]:
    """Return the development tools that pyproject.toml lists."""
    import tomllib  # noqa: PLC0415  (missing in Pythons that `main` refuses with a clear line)

    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["dependency-groups"]["dev"])


def quietly(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command and keep what it prints."""
    return subprocess.run(
        command,
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        errors="replace",
    )


def tail(text: str, lines: int = 12) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-lines:])


# ---------------------------------------------------------------------- what it runs


def call(command: list[str]) -> int:
    """Run a command in the foreground; Ctrl-C is the command's own business."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                continue  # it got the signal as well and is writing its report
            return 128 - code if code < 0 else code


def test(words: list[str]) -> int:
    """Run every check, whatever the others say; return the first failure's exit code."""
    os.chdir(HERE)
    codes: list[tuple[str, int]] = []
    checks = [] if words else list(CHECKS)
    workers = [] if words else ["-n", "2", "--dist", "loadgroup"]
    for name, command in [*checks, ("tests", ["pytest", *workers, *words])]:
        print(f"== {name}: {' '.join(command)}", flush=True)
        codes.append((name, call([tool(command[0]), *command[1:]])))
    print("== " + ", ".join(f"{name} {'ok' if code == 0 else 'FAILED'}" for name, code in codes))
    return next((code for _, code in codes if code), 0)


def lock() -> int:
    """Write constraints.txt anew: exact versions, no addresses."""
    done = quietly([tool("python"), "-m", "pip", "freeze", "--exclude-editable"])
    names = sorted(line for line in done.stdout.splitlines() if "==" in line and " " not in line)
    head = "# Exact versions that the tests pass with. Refresh: python3 run.py lock\n"
    CONSTRAINTS.write_text(head + "\n".join(names) + "\n", encoding="utf-8")
    print(f"{len(names)} versions written to {CONSTRAINTS.name}.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
