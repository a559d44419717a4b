"""Who may speak: bearer keys of operators, passwords of stations, and a limit on wrong guesses.

Keys are compared by their digests in constant time and never logged. Station passwords are kept
as a keyed fast hash: they are long and random, and a slow hash would cost minutes when ten thousand
stations come back at once; without the key file the hashes are worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reference_csms.errors import CsmsError, Problem
from reference_csms.model import parse_date

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

READ, WRITE = "read", "write"
KEY_VARIABLE = "FIRMDRILL_API_KEY"
_SHORTEST_KEY = 16


class KeyFileError(CsmsError):
    """A key or a file of keys cannot be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One bearer key, known by its digest; `expires` is Unix seconds or None."""

    digest: bytes
    scope: str = WRITE
    expires: float | None = None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def api_key(key: str, scope: str = WRITE, expires: float | None = None) -> ApiKey:
    """Return the key as it is kept; KeyFileError if it is too short to be safe."""
    if len(key) < _SHORTEST_KEY:
        raise KeyFileError(f"an API key needs at least {_SHORTEST_KEY} characters")
    if scope not in {READ, WRITE}:
        raise KeyFileError(f"the scope of a key is {READ} or {WRITE}")
    return ApiKey(_digest(key), scope, expires)


def _unauthorized(why: str) -> Problem:
    return Problem(401, "Unauthorized", f"{why} Send the header: Authorization: Bearer <key>.")


class ApiKeys:
    """The keys that open the REST API."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

    def check(self, header: str | None, now: float, *, writes: bool) -> None:
        """Let the request pass, or raise the 401 or 403 that refuses it.

        `header` is the Authorization header. A key of scope read may not write.
        """
        if header is None:
            raise _unauthorized("The request carries no key.")
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise _unauthorized("The Authorization header is not a bearer key.")
        digest, found = _digest(given.strip()), None
        for key in self._keys:  # all of them, so that the time tells nothing
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            raise _unauthorized("The key is unknown.")
        if found.expires is not None and found.expires <= now:
            raise _unauthorized("The key has expired.")
        if writes and found.scope != WRITE:
            raise Problem(403, "Forbidden", "This key may read but not change anything.")


def load_keys(path: Path) -> list[ApiKey]:
    """Read further keys from JSON: `[{"key", "scope": "read"|"write", "expires": date|null}]`."""
    try:
        entries = json.loads(path.read_text("utf-8"))
        return [_entry(one) for one in entries]
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeyFileError(
            f'{path} is not a list of {{"key", "scope", "expires"}} ({type(error).__name__})'
        ) from error


def _entry(one: dict[str, Any]) -> ApiKey:
    expires = one.get("expires")
    return api_key(
        one["key"], one.get("scope", WRITE), None if expires is None else parse_date(expires)
    )


def private_secret(path: Path) -> str:
    """Return the secret kept in `path`; make it, readable by its owner only, if there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = path.read_text("ascii").strip()
        if len(found) < _SHORTEST_KEY:
            raise KeyFileError(
                f"{path} holds no usable secret; remove it to get a new one"
            ) from None
        return found
    made = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(made + "\n")
    return made


# ------------------------------------------------------------------ stations


class StationPasswords:
    """Hashes and checks of station passwords (A00.FR.204-207)."""

    def __init__(self, key: bytes, *, shortest: int = 8, longest: int = 64) -> None:
        """`key` stays secret; lengths are in characters, a policy (OCPP 2.x says 16 to 40)."""
        self._key = hashlib.blake2b(key).digest()
        self.shortest = shortest
        self.longest = longest

    def hashed(self, charger_id: str, password: str) -> str:
        """Return the keyed hash to register."""
        text = f"{charger_id}\0{password}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._key, digest_size=32).hexdigest()

    def matches(self, charger_id: str, password_hash: str, header: str | None) -> bool:
        """Whether a Basic Authorization header names this station and its password.

        A 1.6 station that was given a hexadecimal AuthorizationKey sends the bytes it stands for
        (OCPP-J 1.6 §6.2.2), so these match the registered hexadecimal text as well.
        """
        name, raw = _basic(header)
        text = raw.decode("utf-8", "surrogateescape")
        # All three are tried, so that the time tells nothing.
        tried = [self.hashed(charger_id, one) for one in (text, raw.hex(), raw.hex().upper())]
        right = [hmac.compare_digest(one, password_hash) for one in tried]
        return any(right) and bool(raw) and name == charger_id


def _basic(header: str | None) -> tuple[str, bytes]:
    """Return name and password of a Basic header, both empty if it is none."""
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return "", b""
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return "", b""
    return name.decode("utf-8", "surrogateescape"), password


# ------------------------------------------------------------------ wrong guesses


class Failures:
    """Counts failed attempts per name (an address, a station) in windows of a minute."""

    def __init__(self, allowed: int, *, window: float = 60.0, remembered: int = 10_000) -> None:
        self._allowed = allowed
        self._window = window
        self._remembered = remembered
        # name -> start of its window, failures in it; oldest first.
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, name: str, now: float) -> None:
        """Count one more failure."""
        start, failed = self._seen.pop(name, (now, 0))
        if now - start >= self._window:
            start, failed = now, 0
        self._seen[name] = (start, failed + 1)
        while len(self._seen) > self._remembered:
            self._seen.popitem(last=False)

    def wait(self, name: str, now: float) -> int:
        """Return how many seconds `name` must wait, 0 if it may try."""
        start, failed = self._seen.get(name, (now, 0))
        left = start + self._window - now
        return 0 if failed < self._allowed or left <= 0 else int(left) + 1
