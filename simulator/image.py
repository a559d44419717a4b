"""The simulated firmware image: a header that says what it is, and a body that proves it.

A core. OCPP 1.6 carries neither a version nor a digest, so a virtual charger learns both from the
bytes it downloaded: the first `HEADER_BYTES` are a magic word and a JSON object, padded with
blanks, and `sha256` in it is the digest of everything after them. The body is made of one repeated
block, so any range of it can be served without a file and without much memory.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

HEADER_BYTES = 512
MAGIC = b"FIRMDRILL-IMAGE-1 "
_BLOCK_BYTES = 1 << 18


class ImageError(ValueError):
    """These bytes are not a usable image; the text says why (`not an image`, `wrong digest`…)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself; `vendor` and `model` are empty where it fits any charger."""

    version: str
    length: int
    sha256: str
    vendor: str = ""
    model: str = ""

    def fits(self, vendor: str, model: str) -> bool:
        """Whether the image is meant for a charger of this vendor and model."""
        return self.vendor in {"", vendor} and self.model in {"", model}


@dataclass(frozen=True)
class Image:
    """An image of `size` bytes in all, its body drawn from `seed`; equal values, equal bytes."""

    version: str
    size: int
    vendor: str = ""
    model: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < HEADER_BYTES:
            raise ValueError(f"an image needs at least {HEADER_BYTES} bytes, not {self.size}")
        if len(self._header("0" * 64)) > HEADER_BYTES:
            raise ValueError("version, vendor and model are too long for the image header")

    @cached_property
    def block(self) -> bytes:
        """The bytes that the body repeats; they look random, so no proxy can compress them."""
        name = f"{self.seed}/{self.version}".encode()
        return hashlib.shake_256(name).digest(min(_BLOCK_BYTES, max(1, self.size - HEADER_BYTES)))

    @cached_property
    def head(self) -> bytes:
        """The first `HEADER_BYTES` bytes."""
        body = self.size - HEADER_BYTES
        digest = hashlib.sha256()
        whole, rest = divmod(body, len(self.block))
        for _ in range(whole):
            digest.update(self.block)
        digest.update(self.block[:rest])
        return self._header(digest.hexdigest()).ljust(HEADER_BYTES)

    def _header(self, sha256: str) -> bytes:
        """Return the header of a body with this hex digest, not yet filled up."""
        about = {"version": self.version, "vendor": self.vendor, "model": self.model,
                 "length": self.size, "sha256": sha256}  # fmt: skip
        return MAGIC + json.dumps(about, separators=(",", ":")).encode()

    @cached_property
    def sha256(self) -> str:
        """The hex digest over all bytes, header included."""
        digest = hashlib.sha256()
        for offset in range(0, self.size, _BLOCK_BYTES):
            digest.update(self.read(offset, _BLOCK_BYTES))
        return digest.hexdigest()

    @cached_property
    def body_sha256(self) -> str:
        """The hex digest over the bytes after the header."""
        return parse_header(self.head).sha256

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset` (fewer at the end, b"" beyond it)."""
        end = min(offset + count, self.size)
        if offset >= end:
            return b""
        if end <= HEADER_BYTES:
            return self.head[offset:end]
        head = self.head[offset:] if offset < HEADER_BYTES else b""
        return head + self._body(max(offset - HEADER_BYTES, 0), end - HEADER_BYTES)

    def _body(self, start: int, end: int) -> bytes:
        first = start % len(self.block)
        needed = end - start
        repeats = -(-(first + needed) // len(self.block))
        return (self.block * repeats)[first : first + needed]


def parse_header(head: bytes) -> Header:
    """Return what the first bytes of an image say; raises `ImageError` for anything else."""
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        raise ImageError("not an image")
    try:
        about = json.loads(head[len(MAGIC) : HEADER_BYTES])
        return Header(
            version=str(about["version"]),
            length=int(about["length"]),
            sha256=str(about["sha256"]),
            vendor=str(about["vendor"]),
            model=str(about["model"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ImageError("the image header is damaged") from error


def verify(head: bytes, length: int, body_sha256: str) -> Header:
    """Return the header if a download of `length` bytes with this body digest is that image."""
    header = parse_header(head)
    if header.length != length:
        raise ImageError(f"wrong length: {length} of {header.length} bytes")
    if header.sha256 != body_sha256:
        raise ImageError("wrong digest")
    return header
