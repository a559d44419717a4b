"""`python -m harness`: the `firmdrill` command."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # `ExitCode.INTERRUPTED`, before there is one


def start() -> None:
    """Load the commands and run one; Ctrl-C counts from the first moment on."""
    try:
        from harness.cli import main  # noqa: PLC0415  half a second in which Ctrl-C may come

        main(prog_name="firmdrill")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    start()
