"""What a drill on real sockets needs beside the fleet: a firmware server and a CSMS.

A shell. Whatever was started is on the given exit stack from that moment on, so it ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness import processes, targets
from harness.errors import TargetError
from simulator.addresses import path_of, with_query
from simulator.certificates import Authority
from simulator.cohorts import download_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.processes import Child, Lost
    from harness.target_sections import Restart, Serving
    from harness.targets import Address, Reference
    from simulator.faults import ChargerSpec
    from simulator.scenario import Scenario

IMAGE = "firmware.bin"


@dataclass(slots=True)
class Site:
    """What was built; `firmware` is the base url of the images, `authority` who signed for it."""

    address: Address
    firmware: str
    authority: Path | None = None
    presigned: bool = False  # how images are addressed
    reference: Reference | None = None
    restarted: Callable[[], Any] | None = None  # starts the reference again, after `kill`
    commands: Restart | None = None  # how a target is killed and started

    def image_url(self, tag: str) -> str:
        """Return the url of the image for one rollout."""
        path = path_of(tag, IMAGE, presigned=self.presigned)
        return self.firmware.rstrip("/") + with_query(path)

    async def kill(self) -> None:
        """Kill the CSMS; TargetError if this drill may not."""
        if self.commands is not None:
            await _command(self.commands.kill, self.commands.within)
        elif self.reference is not None:
            self.reference.child.kill()
        else:
            raise TargetError(
                "this CSMS cannot be killed: give the target file a restart: {kill: …, start: …}"
            )

    async def restart(self) -> None:
        """Start the killed CSMS again, on the same addresses and data."""
        if self.commands is not None:
            await _command(self.commands.start, self.commands.within)
            await targets.answers(self.address, self.commands.within)
        elif self.reference is not None and self.restarted is not None:
            await self.reference.child.stop()
            self.reference.child = (await self.restarted()).child

    async def stop(self) -> None:
        """End the CSMS."""
        if self.reference is not None:
            await self.reference.stop()


@dataclass(slots=True)
class Builder:
    """Builds the site of one drill; logs of the processes go to `folder`."""

    scenario: Scenario
    chargers: Sequence[ChargerSpec]
    folder: Path
    served: Callable[[dict[str, Any]], None]  # hears the firmware server's log
    mutant: str | None = None
    lost: Lost | None = None  # hears of a process that ended by itself

    async def build(
        self,
        stack: contextlib.AsyncExitStack,
        target: Address | None,
        serving: Serving | None,
        commands: Restart | None = None,
    ) -> Site:
        """Start what is needed: always a firmware server, and our CSMS unless there is a target."""
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="firmdrill-")))
        if target is not None:
            child, authority = await self._firmware(temporary, serving)
            stack.push_async_callback(child.stop)
            reached = serving.url if serving is not None and serving.url else child.ready["url"]
            presigned = self.scenario.firmware.presigned
            return Site(target, str(reached), authority, presigned, commands=commands)
        firmware, reference = await asyncio.gather(
            self._firmware(temporary, serving), self._csms(temporary), return_exceptions=True
        )
        if not isinstance(firmware, BaseException):
            stack.push_async_callback(firmware[0].stop)
        if isinstance(reference, BaseException):
            raise reference
        presigned = self.scenario.firmware.presigned
        site = Site(reference.address, "", presigned=presigned, reference=reference)
        stack.push_async_callback(site.stop)
        if isinstance(firmware, BaseException):
            raise firmware
        site.firmware, site.authority = str(firmware[0].ready["url"]), firmware[1]
        site.restarted = lambda: self._csms(temporary, reference.address)
        return site

    async def _firmware(
        self, temporary: Path, serving: Serving | None
    ) -> tuple[Child, Path | None]:
        firmware = self.scenario.firmware
        image = {"vendor": firmware.vendor, "model": firmware.model, "version": firmware.version,
                 "size": firmware.size, "seed": firmware.seed}  # fmt: skip
        arguments, authority = ["--spec", "-"], None
        if serving is not None:
            arguments += ["--host", serving.host, "--port", str(serving.port)]
        if serving is not None and serving.tls_cert is not None:
            arguments += ["--tls-cert", str(serving.tls_cert), "--tls-key", str(serving.tls_key)]
        elif firmware.tls:
            made = Authority(temporary)
            pair = made.server()
            arguments += ["--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)]
            authority = made.certificate
        spec = {"images": {IMAGE: image}, "faults": download_plan(self.chargers)}
        child = await processes.start(
            "the firmware server",
            "simulator.firmware_server",
            arguments,
            listener=self.served,
            log=self.folder / "firmware-server.log",
            stdin=json.dumps(spec).encode(),
            lost=self.lost,
        )
        return child, authority

    async def _csms(self, temporary: Path, again: Address | None = None) -> Reference:
        """Start our CSMS; `again` on the addresses and with the key that it had."""
        options = [] if self.scenario.firmware.tls else ["--insecure-firmware-url"]
        if again is not None:
            options += ["--port", str(urlsplit(again.api).port)]
            options += ["--ocpp-port", str(urlsplit(again.ocpp).port)]
        return await targets.start_reference(
            temporary,
            options=options,
            mutant=self.mutant,
            log=self.folder / "csms.log",
            key=None if again is None else again.key,
            lost=self.lost,
        )


async def _command(line: str, within: float) -> None:
    """Run a command of the target file; TargetError if it fails or does not return.

    What it says goes to a file and not through a pipe: what it started in the background would hold
    that open, and the command would seem never to end.
    """
    with tempfile.TemporaryFile() as said:
        try:
            child = await asyncio.create_subprocess_exec(
                *shlex.split(line), stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL, stderr=said, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise TargetError(f"cannot run '{line}': {error.strerror or error}") from error
        try:
            async with asyncio.timeout(within):
                await child.wait()
        except TimeoutError as error:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
            raise TargetError(f"'{line}' did not return within {within:g} s") from error
        if child.returncode:
            said.seek(0)
            words = said.read()[-300:].decode("utf-8", "replace").strip()
            raise TargetError(f"'{line}' ended with {child.returncode}: {words}")
