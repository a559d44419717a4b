"""Certificates for trying security profiles 2 and 3: `python -m reference_csms.certificates DIR`.

Writes a certificate authority (`ca.pem`), a server certificate for loopback (`server.pem`,
`server.key`) and one client certificate per `--station` whose common name is the station id. Keys
are readable by their owner only. For rehearsals: the authority's key is not even kept.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

    Key = ec.EllipticCurvePrivateKey

_DAYS = 90
_LONGEST_NAME = 64  # X.520: characters of a common name


class Authority:
    """A certificate authority that lives as long as this object."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("firmdrill trial CA")
        builder = _builder(name, name, self._key)
        role = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = (
            builder.add_extension(role, critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def server(self, hosts: Sequence[str]) -> tuple[x509.Certificate, Key]:
        """Return a certificate and key for a server under these names and addresses."""
        names = [_host(one) for one in hosts]
        extension = x509.SubjectAlternativeName(names)
        return self._issue(hosts[0], extension, ExtendedKeyUsageOID.SERVER_AUTH)

    def station(self, charger_id: str) -> tuple[x509.Certificate, Key]:
        """Return a certificate and key whose common name is the station (profile 3)."""
        return self._issue(charger_id, None, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        name: str,
        extension: x509.SubjectAlternativeName | None,
        usage: x509.ObjectIdentifier,
    ) -> tuple[x509.Certificate, Key]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self.certificate.subject, key, self._key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256()), key


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Say what a key is for; Python 3.13 refuses an authority that does not."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, signer: Key | None = None
) -> x509.CertificateBuilder:
    start, signer = datetime.now(UTC) - timedelta(minutes=5), signer or key
    # Python 3.13 refuses chains without the two key identifiers.
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(authority, critical=False)
    )


def _write(path: Path, certificate: x509.Certificate, key: Key | None) -> None:
    pem = serialization.Encoding.PEM
    path.with_suffix(".pem").write_bytes(certificate.public_bytes(pem))
    if key is None:
        return
    descriptor = os.open(path.with_suffix(".key"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        plain = serialization.NoEncryption()
        file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def write_all(folder: Path, stations: Sequence[str], hosts: Sequence[str]) -> None:
    """Write the authority, the server's and the stations' files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    _write(folder / "ca", authority.certificate, None)
    _write(folder / "server", *authority.server(hosts))
    for one in stations:
        _write(folder / f"station-{_file_name(one)}", *authority.station(one))


def _file_name(charger_id: str) -> str:
    """Return the id as part of a file name: other characters become `_`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", charger_id)


def _station(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_NAME:
        raise argparse.ArgumentTypeError(f"a common name has 1 to {_LONGEST_NAME} characters")
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Write the files and say how to use them."""
    parser = argparse.ArgumentParser(
        prog="python -m reference_csms.certificates",
        description="Make certificates to try security profiles 2 and 3 on this machine.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--station", type=_station, action="append", default=[], metavar="ID")
    parser.add_argument("--host", action="append", metavar="NAME", help="default: loopback")
    options = parser.parse_args(argv)
    hosts = options.host or ["localhost", "127.0.0.1", "::1"]
    try:
        write_all(options.folder, options.station, hosts)
    except OSError as error:
        sys.stderr.write(f"cannot write certificates: {error}\n")
        return 3
    here = options.folder
    sys.stdout.write(
        f"profile 2: --tls-cert {here}/server.pem --tls-key {here}/server.key\n"
        f"profile 3: also --client-ca {here}/ca.pem\n"
        f"stations trust {here}/ca.pem and show station-<id>.pem with station-<id>.key\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
