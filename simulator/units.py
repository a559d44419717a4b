"""Durations, sizes, rates and shares with their units, in and out. A core.

A scenario says `60 ms`, `2 MB`, `800 kB/s` and `6 %`; inside everything is seconds, bytes, bytes a
second and 0..1. The types below are for pydantic fields: they read both forms and write the form
with a unit, and what they write reads back as the same number.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1024.0**2}
_RATES = {f"{unit}/s": factor for unit, factor in _BYTES.items()}
_SHARES = {"%": 0.01}
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z%/]*)\s*")
LONGEST = 36_525 * 86_400.0  # seconds: a century; dates far beyond it cannot be written down
SHORTEST = 0.001  # seconds between repetitions: what repeats sooner never lets time go on


def _reader(
    what: str, units: Mapping[str, float], example: str, *, signed: bool = False
) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"{value!r:.40} is not a {what}; write it like {example}")
        if not isinstance(value, str):
            return _finite(value, what, example)
        minus = signed and value.lstrip().startswith("-")
        match = _NUMBER.fullmatch(value.replace("-", "", 1) if minus else value)
        unit = match[2] if match else ""
        if match is None or (unit and unit not in units):
            known = ", ".join(units)
            raise ValueError(f"'{value:.40}' is not a {what}; write it like {example} ({known})")
        number = _finite(float(match[1]), what, example)
        factor = units[unit] if unit else 1.0
        # 60 ms is 60 / 1000, not 60 * 0.001: one rounding less, so it reads back the same.
        number = -number if minus else number
        return number / round(1 / factor) if factor < 1 else number * factor

    return read


def _finite(value: float, what: str, example: str) -> float:
    try:
        number = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{value!r:.40} is not a {what}; write it like {example}")
    return number


def _writer(units: Mapping[str, float], read: Callable[[Any], float]) -> Callable[[float], str]:
    best_first = sorted(units.items(), key=lambda unit: -unit[1])
    plain = next(name for name, factor in units.items() if factor in {1.0, 0.01})

    def write(value: float) -> str:
        for unit, factor in best_first:
            number = round(value / factor)
            if number and read(f"{number} {unit}") == value:
                return f"{number} {unit}"
        if units is _SHARES:
            return repr(value)
        return f"{value!r} {plain}"

    return write


read_duration = _reader("duration", _SECONDS, "'30 s'")
read_offset = _reader("time", _SECONDS, "'30 s' or '-5 min'", signed=True)
read_size = _reader("size", _BYTES, "'2 MB'")
read_rate = _reader("rate", _RATES, "'800 kB/s'")
read_share = _reader("share", _SHARES, "'6 %'")

write_duration = _writer(_SECONDS, read_duration)
write_offset = _writer(_SECONDS, read_offset)
write_size = _writer(_BYTES, read_size)
write_rate = _writer(_RATES, read_rate)
write_share = _writer(_SHARES, read_share)


def schema(units: Mapping[str, float], examples: list[str], sign: str = "") -> dict[str, Any]:
    """Return the JSON Schema of a number that may carry one of these units (`sign`: "-?")."""
    names = "|".join(re.escape(unit) for unit in units)
    pattern = rf"^\s*{sign}[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?\s*({names})?\s*$"
    return {"type": ["number", "string"], "pattern": pattern, "examples": examples}


DURATION_SCHEMA = schema(_SECONDS, ["60 ms", "30 s", "10 min", "2 h"])
OFFSET_SCHEMA = schema(_SECONDS, ["30 s", "-5 min"], "-?")
SIZE_SCHEMA = schema(_BYTES, ["512 kB", "2 MB", "1 MiB"])
RATE_SCHEMA = schema(_RATES, ["800 kB/s", "3 MB/s"])
SHARE_SCHEMA = schema(_SHARES, ["6 %", "0.06"])

Duration = Annotated[
    float,
    Field(ge=0, le=LONGEST, allow_inf_nan=False),
    BeforeValidator(read_duration),
    PlainSerializer(write_duration),
    WithJsonSchema(DURATION_SCHEMA),
]
Interval = Annotated[Duration, Field(ge=SHORTEST)]  # between repetitions
Size = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(lambda value: round(read_size(value))),
    PlainSerializer(lambda value: write_size(float(value))),
    WithJsonSchema(SIZE_SCHEMA),
]
Rate = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    BeforeValidator(read_rate),
    PlainSerializer(write_rate),
    WithJsonSchema(RATE_SCHEMA),
]
Share = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False),
    BeforeValidator(read_share),
    PlainSerializer(write_share),
    WithJsonSchema(SHARE_SCHEMA),
]

# YAML 1.1 habits and quoted numbers are refused rather than guessed at.
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True)]
