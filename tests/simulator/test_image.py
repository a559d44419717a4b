"""An image says what it is, and no damaged copy of it passes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.image import HEADER_BYTES, Image, ImageError, parse_header, verify

IMAGE = Image(version="3.5.1", size=700_000, vendor="ABB", model="Terra AC", seed=7)
BYTES = IMAGE.read(0, IMAGE.size)


def test_the_header_tells_version_length_and_digest() -> None:
    """What the image says of itself is what was asked for and what its bytes are."""
    header = verify(
        BYTES[:HEADER_BYTES], len(BYTES), hashlib.sha256(BYTES[HEADER_BYTES:]).hexdigest()
    )
    assert (header.version, header.vendor, header.model) == ("3.5.1", "ABB", "Terra AC")
    assert hashlib.sha256(BYTES).hexdigest() == IMAGE.sha256


@given(st.integers(0, 710_000), st.integers(0, 300_000))
def test_any_range_is_a_slice_of_the_whole(offset: int, count: int) -> None:
    """Serving ranges and serving the whole give the same bytes."""
    assert IMAGE.read(offset, count) == BYTES[offset : offset + count]


@given(st.integers(0, len(BYTES) - 1))
def test_a_flipped_byte_never_passes(place: int) -> None:
    """One wrong byte anywhere fails the check, or hits padding that says nothing."""
    broken = bytearray(BYTES)
    broken[place] ^= 0x10
    body = hashlib.sha256(broken[HEADER_BYTES:]).hexdigest()
    try:
        header = verify(bytes(broken[:HEADER_BYTES]), len(broken), body)
    except ImageError:
        return
    assert place < HEADER_BYTES
    assert header != parse_header(IMAGE.head) or BYTES[place] == ord(" ")


@pytest.mark.parametrize(
    "head", [b"", b"<!doctype html>", b"\x00" * 512, b"FIRMDRILL-IMAGE-1 {}" + b" " * 512]
)
def test_other_bytes_are_not_an_image(head: bytes) -> None:
    """HTML, zeros and an empty header are refused with a reason."""
    with pytest.raises(ImageError):
        parse_header(head)


def test_a_wrong_length_is_named() -> None:
    """A short file says how short."""
    with pytest.raises(ImageError, match="699999 of 700000"):
        verify(IMAGE.head, 699_999, IMAGE.body_sha256)


def test_an_image_fits_its_own_kind_or_any() -> None:
    """A generic image fits everyone, a vendor's image its own chargers."""
    header = parse_header(IMAGE.head)
    assert header.fits("ABB", "Terra AC")
    assert not header.fits("Alfen", "Eve")
    assert parse_header(Image(version="1", size=600).head).fits("Alfen", "Eve")
