"""A manufacturer signs well or badly on demand, and the same every time."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator import wire
from simulator.manufacturer import How, Manufacturer
from simulator.rsa_key import BITS, rsa_key
from tests.simulator.lab import IMAGE, START, Lab

MAKER = Manufacturer(1, now=START)
RSA_MAKER = Manufacturer(1, now=START, key="rsa")
ANSWERS: list[tuple[How, str, str | None]] = [
    ("good", "Accepted", "Installed"),
    ("wrong_signature", "Accepted", "InvalidSignature"),
    ("unknown_root", "InvalidCertificate", None),
    ("expired", "InvalidCertificate", None),
    ("not_yet", "InvalidCertificate", None),
    ("no_pem", "InvalidCertificate", None),
    ("revoked", "RevokedCertificate", None),
]


@pytest.mark.parametrize(("ocpp", "signed"), [("ocpp1.6", True), ("ocpp2.0.1", False)])
@pytest.mark.parametrize("flaw", ANSWERS)
@pytest.mark.parametrize("maker", [MAKER, RSA_MAKER], ids=["ecdsa", "rsa"])
def test_each_flaw_meets_its_answer(
    maker: Manufacturer, flaw: tuple[How, str, str | None], ocpp: str, signed: bool
) -> None:
    """A charger that trusts the root takes good images only, and says what is wrong with others."""
    how, status, end = flaw
    offer = maker.sign(IMAGE.sha256, how)
    lab = Lab(ocpp=ocpp, signed=signed, firmware_root=maker.root, revoked=maker.revoked).boot()
    firmware = {"signingCertificate": offer.certificate, "signature": offer.signature}
    answer = lab.update(firmware=firmware)
    lab.run(200.0)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": status}
    assert lab.statuses()[-1:] == ([end] if end else [])
    assert lab.charger.firmware_version == ("2.0.0" if end == "Installed" else "1.0.0")


def test_the_same_seed_signs_the_same_and_another_does_not() -> None:
    """A signed drill repeats byte for byte."""
    again, other = Manufacturer(1, now=START), Manufacturer(2, now=START)
    assert again.root == MAKER.root != other.root
    assert again.sign(IMAGE.sha256) == MAKER.sign(IMAGE.sha256) != other.sign(IMAGE.sha256)
    assert RSA_MAKER.sign(IMAGE.sha256) == RSA_MAKER.sign(IMAGE.sha256) != MAKER.sign(IMAGE.sha256)


def test_the_rsa_key_is_one() -> None:
    """Primes that the library checks itself, the length OCPP asks for, and the same every time."""
    key = rsa_key.__wrapped__("1/manufacturer")
    assert key.key_size == BITS
    assert key.private_numbers() == rsa_key("1/manufacturer").private_numbers()
    certificate = x509.load_pem_x509_certificate(RSA_MAKER.sign(IMAGE.sha256).certificate.encode())
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)


def test_the_fields_fit_into_the_request() -> None:
    """OCPP allows 5500 characters of certificate and 800 of signature."""
    for maker in (MAKER, RSA_MAKER):
        offer = maker.sign(IMAGE.sha256)
        assert len(offer.certificate) <= 5500
        assert len(offer.signature) <= 800
