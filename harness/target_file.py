"""A target file: how to reach and read a CSMS that is not ours.

A shell only for its one file. Secrets are never in it: the bearer key and station passwords come
from the environment, under the names that the file gives.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from pydantic import Field

from harness.errors import UsageError
from harness.target_rules import base_url, sound_profile, sound_url, unlike
from harness.target_sections import HTTP, WS, Fleet, Naming, Restart, Serving
from harness.targets import KEY_VARIABLE, Address
from simulator.certificates import client_context
from simulator.faults import ChargerSpec, Frozen
from simulator.scenario_yaml import read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.scenario_yaml import Places


class Target(Frozen):
    """A CSMS that is not ours."""

    version: Literal[1] = Field(description="Version of this language.")
    name: str = Field(min_length=1, description="What reports call it.")
    api: str = Field(description="Base url, like https://host/api/v1/cpo.")
    ocpp: str = Field(description="OCPP url; {id} or appended /<charger id>.")
    security_profile: Literal[0, 1, 2, 3] | None = Field(
        None, description="What chargers are asked for; refused where the rest says otherwise."
    )
    key_env: str = Field(
        KEY_VARIABLE, min_length=1, description="Variable that holds the bearer key."
    )
    ca: Path | None = Field(None, description="CA file trusted for the API and OCPP.")
    subprotocols: tuple[Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"], ...] = Field(
        ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"),
        min_length=1,
        description="What it speaks; chargers of other versions speak the first of these.",
    )
    shared: bool = Field(
        False, description="Others use it at the same time: its fleet list is not counted."
    )
    restart: Restart | None = Field(None, description="How to kill and start it, if it may be.")
    expected: Path | None = Field(
        None, description="YAML, beside this file: case of `check csms` -> why it fails here."
    )
    extensions: bool = Field(False, description="It knows the extension fields of create.")
    chargers: Fleet = Fleet()
    names: Naming = Naming()
    firmware: Serving = Serving()
    under_test: tuple[Literal["csms", "charger"], ...] = Field(
        ("csms",), min_length=1, description="Whose findings decide."
    )
    profile: dict[str, Any] = Field(
        {}, description="How it settles what the API leaves open: {D6: any, D12: {…}}."
    )

    @pydantic.field_validator("api")
    @classmethod
    def _is_an_api(cls, url: str) -> str:
        return base_url(url, HTTP)

    @pydantic.field_validator("ocpp")
    @classmethod
    def _is_for_chargers(cls, url: str) -> str:
        return (sound_url if "{id}" in url else base_url)(url, WS)

    @pydantic.field_validator("subprotocols")
    @classmethod
    def _differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(unlike(names, "the subprotocol"))

    @pydantic.field_validator("profile")
    @classmethod
    def _changes_something(cls, profile: dict[str, Any]) -> dict[str, Any]:
        return dict(sound_profile(profile))

    @pydantic.model_validator(mode="after")
    def _secured_as_it_says(self) -> Target:
        asked, seen = self.security_profile, self.secured
        if asked is not None and asked != seen:
            raise ValueError(f"security_profile is {asked}, but {_SECURED[seen]}: that is {seen}")
        return self

    @property
    def secured(self) -> int:
        """The OCPP security profile (0 to 3) that ocpp:, password_env: and certificates: make."""
        if self.chargers.certificates is not None:
            return 3
        if self.chargers.password_env is None:
            return 0
        return 2 if self.ocpp.startswith("wss") else 1

    def address(self, chargers: Sequence[ChargerSpec]) -> Address:
        """Return where it is; UsageError if the environment lacks a secret, or a file is amiss."""
        key = os.environ.get(self.key_env, "")
        if not key:
            raise UsageError(f"{self.name}: set {self.key_env} to its bearer key")
        if not key.isascii() or not key.isprintable() or key != key.strip():
            raise UsageError(
                f"{self.name}: {self.key_env} holds what no HTTP header can carry (a line end, a "
                "space around it, or a letter beyond ASCII)"
            )
        address = Address(
            api=self.api.rstrip("/"),
            ocpp=self.ocpp,
            key=key,
            ext=self.chargers.register_url,
            provision=self.chargers.provision,
            about={
                "name": self.name,
                "foreign": True,
                "shared": self.shared,
                "security_profile": self.secured,
            },
            passwords=self._passwords([spec.id for spec in chargers]),
            names=self.names.table(),
            ca=self.ca,
            certificates=self.chargers.certificates,
        )
        _readable(address, [spec.id for spec in chargers])
        return address

    def rename(self, chargers: Sequence[ChargerSpec]) -> list[ChargerSpec]:
        """Give the virtual fleet the ids that the system knows; UsageError if there are too few."""
        fleet = self.chargers
        if fleet.ids:
            if len(fleet.ids) < len(chargers):
                raise UsageError(
                    f"{self.name} names {len(fleet.ids)} chargers, the scenario needs "
                    f"{len(chargers)}: add ids or choose a smaller scenario"
                )
            ids: Sequence[str] = fleet.ids
        elif fleet.pattern is not None:
            numbers = range(fleet.first, fleet.first + len(chargers))
            ids = [fleet.pattern.format(n=number) for number in numbers]
        else:
            ids = [spec.id for spec in chargers]
        return [
            spec.model_copy(update={"id": name, "serial": name, **self._version(spec)})
            if name != spec.id
            else spec.model_copy(update=self._version(spec))
            for spec, name in zip(chargers, ids, strict=False)
        ]

    def _version(self, spec: ChargerSpec) -> dict[str, Any]:
        """Return what changes where the system does not speak a charger's version."""
        return {} if spec.ocpp in self.subprotocols else {"ocpp": self.subprotocols[0]}

    def announced(self) -> dict[str, str]:
        """Return the cases that are expected to fail, with their reasons; UsageError if unread."""
        return {} if self.expected is None else read_expected(self.expected)

    def _passwords(self, ids: Sequence[str]) -> Mapping[str, str]:
        name = self.chargers.password_env
        if name is None:
            return {}
        value = os.environ.get(name)
        if value is None:
            raise UsageError(f"{self.name}: set {name} to the chargers' password(s)")
        if not value.startswith("{"):
            return dict.fromkeys(ids, value)
        try:
            return {str(one): str(password) for one, password in json.loads(value).items()}
        except ValueError as error:
            raise UsageError(f"{name} is neither a password nor a JSON object") from error


_SECURED = (
    "the file names neither password_env nor certificates",
    "it names a password_env and ocpp: is ws://",
    "it names a password_env and ocpp: is wss://",
    "it names certificates",
)


def _readable(address: Address, ids: Sequence[str]) -> None:
    """Raise UsageError unless the certificates that a target names can be read."""
    folder = address.certificates
    if folder is not None and not folder.is_dir():
        raise UsageError(f"certificates: {folder} is no folder")
    for pair in [None, *filter(None, map(address.shown, ids))]:
        try:
            client_context(address.ca, pair=pair)
        except OSError as error:  # ssl.SSLError is one
            where = address.ca if pair is None else f"{pair.certificate} or {pair.key}"
            raise UsageError(f"cannot use {where} as PEM: {error.strerror or error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: it is not UTF-8 ({error.reason})") from error


def read_expected(path: Path) -> dict[str, str]:
    """Read an `expected.yaml`: case -> why it fails; UsageError with its place if it cannot be."""
    text = _text(path)
    data, _, problems = read(text, str(path))
    if problems or not isinstance(data, dict):
        told = "; ".join(map(str, problems)) or "it is not a mapping of cases to reasons"
        raise UsageError(f"{path}: {told}")
    for case, why in data.items():
        if not isinstance(why, str) or not why.strip():
            raise UsageError(f"{path}: {case} needs a reason, in words")
    return {str(case): why.strip() for case, why in data.items()}


def load_target(path: Path) -> Target:
    """Read a target file; raises UsageError with all problems, each with its place."""
    text = _text(path)
    data, places, found = read(text, str(path))
    problems = [str(problem) for problem in found]
    if not isinstance(data, dict):
        told = problems if text.strip() else [f"{path}: the file is empty"]
        told = told or [f"{path}:1:1: a mapping of fields to values is needed"]
        raise UsageError("\n".join([*told, "`firmdrill target new` writes a file to start from"]))
    try:
        target = Target.model_validate(data)
    except pydantic.ValidationError as error:
        problems += [_told(places, problem) for problem in error.errors()]
    else:
        if not problems:
            return _beside(target, path.parent)
    raise UsageError("\n".join(dict.fromkeys(problems)))


def _beside(target: Target, folder: Path) -> Target:
    """Take the files that a target names as beside its own."""
    chargers, serving = target.chargers, target.firmware
    shown = chargers.certificates and folder / chargers.certificates
    return target.model_copy(
        update={
            "expected": target.expected and folder / target.expected,
            "ca": target.ca and folder / target.ca,
            "firmware": serving.model_copy(
                update={
                    "tls_cert": serving.tls_cert and folder / serving.tls_cert,
                    "tls_key": serving.tls_key and folder / serving.tls_key,
                }
            ),
            "chargers": chargers.model_copy(update={"certificates": shown}),
        }
    )


def _told(places: Places, problem: Any) -> str:
    """Return what is wrong, at its place."""
    place, where = places.nearest(problem["loc"])
    missing = f"{problem['loc'][-1]}: " if problem["type"] == "missing" else ""
    words = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {where}{missing}{words}"
