"""Failing downloads and installs as a scenario writes them, and whom they strike. A core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from simulator.faults import DownloadFault, Frozen, InstallFault, NetworkFault, stream
from simulator.network import ACTIONS
from simulator.scenario_problems import guess
from simulator.units import Count, Duration, Flag, Rate, Share, Size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Chosen(Frozen):
    """Whom something concerns: some by number, an exact count, or each with a probability.

    `only` is looked at first, then `count` and `share`, then `p`.
    """

    p: Share = Field(0.0, description="Probability for each charger.")
    count: Count = Field(0, ge=0, description="Exactly this many chargers of the cohort.")
    share: Share = Field(0.0, description="Exactly this share of the cohort, rounded.")
    only: tuple[Count, ...] = Field(
        (), description="These chargers, by their number in the cohort."
    )

    @property
    def everybody(self) -> bool:
        """Whether nothing says whom it concerns."""
        return not self.model_fields_set & {"p", "count", "share", "only"}

    def problem(self, size: int) -> str | None:
        """Return why it cannot be meant for a cohort of this size, or None."""
        strangers = [number for number in self.only if not 1 <= number <= size]
        if strangers:
            return f"only: there is no charger {strangers[0]} among {size}; they count from 1"
        return f"count: {self.count} of {size} chargers" if self.count > size else None


class Striking(Chosen):
    """A fault: whom it strikes, and how often.

    Of the faults in one list at most one strikes a charger; the probabilities of a list add up.
    """

    times: Count | None = Field(
        1, ge=1, description="How many requests or installs of a charger it strikes (null: all)."
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse a fault that would quietly do nothing."""
        if self.everybody:
            raise ValueError("a fault that strikes nobody; give p, count, share or only")


class At(Frozen):
    """Where in the image a fault strikes."""

    at: Share = Field(0.5, description="After this share of the bytes.")
    byte: Size | None = Field(None, description="After exactly so many bytes, instead of `at`.")

    def model_post_init(self, _: Any) -> None:
        """Refuse two places."""
        if self.byte is not None and "at" in self.model_fields_set:
            raise ValueError("give at or byte, not both")


class DownloadFailure(Striking):
    """A failing download: whom it strikes, and exactly one kind of failure."""

    cut: At | None = Field(None, description="The connection is cut.")
    stall: At | None = Field(None, description="The server stops sending but stays connected.")
    wrong_length: At | None = Field(None, description="Fewer bytes come than were announced.")
    status: Count | None = Field(
        None, ge=400, le=599, description="The server answers this status."
    )
    retry_after: Duration | None = Field(None, description="Retry-After beside `status`.")
    throttle: Rate | None = Field(None, description="The server sends no faster than this.")
    corrupt: Flag = Field(False, description="Some bytes are wrong.")
    html: Flag = Field(False, description="A web page comes instead of an image.")
    redirect: Flag = Field(False, description="Redirects without end.")
    no_range: Flag = Field(False, description="The server ignores Range and starts anew.")
    changed: Flag = Field(False, description="The image changes between two ranges.")
    refuse: Flag = Field(False, description="The connection is reset before any byte.")
    dns: Flag = Field(False, description="The server's name cannot be resolved.")
    tls: Flag = Field(False, description="The server shows a certificate that nobody trusts.")
    then: (
        Literal["corrupt", "html", "redirect", "no_range", "changed", "refuse", "dns", "tls"] | None
    ) = Field(
        None, description="What meets the one request after those, e.g. a cut, then no Range."
    )

    def model_post_init(self, context: Any) -> None:
        """Refuse a failure of no kind, or of two."""
        super().model_post_init(context)
        if len(self._kinds()) != 1:
            kinds = ", ".join(_KINDS)
            raise ValueError(f"a failing download has exactly one of {kinds}")

    def _kinds(self) -> list[str]:
        return [kind for kind in _KINDS if getattr(self, kind) not in {None, False}]

    @property
    def byte(self) -> int | None:
        """After how many bytes it strikes, where that is said."""
        where = getattr(self, self._kinds()[0])
        return where.byte if isinstance(where, At) else None

    @property
    def faults(self) -> tuple[DownloadFault, ...]:
        """The faults in the words of the firmware server, in the order of the requests."""
        kind: Any = self._kinds()[0]
        where = getattr(self, kind)
        first = DownloadFault(
            kind=kind,
            at=where.at if isinstance(where, At) and where.byte is None else None,
            byte=where.byte if isinstance(where, At) else None,
            status=self.status,
            retry_after=self.retry_after,
            rate=self.throttle,
            times=self.times,
        )
        return (first,) if self.then is None else (first, DownloadFault(kind=self.then))


_KINDS = ("cut", "stall", "wrong_length", "status", "throttle", "corrupt", "html", "redirect",
          "no_range", "changed", "refuse", "dns", "tls")  # fmt: skip


class InstallFailure(Striking):
    """A failing installation."""

    how: Literal[
        "fails", "verification_fails", "hangs", "old_version", "rolls_back", "boot_loop",
        "bricked", "power_loss", "claims_installed",
    ] = Field(description="What goes wrong.")  # fmt: skip
    at: Share | None = Field(None, description="After this share of the install time.")

    @property
    def fault(self) -> InstallFault:
        """The fault as the charger knows it."""
        return InstallFault(how=self.how, at=self.at, times=self.times)


def _known_action(value: Any) -> Any:
    """Refuse an action that no frame ever has: its fault would quietly do nothing."""
    if isinstance(value, str) and value not in ACTIONS:
        close = guess(value, ACTIONS) or f" ({', '.join(ACTIONS)})"
        raise ValueError(f"no frame is called {value!r:.60}{close}")
    return value


ActionName = Annotated[
    str, BeforeValidator(_known_action), WithJsonSchema({"type": "string", "enum": list(ACTIONS)})
]


class NetworkFailure(Striking):
    """What happens to single frames of a charger: exactly one kind, for the frames of one action.

    The value is the action of a CALL, e.g. `drop: FirmwareStatusNotification`. Unlike other
    faults, each entry of a list is drawn on its own: a line can be bad in several ways.
    """

    drop: ActionName | None = Field(None, description="These frames are lost.")
    duplicate: ActionName | None = Field(None, description="These frames arrive twice.")
    delay: ActionName | None = Field(
        None, description="These frames of the charger are late (`by`)."
    )
    disconnect: ActionName | None = Field(
        None, description="The connection breaks after such a frame."
    )
    half_open: ActionName | None = Field(
        None, description="The charger loses the connection, the CSMS does not hear of it."
    )
    power_loss: ActionName | None = Field(
        None, description="The charger loses power after such a frame."
    )
    frame: Literal["call", "answer"] = Field("call", description="The CALL, or its answer.")
    by: Duration = Field(0.0, description="How late `delay` makes it, and all frames behind it.")
    skip: Count = Field(0, ge=0, description="So many of these frames pass first.")

    def model_post_init(self, context: Any) -> None:
        """Refuse a failure of no kind, or of two."""
        super().model_post_init(context)
        if len(self._kinds()) != 1:
            raise ValueError(f"a network fault has exactly one of {', '.join(_NETWORK_KINDS)}")

    def _kinds(self) -> list[Any]:
        return [kind for kind in _NETWORK_KINDS if getattr(self, kind) is not None]

    @property
    def fault(self) -> NetworkFault:
        """The fault as the charger's line knows it."""
        (kind,) = self._kinds()
        return NetworkFault(
            kind=kind,
            action=getattr(self, kind),
            frame=self.frame,
            by=self.by,
            skip=self.skip,
            times=self.times,
        )


_NETWORK_KINDS = ("drop", "duplicate", "delay", "disconnect", "half_open", "power_loss")

_F = TypeVar("_F", bound=Chosen)


def strike(
    seed: int, purpose: str, ids: Sequence[str], failures: Iterable[_F]
) -> dict[str, tuple[_F, ...]]:
    """Return whom each failure strikes: at most one failure a charger.

    The draws of a charger are its own. An exact count takes the chargers with the lowest lots.
    """
    failures = tuple(failures)
    struck: dict[str, tuple[_F, ...]] = {}
    for failure in failures:
        for number in failure.only:
            if 1 <= number <= len(ids):
                struck.setdefault(ids[number - 1], (failure,))
    for place, failure in enumerate(failures):
        wanted = failure.count + round(failure.share * len(ids))
        if wanted:
            free = [charger for charger in ids if charger not in struck]
            free.sort(
                key=lambda charger: stream(seed, charger, f"{purpose}/count/{place}").random()
            )
            struck |= dict.fromkeys(free[:wanted], (failure,))
    for charger in ids:
        if charger not in struck:
            draw = stream(seed, charger, f"{purpose}/p").random()
            for failure in failures:
                draw -= failure.p
                if draw < 0:
                    struck[charger] = (failure,)
                    break
    return struck


def chosen(seed: int, purpose: str, ids: Sequence[str], whom: Chosen) -> set[str]:
    """Return whom something concerns: everybody unless it says for whom."""
    return set(ids) if whom.everybody else set(strike(seed, purpose, ids, [whom]))
