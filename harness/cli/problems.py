"""Turns what goes wrong into a short text and an exit code: no command ends in a traceback."""

from __future__ import annotations

import errno
import functools
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import HistoryError, TargetError, UsageError
from harness.report.block import cleaned
from harness.run_record import ExitCode
from simulator.errors import ScenarioError, SimulatorError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

F = TypeVar("F", bound="Callable[..., Any]")


def reported(command: F) -> F:
    """Let a command end with the documented exit codes, whatever it raises."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except ScenarioError as error:
            stop(_numbered(error), ExitCode.USAGE)
        except (UsageError, HistoryError) as error:
            stop(str(error), ExitCode.USAGE)
        except (TargetError, StartError) as error:
            stop(str(error), ExitCode.NOT_RUN)
        except SimulatorError as error:
            stop(str(error), ExitCode.NOT_RUN)
        except KeyboardInterrupt:
            stop("interrupted", ExitCode.INTERRUPTED)
        except BrokenPipeError:  # `| head`
            sys.stderr.close()
            raise SystemExit(int(ExitCode.PASSED)) from None
        except Exception as error:  # noqa: BLE001 - our own defect: short here, in full in a file
            stop(_internal(error), ExitCode.INTERNAL)

    return wrapped  # type: ignore[return-value]


def stop(text: str, code: ExitCode) -> None:
    """Print to standard error and exit; the text may hold what a charger or a file is called."""
    click.echo(cleaned(text), err=True)
    raise SystemExit(int(code))


def _numbered(error: ScenarioError) -> str:
    count = len(error.problems)
    head = f"The scenario has {count} problem{'s' if count != 1 else ''}:"
    return "\n".join([head, *error.problems])


def _internal(error: Exception) -> str:
    """Return what is said of an error that nobody foresaw; the traceback goes into a file."""
    head = f"firmdrill failed: {type(error).__name__}: {error}\n"
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return head + "What firmdrill writes has no room there, or must not be written."
    details = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="firmdrill-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(details)
    except OSError:  # a full disk, or one that must not be written
        where = f"no file can be written\n{details}"
    else:
        where = str(Path(file.name))
    return f"{head}This is a defect of firmdrill, not of what it tests. Details: {where}"
