"""A target file: how to reach and read a CSMS that is not ours.

A shell only for its one file. Secrets are never in it: the bearer key and station passwords come
from the environment, under the names that the file gives.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pydantic
from pydantic import Field

from harness.errors import UsageError
from harness.mapping import PATHS, Names
from harness.targets import KEY_VARIABLE, Address
from simulator.faults import ChargerSpec, Frozen
from simulator.scenario_yaml import read
from simulator.units import Duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.scenario_yaml import Places


class Serving(Frozen):
    """Where our firmware server listens, and how chargers reach it."""

    host: str = Field("127.0.0.1", description="Address to bind.")
    port: int = Field(0, ge=0, le=65535, description="Port to bind (0: any free one).")
    url: str | None = Field(None, description="Base url by which chargers reach it.")
    tls_cert: Path | None = Field(None, description="Certificate chain; default: made on the spot.")
    tls_key: Path | None = Field(None, description="Its private key.")


class Provision(Frozen):
    """A request, one a charger, that makes the system know it before a drill."""

    method: Literal["POST", "PUT"] = Field("POST", description="HTTP method.")
    url: str = Field(pattern=r"^https?://", description="Whole url; {id} is the charger's id.")
    body: dict[str, Any] = Field(
        {}, description="JSON body; {id}, {vendor}, {model} and {site_id} are filled in."
    )
    known: tuple[int, ...] = Field(
        (409,), description="Statuses beside 2xx that mean it was known already."
    )


class Restart(Frozen):
    """Commands that end and start the system, for drills that kill it. Run without a shell."""

    kill: str = Field(min_length=1, description="Ends it at once, like kill -9.")
    start: str = Field(min_length=1, description="Starts it again; has to return.")
    within: Duration = Field(60.0, description="How long it may take to answer again.")

    @pydantic.field_validator("kill", "start")
    @classmethod
    def _has_words(cls, line: str) -> str:
        if not shlex.split(line):  # a ValueError of its own says what is wrong with quotes
            raise ValueError("a command is needed")
        return line


class Fleet(Frozen):
    """Which chargers the system knows: the virtual fleet takes these ids, in order."""

    ids: tuple[str, ...] = Field((), description="Charger ids.")
    pattern: str | None = Field(None, description="Template with {n}: `CP-{n:04}`.")
    first: int = Field(1, description="The first n of the pattern.")
    register_url: str | None = Field(
        None, alias="register", description="Base url of an extension that registers chargers."
    )
    provision: Provision | None = Field(None, description="Or a request that makes them known.")
    password_env: str | None = Field(
        None, description="Variable with one password, or a JSON object: id -> password."
    )
    certificates: Path | None = Field(
        None, description="Folder with <id>.pem and <id>.key: what chargers show (profile 3)."
    )


class Naming(Frozen):
    """What the system calls otherwise than the published API."""

    paths: dict[Literal["create", "read", "execute_stage", "pause", "fleet"], str] = Field(
        {}, description="Paths after the base url, by operation; {rollout_id} where it belongs."
    )
    fields: dict[str, str] = Field({}, description="Published field name: the system's.")
    statuses: dict[str, str] = Field({}, description="Published status: the system's.")

    def table(self) -> Names:
        """Return it as a translation."""
        paths = {str(operation): path for operation, path in self.paths.items()}
        return Names(paths, self.fields, self.statuses)

    @pydantic.field_validator("paths")
    @classmethod
    def _has_place(cls, paths: dict[str, str]) -> dict[str, str]:
        for operation, path in paths.items():
            if "{rollout_id}" in PATHS[operation] and "{rollout_id}" not in path:
                raise ValueError(f"the path of {operation} needs {{rollout_id}}: {path}")
            if not path.startswith("/"):
                raise ValueError(f"the path of {operation} begins with /: {path}")
        return paths


class Target(Frozen):
    """A CSMS that is not ours."""

    version: Literal[1] = Field(description="Version of this language.")
    name: str = Field(min_length=1, description="What reports call it.")
    api: str = Field(pattern=r"^https?://", description="Base url, like https://host/api/v1/cpo.")
    ocpp: str = Field(pattern=r"^wss?://", description="OCPP url; {id} or appended /<charger id>.")
    key_env: str = Field(KEY_VARIABLE, description="Variable that holds the bearer key.")
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
        ("csms",), description="Whose findings decide."
    )
    profile: dict[str, Any] = Field(
        {}, description="How it settles what the API leaves open: {D6: any, D12: {…}}."
    )

    def address(self, chargers: Sequence[ChargerSpec]) -> Address:
        """Return where it is; raises UsageError if the environment lacks a secret."""
        key = os.environ.get(self.key_env, "")
        if not key:
            raise UsageError(f"{self.name}: set {self.key_env} to its bearer key")
        return Address(
            api=self.api.rstrip("/"),
            ocpp=self.ocpp,
            key=key,
            ext=self.chargers.register_url,
            provision=self.chargers.provision,
            about={"name": self.name, "foreign": True, "shared": self.shared},
            passwords=self._passwords([spec.id for spec in chargers]),
            names=self.names.table(),
            ca=self.ca,
            certificates=self.chargers.certificates,
        )

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


def read_expected(path: Path) -> dict[str, str]:
    """Read an `expected.yaml`: case -> why it fails; UsageError with its place if it cannot be."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
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
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    data, places, found = read(text, str(path))
    problems = [str(problem) for problem in found]
    if data is None:
        raise UsageError("\n".join(problems))
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
    chargers = target.chargers
    shown = chargers.certificates and folder / chargers.certificates
    return target.model_copy(
        update={
            "expected": target.expected and folder / target.expected,
            "ca": target.ca and folder / target.ca,
            "chargers": chargers.model_copy(update={"certificates": shown}),
        }
    )


def _told(places: Places, problem: Any) -> str:
    """Return what is wrong, at its place."""
    place, where = places.nearest(problem["loc"])
    missing = f"{problem['loc'][-1]}: " if problem["type"] == "missing" else ""
    words = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {where}{missing}{words}"
