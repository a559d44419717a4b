"""Addresses of images: whatever is done to a presigned one, its server sees it."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from simulator.addresses import altered, path_of, with_query

HOST = "https://firmware.example:8443"
tags = st.text("abcXYZ019-_", min_size=1, max_size=60)


def presigned(tag: str = "canary-1") -> str:
    """Return one as a CSMS is given it."""
    return HOST + with_query(path_of(tag, "firmware.bin", presigned=True))


@given(tags)
def test_what_was_handed_out_is_served(tag: str) -> None:
    """Whole, as a request's target, and behind a proxy that has a path of its own."""
    address = presigned(tag)
    parts = urlsplit(address)
    assert not altered(address)
    assert not altered(f"{parts.path}?{parts.query}")
    assert not altered(address.replace(HOST, "https://proxy.example/behind/me"))


@given(tags, st.data())
def test_no_character_of_it_may_change(tag: str, data: st.DataObject) -> None:
    """Left out, doubled or turned into another one."""
    address = presigned(tag)
    start = len(f"{HOST}/presigned/")
    place = data.draw(st.integers(start, len(address) - 1))
    other = data.draw(st.sampled_from("aZ0%/&=?+").filter(lambda c: c != address[place]))
    for instead in ("", address[place] * 2, other):
        assert altered(address[:place] + instead + address[place + 1 :]), instead


def test_what_libraries_do_to_it_is_seen() -> None:
    """Tidied escapes, another order, capitals, no query at all, 255 characters of it."""
    address = presigned()
    plain, _, query = address.partition("?")
    for wrong in (
        str(URL(address)),
        plain,
        plain + "?" + "&".join(reversed(query.split("&"))),
        address.lower(),
        address[:255],
        address + "&",
    ):
        assert wrong != address
        assert altered(wrong), wrong


@given(tags, tags)
def test_plain_addresses_take_any_query(tag: str, query: str) -> None:
    """As ever: only what was presigned is looked at."""
    path = with_query(path_of(tag, "firmware.bin", presigned=False))
    assert path == f"/{tag}/firmware.bin"
    assert not altered(f"{HOST}{path}?{query}")


def test_it_fits_into_every_version_of_the_protocol() -> None:
    """OCPP 2.0.1 has room for 512 characters, with a long host and a long charger id."""
    long = "https://firmware-of-a-long-name.example.com:65535"
    assert 255 < len(presigned()) < len(presigned("x" * 60)) + len(long) - len(HOST) <= 512
