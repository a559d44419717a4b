"""A firmware manufacturer for drills: its root, and good or flawed signatures. A core.

Everything follows from a seed, signatures included (Ed25519 for certificates; for images ECDSA with
its deterministic nonce, or RSA-PSS without a salt), so that a signed drill repeats byte for byte.
The keys protect nothing and are never stored.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from simulator.rsa_key import rsa_key

How = Literal["good", "wrong_signature", "unknown_root", "expired", "not_yet", "revoked", "no_pem"]
KeyKind = Literal["ecdsa", "rsa"]
VALID = timedelta(days=365)
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class Signed:
    """What goes with an image in a secure update: certificate (PEM) and signature (base64)."""

    certificate: str
    signature: str


class Manufacturer:
    """Who signs firmware; `now` is the Unix time around which its certificates are valid."""

    def __init__(self, seed: int, *, now: float, key: KeyKind = "ecdsa") -> None:
        self._seed = seed
        self._kind = key
        self._now = datetime.fromtimestamp(now, UTC).replace(microsecond=0)
        self._root_key = self._root_of("root")
        self._root = self._certificate("Root", self._root_key, self._root_key, serial=1, age=VALID)

    @property
    def root(self) -> str:
        """The root certificate in PEM: what a charger trusts (`ChargerSpec.firmware_root`)."""
        return _pem(self._root)

    @property
    def revoked(self) -> tuple[int, ...]:
        """The serial numbers that a charger knows to be revoked (`ChargerSpec.revoked`)."""
        return (self._serial("revoked"),)

    def sign(self, digest: str, how: How = "good") -> Signed:
        """Return certificate and signature for the image with this hex digest, good or flawed.

        Chargers answer InvalidCertificate to all flaws of the certificate, RevokedCertificate to a
        revoked one, and report InvalidSignature for a signature over something else.
        """
        key = self._key()
        wrong = sha256(b"another image").digest() if how == "wrong_signature" else None
        signature = _signature(key, wrong or bytes.fromhex(digest))
        signer = self._root_of("somebody else") if how == "unknown_root" else self._root_key
        age = {"expired": 3 * VALID, "not_yet": -VALID}.get(how, VALID)
        leaf = self._certificate("Signing", key, signer, serial=self._serial(how), age=age)
        certificate = "not a certificate" if how == "no_pem" else _pem(leaf)
        return Signed(certificate, base64.b64encode(signature).decode())

    # ------------------------------------------------------------------ keys and certificates

    def _key(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        if self._kind == "rsa":
            return rsa_key(f"{self._seed}/manufacturer")
        return ec.derive_private_key(1 + self._number("key") % (_P256_ORDER - 1), ec.SECP256R1())

    def _number(self, purpose: str) -> int:
        return int.from_bytes(sha256(f"{self._seed}/manufacturer/{purpose}".encode()).digest())

    def _serial(self, how: str) -> int:
        return 2 + self._number(f"serial/{how}") % 2**63

    def _root_of(self, whom: str) -> Ed25519PrivateKey:
        raw = self._number(whom).to_bytes(32)
        return Ed25519PrivateKey.from_private_bytes(raw)

    def _certificate(
        self,
        name: str,
        key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
        signer: Ed25519PrivateKey,
        *,
        serial: int,
        age: timedelta,
    ) -> x509.Certificate:
        """Issue a certificate that began `age` ago and lasts two years."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Firmdrill {name}")])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Firmdrill Root")])
        begins = self._now - age
        return (
            x509.CertificateBuilder(issuer, subject, key.public_key(), serial)
            .not_valid_before(begins)
            .not_valid_after(begins + 2 * VALID)
            .sign(signer, None)
        )


def _signature(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, digest: bytes) -> bytes:
    """Sign a SHA-256 digest, the same every time."""
    sha = Prehashed(hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, padding.PSS(padding.MGF1(hashes.SHA256()), 0), sha)
    return key.sign(digest, ec.ECDSA(sha, deterministic_signing=True))


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
