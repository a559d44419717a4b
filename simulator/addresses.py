"""Addresses of firmware images, plain or presigned as object stores make them. A core.

`<server>/<tag>/<image>`; the tag only makes addresses distinct. Under `/presigned/` an address
has a query that belongs to its path, full of escapes, and longer than 255 characters with it: the
server takes it back byte for byte or not at all. Nothing is kept: the path says what its query is.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from urllib.parse import quote

PRESIGNED = "/presigned/"
REFUSED = "this is not the address that was handed out: its query belongs to it, byte for byte\n"
# In real ones somebody sees to it that a blank is `+`, and `/`, `:`, `~` and `"` are escapes.
_PARTS = (
    "X-Expires=86400&X-Credential=firmdrill%2F20260101%2Ffirmware&X-Date=2026-01-01T00%3A00%3A00Z"
    "&response-content-disposition=attachment%3b+filename%3D%22image%7E1.bin%22&X-Signature="
)


def path_of(tag: str, image: str, *, presigned: bool) -> str:
    """Return the path of an image at its server."""
    return f"{PRESIGNED if presigned else '/'}{tag}/{image}"


def with_query(path: str) -> str:
    """Return what follows the server in the address: the path, and its query if it has one."""
    _, found, signed = path.partition(PRESIGNED)
    return f"{path}?{_query(signed)}" if found else path


def altered(address: str) -> bool:
    """Whether a server refuses a request for this address (or target): it was not made so."""
    path, _, query = address.partition("?")
    _, found, signed = path.partition(PRESIGNED)
    return bool(found) and query != _query(signed)


def _query(signed: str) -> str:
    digest = hashlib.sha512(signed.encode("utf-8", "surrogateescape")).digest()
    return _PARTS + quote(b64encode(digest), safe="")
