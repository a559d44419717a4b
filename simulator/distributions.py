"""How a scenario writes a distribution: `30 s`, `{uniform: [20 s, 60 s]}`, and so on. A core.

The values themselves are `faults.Distribution`; here are the pydantic types that read and write
them with durations or rates inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from simulator import units
from simulator.faults import Distribution, Exponential, Fixed, Lognormal, Mixture, Uniform

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SKEW = 18_000 * 86_400.0  # seconds; any clock that is further behind shows a time before 1980
_FORMS = (
    "a value, {uniform: [low, high]}, {lognormal: {median, p95}}, {exponential: {mean}} or "
    "{mixture: [[weight, …], …]}"
)


def _named(read: Callable[[Any], float], value: Any, *names: str) -> list[float]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"needs exactly {' and '.join(names)}")
    return [read(value[name]) for name in names]


def _within(
    read: Callable[[Any], float], fits: Callable[[float], bool], told: str
) -> Callable[[Any], float]:
    """Return a reader that refuses numbers which do not fit, in the words of `told`."""

    def sound(value: Any) -> float:
        number = read(value)
        if not fits(number):
            raise ValueError(f"{told} (found {value!r:.60})")
        return number

    return sound


def _reader(read: Callable[[Any], float]) -> Callable[[Any], Any]:
    def form(value: Any) -> Any:
        if not isinstance(value, dict):
            return Fixed(value=read(value))
        match value:
            case {"uniform": [low, high], **rest} if not rest:
                low, high = read(low), read(high)
                if high < low:
                    raise ValueError("the higher bound comes second")
                return Uniform(low=low, high=high)
            case {"lognormal": inner, **rest} if not rest:
                median, p95 = _named(read, inner, "median", "p95")
                if not 0 < median <= p95:
                    raise ValueError("the median is above zero and at most the p95")
                return Lognormal(median=median, p95=p95)
            case {"exponential": inner, **rest} if not rest:
                (mean,) = _named(read, inner, "mean")
                if mean <= 0:
                    raise ValueError("the mean is above zero")
                return Exponential(mean=mean)
            case {"mixture": [*parts], **rest} if not rest and parts:
                return Mixture(parts=tuple(_part(part, form) for part in parts))
            case _:
                raise ValueError(f"not a distribution; write {_FORMS}")

    return lambda value: value if isinstance(value, _VALUES) else form(value)


_VALUES = (Fixed, Uniform, Lognormal, Exponential, Mixture)


def _part(value: Any, form: Callable[[Any], Any]) -> tuple[float, Any]:
    match value:
        case [weight, inner] if not (isinstance(inner, dict) and "mixture" in inner):
            share = units.read_share(weight)
            if share <= 0:
                raise ValueError("a part of a mixture has a weight above zero")
            return share, form(inner)
        case _:
            raise ValueError("a part of a mixture is [weight, distribution]")


def _writer(write: Callable[[float], str]) -> Callable[[Any], Any]:
    def form(value: Any) -> Any:
        match value:
            case Fixed(value=fixed):
                return write(fixed)
            case Uniform(low=low, high=high):
                return {"uniform": [write(low), write(high)]}
            case Lognormal(median=median, p95=p95):
                return {"lognormal": {"median": write(median), "p95": write(p95)}}
            case Mixture(parts=parts):
                weighed = [[units.write_share(weight), form(part)] for weight, part in parts]
                return {"mixture": weighed}
            case _:
                return {"exponential": {"mean": write(value.mean)}}

    return form


def _schema(one: dict[str, Any]) -> dict[str, Any]:
    def has(**described: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        fields = {name: {"description": text, **of} for name, (text, of) in described.items()}
        return {"type": "object", "properties": fields, "required": list(fields),
                "additionalProperties": False}  # fmt: skip

    pair = {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
    tail = has(median=("Half are below it.", one), p95=("19 of 20 are below it.", one))
    simple = [
        one,
        has(uniform=("Anything between two bounds.", pair)),
        has(lognormal=("A long tail, by median and 95th percentile.", tail)),
        has(exponential=("Memoryless, by its mean.", has(mean=("The average.", one)))),
    ]
    part = {"type": "array", "prefixItems": [units.SHARE_SCHEMA, {"anyOf": simple}],
            "minItems": 2, "maxItems": 2}  # fmt: skip
    parts = {"type": "array", "items": part, "minItems": 1}
    return {"anyOf": [*simple, has(mixture=("Parts [weight, distribution].", parts))]}


_read_time = _within(
    units.read_duration, lambda seconds: 0 <= seconds <= units.LONGEST, "from 0 to 36525 d"
)
_read_offset = _within(
    units.read_offset, lambda seconds: abs(seconds) <= MOST_SKEW, "at most 18000 d either way"
)
_read_rate = _within(units.read_rate, lambda rate: rate > 0, "more than 0 B/s")

DurationDistribution = Annotated[
    Distribution,
    BeforeValidator(_reader(_read_time)),
    PlainSerializer(_writer(units.write_duration)),
    WithJsonSchema(_schema(units.DURATION_SCHEMA)),
]
OffsetDistribution = Annotated[
    Distribution,
    BeforeValidator(_reader(_read_offset)),
    PlainSerializer(_writer(units.write_offset)),
    WithJsonSchema(_schema(units.OFFSET_SCHEMA)),
]
RateDistribution = Annotated[
    Distribution,
    BeforeValidator(_reader(_read_rate)),
    PlainSerializer(_writer(units.write_rate)),
    WithJsonSchema(_schema(units.RATE_SCHEMA)),
]
