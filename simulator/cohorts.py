"""Cohorts: how a scenario describes many chargers, and how they become charger specs. A core.

Whatever is decided once per charger (does its download fail?) is decided here, from a stream of its
own, `seed/charger/purpose`: removing one charger never changes another's fate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from simulator.charger_ids import expand, template_problem
from simulator.cohort_failures import (
    Chosen,
    DownloadFailure,
    InstallFailure,
    NetworkFailure,
    chosen,
    strike,
)
from simulator.cohort_parts import Offline, Quirk, one_or_more, or_one
from simulator.distributions import (
    DurationDistribution,
    OffsetDistribution,
    RateDistribution,
)
from simulator.faults import (
    ChargerSpec,
    Exponential,
    Fixed,
    Frozen,
    PauseDownload,
    Reconnect,
    Uniform,
    stream,
)
from simulator.profiles import PROFILES, Profile
from simulator.scenario_problems import guess
from simulator.units import Count, Duration, Flag, Interval, Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simulator.faults import Distribution
    from simulator.scenario_yaml import Path


class ReconnectPolicy(Frozen):
    """When a charger that lost its connection tries again."""

    first: Interval = Field(1.0, description="The first wait.")
    most: Interval = Field(60.0, description="The longest wait.")
    factor: float = Field(
        2.0, ge=1, allow_inf_nan=False, description="Each wait is this much longer; 1: fixed."
    )
    jitter: Share = Field(0.5, description="Share of each wait that is random.")
    random_range: Duration = Field(0.0, description="Up to so much is added to each wait.")
    repeats: Count | None = Field(
        None, ge=0, description="How often the wait grows (default: up to `most`)."
    )


class Network(Frozen):
    """Between the charger and the CSMS."""

    latency: DurationDistribution = Field(Fixed(value=0.0), description="One way, per frame.")
    connect_after: DurationDistribution = Field(
        Uniform(low=0.0, high=1.0), description="From power-on to the first connect."
    )
    reconnect: ReconnectPolicy = Field(ReconnectPolicy(), description="Coming back.")
    call_timeout: Duration = Field(30.0, description="How long a CALL may stay unanswered.")
    nat_timeout: Duration | None = Field(
        None, description="After so long without a frame a router forgets the connection."
    )
    fail: tuple[NetworkFailure, ...] = Field((), description="What happens to frames, for whom.")


class PauseOwnDownload(Frozen):
    """A charger that interrupts its own first download (DownloadPaused)."""

    after: Duration = Field(description="This long after it began.")
    length: Duration = Field(description="Until it goes on.")


class Download(Frozen):
    """How a charger downloads."""

    rate: RateDistribution | None = Field(None, description="Bytes a second (default: no cap).")
    stall_timeout: Duration = Field(30.0, description="Patience without a byte.")
    retries_mean: Literal["retries", "attempts"] = Field(
        "retries", description="`retries: 2` is two more attempts, or two attempts in all."
    )
    reports_each_attempt: Flag = Field(False, description="DownloadFailed after each attempt.")
    pause: PauseOwnDownload | None = Field(None, description="It interrupts its own download.")
    fail: tuple[DownloadFailure, ...] = Field((), description="What goes wrong, for whom.")


class Install(Frozen):
    """How a charger installs."""

    time: DurationDistribution = Field(Uniform(low=20.0, high=60.0), description="Installing.")
    reboot: DurationDistribution = Field(Fixed(value=30.0), description="Offline for the reboot.")
    installed_before_reboot: Flag = Field(False, description="Reports Installed too early.")
    fail: tuple[InstallFailure, ...] = Field((), description="What goes wrong, for whom.")


class Transactions(Frozen):
    """Charging sessions: an installation waits until they end."""

    busy: Share = Field(1.0, description="Probability for each charger to have one.")
    ends: DurationDistribution = Field(Exponential(mean=1200.0), description="How long it lasts.")
    allow_new_sessions: Flag = Field(
        False, description="Connectors stay available while an update is pending."
    )


_PLAIN = Profile("", "")
_ONE_OF = frozenset({"download", "install"})  # of their faults at most one strikes a charger
ROUNDING = 1e-9
_Part = TypeVar("_Part", bound=Frozen)


def _beneath(part: _Part, given: Mapping[str, Any]) -> _Part:
    """Return `part` with what the profile gives and the scenario does not say itself."""
    missing = {name: value for name, value in given.items() if name not in part.model_fields_set}
    return part.model_copy(update=missing) if missing else part


def _known_profile(value: Any) -> Any:
    if value is not None and not (isinstance(value, str) and value in PROFILES):
        known = ", ".join(PROFILES)
        raise ValueError(
            f"no profile is called {value!r:.40}{guess(str(value), PROFILES)} ({known})"
        )
    return value


ProfileName = Annotated[
    str, BeforeValidator(_known_profile), WithJsonSchema({"enum": list(PROFILES)})
]


class Cohort(Frozen):
    """Chargers of one kind."""

    cohort: str = Field(min_length=1, description="The cohort's name.")
    count: Count = Field(ge=0, le=1_000_000, description="How many chargers.")
    id: str | None = Field(None, description="Id template; default `<cohort>-{n:04}`.")
    ocpp: Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"] = Field("ocpp1.6", description="Version.")
    signed: Flag = Field(False, description="Takes signed updates only.")
    vendor: str = Field("Acme", max_length=20, description="Charger vendor.")
    model: str = Field("One", max_length=20, description="Charger model.")
    firmware_version: str = Field("1.0.0", max_length=50, description="Version before the drill.")
    site_id: str | None = Field(None, description="Where they stand.")
    heartbeat: Interval | None = Field(None, description="Overrides the CSMS's interval.")
    network: Network = Field(Network(), description="Between charger and CSMS.")
    download: Download = Field(Download(), description="How they download.")
    install: Install = Field(Install(), description="How they install.")
    offline: Annotated[
        tuple[Offline, ...],
        BeforeValidator(one_or_more),
        PlainSerializer(lambda windows: [
            window.model_dump(by_alias=True, exclude_unset=True) for window in windows
        ]),
    ] = Field((), description="Windows without connection.", json_schema_extra=or_one)  # fmt: skip
    transactions: Transactions | None = Field(
        None, description="Charging sessions that run when the drill begins."
    )
    clock_skew: OffsetDistribution = Field(
        Fixed(value=0.0), description="Its clock is this far ahead (negative: behind)."
    )
    quirks: tuple[Quirk, ...] = Field((), description="Deviations from OCPP, by name.")
    profile: ProfileName | None = Field(
        None, description="Imitate a known product; what the cohort says itself wins."
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse an id template that cannot tell chargers apart."""
        told = template_problem(self._template, self.count)
        if told is not None:
            raise ValueError(f"the id template {self._template!r:.60} {told}")

    @property
    def _template(self) -> str:
        """The id template, or the cohort's own name as one."""
        name = self.cohort.replace("{", "{{").replace("}", "}}")
        return f"{name}-{{n:04}}" if self.id is None else self.id

    def ids(self) -> list[str]:
        """Return the ids of its chargers, in order."""
        return expand(self._template, self.count)

    def misses(self, image: int) -> Iterator[tuple[Path, str]]:
        """Yield every fault that would quietly do nothing, and why: (path in the cohort, told).

        `image` is the size of the image in bytes.
        """
        lists: dict[Path, Sequence[Any]] = {
            ("download", "fail"): self.download.fail,
            ("install", "fail"): self.install.fail,
            ("network", "fail"): self.network.fail,
            ("quirks",): self.quirks,
            ("offline",): self.offline,
        }
        for path, entries in lists.items():
            for place, entry in enumerate(entries):
                told = entry.problem(self.count) if isinstance(entry, Chosen) else None
                if told is not None:
                    yield (*path, place), told
            whole = sum(entry.p for entry in entries) if path[0] in _ONE_OF else 0.0
            if whole > 1.0 + ROUNDING:
                yield path, f"the probabilities of this list add up to {whole:.0%}"
        for place, failure in enumerate(self.download.fail):
            if (failure.byte or 0) >= image:
                yield ("download", "fail", place), f"the image has only {image} bytes"

    def chargers(self, seed: int) -> list[ChargerSpec]:
        """Return its chargers, their fates drawn."""
        ids = self.ids()
        downloads = strike(seed, "download", ids, self.download.fail)
        installs = strike(seed, "install", ids, self.install.fail)
        shared = self._shared()
        lines = [strike(seed, f"network/{place}", ids, [failure])
                 for place, failure in enumerate(self.network.fail)]  # fmt: skip
        quirks = self._quirks(seed, ids)
        windows = [(window.window, chosen(seed, f"offline/{place}", ids, window))
                   for place, window in enumerate(self.offline)]  # fmt: skip
        return [
            ChargerSpec(
                id=charger,
                serial=charger,
                download_faults=tuple(
                    fault for failure in downloads.get(charger, ()) for fault in failure.faults
                ),
                install_faults=tuple(failure.fault for failure in installs.get(charger, ())),
                network_faults=tuple(
                    failure.fault for line in lines for failure in line.get(charger, ())
                ),
                transaction=self._session(seed, charger),
                clock_skew=self._clock_skew(seed, charger),
                quirks=tuple(name for name, whom in quirks.items() if charger in whom),
                offline=tuple(window for window, whom in windows if charger in whom),
                **shared,
            )
            for charger in ids
        ]

    def _clock_skew(self, seed: int, charger: str) -> float:
        if isinstance(self.clock_skew, Fixed):
            return self.clock_skew.value  # most clocks are right, and a stream costs time
        return self.clock_skew.draw(stream(seed, charger, "clock_skew"))

    def _quirks(self, seed: int, ids: list[str]) -> dict[str, set[str]]:
        """Return who has which quirk, the profile's first."""
        profile = PROFILES[self.profile] if self.profile else _PLAIN
        quirks: dict[str, set[str]] = {name: set(ids) for name in profile.quirks}
        for quirk in self.quirks:
            name, whom = (quirk, set(ids)) if isinstance(quirk, str) else (
                quirk.quirk, chosen(seed, f"quirk/{quirk.quirk}", ids, quirk)
            )  # fmt: skip
            quirks[name] = quirks.get(name, set()) | whom
        return quirks

    def _session(self, seed: int, charger: str) -> Distribution | None:
        """Return how long this charger's session lasts, if it has one."""
        sessions = self.transactions
        if sessions is None or stream(seed, charger, "busy").random() >= sessions.busy:
            return None
        return sessions.ends

    def _shared(self) -> dict[str, Any]:
        profile = PROFILES[self.profile] if self.profile else _PLAIN
        network = self.network
        reconnect = _beneath(network.reconnect, profile.reconnect)
        download = _beneath(self.download, profile.download)
        install = _beneath(self.install, profile.install)
        pause, sessions = download.pause, self.transactions
        return {
            "cohort": self.cohort,
            "ocpp": self.ocpp,
            "signed": self.signed,
            "vendor": self.vendor,
            "model": self.model,
            "firmware_version": self.firmware_version,
            "site_id": self.site_id,
            "latency": network.latency,
            "reconnect": Reconnect(**reconnect.__dict__),
            "connect_after": network.connect_after,
            "heartbeat": self.heartbeat,
            "call_timeout": network.call_timeout,
            "download_rate": download.rate,
            "stall_timeout": download.stall_timeout,
            "retries_mean": download.retries_mean,
            "reports_each_attempt": download.reports_each_attempt,
            "install_time": install.time,
            "reboot_time": install.reboot,
            "installed_before_reboot": install.installed_before_reboot,
            "pause_download": pause and PauseDownload(after=pause.after, length=pause.length),
            "allow_new_sessions": bool(sessions and sessions.allow_new_sessions),
            "nat_timeout": network.nat_timeout,
        }


def download_plan(specs: Iterable[ChargerSpec]) -> dict[str, list[dict[str, Any]]]:
    """Return the firmware server's faults per client, in its wire format (seam 4)."""
    return {
        spec.id: [fault.model_dump(exclude_none=False) for fault in spec.download_faults]
        for spec in specs
        if spec.download_faults
    }
