"""The request bodies of the REST API: strict models, and bytes -> request or `Problem`. Values.

No HTTP here, so that the virtual world sends the same bytes through the same checks. A whole
number may be written `5` or `5.0` (the published API calls both "number"); an optional field may be
null. Types, unknown fields and lengths are judged here, everything that needs state by `Service`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reference_csms import problems
from reference_csms.model import CreateRollout, Image, NewCharger, clean

if TYPE_CHECKING:
    from reference_csms.errors import Problem

_Model = TypeVar("_Model", bound=BaseModel)
_LISTED = 1000  # problems listed in one refusal; the count says how many there were


def _whole(value: Any) -> Any:
    """Take 5.0 for 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_INT = 2**31
Whole = Annotated[int, BeforeValidator(_whole), Field(ge=-_INT, lt=_INT)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(max_length=255)]


class Body(BaseModel):
    """A request body: exact types, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class RolloutBody(Body):
    """What `POST /firmware/rollout` takes: the published fields, then our extensions (D32)."""

    charger_ids: list[str] = Field(
        description="Chargers by charge_point_id, in the order in which they are to be updated.",
        examples=[["CP-001", "CP-002"]],
        json_schema_extra={"minItems": 1, "maxItems": 100_000, "uniqueItems": True},
    )
    firmware_url: str = Field(
        description="Where chargers download the image; https without credentials.",
        examples=["https://updates.example.com/firmware/terra-ac-3.5.1.bin"],
        json_schema_extra={"maxLength": 2000, "format": "uri"},
    )
    strategy: str = Field(
        description="How the rollout is cut into stages.",
        json_schema_extra={"enum": ["canary", "rolling", "all_at_once"]},
    )
    batch_size: Whole | None = Field(
        default=None, description="Rolling: chargers per batch; default a tenth, rounded up."
    )
    canary_count: Whole | None = Field(
        default=None, description="Canary: chargers in the first stage; default 1."
    )
    retrieve_date: str | None = Field(
        default=None,
        description="When chargers may start to download, ISO 8601 with offset; default: at once.",
        json_schema_extra={"examples": ["2030-01-31T22:00:00Z"]},
    )
    max_in_flight: Whole | None = Field(
        default=None, description="Extension: at most so many chargers of a stage at a time."
    )
    failure_threshold: Seconds | None = Field(
        default=None, description="Extension: the share of failed chargers that ends the rollout."
    )
    update_timeout: Seconds | None = Field(
        default=None, description="Extension: seconds without any status until a charger fails."
    )
    offline_timeout: Seconds | None = Field(
        default=None, description="Extension: seconds to wait for a charger that is offline."
    )
    retries: Whole | None = Field(
        default=None, description="Extension: further download attempts of a charger; default 2."
    )
    retry_interval: Whole | None = Field(
        default=None, description="Extension: seconds between download attempts; default 30."
    )


class PauseBody(Body):
    """What `POST .../pause` and a cancel take; the body may be left out."""

    reason: str | None = Field(default=None, max_length=500, description="Kept for audit.")


class NothingBody(Body):
    """What operations without parameters take: nothing, or an empty object."""


class ChargerBody(Body):
    """One charger to register, or to change if it is registered."""

    charge_point_id: str = Field(min_length=1, max_length=255, examples=["CP-001"])
    site_id: Name = ""
    vendor: Name = ""
    model: Name = ""
    password: str | None = Field(
        default=None, description="For HTTP Basic at the OCPP port; kept as a keyed hash only."
    )


class ChargersBody(Body):
    """Many chargers to register at once: all of them or none."""

    chargers: list[ChargerBody] = Field(min_length=1, max_length=100_000)


class ImageBody(Body):
    """A firmware image for the catalogue; `url` is its key."""

    url: str = Field(min_length=1, max_length=2000)
    version: str = Field(min_length=1, max_length=100)
    release_date: str | None = Field(default=None, max_length=40)
    size: int | None = Field(default=None, ge=0, lt=2**53)
    sha256: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    signature: str | None = Field(default=None, max_length=800)
    signing_certificate: str | None = Field(default=None, max_length=5500)


class ProgressBody(Body):
    """How far a download is, from whoever serves the image (D26)."""

    percent: int = Field(ge=1, le=80)


class CallBody(Body):
    """One OCPP call to one charger."""

    action: str = Field(min_length=1, max_length=60, examples=["Reset"])
    payload: dict[str, Any] = Field(default_factory=dict, examples=[{"type": "Soft"}])


# ------------------------------------------------------------------ bytes -> requests


def parse(model: type[_Model], body: bytes) -> _Model:
    """Return the body as `model`, or raise the 422 that lists every problem (D14)."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    listed = [
        {
            "field": clean(".".join(str(part) for part in one["loc"]), 120) or "body",
            "problem": clean(one["msg"], 200),
        }
        for one in found[:_LISTED]
    ]
    return problems.invalid(listed)


def parse_create(body: bytes) -> CreateRollout:
    """Return a create request, or raise the 422; for `Service.create_rollout`."""
    fields = parse(RolloutBody, body).model_dump()
    return CreateRollout(charger_ids=tuple(fields.pop("charger_ids")), **fields)


def parse_pause(body: bytes) -> str | None:
    """Return the reason in a body that may be empty, or raise the 422."""
    return parse(PauseBody, body).reason if body.strip() else None


def parse_nothing(body: bytes) -> None:
    """Raise the 422 if the body holds anything."""
    if body.strip():
        parse(NothingBody, body)


def parse_chargers(body: bytes) -> list[ChargerBody]:
    """Return the chargers of `{"chargers": [...]}`, of a bare list, or the only one."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        found = None  # parse() says what is wrong with it
    if isinstance(found, list):
        return parse(ChargersBody, b'{"chargers":' + body + b"}").chargers
    if isinstance(found, dict) and "chargers" in found:
        return parse(ChargersBody, body).chargers
    return [parse(ChargerBody, body)]


def parse_call(body: bytes) -> CallBody:
    """Return an OCPP call, or raise the 422; what JSON cannot say (NaN) has become null."""
    call = parse(CallBody, body)
    plain = msgspec.json.decode(msgspec.json.encode(call.payload))
    return call.model_copy(update={"payload": plain})


def new_charger(body: ChargerBody, password_hash: str) -> NewCharger:
    """Return the charger as the service takes it."""
    return NewCharger(body.charge_point_id, body.site_id, body.vendor, body.model, password_hash)


def parse_image(body: bytes) -> Image:
    """Return an image for the catalogue, or raise the 422."""
    return Image(**parse(ImageBody, body).model_dump())
