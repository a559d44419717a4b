"""Finds values that are known to be names inside other texts, however they are written. A core.

A value of letters alone, or a short one, might be an ordinary word: it is found as a whole word.
One that is longer and has anything but letters in it is found anywhere, in capitals or not,
percent-encoded, in hexadecimal, and inside what is Base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST = 3  # characters of a value that is looked for inside other texts
ANYWHERE = 6  # characters of one that is looked for inside words
_WORD = re.compile(r"[\w@%-]+(?:[.#][\w@%-]+)*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_URLSAFE = str.maketrans("-_", "+/")


class Hiding:
    """The values that are known so far, each with its stand-in."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._index: dict[
            str, list[tuple[str, str]]
        ] = {}  # first characters -> forms, longest first
        self._lengths: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to be found."""
        return bool(self._words)

    def get(self, value: str) -> str | None:
        """Return the stand-in of exactly this value."""
        return self._words.get(value)

    def add(self, value: str, name: str) -> None:
        """Remember a value; those that are too short to be told from a word are left out."""
        if len(value) < SHORTEST or value in self._words:
            return
        self._words[value] = name
        if len(value) < ANYWHERE or value.isalpha():
            return
        # A charger may say half a character, which UTF-8 has no bytes for.
        forms = {
            value.lower(),
            quote(value, safe="", errors="surrogatepass").lower(),
            value.encode("utf-8", "surrogatepass").hex(),
        }
        for form in forms:
            listed = self._index.setdefault(form[:ANYWHERE], [])
            listed.append((form, name))
            listed.sort(key=lambda pair: -len(pair[0]))

    def replaced(self, text: str, secret: Callable[[str], str]) -> str:
        """Return the text with stand-ins; `secret` names what is Base64 and holds a known value."""
        if not self._words:
            return text
        if self._index and len(text) >= ANYWHERE:
            text = _BASE64.sub(lambda found: self._encoded(found[0], secret), text)
            text = self._anywhere(text)
        return _WORD.sub(self._word, text)

    def _encoded(self, token: str, secret: Callable[[str], str]) -> str:
        try:
            plain = token.rstrip("=").translate(_URLSAFE)
            inner = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
        except (binascii.Error, ValueError):
            return token
        return (
            token if self._anywhere(inner) == inner and inner not in self._words else secret(token)
        )

    def _anywhere(self, text: str) -> str:
        lower = text.lower()
        if len(lower) != len(text):  # a letter whose small form is longer: places would differ
            lower = text
        out: list[str] = []
        at = done = 0
        index = self._index
        while at <= len(text) - ANYWHERE:
            for form, name in index.get(lower[at : at + ANYWHERE], ()):
                if lower.startswith(form, at):
                    out += (text[done:at], name)
                    at = done = at + len(form)
                    break
            else:
                at += 1
        return "".join([*out, text[done:]]) if out else text

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        known = self._words.get(word)
        if known is None and "#" in word:  # a connection: charger#2
            head, _, tail = word.rpartition("#")
            known = f"{self._words[head]}#{tail}" if head in self._words else None
        return word if known is None else known
