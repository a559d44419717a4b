"""Who signs the images of a signed update: the user's key, or one of ours. A core.

Flaws that only the issuer of a certificate can make (one that is over, one that has not begun) need
the issuer: with the user's key alone those cases do not apply.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.errors import UsageError
from harness.suites.charger_cases import ALL_FLAWS
from simulator import signing
from simulator.manufacturer import Manufacturer, Signed

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.manufacturer import How


class Signer(Protocol):
    """Signs images, well and badly."""

    @property
    def flaws(self) -> frozenset[str]:
        """How it can do so badly."""

    def sign(self, sha256: str, flaw: str) -> Signed:
        """Return certificate and signature for the image with this digest; '' for no flaw."""


@dataclass(frozen=True, slots=True)
class OurSigner:
    """A manufacturer of ours, whose root the charger trusts."""

    maker: Manufacturer
    flaws: frozenset[str] = ALL_FLAWS

    def sign(self, sha256: str, flaw: str) -> Signed:
        """Return certificate and signature."""
        return self.maker.sign(sha256, cast("How", flaw or "good"))


@dataclass(frozen=True, slots=True)
class KeySigner:
    """The user's own signing key and certificate; `stranger` makes what nobody trusts."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: str  # PEM
    stranger: Manufacturer
    flaws: frozenset[str] = frozenset({"wrong_signature", "unknown_root", "no_pem"})

    def sign(self, sha256: str, flaw: str) -> Signed:
        """Return certificate and signature."""
        match flaw:
            case "wrong_signature":
                return Signed(self.certificate, signing.sign(self.key, "00" * 32))
            case "unknown_root" | "no_pem":
                return self.stranger.sign(sha256, cast("How", flaw))
            case _:
                return Signed(self.certificate, signing.sign(self.key, sha256))


def read_key(key: Path, certificate: Path, *, stranger: Manufacturer) -> KeySigner:
    """Read a PEM key without a password and its certificate; `UsageError` if they cannot be."""
    try:
        loaded = load_pem_private_key(key.read_bytes(), password=None)
        text = certificate.read_text(encoding="utf-8")
    except (OSError, ValueError, TypeError) as error:
        # The text of these errors never holds the key itself.
        raise UsageError(f"cannot use the signing key or certificate: {error}") from None
    if not isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UsageError("OCPP signs with RSA or ECDSA; the signing key is neither")
    if "BEGIN CERTIFICATE" not in text:
        raise UsageError(f"{certificate} holds no PEM certificate")
    return KeySigner(loaded, text, stranger)
