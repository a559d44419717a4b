"""Parts of a cohort that may concern only some of its chargers: offline windows, quirks. A core."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from simulator.cohort_failures import Chosen
from simulator.faults import Frozen, QuirkName, Window
from simulator.units import DURATION_SCHEMA, Duration


class Moment(Frozen):
    """A moment: some time after power-on, or after a mark of the drill."""

    after: str | None = Field(None, description="A mark: create, execute_stage, pause, resume…")
    plus: Duration = Field(0.0, description="This long after the mark, or after power-on.")


def _read_moment(value: Any) -> Any:
    return value if isinstance(value, dict | Moment) or value is None else {"plus": value}


def _or_plain(schema: dict[str, Any]) -> None:
    """A moment may also be a plain time after power-on."""
    schema["anyOf"].append(DURATION_SCHEMA)


MomentField = Annotated[Moment, BeforeValidator(_read_moment)]


class Offline(Chosen):
    """A window without connection, for the whole cohort unless it says for whom.

    Without `from` it begins at power-on.
    """

    begin: MomentField | None = Field(
        None, alias="from", description="When it begins.", json_schema_extra=_or_plain
    )
    until: MomentField | None = Field(
        None,
        description="When it ends (default: never). A plain time counts from power-on, or from "
        "the beginning of a window that a mark opens.",
        json_schema_extra=_or_plain,
    )

    def model_post_init(self, _: Any) -> None:
        """Refuse a window that ends before it begins."""
        begin, until = self.begin or Moment(), self.until
        same = until is not None and until.after == begin.after
        if until is not None and same and until.plus < begin.plus:
            raise ValueError("the window ends before it begins")

    @property
    def window(self) -> Window:
        """The window as the charger knows it."""
        begin, until = self.begin or Moment(), self.until or Moment()
        return Window(
            from_s=None if begin.after else begin.plus,
            from_mark=begin.after,
            until_s=until.plus if self.until is not None and not until.after else None,
            until_mark=until.after,
            plus=until.plus,
            delay=begin.plus if begin.after else 0.0,
        )


def one_or_more(value: Any) -> Any:
    """Read one window without its brackets, too."""
    return value if isinstance(value, list | tuple) else [value]


def or_one(schema: dict[str, Any]) -> None:
    """A list of one may be written without its brackets."""
    items = schema.pop("items")
    del schema["type"]
    schema["anyOf"] = [{"type": "array", "items": items}, items]


class SomeQuirk(Chosen):
    """A deviation from OCPP that only some chargers of a cohort have."""

    quirk: QuirkName = Field(description="Its name.")

    def model_post_init(self, _: Any) -> None:
        """Refuse one that does not say whom it is about: its plain name says everybody."""
        if self.everybody:
            raise ValueError(f"who? give p, count, share or only, or write just {self.quirk}")


def _sort(value: Any) -> str:
    """Say which form is meant, so that a problem speaks of that one only."""
    return "everybody" if isinstance(value, str) else "some"


Quirk = Annotated[
    Annotated[QuirkName, Tag("everybody")] | Annotated[SomeQuirk, Tag("some")],
    Discriminator(_sort),
]
