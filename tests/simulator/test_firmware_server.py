"""The firmware server as a process, and the decisions about which fault meets which request."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.certificates import Authority, client_context
from simulator.errors import StartError
from simulator.faults import DownloadFault
from simulator.firmware_faults import (
    FaultPlan,
    FileSpec,
    ImageSpec,
    ServerSpec,
    client_of,
    damage,
    parse_fault,
    parse_image,
    parse_range,
    user_agent,
)
from simulator.firmware_server import FirmwareServer, read_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABOUT = ImageSpec(version="2.0", size=100_000)
SPEC = ServerSpec(images={"fw.bin": ABOUT})
IMAGE = ABOUT.image()
COMMAND = [sys.executable, "-m", "simulator.firmware_server"]


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    """Write the spec into a file."""
    path = tmp_path / "spec.json"
    path.write_text(SPEC.model_dump_json())
    return path


@pytest.fixture
def process(spec_file: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the server as its own process, with TLS and one fault given as an option."""
    pair = Authority(tmp_path / "pki").server()
    tls = ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    fault = ["--fault", "kind=status,status=429,retry_after=3,times=1,path=fw.bin"]
    with subprocess.Popen(
        [*COMMAND, "--spec", str(spec_file), *tls, *fault], stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def next_line(running: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the process's next JSON line."""
    assert running.stdout is not None
    line: dict[str, Any] = json.loads(running.stdout.readline())
    return line


@pytest.mark.sockets
@pytest.mark.timeout(30)
def test_the_process_serves_logs_and_ends_on_sigterm(
    process: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Ready line, real HTTPS, one JSON line a request even for hostile names, exit 0."""
    url = next_line(process)["url"]
    assert url.startswith("https://127.0.0.1:")
    hostile = 'x"}\n{"ready": true, "<script>": "\x1b[31m'

    async def get() -> tuple[int, str | None, bytes]:
        tls = client_context(tmp_path / "pki" / "ca.pem")
        headers = {"User-Agent": user_agent(hostile)}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
            async with session.get(f"{url}/%0A..%2f/fw.bin", headers=headers) as busy:
                status, wait = busy.status, busy.headers.get("Retry-After")
            async with session.get(f"{url}/%0A..%2f/fw.bin", headers=headers) as response:
                return status, wait, await response.read()

    assert asyncio.run(get()) == (429, "3", IMAGE.read(0, IMAGE.size))
    lines = [next_line(process), next_line(process)]
    assert [line["client"] for line in lines] == [hostile, hostile]
    assert [line["outcome"] for line in lines] == ["status", "complete"]
    assert lines[0]["path"] == "/\n..//fw.bin"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


@pytest.mark.sockets
@pytest.mark.timeout(30)
def test_a_taken_port_is_one_line_and_exit_3(spec_file: Path) -> None:
    """A port that someone else listens on is a sentence with a remedy, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--spec", str(spec_file), "--port", port],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (3, "", 1)
    assert "choose another --port" in done.stderr


@pytest.mark.timeout(30)
def test_a_wrong_spec_is_one_line_and_exit_3(tmp_path: Path) -> None:
    """Every problem of a spec is named on one line."""
    path = tmp_path / "spec.json"
    path.write_text('{"images": {"a": {"version": "1", "size": 3}}, "falts": {}}')
    done = subprocess.run(
        [*COMMAND, "--spec", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "images.a.made.size: Input should be greater" in done.stderr
    assert "falts" in done.stderr


def test_images_are_named_on_the_command_line(tmp_path: Path) -> None:
    """A file serves under its own name, NAME=SIZE is made up, and mistakes say what to write."""
    real = tmp_path / "real.bin"
    real.write_bytes(b"firmware")
    assert parse_image(str(real)) == ("real.bin", FileSpec(file=real))
    assert parse_image("fw.bin=2 MB@3.1") == ("fw.bin", ImageSpec(version="3.1", size=2_000_000))
    assert parse_image("fw.bin=600") == ("fw.bin", ImageSpec(version="2.0.0", size=600))
    for wrong, told in (("gone.bin", "no such file"), ("a/b=1MB", "last part"), ("a=big", "size")):
        with pytest.raises(ValueError, match=told):
            parse_image(wrong)


@pytest.mark.timeout(30)
def test_nothing_to_serve_says_how_to_serve_something() -> None:
    """Without any option, one line names the three ways."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "--image fw.bin=20MB" in done.stderr


@pytest.mark.sockets
@pytest.mark.timeout(30)
def test_it_ends_when_nobody_reads_its_log(spec_file: Path) -> None:
    """A server whose reader is gone stops by itself instead of living for ever."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with subprocess.Popen([*COMMAND, "--spec", str(spec_file)], stdout=writing) as running:
            try:
                assert running.wait(20) == 0
            finally:
                running.kill()
    finally:
        os.close(writing)


@pytest.mark.sockets
@pytest.mark.timeout(30)
def test_it_ends_when_its_reader_goes_away(process: subprocess.Popen[str]) -> None:
    """A server that has nothing to say notices, too, that whoever started it is gone."""
    assert next_line(process)["ready"] is True
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(20) == 0


@pytest.mark.sockets
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-99", 206, (0, 100)),
        ("bytes=-5", 206, (99_995, 5)),
        ("bytes=99990-", 206, (99_990, 10)),
        ("bytes=99990-999999", 206, (99_990, 10)),
        ("bytes=5-3", 200, (0, 100_000)),
        ("bytes=0-1,5-6", 200, (0, 100_000)),
        ("lines=1-2", 200, (0, 100_000)),
        ("bytes=100000-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
async def test_ranges_are_served_as_rfc_9110_says(
    asked: str, status: int, expected: tuple[int, int] | None
) -> None:
    """Each form of Range gives the right status and exactly the right bytes."""
    server = FirmwareServer(SPEC, log=lambda _: None)
    url = await server.start("127.0.0.1", 0)
    async with (
        aiohttp.ClientSession(headers={"Range": asked}) as session,
        session.get(f"{url}/r/fw.bin") as response,
    ):
        body = await response.read()
        ranged = response.headers.get("Content-Range")
    await server.stop()
    assert response.status == status
    if expected is not None:
        assert body == IMAGE.read(*expected)
    if status == 206 and expected is not None:
        first, count = expected
        assert ranged == f"bytes {first}-{first + count - 1}/100000"
    if status == 416:
        assert ranged == "bytes */100000"


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_if_range_with_another_validator_gets_everything() -> None:
    """A stale If-Range gets the whole image, so that halves of two builds never meet."""
    server = FirmwareServer(SPEC, log=lambda _: None)
    url = await server.start("127.0.0.1", 0)
    headers = {"Range": "bytes=5-", "If-Range": '"old"'}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/r/fw.bin") as response,
    ):
        assert (response.status, len(await response.read())) == (200, IMAGE.size)
    await server.stop()


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_client_that_goes_away_is_logged_as_aborted() -> None:
    """Half a download given up by the client is `aborted`, with the bytes it was sent."""
    lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    slow = DownloadFault(kind="throttle", rate=20_000)
    spec = ServerSpec(images=SPEC.images, faults={"127.0.0.1": (slow,)})
    server = FirmwareServer(spec, log=lines.put_nowait)
    url = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        response = await session.get(f"{url}/r/fw.bin")
        await response.content.readexactly(1)
        response.close()
    line = await asyncio.wait_for(lines.get(), 10)
    await server.stop()
    assert (line["outcome"], line["client"], line["fault"]) == ("aborted", "127.0.0.1", "throttle")
    assert 0 < line["sent"] < IMAGE.size


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_what_is_no_download_is_logged_and_uses_up_no_fault() -> None:
    """Broken requests, other methods and unknown images are in the log, their faults wait."""
    lines: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    busy = DownloadFault(kind="status", status=503, times=1)
    server = FirmwareServer(
        ServerSpec(images=SPEC.images, path_faults={"": (busy,)}), log=lines.put_nowait
    )
    url = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    writer.write(b"nonsense\r\n\r\n")
    await reader.read()
    writer.close()
    async with aiohttp.ClientSession() as session:
        await session.post(f"{url}/r/fw.bin")
        for _ in range(2):
            await session.get(f"{url}/r/unknown.bin")
        await session.get(f"{url}/r/fw.bin")
        await session.get(f"{url}/r/fw.bin")
    await server.stop()
    seen = [lines.get_nowait() for _ in range(lines.qsize())]
    assert [line["status"] for line in seen] == [400, 405, 404, 404, 503, 200]
    assert [line["fault"] for line in seen] == [None, None, None, None, "status", None]
    assert {line["client"] for line in seen} == {"127.0.0.1"}


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_a_transfer_breaks_at_the_byte_that_was_named() -> None:
    """A cut after exactly so many bytes, whatever share of the image that is."""
    lines: list[dict[str, Any]] = []
    cut = DownloadFault(kind="cut", byte=1234)
    server = FirmwareServer(
        ServerSpec(images=SPEC.images, path_faults={"fw.bin": (cut,)}), log=lines.append
    )
    url = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await (await session.get(f"{url}/r/fw.bin")).read()
    await server.stop()
    assert [(line["sent"], line["outcome"]) for line in lines] == [(1234, "cut")]


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("kind=cut,at=7", "at: Input should be less"),
        ("kind=cut,byte=-5", "byte: Input should be greater"),
        ("kind=cut,times=0", "times: Input should be greater"),
        ("kind=status,status=99", "status: Input should be greater"),
        ("kind=throttle", "a throttle needs its rate"),
        ("kind=cut,path=fw.bni", "did you mean fw.bin?"),
    ],
)
def test_a_fault_that_means_nothing_is_told(option: str, told: str) -> None:
    """Out of range, without what it needs, or for an image that is not here."""
    with pytest.raises(StartError) as caught:
        read_spec(None, ["fw.bin=1MB"], [option])
    assert told in str(caught.value)
    assert read_spec(None, ["fw.bin=1MB"], ["kind=cut,path=/any/fw.bin"]).path_faults


@pytest.mark.sockets
@pytest.mark.asyncio
async def test_real_chargers_get_a_file_and_the_same_faults(tmp_path: Path) -> None:
    """A file is served as it is, by range too; a look with HEAD uses up no fault."""
    data = bytes(range(256)) * 40
    path = tmp_path / "maker.bin"
    path.write_bytes(data)
    changed = DownloadFault(kind="changed")
    spec = ServerSpec(images={"fw": FileSpec(file=path)}, path_faults={"": (changed,)})
    server = FirmwareServer(spec, log=lambda _: None)
    url = await server.start("127.0.0.1", 0)
    got = []
    async with aiohttp.ClientSession() as session:
        async with session.head(f"{url}/x/fw") as look:
            assert look.headers["Content-Length"] == str(len(data))
        for _ in range(2):
            async with session.get(f"{url}/x/fw", headers={"Range": "bytes=100-"}) as part:
                got.append(await part.read())
    await server.stop()
    assert got[0] == bytes(byte ^ 0xFF for byte in data[100:])
    assert got[1] == data[100:]


def test_an_image_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    """A missing or empty file stops the start with its name."""
    (tmp_path / "empty").touch()
    for file, reason in (("none", "cannot read the image"), ("empty", "is empty")):
        spec = ServerSpec(images={"fw": FileSpec(file=tmp_path / file)})
        with pytest.raises(StartError, match=reason):
            FirmwareServer(spec, log=lambda _: None)


CUT, BUSY = DownloadFault(kind="cut", times=2), DownloadFault(kind="status", times=None)


def test_faults_meet_requests_in_order_and_by_count() -> None:
    """The first two requests meet the first fault, all later ones the second."""
    plan = FaultPlan({"A": (CUT, BUSY)})
    assert [plan.strike("A", "/x", "x") for _ in range(5)] == [CUT, CUT, BUSY, BUSY, BUSY]
    assert plan.strike("B", "/x", "x") is None


def test_path_faults_count_for_each_client() -> None:
    """A fault of a path strikes each client `times` times, after the client's own faults."""
    plan = FaultPlan({"A": (BUSY.model_copy(update={"times": 1}),)}, {"x": (CUT,)})
    struck = [plan.strike("A", "/t/x", "x") for _ in range(4)]
    assert [fault.kind if fault else None for fault in struck] == ["status", "cut", "cut", None]
    assert plan.strike("B", "/t/x", "x") is CUT
    assert plan.strike("B", "/t/y", "y") is None


@given(st.text(min_size=1, max_size=50).filter(lambda text: text.isprintable() or text))
def test_a_user_agent_carries_any_charger_id(charger: str) -> None:
    """Whatever an id is made of comes back from its User-Agent, which is plain ASCII."""
    agent = user_agent(charger)
    assert agent.isascii()
    assert agent.isprintable()
    assert client_of(agent, "192.0.2.1") == charger


def test_a_foreign_user_agent_is_known_by_its_address() -> None:
    """Real chargers are named by the address they come from."""
    assert client_of("libcurl/8", "192.0.2.1") == "192.0.2.1"
    assert client_of("firmdrill/", "192.0.2.1") == "192.0.2.1"


@given(st.integers(1, 300), st.integers(0, 400), st.integers(0, 400))
def test_a_parsed_range_lies_within_the_image(size: int, first: int, last: int) -> None:
    """What is served is never empty and never outside, or the range is refused or ignored."""
    for header in (f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}"):
        try:
            found = parse_range(header, size)
        except ValueError:
            assert first >= size or last == 0
            continue
        if found is not None:
            assert 0 <= found[0] <= found[1] < size


@given(st.binary(min_size=1, max_size=100), st.integers(0, 50), st.integers(0, 200))
def test_damage_changes_the_spot_and_nothing_else(data: bytes, offset: int, spot: int) -> None:
    """Exactly the bytes of the spot differ, however the body is cut into chunks."""
    damaged = damage(data, offset, spot)
    assert len(damaged) == len(data)
    for place, (old, new) in enumerate(zip(data, damaged, strict=True), start=offset):
        assert (old != new) == (spot <= place < spot + 16)


def test_fault_options_are_read_and_refused_with_reasons() -> None:
    """`--fault` reads every field; a typing mistake names what is known."""
    assert parse_fault("kind=cut,at=0.6,times=2,client=A") == (
        "A", None, DownloadFault(kind="cut", at=0.6, times=2),
    )  # fmt: skip
    assert parse_fault("kind=stall,path=/r/fw.bin")[1:] == (
        "/r/fw.bin", DownloadFault(kind="stall", times=None),
    )  # fmt: skip
    for wrong in ("kind", "kid=cut", "kind=explode", "kind=cut,at=much"):
        with pytest.raises(ValueError, match=r"known|NAME|kind|at"):
            parse_fault(wrong)
