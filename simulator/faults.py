"""Chance as data: distributions, named random streams and the fates they decide.

A core, and the only module of the simulator that touches `random`. Every decision draws from a
stream of its own, named `{seed}/{charger}/{purpose}`, so that removing one charger or one decision
never changes another's fate. `stream` is for the few decisions about a charger's fate, `Dice` for
the many about its time (each frame's latency): a hash of its name, ten times cheaper to begin.
Durations are seconds, sizes bytes, shares 0..1.
"""

from __future__ import annotations

import math
import random
from hashlib import blake2b
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Iterable


def stream(seed: int, charger: str, purpose: str) -> random.Random:
    """Return the random stream of one decision of one charger."""
    return random.Random(f"{seed}/{charger}/{purpose}")


class Chance(Protocol):
    """What a distribution draws from: `random.Random`, or `Dice`."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between two bounds."""

    def gauss(self, mu: float = ..., sigma: float = ...) -> float:
        """Return a number of the normal distribution."""

    def expovariate(self, lambd: float) -> float:
        """Return a number of the exponential distribution with this rate."""


class Dice:
    """The random numbers of one decision, each a hash of its name and place."""

    __slots__ = ("_name", "_rolls")

    def __init__(self, seed: int, charger: str, purpose: str) -> None:
        self._name = f"{seed}/{charger}/{purpose}"
        self._rolls = 0

    def random(self) -> float:
        """Return a number in (0, 1), never its ends."""
        self._rolls += 1
        name = f"{self._name}/{self._rolls}".encode()
        return (int.from_bytes(blake2b(name, digest_size=6).digest()) + 0.5) / 2**48

    def uniform(self, a: float, b: float) -> float:
        """Return a number between two bounds."""
        return a + (b - a) * self.random()

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Return a number of the normal distribution."""
        return mu + sigma * _NORMAL.inv_cdf(self.random())

    def expovariate(self, lambd: float) -> float:
        """Return a number of the exponential distribution with this rate."""
        return -math.log(self.random()) / lambd


_NORMAL = NormalDist()


class Frozen(BaseModel):
    """An immutable value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fixed(Frozen):
    """Always the same value."""

    kind: Literal["fixed"] = "fixed"
    value: float

    def draw(self, rng: Chance) -> float:
        """Return the value."""
        del rng
        return self.value


class Uniform(Frozen):
    """Any value between two bounds."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float

    def draw(self, rng: Chance) -> float:
        """Draw one value."""
        return rng.uniform(self.low, self.high)


class Lognormal(Frozen):
    """A long-tailed value given by its median and 95th percentile."""

    kind: Literal["lognormal"] = "lognormal"
    median: float = Field(gt=0)
    p95: float = Field(gt=0)

    def draw(self, rng: Chance) -> float:
        """Draw one value."""
        sigma = math.log(self.p95 / self.median) / 1.6448536269514722
        return self.median * math.exp(rng.gauss(0.0, sigma)) if sigma > 0 else self.median


class Exponential(Frozen):
    """A memoryless value with this mean."""

    kind: Literal["exponential"] = "exponential"
    mean: float = Field(gt=0)

    def draw(self, rng: Chance) -> float:
        """Draw one value."""
        return rng.expovariate(1.0 / self.mean)


class Mixture(Frozen):
    """One of several distributions, each with its weight."""

    kind: Literal["mixture"] = "mixture"
    parts: tuple[tuple[float, Fixed | Uniform | Lognormal | Exponential], ...] = Field(min_length=1)

    def draw(self, rng: Chance) -> float:
        """Draw one value."""
        left = rng.random() * sum(weight for weight, _ in self.parts)
        for weight, part in self.parts:
            left -= weight
            if left < 0:
                return part.draw(rng)
        return self.parts[-1][1].draw(rng)


Distribution = Annotated[
    Fixed | Uniform | Lognormal | Exponential | Mixture, Field(discriminator="kind")
]


class DownloadFault(Frozen):
    """How the firmware server treats one client's requests; also its wire format (seam 4)."""

    kind: Literal[
        "cut", "stall", "status", "corrupt", "html", "redirect", "throttle",
        "wrong_length", "no_range", "changed", "refuse", "dns", "tls",
    ]  # fmt: skip
    at: float | None = Field(None, ge=0, le=1)  # share of the image after which it strikes
    byte: int | None = Field(None, ge=0)  # or the exact number of bytes
    status: int | None = Field(None, ge=200, le=599)
    retry_after: float | None = Field(None, ge=0, allow_inf_nan=False)
    rate: float | None = Field(None, gt=0, allow_inf_nan=False)
    times: int | None = Field(1, ge=1)  # how many requests it strikes; None: all of them

    def model_post_init(self, _: object) -> None:
        """Refuse a throttle that slows nothing down."""
        if self.kind == "throttle" and self.rate is None:
            raise ValueError("a throttle needs its rate, in bytes a second")

    def spot(self, size: int) -> int:
        """Return after how many of `size` bytes it strikes: half of them unless it says."""
        if self.byte is not None:
            return min(self.byte, size)
        return int(size * (0.5 if self.at is None else self.at))


class InstallFault(Frozen):
    """How an installation goes wrong."""

    how: Literal[
        "fails", "verification_fails", "hangs", "old_version", "rolls_back", "boot_loop",
        "bricked", "power_loss", "claims_installed",
    ]  # fmt: skip
    at: float | None = None  # share of the install time at which it strikes (power_loss)
    times: int | None = 1


class _Counted(Protocol):
    """A fault that strikes so many times (None: for ever)."""

    @property
    def times(self) -> int | None:
        """How often."""


_C = TypeVar("_C", bound=_Counted)


def nth(faults: Iterable[_C], count: int) -> _C | None:
    """Return which of a charger's faults meets its `count`-th request or install (from 1)."""
    for fault in faults:
        if fault.times is None or count <= fault.times:
            return fault
        count -= fault.times
    return None


class PauseDownload(Frozen):
    """A charger that interrupts its own first download for a while (DownloadPaused)."""

    after: float  # seconds of downloading
    length: float  # seconds until it goes on


class NetworkFault(Frozen):
    """What happens to single frames of a charger (`network`).

    `disconnect` drops the connection right after the frame, `half_open` too, without the CSMS
    hearing of it. `power_loss` is the end of the charger's mains: it reboots, and what ran is lost.
    """

    kind: Literal["drop", "duplicate", "delay", "disconnect", "half_open", "power_loss"]
    action: str  # the OCPP action of the CALL, or of the CALL that is answered
    frame: Literal["call", "answer"] = "call"
    by: float = 0.0  # seconds of a delay
    skip: int = 0  # so many of these frames pass first
    times: int | None = 1


QuirkName = Literal[
    "skips_downloading", "skips_downloaded", "skips_installing", "only_installed", "never_reports",
    "duplicates_status", "swaps_statuses", "late_status", "spontaneous_idle",
    "unsolicited_installed", "no_request_id", "wrong_request_id", "old_request_id", "answers_late",
    "never_answers", "answers_callerror", "rejects_but_updates", "malformed_json", "two_calls",
    "omits_version", "keeps_version", "no_reboot", "rejects", "reinstalls",
    "zero_retries_never_start", "refuses_answers", "skips_rebooting", "ignores_retries",
    "stays_unavailable", "early_status", "forgets_ends", "answers_with_status",
    "checks_no_signature", "boots_on_same_socket", "starts_unavailable", "pretends_to_download",
    "unheard_action", "doubts_signature",
]  # fmt: skip


class Window(Frozen):
    """A time during which the charger is offline: from a moment until a moment.

    A moment is seconds after power-on (`*_s`) or a mark of the drill, with seconds after it. The
    seconds of an end count from the beginning where that is a mark.
    """

    from_s: float | None = None
    from_mark: str | None = None  # e.g. "pause"
    until_s: float | None = None
    until_mark: str | None = None
    plus: float = 0.0  # seconds after `until_mark`
    delay: float = 0.0  # seconds after `from_mark`


MOST_GROWTH = 64  # a wait grows so often at most: far beyond any cap, and still a number


class Reconnect(Frozen):
    """When a charger that lost its connection tries again.

    OCPP 2.x's RetryBackOffWaitMinimum, RandomRange and RepeatTimes are `first`, `random_range` and
    `repeats` with a `factor` of 2 and no `jitter` (Part 4 §5.3).
    """

    first: float = 1.0
    most: float = 60.0
    factor: float = 2.0  # 1: fixed interval
    jitter: float = 0.5  # share of the wait that is random
    random_range: float = 0.0  # seconds: up to so much is added to each wait
    repeats: int | None = None  # how often the wait grows; None: up to `most`

    @property
    def random(self) -> bool:
        """Whether a wait depends on chance."""
        return bool(self.jitter or self.random_range)

    def wait(self, refused: int) -> float:
        """Return the wait after `refused` failures in a row, before chance has its say."""
        grown = min(max(0, refused - 1), MOST_GROWTH if self.repeats is None else self.repeats)
        return min(self.most, self.first * self.factor**grown)

    def vary(self, wait: float, rng: Chance) -> float:
        """Return a wait with its random part."""
        return wait * (1.0 - self.jitter * rng.random()) + self.random_range * rng.random()


class ChargerSpec(Frozen):
    """Everything one virtual charger is: what a cohort in the YAML becomes, fates already drawn.

    Chance that is decided once per charger (does its download fail? is it bricked?) is drawn
    when cohorts are expanded; durations are drawn by the charger, each from its own stream.
    """

    id: str
    cohort: str
    ocpp: Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
    signed: bool = False  # 1.6: speaks the security extension; 2.x: takes signed updates only
    vendor: str
    model: str
    serial: str
    firmware_version: str
    site_id: str | None = None
    latency: Distribution = Fixed(value=0.0)  # one way, per frame
    reconnect: Reconnect = Reconnect()
    connect_after: Distribution = Fixed(value=0.0)  # spread of the first connect
    offline: tuple[Window, ...] = ()
    heartbeat: float | None = None  # overrides the interval the CSMS gives; seconds
    call_timeout: float = 30.0
    download_rate: Distribution | None = None  # bytes a second
    uplink: tuple[str, float] | None = None  # a bandwidth shared with others: name, bytes a second
    stall_timeout: float = 30.0
    download_faults: tuple[DownloadFault, ...] = ()
    retries_mean: Literal["retries", "attempts"] = "retries"  # attempts = retries + 1, or = retries
    reports_each_attempt: bool = False  # DownloadFailed after each attempt, not only after the last
    install_time: Distribution = Uniform(low=20.0, high=60.0)
    reboot_time: Distribution = Fixed(value=30.0)
    install_faults: tuple[InstallFault, ...] = ()
    installed_before_reboot: bool = False
    transaction: Distribution | None = None  # one runs from the first boot on, for this long
    allow_new_sessions: bool = False  # connectors stay available while an update is pending
    pause_download: PauseDownload | None = None
    firmware_root: str | None = None  # PEM of the root that signing certificates must come from
    revoked: tuple[int, ...] = ()  # serial numbers of signing certificates that are revoked
    nat_timeout: float | None = None  # seconds without a frame until a router forgets the line
    quirks: tuple[QuirkName, ...] = ()  # what each does: `quirks.QUIRKS`
    network_faults: tuple[NetworkFault, ...] = ()
    clock_skew: float = 0.0  # seconds by which its clock is ahead
