"""Security profiles 2 and 3 with certificates made on the spot."""

from __future__ import annotations

import ssl
import stat
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from reference_csms import certificates
from reference_csms.options import build_parser
from reference_csms.process import _tls
from tests.reference_csms.running import boot, running

if TYPE_CHECKING:
    from pathlib import Path


def client(folder: Path, station: str | None) -> ssl.SSLContext:
    """Return what a station needs to connect."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if station is not None:
        stem = folder / f"station-{station}"
        context.load_cert_chain(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    return context


def server(folder: Path, *, profile: int) -> ssl.SSLContext:
    """Return the context that the process makes of its options."""
    arguments = [f"--tls-cert={folder}/server.pem", f"--tls-key={folder}/server.key"]
    if profile == 3:
        arguments.append(f"--client-ca={folder}/ca.pem")
    context = _tls(build_parser().parse_args(arguments), stations=True)
    assert context is not None
    return context


def test_one_command_makes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All files are there, keys are private, and the output is the options to use."""
    assert certificates.main([str(tmp_path / "c"), "--station", "../CP-1"]) == 0
    folder = tmp_path / "c"
    names = {"ca.pem", "server.pem", "server.key", "station-___CP-1.pem", "station-___CP-1.key"}
    assert {one.name for one in folder.iterdir()} == names
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    options = capsys.readouterr().out
    assert "--tls-cert" in options
    assert "--client-ca" in options


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_profile_2_encrypts(tmp_path: Path) -> None:
    """A station that trusts the authority connects over TLS."""
    certificates.write_all(tmp_path, [], ["127.0.0.1"])
    async with running(tls=server(tmp_path, profile=2)) as csms:
        await csms.register("CP-1")
        async with csms.link("CP-1", ssl=client(tmp_path, None)) as link:
            await boot(link)


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_profile_3_ties_the_certificate_to_the_station(tmp_path: Path) -> None:
    """The right certificate connects, another station's is 401, none ends in TLS."""
    certificates.write_all(tmp_path, ["CP-1", "CP-2"], ["127.0.0.1"])
    context = server(tmp_path, profile=3)
    async with running(tls=context, certificate_names=True) as csms:
        await csms.register("CP-1", "CP-2")
        async with csms.link("CP-1", ssl=client(tmp_path, "CP-1")) as link:
            await boot(link)
        with pytest.raises(InvalidStatus) as refused:
            await csms.link("CP-1", ssl=client(tmp_path, "CP-2"))
        assert refused.value.response.status_code == 401
        with pytest.raises((OSError, InvalidMessage)):
            await csms.link("CP-1", ssl=client(tmp_path, None))
