"""Texts and times as the CSMS keeps and writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_csms.model import clean, rfc3339

UNSAFE = {chr(code) for code in (*range(32), 127, 0x2028, 0x2029)}


@given(st.floats(0, 4e9))
def test_times_are_written_in_utc_to_the_millisecond(time: float) -> None:
    """D27: as the standard library writes them, with `Z`."""
    text = datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
    assert rfc3339(time) == text.replace("+00:00", "Z")


@given(st.text(st.characters(), max_size=30), st.integers(1, 20))
def test_what_is_cleaned_can_be_stored_and_logged(text: str, limit: int) -> None:
    """No controls, no surrogates, never longer than allowed; nothing else is touched."""
    safe = clean(text, limit)
    safe.encode()
    assert not UNSAFE & set(safe)
    assert len(safe) <= limit
    plain = all(char not in UNSAFE and not 0xD800 <= ord(char) <= 0xDFFF for char in text)
    assert (safe == text) == (len(text) <= limit and plain) or "\ufffd" in text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("abc", "abc"),
        ("a\nb", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ("a\u2028b", "a\ufffdb"),
        ("abcdef", "abcd…"),
        ("abcdé", "abcdé"),
        ("\u200babc", "\u200babc"),
    ],
)
def test_some_texts(text: str, safe: str) -> None:
    """Characters that cannot be printed and harm nobody stay."""
    assert clean(text, 5) == safe
