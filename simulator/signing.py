"""Firmware signatures as OCPP's secure update wants them. A core.

A signature covers the whole image: RSA-PSS or ECDSA, each over SHA-256 (L01.FR.04), base64 on the
wire; the certificate is PEM and issued by the manufacturer's root. Because a charger hashes while
it downloads, both sides work on the digest and never on the image.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from simulator.remembering import remembered

REMEMBERED = 20_000  # characters that a certificate, its root and a signature have at most
_SHA256 = Prehashed(hashes.SHA256())
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
# What a certificate may be that nobody can read: no PEM, a key or a version from another world.
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion)
_PSS_ANY = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)


def sign(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, sha256: str) -> str:
    """Return the base64 signature over an image with this hex digest."""
    digest = bytes.fromhex(sha256)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(digest, _PSS, _SHA256)
    else:
        signature = key.sign(digest, ec.ECDSA(_SHA256))
    return base64.b64encode(signature).decode()


@remembered(256, longest=REMEMBERED)  # a whole fleet asks the same
def verified(certificate: str, signature: str, sha256: str) -> bool:
    """Whether `signature` (base64) is the certificate's over an image with this hex digest."""
    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        raw, digest = base64.b64decode(signature, validate=True), bytes.fromhex(sha256)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(raw, digest, _PSS_ANY, _SHA256)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, digest, ec.ECDSA(_SHA256))
        else:
            return False
    except (InvalidSignature, *_UNREADABLE, binascii.Error):
        return False
    return True


def certificate_verdict(
    certificate: str, root: str | None, now: float, revoked: tuple[int, ...] = ()
) -> str:
    """Return Accepted, InvalidCertificate or RevokedCertificate (L01.FR.02, FR.21).

    `root` is the PEM of the manufacturer's root; without one only form and dates are checked.
    `revoked` are serial numbers.
    """
    leaf = _issued(certificate, root)
    if leaf is None or not leaf.since <= datetime.fromtimestamp(now, UTC) <= leaf.until:
        return "InvalidCertificate"
    return "RevokedCertificate" if leaf.number in revoked else "Accepted"


class _Leaf(NamedTuple):
    """What there is to check of a certificate that its root has issued."""

    since: datetime
    until: datetime
    number: int


@remembered(256, longest=REMEMBERED)
def _issued(certificate: str, root: str | None) -> _Leaf | None:
    """Read a certificate; None where it is none or the root has not issued it."""
    try:
        leaf = x509.load_pem_x509_certificate(certificate.encode())
        if root is not None:
            leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(root.encode()))
        return _Leaf(leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.serial_number)
    except (InvalidSignature, *_UNREADABLE, TypeError):
        return None
