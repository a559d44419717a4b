"""The form of `load.json`, format firmdrill-load/1: fixed, so that other tools can rely on it.

A core. Whoever changes a report changes it here first. `python -m harness.load.document >
docs/load.schema.json` writes the JSON schema; a test says when it is stale.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

import msgspec

from harness.errors import UsageError

FORMAT = "firmdrill-load/1"


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """A part of the document: every field is there, and no other."""


class Scenario(_Part):
    """What was run."""

    name: str
    proves: str
    file: str


class Chargers(_Part):
    """How many were wanted and how many were accepted."""

    asked: int
    booted: int


class Threshold(_Part):
    """A limit and what was measured; 0 samples: nothing was."""

    name: str
    limit: str
    seen: str
    met: bool
    samples: int


class Latency(_Part):
    """Times of one name, in milliseconds."""

    type: str
    name: str
    count: int
    errors: int
    mean: float
    p50: float
    p95: float
    p99: float
    longest: float


class Slice(_Part):
    """Times of all calls and requests in `width` seconds from `time`, in milliseconds."""

    time: int
    width: int
    count: int
    errors: int
    p50: float
    p95: float
    p99: float


class Point(_Part):
    """The fleet at a second; triggered, installed and failed are sums over all rollouts."""

    time: int
    online: int
    booted: int
    triggered: int
    installed: int
    failed: int


class Window(_Part):
    """A stretch in seconds: a pause, or a CSMS that was killed and not yet up again."""

    kind: Literal["pause", "down"]
    began: float
    ended: float


class Use(_Part):
    """What one process of the generator used in the second before `time`; -1: the coordinator."""

    worker: int
    time: float
    cpu: float  # share of a core
    late: float  # seconds by which its loop woke up too late
    memory: int  # bytes resident


class Generator(_Part):
    """The load generator itself; `warning` says if it was the bottleneck."""

    warning: str
    uses: list[Use]


class Expectation(_Part):
    """What the scenario expects of the outcome, and what was seen."""

    name: str
    expected: str
    seen: str
    met: bool


class Document(_Part):
    """The whole of load.json; `judgement` is that of any drill, null where none was possible."""

    format: Literal["firmdrill-load/1"]
    passed: bool
    verdict: str
    exit_code: int
    reasons: list[str]
    scenario: Scenario
    seed: int
    target: dict[str, Any]
    chargers: Chargers
    workers: int
    clock_error: float
    duration: float
    ocpp_calls: int
    thresholds: list[Threshold]
    latencies: list[Latency]
    over_time: list[Slice]
    curve: list[Point]
    windows: list[Window]
    generator: Generator
    expectations: list[Expectation]
    judgement: dict[str, Any] | None
    history: str | None
    reproduce: str


def checked(said: Any, where: str) -> dict[str, Any]:
    """Return a load.json as it was read; UsageError says what is wrong with any other file."""
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        found = said.get("format") if isinstance(said, dict) else type(said).__name__
        raise UsageError(f"{where} is not a load.json of format {FORMAT}: it says {found!r}")
    try:
        msgspec.convert(said, Document)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where} is a damaged load.json: {error}") from error
    return said


def schema() -> dict[str, Any]:
    """Return the JSON schema of load.json."""
    return msgspec.json.schema(Document)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=1) + "\n")
