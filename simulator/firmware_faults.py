"""Which fault meets a request, and which bytes a request is about: the server's decisions.

A core: imports no sockets and no clock. A request's client is the charger that named itself in the
User-Agent, or else the peer's address; faults are looked up for the client, then for its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, unquote

from pydantic import Discriminator, Field, Tag

from simulator.faults import DownloadFault, Frozen, nth
from simulator.image import HEADER_BYTES, Image
from simulator.units import read_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AGENT_PREFIX = "firmdrill/"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_OPTIONS = ("kind", "at", "byte", "status", "retry_after", "rate", "times")


class FileSpec(Frozen):
    """An image that lies in a file (real chargers): any bytes."""

    file: Path


class ImageSpec(Frozen):
    """An image that the server makes up (virtual chargers)."""

    vendor: str = ""
    model: str = ""
    version: str
    size: int = Field(ge=HEADER_BYTES)
    seed: int = 0

    def image(self) -> Image:
        """Return the image itself."""
        return Image(
            version=self.version,
            size=self.size,
            vendor=self.vendor,
            model=self.model,
            seed=self.seed,
        )


def _sort(about: object) -> str:
    """Say which kind of image is meant, so that errors speak of that one only."""
    is_file = isinstance(about, FileSpec) or (isinstance(about, dict) and "file" in about)
    return "file" if is_file else "made"


AnyImage = Annotated[
    Annotated[ImageSpec, Tag("made")] | Annotated[FileSpec, Tag("file")], Discriminator(_sort)
]


class ServerSpec(Frozen):
    """What the firmware server is told (seam 4).

    `faults` are for clients (a charger id or a peer's address), `path_faults` for everyone who
    asks for that image or path; a client's own faults come first.
    """

    images: dict[str, AnyImage]
    faults: dict[str, tuple[DownloadFault, ...]] = Field(default_factory=dict)
    path_faults: dict[str, tuple[DownloadFault, ...]] = Field(default_factory=dict)


def user_agent(charger_id: str) -> str:
    """Return the User-Agent with which a virtual charger names itself."""
    return AGENT_PREFIX + quote(charger_id, safe="")


def client_of(agent: str, peer: str) -> str:
    """Return who asks: the charger named in the User-Agent, or the peer's address."""
    if agent.startswith(AGENT_PREFIX) and len(agent) > len(AGENT_PREFIX):
        return unquote(agent[len(AGENT_PREFIX) :])
    return peer


@dataclass(slots=True)
class FaultPlan:
    """Hands out faults by request count: the first `times` requests meet the first, and so on."""

    by_client: Mapping[str, Sequence[DownloadFault]]
    by_path: Mapping[str, Sequence[DownloadFault]] = field(default_factory=dict)
    _requests: dict[tuple[str, str], int] = field(default_factory=dict)

    def uses(self, kind: str) -> bool:
        """Whether a fault of this kind can strike anybody."""
        lists = (*self.by_client.values(), *self.by_path.values())
        return any(fault.kind == kind for faults in lists for fault in faults)

    def strike(self, client: str, path: str, image: str) -> DownloadFault | None:
        """Count one request and return the fault that meets it, or None."""
        if client in self.by_client:
            fault = self._next(("client", client), self.by_client[client])
            if fault is not None:
                return fault
        for place in (path, image, ""):  # "": everyone
            if place in self.by_path:
                return self._next((client, place), self.by_path[place])
        return None

    def _next(self, key: tuple[str, str], faults: Sequence[DownloadFault]) -> DownloadFault | None:
        count = self._requests[key] = self._requests.get(key, 0) + 1
        return nth(faults, count)


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for, or None to send everything.

    Raises `ValueError` where nothing of it can be served (416). Several ranges and other units are
    ignored, as RFC 9110 §14.2 allows.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    if match.group(1) == "":
        length = int(match.group(2))
        if length == 0:
            raise ValueError("an empty suffix cannot be served")
        return max(size - length, 0), size - 1
    first = int(match.group(1))
    last = min(int(match.group(2)), size - 1) if match.group(2) else size - 1
    if first >= size:
        raise ValueError("the range begins behind the end")
    return None if last < first else (first, last)


def parse_fault(text: str) -> tuple[str | None, str | None, DownloadFault]:
    """Read `kind=cut,at=0.6,times=1[,client=ID][,path=PATH]` as (client, path, fault).

    Raises `ValueError` with what is wrong and what is known; `times=always` means for ever.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or name.strip() not in (*_OPTIONS, "client", "path"):
            known = ", ".join((*_OPTIONS, "client", "path"))
            raise ValueError(
                f"--fault {text!r}: {part!r} is not NAME=VALUE with NAME one of {known}"
            )
        values[name.strip()] = value.strip()
    client, path = values.pop("client", None), values.pop("path", None)
    times = values.pop("times", "always")
    about: dict[str, object] = {**values, "times": None if times == "always" else times}
    return client, path, DownloadFault.model_validate(about)


def parse_image(text: str) -> tuple[str, AnyImage]:
    """Read `FILE`, or `NAME=SIZE[@VERSION]` for an image made up, as (name in URLs, image).

    Raises `ValueError` with what is wrong. Sizes have units (`20 MB`); the version is 2.0.0 where
    none is given. A file is served under its own name.
    """
    name, equals, about = text.partition("=")
    if not equals:
        path = Path(text)
        if not path.is_file():
            raise ValueError(f"--image {text}: no such file (or write NAME=SIZE, as fw.bin=20MB)")
        return path.name, FileSpec(file=path)
    size, _, version = about.partition("@")
    if not name or "/" in name:
        raise ValueError(f"--image {text}: the name {name!r} is the last part of a URL, as fw.bin")
    return name, ImageSpec(version=version or "2.0.0", size=int(read_size(size)))


def damage(chunk: bytes, offset: int, spot: int) -> bytes:
    """Return the chunk (which begins at `offset`) with 16 bytes from `spot` on flipped."""
    first, last = max(spot - offset, 0), min(spot + 16 - offset, len(chunk))
    if first >= last:
        return chunk
    flipped = bytes(byte ^ 0xFF for byte in chunk[first:last])
    return chunk[:first] + flipped + chunk[last:]
