"""What firmware downloads cost: HTTPS and plain HTTP, the server's process and the fleet's.

The firmware server in its own process serves one image to many clients of `simulator.downloads`,
64 at a time, hashed twice while streaming (the whole and the body). CPU is user plus system of each
process, its start included for the server.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
import time
from pathlib import Path

from benchmarks._proc import Measured, measured
from simulator.certificates import Authority, client_context
from simulator.downloads import Downloads
from simulator.effects import Fetch, Fetched, FetchFailed

TITLE = "Firmware downloads"
REASON = """
Kept: aiohttp on both sides, chunks of 256 KiB, uvloop in the server's process (a fifth less CPU
for HTTPS; `sendfile`, which uvloop lacks, is of no use here: there are no files). The fleet pays
more than the server because it hashes every byte twice and opens a connection for each download,
as chargers do. A core serves several hundred MiB a second, more than a drill needs.
"""
MIB = 1 << 20


async def fetch(url: str, clients: int, authority: Path | None) -> None:
    """Download the image with every client; raises unless each has it whole."""
    tls = None if authority is None else client_context(authority)
    downloads = Downloads(tls=tls, most=64)
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[Fetched | FetchFailed]] = []
    for number in range(clients):
        future: asyncio.Future[Fetched | FetchFailed] = loop.create_future()
        downloads.begin(f"CP-{number}", Fetch(f"{url}/r/fw"), future.set_result)
        futures.append(future)
    ends = await asyncio.gather(*futures)
    await downloads.stop()
    if not all(isinstance(end, Fetched) for end in ends):
        raise RuntimeError(f"a download failed: {ends[0]}")


def drain(server: Measured) -> None:
    """Read the server's log, so that it does not find its reader gone."""
    threading.Thread(
        target=lambda: [None for _ in server.process.stdout or ()], daemon=True
    ).start()


def once(folder: Path, *, secure: bool, clients: int, size: int) -> dict[str, object]:
    """Run one server and all its clients."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"images": {"fw": {"version": "2", "size": size}}}))
    arguments, authority = ["--spec", str(spec)], None
    if secure:
        made = Authority(folder)
        pair, authority = made.server(), made.certificate
        arguments += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
    with measured("simulator.firmware_server", *arguments) as server:
        url = str(server.line()["url"])
        drain(server)
        begun, cpu = time.monotonic(), time.process_time()
        asyncio.run(fetch(url, clients, authority))
        took, ours = time.monotonic() - begun, time.process_time() - cpu
        total = clients * size / MIB
        return {
            "scheme": "https" if secure else "http",
            "clients": clients,
            "MiB": round(total),
            "wall (s)": round(took, 2),
            "server CPU (ms/MiB)": round(server.cpu() / total * 1e3, 2),
            "fleet CPU (ms/MiB)": round(ours / total * 1e3, 2),
        }


def main(*, quick: bool) -> list[dict[str, object]]:
    """Measure both schemes."""
    clients = 20 if quick else 300
    with tempfile.TemporaryDirectory() as folder:
        return [
            once(Path(folder), secure=secure, clients=clients, size=4 * MIB)
            for secure in (False, True)
        ]
