"""The certificate authority: chains that strict clients accept, keys that nobody else reads."""

from __future__ import annotations

import ssl
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from simulator.certificates import Authority, client_context, server_context

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.certificates import KeyPair


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> ssl.SSLObject:
    """Do a TLS handshake in memory; return the server's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = {ours, theirs}
    for _ in range(10):
        for side in waiting.copy():
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return theirs


def load(pair: KeyPair) -> x509.Certificate:
    """Return the leaf of a pair."""
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "csms.example", "192.0.2.7"])
def test_server_is_trusted_under_all_its_names(tmp_path: Path, host: str) -> None:
    """A strict client accepts the server under loopback names and every further host."""
    authority = Authority(tmp_path / "pki")
    pair = authority.server(["csms.example", "192.0.2.7"])
    client = client_context(authority.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    shake_hands(server_context(pair), client, host)


def test_other_hosts_and_other_authorities_are_refused(tmp_path: Path) -> None:
    """Neither a foreign name nor a foreign root passes."""
    authority, stranger = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    server = server_context(authority.server())
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client_context(authority.certificate), "elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client_context(stranger.certificate), "localhost")


def test_client_certificate_names_its_charger(tmp_path: Path) -> None:
    """A server that demands client certificates reads the charger's id from the CN."""
    authority = Authority(tmp_path)
    server = server_context(authority.server(), clients_from=authority.certificate)
    mine = client_context(authority.certificate, pair=authority.client("TB-0001"))
    side = shake_hands(server, mine, "localhost")
    raw = side.getpeercert(binary_form=True)
    assert raw is not None
    subject = x509.load_der_x509_certificate(raw).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "TB-0001"


def test_hostile_charger_ids_never_become_file_names(tmp_path: Path) -> None:
    """Issuing for an id that looks like a path writes inside the folder only."""
    folder = tmp_path / "pki"
    authority = Authority(folder)
    pairs = [authority.client("../../evil"), authority.client("/etc/x")]
    assert {path.parent for pair in pairs for path in (pair.certificate, pair.key)} == {folder}
    assert len({pair.key for pair in pairs}) == 2
    assert sorted(tmp_path.iterdir()) == [folder]


def test_keys_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    """Private keys have mode 0600, the folder 0700, also where a file lay there before."""
    folder = tmp_path / "pki"
    authority = Authority(folder)
    (folder / "server.key").write_text("old")
    pair = authority.server()
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_chain_carries_key_identifiers(tmp_path: Path) -> None:
    """The leaf's authority key identifier is the root's subject key identifier."""
    authority = Authority(tmp_path)
    leaf = load(authority.server())
    root = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert issuer.key_identifier == subject.digest
