"""A certificate authority made on the spot, for servers and chargers that live for one drill.

A shell: it reads the clock and writes files. Nothing here is meant for production: keys are made
unencrypted, are valid for `DAYS` days and lie in a folder that only its owner can read. Chains
carry Subject and Authority Key Identifiers, without which Python 3.13 refuses them.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DAYS = 30
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SKEW = timedelta(days=1)  # chargers with a wrong clock must still accept the chain


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a certificate (with its chain) and its private key lie, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """A root that signs server and client certificates; `certificate` is what others trust.

    Files go into `folder`, which is created with mode 0700; keys are written with mode 0600.
    """

    def __init__(self, folder: Path, *, name: str = "firmdrill drill authority") -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        builder = _blank(self._subject, self._subject, self._key.public_key())
        self._root = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(self._authority_identifier(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate.write_bytes(_pem(self._root))

    def server(self, hosts: Iterable[str] = (), *, name: str = "server") -> KeyPair:
        """Issue a certificate for the loopback names and these further hosts or addresses."""
        names = [_alternative(host) for host in dict.fromkeys((*LOOPBACK, *hosts))]
        return self._issue(
            name, "localhost", ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(names)
        )

    def client(self, charger_id: str, *, organization: str = "firmdrill") -> KeyPair:
        """Issue a charger's certificate for OCPP security profile 3: its CN is the charger's id.

        The id is limited to the 64 characters of a common name (RFC 5280); it never becomes part
        of a file name.
        """
        count = len(list(self.folder.glob("client-*.pem")))
        return self._issue(
            f"client-{count}", charger_id, ExtendedKeyUsageOID.CLIENT_AUTH, None, organization
        )

    def _issue(
        self,
        file: str,
        common_name: str,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
        organization: str | None = None,
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _blank(_name(common_name, organization), self._subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(self._authority_identifier(), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        pair = KeyPair(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        pair.certificate.write_bytes(_pem(certificate) + _pem(self._root))
        _write_secret(
            pair.key,
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )
        return pair

    def _authority_identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())


def server_context(pair: KeyPair, *, clients_from: Path | None = None) -> ssl.SSLContext:
    """Return a server's TLS context; with `clients_from` (a CA file) it demands a client's."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients_from is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_from)
    return context


def client_context(authority: Path | None, *, pair: KeyPair | None = None) -> ssl.SSLContext:
    """Return a client's TLS context that trusts only this CA file and may show a certificate.

    Without a CA file it trusts the system's roots.
    """
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def _name(common_name: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _blank(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file that was never readable by anyone else, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
