"""The operator's steps as a scenario writes them. A core.

In YAML a step is a bare name (`- execute_stage`) or a mapping with one name and its arguments,
beside which `when:` may stand:

    - create: {strategy: canary, canary_count: 5}
    - when: {UpdateFirmware: 40}
      pause: {reason: elevated error rate}

Inside it is one class per name. `when` and `wait` speak of counters of what was observed since the
start of the drill: OCPP actions that chargers received (`UpdateFirmware`), firmware statuses that
they reported (`Installed`), and `booted`, `online`, `offline`, `in_flight` (triggered, no end
reported yet), each with a bound (`40` and `>= 40` mean at least, `<= 0` at most).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, WrapSerializer

from simulator.faults import Frozen
from simulator.scenario_problems import guess
from simulator.units import Count, Duration, Flag, Share, read_share

_BOUND = re.compile(r"\s*(>=|<=|==|>|<)?\s*([0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?\s*%?)\s*")


class Bound(Frozen):
    """A comparison with a number, or with a share of the fleet."""

    sign: Literal[">=", "<=", "==", ">", "<"] = Field(">=", description="How to compare.")
    value: float = Field(description="The number, or the share 0..1.")
    share: Flag = Field(False, description="Whether the value is a share of the whole.")

    def holds(self, number: float, whole: float) -> bool:
        """Whether `number` of `whole` meets the bound."""
        limit = self.value * whole if self.share else self.value
        return {">=": number >= limit, "<=": number <= limit, "==": number == limit,
                ">": number > limit, "<": number < limit}[self.sign]  # fmt: skip

    def __str__(self) -> str:
        value = f"{_plain(round(self.value * 100, 10))} %" if self.share else _plain(self.value)
        return f"{self.sign} {value}"


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _read_bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    match = _BOUND.fullmatch(str(value))
    if match is None:
        raise ValueError(f"'{value}' is not a bound; write it like 40, '>= 40' or '>= 85 %'")
    share = match[2].endswith("%")
    number = read_share(match[2]) if share else float(match[2])
    return {"sign": match[1] or ">=", "value": number, "share": share}


def _write_bound(value: Bound) -> int | str:
    plain = value.sign == ">=" and not value.share and value.value.is_integer()
    return int(value.value) if plain else str(value)


BoundField = Annotated[
    Bound,
    BeforeValidator(_read_bound),
    PlainSerializer(_write_bound),
    WithJsonSchema({"type": ["number", "string"],
                    "pattern": r"^\s*(>=|<=|==|>|<)?\s*[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?\s*%?\s*$",
                    "examples": [40, ">= 40", ">= 85 %", "<= 0"]}),
]  # fmt: skip
STATUSES = (
    "Downloading", "Downloaded", "DownloadFailed", "DownloadScheduled", "DownloadPaused",
    "SignatureVerified", "InvalidSignature", "InstallScheduled", "Installing",
    "InstallRebooting", "InstallVerificationFailed", "InstallationFailed", "Installed",
)  # fmt: skip
COUNTERS = ("UpdateFirmware", "SignedUpdateFirmware", "BootNotification", "Heartbeat", "booted",
            "online", "offline", "in_flight", "failed", *STATUSES)  # fmt: skip

Counts = Annotated[
    dict[str, BoundField], Field(json_schema_extra={"propertyNames": {"enum": list(COUNTERS)}})
]


def _known(counts: Counts) -> Counts:
    unknown = sorted(set(counts) - set(COUNTERS))
    if unknown:
        close = guess(unknown[0], COUNTERS)
        raise ValueError(
            f"no counter is called {unknown[0]}{close or '; known: ' + ', '.join(COUNTERS)}"
        )
    return counts


class StepBase(Frozen):
    """What every step may carry."""

    when: Counts = Field(default={}, description="Wait until these counters hold, then act.")
    within: Duration = Field(600.0, description="How long `when` or `wait` may take.")
    background: Flag = Field(False, description="Do not wait for the answer before the next step.")
    rollout: str = Field("main", description="Which rollout, where a drill has several.")

    def model_post_init(self, _: Any) -> None:
        """Refuse counters that nobody counts."""
        _known(self.when)


class CallStep(StepBase):
    """A request that changes something."""

    refused: Literal["maybe"] | Flag = Field(
        False,
        description="The CSMS must refuse it, and nothing may happen; `maybe`: it may, and the "
        "plan goes on without the step where its `when` never comes or its rollout was refused.",
    )


class CreateStep(CallStep):
    """Create a rollout over the fleet, in fleet order. Nothing is triggered by it."""

    do: Literal["create"] = "create"
    strategy: Literal["canary", "rolling", "all_at_once"] = Field(description="Rollout strategy.")
    canary_count: Count | None = Field(None, description="Chargers in the canary stage.")
    batch_size: Count | None = Field(None, description="Chargers per batch of a rolling rollout.")
    cohorts: tuple[str, ...] | None = Field(None, description="Only these cohorts.")
    chargers: tuple[str, ...] | None = Field(None, description="Exactly these charger ids.")
    idempotency_key: str | None = Field(
        None, min_length=1, description="Creates with the same key are one and the same request."
    )
    retrieve_in: Duration | None = Field(
        None, description="Chargers start downloading this long after the create."
    )
    retrieve_zone: int = Field(
        0, ge=-12, le=14, description="Hours east of UTC: the zone in which that date is written."
    )
    max_in_flight: Count | None = Field(None, ge=1, description="Extension: chargers at a time.")
    failure_threshold: Share | None = Field(None, description="Extension: share that may fail.")
    update_timeout: Duration | None = Field(None, description="Extension: patience per charger.")
    offline_timeout: Duration | None = Field(None, description="Extension: patience with absence.")
    retries: Count | None = Field(None, ge=0, description="Extension: retries of a download.")
    retry_interval: Duration | None = Field(None, description="Extension: wait between retries.")


class ExecuteStep(CallStep):
    """Start the next stage, or resume a paused rollout."""

    do: Literal["execute_stage"] = "execute_stage"
    idempotency_key: str | None = Field(
        None, min_length=1, description="Calls with the same key are one and the same request."
    )


class PauseStep(CallStep):
    """Pause the rollout; every charger then makes a fence round trip."""

    do: Literal["pause"] = "pause"
    reason: str | None = Field(None, description="Kept by the CSMS for audit.")


class WaitStep(StepBase):
    """Wait until something has happened, at most `within`."""

    do: Literal["wait"] = "wait"
    stage: Literal["settled"] | None = Field(None, description="Every charger of it has an end.")
    status: Literal["terminal", "completed", "failed", "paused"] | None = Field(
        None, description="The rollout shows this status (terminal: completed or failed)."
    )
    until: Counts = Field(default={}, description="These counters hold.")

    def model_post_init(self, context: Any) -> None:
        """Refuse a wait for nothing."""
        super().model_post_init(context)
        _known(self.until)
        if self.stage is None and self.status is None and not self.until:
            raise ValueError("wait for what? give stage, status or until")


class HoldStep(StepBase):
    """Let time pass."""

    do: Literal["hold"] = "hold"
    seconds: Duration = Field(description="How long.")


class ReadStep(StepBase):
    """Read the rollout."""

    do: Literal["read"] = "read"


class FleetStep(StepBase):
    """Read the fleet's firmware versions."""

    do: Literal["fleet"] = "fleet"
    site_id: str | None = Field(None, description="Only this site.")
    vendor: str | None = Field(None, description="Only this vendor.")


class FenceStep(StepBase):
    """Have every online charger make a Heartbeat round trip."""

    do: Literal["fence"] = "fence"


class MarkStep(StepBase):
    """Name this moment, for offline windows that wait for it."""

    do: Literal["mark"] = "mark"
    name: str = Field(description="The name that `after:` refers to.")


class KillStep(StepBase):
    """Kill the CSMS without warning (kill -9)."""

    do: Literal["kill"] = "kill"
    at: Literal["once", "commit"] = Field(
        default="once",
        description="`once`: now. `commit`: as soon as the CSMS has written something down, before "
        "any answer or command of it leaves; in virtual time only, over sockets it is now.",
    )


class RestartStep(StepBase):
    """Start the killed CSMS again on the same database."""

    do: Literal["restart"] = "restart"


STEPS: dict[str, type[StepBase]] = {
    "create": CreateStep, "execute_stage": ExecuteStep, "pause": PauseStep, "wait": WaitStep,
    "hold": HoldStep, "read": ReadStep, "fleet": FleetStep, "fence": FenceStep,
    "mark": MarkStep, "kill": KillStep, "restart": RestartStep,
}  # fmt: skip
_SCALAR = {"hold": "seconds", "mark": "name", "pause": "reason"}  # `- hold: 60 s`


def _read_step(value: Any) -> Any:
    """Turn a step as written into the fields of its class."""
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict) or "do" in value:
        return value
    names = [name for name in value if name in STEPS]
    if len(names) != 1:
        known = ", ".join(STEPS)
        close = "" if names else guess(str(next(iter(value), "")), STEPS)
        raise ValueError(f"a step has exactly one of {known}{close}")
    arguments = value[names[0]]
    if arguments is None:
        arguments = {}
    elif not isinstance(arguments, dict):
        if names[0] not in _SCALAR:
            raise ValueError(f"{names[0]} takes a mapping of its fields")
        arguments = {_SCALAR[names[0]]: arguments}
    beside = {name: given for name, given in value.items() if name != names[0]}
    return {"do": names[0], **beside, **arguments}


def _write_step(value: Any, serialise: Any) -> Any:
    fields = {name: field for name, field in serialise(value).items() if name != "do"}
    given = {name: fields[name] for name in fields if name in value.model_fields_set}
    return {value.do: given} if given else value.do


def _step_schema() -> dict[str, Any]:
    # What every step may carry stands beside its name as well as inside of it.
    properties: dict[str, Any] = dict(StepBase.model_json_schema()["properties"])
    for name, step in STEPS.items():
        inner = step.model_json_schema()
        inner.pop("$defs", None)
        inner["properties"].pop("do")
        inner.pop("title", None)
        forms: list[dict[str, Any]] = [inner, {"type": "null"}]
        if name in _SCALAR:
            forms.append(inner["properties"][_SCALAR[name]])
        properties[name] = {"anyOf": forms, "description": (step.__doc__ or "").strip()}
    return {
        "anyOf": [
            {"enum": list(STEPS), "description": "A step without arguments."},
            {"type": "object", "properties": properties, "additionalProperties": False},
        ]
    }


Step = Annotated[
    Annotated[
        CreateStep | ExecuteStep | PauseStep | WaitStep | HoldStep | ReadStep | FleetStep
        | FenceStep | MarkStep | KillStep | RestartStep,
        Field(discriminator="do"),
    ],
    BeforeValidator(_read_step),
    WrapSerializer(_write_step),
    WithJsonSchema(_step_schema()),
]  # fmt: skip
