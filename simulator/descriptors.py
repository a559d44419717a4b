"""How many sockets the operating system allows, and what to do if that is too few. A shell."""

from __future__ import annotations

import contextlib
import os

from simulator.errors import DescriptorLimit

MOST_DOWNLOADS = 256
_SPARE = 64  # standard streams, the event loop, a database, listening sockets


def budget(chargers: int, downloads: int | None) -> int:
    """Return how many downloads may run at a time beside this many connected chargers.

    Raises the process's own soft limit where the hard limit allows it. Raises `DescriptorLimit`,
    which says how to raise the limit, if the chargers (and the downloads asked for) do not fit.
    """
    wanted = min(MOST_DOWNLOADS, max(1, chargers)) if downloads is None else downloads
    free = _limit(chargers + wanted + _SPARE + _used()) - _used() - _SPARE
    least = 1 if downloads is None else downloads
    if free < chargers + least:
        needed = chargers + least + _SPARE + _used()
        raise DescriptorLimit(
            f"{chargers} chargers need {needed} file descriptors, but this process may only open "
            f"{free + _used() + _SPARE}: run `ulimit -n {needed}` first (or raise the hard limit), "
            "or start fewer chargers"
        )
    return min(wanted, free - chargers)


def _limit(needed: int) -> int:
    """Return the soft limit, raised to `needed` as far as the hard limit goes."""
    try:
        import resource  # noqa: PLC0415  not on every platform
    except ImportError:
        return needed
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return needed
    if soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft


def _used() -> int:
    """Return how many descriptors are open now (a guess where the system does not say)."""
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  names are enough
    except OSError:
        return 16
