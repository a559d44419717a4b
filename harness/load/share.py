"""What a worker is told to drive, and what the two sides say to each other. Values.

Everything travels as Locust's own messages, of one type (`MESSAGE`). The coordinator sends a
`Command`, the worker answers with its `number`; between answers it tells news and its use of the
machine. Station passwords travel here as well: Locust's connection is not encrypted, keep it
inside a network that may see them.
"""

from __future__ import annotations

from typing import Any

import msgspec

MESSAGE = "firmdrill"


class Dashboard(msgspec.Struct, kw_only=True):
    """What readers of the REST API need."""

    api: str
    key: str
    ca: str = ""  # PEM text of the trusted authority; "": the system's roots
    every: float = 1.0
    rollout_path: str = "/firmware/rollout/{rollout_id}"
    fleet_path: str = "/fleet/firmware"


class Share(msgspec.Struct, kw_only=True):
    """One worker's part of a run; `urls` and `passwords` are by charger id."""

    worker: int
    specs: list[dict[str, Any]]
    seed: int
    epoch: float  # Unix seconds at second 0
    begun: float  # the coordinator's monotonic clock at second 0
    urls: dict[str, str]
    passwords: dict[str, str]
    connect_rate: float
    rates: dict[str, float]  # CALLs a second, by action
    ca: str = ""  # PEM text
    download_ca: str = ""  # PEM text
    folder: str = ""  # where the coordinator would like to find the slice
    token: str = ""  # stands in that folder: a folder of this name elsewhere is another one
    dashboard: Dashboard


class Command(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the coordinator wants done."""

    do: str  # share, clock, set, start, ask, mark, settle, rollout, end, slice, stop
    number: int = 0
    ids: list[str] = []
    action: str = ""
    payload: dict[str, Any] = {}
    name: str = ""
    time: float = 0.0  # of `set`: the worker's own clock at second 0
    share: Share | None = None


class Told(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a worker says; `number` of the command that is answered, 0 for news."""

    number: int = 0
    news: dict[str, Any] | None = None
    use: dict[str, Any] | None = None
    outcome: dict[str, str] = {}
    error: str = ""
    time: float = 0.0  # of `clock`: what its monotonic clock reads
    machine: str = ""
    path: str = ""  # of `slice`: where it lies, if the coordinator can read it
    chunk: bytes = b""  # or its bytes, piece by piece
    last: bool = True
