"""The parts of a target file: firmware server, restart, chargers, provisioning, names. Values."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import Field

from harness.mapping import PATHS, Names
from harness.target_rules import (
    base_url,
    sound_id,
    sound_pattern,
    sound_statuses,
    sound_url,
    unlike,
)
from simulator.faults import Frozen
from simulator.units import Duration

HTTP, WS = ("http", "https"), ("ws", "wss")


class Serving(Frozen):
    """Where our firmware server listens, and how chargers reach it."""

    host: str = Field("127.0.0.1", description="Address to bind.")
    port: int = Field(0, ge=0, le=65535, description="Port to bind (0: any free one).")
    url: str | None = Field(None, description="Base url by which chargers reach it.")
    tls_cert: Path | None = Field(None, description="Certificate chain; default: made on the spot.")
    tls_key: Path | None = Field(None, description="Its private key.")

    @pydantic.field_validator("url")
    @classmethod
    def _reachable(cls, url: str | None) -> str | None:
        return None if url is None else base_url(url, HTTP)

    @pydantic.model_validator(mode="after")
    def _has_both(self) -> Serving:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key need each other")
        return self


class Provision(Frozen):
    """A request, one a charger, that makes the system know it before a drill."""

    method: Literal["POST", "PUT"] = Field("POST", description="HTTP method.")
    url: str = Field(description="Whole url; {id} is the charger's id.")
    body: dict[str, Any] = Field(
        {}, description="JSON body; {id}, {vendor}, {model} and {site_id} are filled in."
    )
    known: tuple[int, ...] = Field(
        (409,), description="Statuses beside 2xx that mean it was known already."
    )

    @pydantic.model_validator(mode="after")
    def _names_the_charger(self) -> Provision:
        sound_url(self.url, HTTP)
        if "{id}" not in self.url and "{id}" not in json.dumps(self.body):
            raise ValueError("neither url nor body says {id}: which charger would be made known?")
        return self


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
    first: int = Field(1, ge=0, description="The first n of the pattern.")
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

    @pydantic.field_validator("ids")
    @classmethod
    def _can_be_told_apart(cls, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(unlike([sound_id(name) for name in ids], "the charger"))

    @pydantic.field_validator("pattern")
    @classmethod
    def _has_a_number(cls, pattern: str | None) -> str | None:
        return None if pattern is None else sound_pattern(pattern)

    @pydantic.field_validator("register_url")
    @classmethod
    def _is_an_extension(cls, url: str | None) -> str | None:
        return None if url is None else base_url(url, HTTP)

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Fleet:
        if self.ids and self.pattern is not None:
            raise ValueError("ids or a pattern, not both")
        return self


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

    @pydantic.model_validator(mode="after")
    def _reads_back(self) -> Naming:
        unlike([*self.fields.values()], "the field")
        sound_statuses(self.statuses)
        return self

    @pydantic.field_validator("paths")
    @classmethod
    def _has_place(cls, paths: dict[str, str]) -> dict[str, str]:
        for operation, path in paths.items():
            if "{rollout_id}" in PATHS[operation] and "{rollout_id}" not in path:
                raise ValueError(f"the path of {operation} needs {{rollout_id}}: {path}")
            if not path.startswith("/"):
                raise ValueError(f"the path of {operation} begins with /: {path}")
        return paths
