"""A signature holds for its own image only, and a certificate for its own root and time."""

from __future__ import annotations

import base64
import datetime as dt
import ssl
import warnings
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from simulator import signing, wire
from tests.simulator.lab import IMAGE, START, Lab

DAY = dt.timedelta(days=1)
NOW = dt.datetime.fromtimestamp(START, dt.UTC)


def pem(certificate: x509.Certificate) -> str:
    """Return a certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate(key: Any, issuer: Any = None, *, begins: Any = None) -> x509.Certificate:
    """Issue a certificate for `key`, by `issuer` (certificate, key) or by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lab {id(key)}")])
    signer_name, signer = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    begins = begins or NOW - DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer_name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(begins + 10 * DAY)
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture(scope="module", params=["rsa", "ecdsa"])
def key(request: pytest.FixtureRequest) -> Any:
    """Give a signing key of each kind that OCPP allows."""
    if request.param == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def root() -> tuple[x509.Certificate, Any]:
    """Give a manufacturer's root."""
    own = ec.generate_private_key(ec.SECP256R1())
    return certificate(own), own


def test_a_signature_holds_for_its_image_only(key: Any) -> None:
    """Another digest, another key's certificate or damaged base64: not verified."""
    signature = signing.sign(key, IMAGE.sha256)
    own = pem(certificate(key))
    other = pem(certificate(ec.generate_private_key(ec.SECP256R1())))
    assert signing.verified(own, signature, IMAGE.sha256)
    assert not signing.verified(own, signature, "00" * 32)
    assert not signing.verified(other, signature, IMAGE.sha256)
    assert not signing.verified(own, signature[:-5], IMAGE.sha256)
    assert not signing.verified("no certificate", signature, IMAGE.sha256)


DAMAGES = {
    "an unknown curve": (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 9, 0x77),
    "an unknown kind of key": (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01", 8, 0x77),
    "an unknown version": (b"\xa0\x03\x02\x01\x02", 4, 0x59),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_certificate_from_another_world_is_refused(root: Any, damage: str) -> None:
    """Whatever a CSMS sends, a charger says no to it and lives."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = certificate(key, root).public_bytes(serialization.Encoding.DER)
    what, place, byte = DAMAGES[damage]
    at = der.index(what) + place
    odd = ssl.DER_cert_to_PEM_cert(der[:at] + bytes([byte]) + der[at + 1 :])
    assert not signing.verified(odd, signing.sign(key, IMAGE.sha256), IMAGE.sha256)
    assert signing.certificate_verdict(odd, pem(root[0]), START) == "InvalidCertificate"


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_damaged_certificate_is_refused(root: Any, damages: list[tuple[int, int]]) -> None:
    """A byte changed anywhere: it is not the root's any more, and nothing breaks."""
    key = ec.derive_private_key(7, ec.SECP256R1())
    der = bytearray(certificate(key, root).public_bytes(serialization.Encoding.DER))
    whole = bytes(der)
    for place, byte in damages:
        der[place % len(der)] = byte
    odd = ssl.DER_cert_to_PEM_cert(bytes(der))
    with warnings.catch_warnings(action="ignore"):  # a serial number below one: deprecated
        signing.verified(odd, "AAAA", IMAGE.sha256)
        verdict = signing.certificate_verdict(odd, pem(root[0]), START)
    assert verdict == ("Accepted" if bytes(der) == whole else "InvalidCertificate")


def test_a_certificate_needs_its_root_and_its_time(root: Any) -> None:
    """Issued by somebody else, expired, not yet valid or no PEM: InvalidCertificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    good, selfmade = pem(certificate(key, root)), pem(certificate(key))
    expired = pem(certificate(key, root, begins=NOW - 30 * DAY))
    early = pem(certificate(key, root, begins=NOW + DAY))
    anchor = pem(root[0])
    assert signing.certificate_verdict(good, anchor, START) == "Accepted"
    for bad in (selfmade, expired, early, "", "x" * 100):
        assert signing.certificate_verdict(bad, anchor, START) == "InvalidCertificate"
    assert signing.certificate_verdict(selfmade, None, START) == "Accepted"


def events(lab: Lab) -> list[str]:
    """Return the security events that were reported, but for starting up."""
    kinds = [payload["type"] for _, payload in lab.calls("SecurityEventNotification")]
    return [kind for kind in kinds if kind != "StartupOfTheDevice"]


KINDS = [("ocpp1.6", True), ("ocpp2.0.1", False), ("ocpp2.1", False)]


@pytest.mark.parametrize(("ocpp", "signed"), KINDS)
def test_a_secure_update_is_verified_and_says_so(ocpp: str, signed: bool, root: Any) -> None:
    """SignatureVerified between download and installation, FirmwareUpdated at the end."""
    key = ec.generate_private_key(ec.SECP256R1())
    lab = Lab(ocpp=ocpp, signed=signed, firmware_root=pem(root[0])).boot()
    secure = {"signingCertificate": pem(certificate(key, root)),
              "signature": signing.sign(key, IMAGE.sha256)}  # fmt: skip
    lab.update(firmware=secure)
    lab.run(200.0)
    assert lab.statuses()[:4] == ["Downloading", "Downloaded", "SignatureVerified", "Installing"]
    assert events(lab) == ["FirmwareUpdated"]


@pytest.mark.parametrize(("ocpp", "signed"), KINDS)
def test_a_wrong_signature_is_never_installed(ocpp: str, signed: bool, root: Any) -> None:
    """InvalidSignature ends the update, with its security event (L01.FR.03)."""
    key = ec.generate_private_key(ec.SECP256R1())
    lab = Lab(ocpp=ocpp, signed=signed, firmware_root=pem(root[0])).boot()
    secure = {"signingCertificate": pem(certificate(key, root)),
              "signature": signing.sign(key, "00" * 32)}  # fmt: skip
    lab.update(firmware=secure)
    lab.run(200.0)
    assert lab.statuses() == ["Downloading", "Downloaded", "InvalidSignature"]
    assert events(lab) == ["InvalidFirmwareSignature"]
    assert lab.charger.firmware_version == "1.0.0"


@pytest.mark.parametrize(("ocpp", "signed"), KINDS)
def test_a_wrong_certificate_is_refused_at_once(ocpp: str, signed: bool, root: Any) -> None:
    """Answered InvalidCertificate, no status follows, a security event does (L01.FR.02)."""
    key = ec.generate_private_key(ec.SECP256R1())
    lab = Lab(ocpp=ocpp, signed=signed, firmware_root=pem(root[0])).boot()
    secure = {"signingCertificate": pem(certificate(key)), "signature": "AAAA"}
    answer = lab.update(firmware=secure)
    lab.run(200.0)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "InvalidCertificate"}
    assert lab.statuses() == []
    assert events(lab) == ["InvalidFirmwareSigningCertificate"]


@pytest.mark.parametrize(("ocpp", "signed"), KINDS)
def test_a_revoked_certificate_is_refused_as_such(ocpp: str, signed: bool, root: Any) -> None:
    """RevokedCertificate where the serial number is on the charger's list, and its event."""
    key = ec.generate_private_key(ec.SECP256R1())
    lab = Lab(ocpp=ocpp, signed=signed, firmware_root=pem(root[0]), revoked=(7,)).boot()
    secure = {"signingCertificate": pem(certificate(key, root)),
              "signature": signing.sign(key, IMAGE.sha256)}  # fmt: skip
    answer = lab.update(firmware=secure)
    lab.run(100.0)
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": "RevokedCertificate"}
    assert lab.statuses() == []
    assert events(lab) == ["InvalidFirmwareSigningCertificate"]


@pytest.mark.parametrize(
    ("signed", "fields", "status"),
    [
        (True, {}, "InvalidCertificate"),
        (False, {}, "Accepted"),
        (False, {"signature": "AAAA"}, "InvalidCertificate"),
        (False, {"signingCertificate": "x"}, "Rejected"),
    ],
)
def test_half_a_signature_is_none(signed: bool, fields: dict[str, str], status: str) -> None:
    """TC_L_18: a charger that wants signed updates takes no other; halves are never taken."""
    lab = Lab(ocpp="ocpp2.0.1", signed=signed).boot()
    firmware = {"location": "https://fw.example/x", "retrieveDateTime": "2026-01-01T00:00:00Z"}
    answer = lab.call("UpdateFirmware", {"requestId": 1, "firmware": firmware | fields})
    assert isinstance(answer, wire.CallResult)
    assert answer.payload == {"status": status}


@pytest.mark.parametrize("signed", [True, False])
def test_a_charger_with_the_extension_says_so_at_its_start(signed: bool) -> None:
    """StartupOfTheDevice is how a 1.6 CSMS learns whom it may send signed updates."""
    lab = Lab(signed=signed).boot()
    kinds = [payload["type"] for _, payload in lab.calls("SecurityEventNotification")]
    assert kinds == (["StartupOfTheDevice"] if signed else [])


@pytest.mark.parametrize("since", [b"00000101000000Z", b"99999999999999Z"])
def test_a_certificate_from_no_time_is_invalid(since: bytes) -> None:
    """Dates that no calendar has are the sender's fault, and break nothing of ours."""
    begins = dt.datetime(2050, 1, 1, tzinfo=dt.UTC)
    own = certificate(ec.generate_private_key(ec.SECP256R1()), begins=begins)
    der = own.public_bytes(serialization.Encoding.DER)
    odd = base64.encodebytes(der.replace(b"20500101000000Z", since)).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{odd}-----END CERTIFICATE-----\n"
    assert signing.certificate_verdict(text, None, START) == "InvalidCertificate"
