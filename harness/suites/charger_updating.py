"""Cases about a whole update: what a charger says, and what it is afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from harness.suites.charger_cases import Skipped, case

if TYPE_CHECKING:
    from harness.suites.charger_bench import Bench

LARGEST = 2**31 - 1  # a request id
EAST = timedelta(hours=2)
SAID = ("C01", "C02", "C05", "C07", "C09", "W01", "W02", "W04")


@case(
    "update/1", "An update that goes well",
    "the charger downloads, installs, boots the new version and reports Installed",
    aliases=("TC_044_1", "TC_080", "TC_L_01", "TC_L_12"), properties=SAID,
    requirement="OCPP 1.6 5.19, 4.5; OCPP 2.0.1 L01.FR.01-04, L02.FR.01-03",
)  # fmt: skip
async def goes_well(bench: Bench) -> None:
    """One update from command to Installed."""
    before = len(bench.line.heard)
    update = await bench.update()
    await bench.installs(update)
    words = bench.words(update)
    bench.expect("Downloading" in words, "Downloading is reported", ", ".join(words))
    bench.expect("Downloaded" in words, "Downloaded is reported", ", ".join(words))
    await bench.until(lambda: bool(bench.boots(before)), bench.pace.reboot)


@case(
    "update/2", "The version after the update",
    "the boot after Installed names another firmware version than before",
    properties=("C07",), requirement="OCPP 2.0.1 L01.FR.28, L01.FR.32; OCPP 1.6 errata 3.47",
    needs=("older",),
)  # fmt: skip
async def names_new_version(bench: Bench) -> None:
    """Compare the versions of two boots."""
    if bench.version() is None:
        raise Skipped("its boot names no firmware version")
    version, before = bench.version(), len(bench.line.heard)
    update = await bench.update()
    await bench.installs(update)
    booted = await bench.until(lambda: bool(bench.boots(before)), bench.pace.reboot)
    bench.expect(booted, "a boot after the update", "none")
    bench.expect(bench.version() != version, f"another version than {version}",
                 f"{bench.version()} again")  # fmt: skip


@case(
    "update/3", "One update after the other",
    "a second update after the first is taken and reported under its own id",
    aliases=("TC_L_16",), properties=("C01", "C09", "W02"), needs=("older",),
    requirement="OCPP 2.0.1 L01.FR.20",
)  # fmt: skip
async def twice(bench: Bench) -> None:
    """Two updates, the second beginning when the first is over."""
    await bench.installs(await bench.update())
    await bench.installs(await bench.update())


@case(
    "update/4", "Without retries in the command",
    "an update whose command names no retries works as well",
    properties=("C01", "C02"), requirement="OCPP 1.6 6.55; OCPP 2.0.1 L01.FR.30",
)  # fmt: skip
async def without_retries(bench: Bench) -> None:
    """The optional fields left out."""
    await bench.installs(await bench.update(retries=None))


@case(
    "update/5", "No retries wanted",
    "a command with retries: 0 still means one attempt",
    aliases=("TC_044_2",), properties=("C01", "C03"), requirement="OCPP 1.6 6.55, errata 3.50",
)  # fmt: skip
async def zero_retries(bench: Bench) -> None:
    """`retries: 0`: some take it for no attempt at all."""
    await bench.installs(await bench.update(retries=0))


@case(
    "update/6", "A large request id",
    "statuses carry the request id of their command, however large it is",
    properties=("C01", "C09", "W01"), needs=("identified",),
    requirement="OCPP 2.0.1 L01.FR.10, L01.FR.20: requestId is an integer",
)  # fmt: skip
async def keeps_a_large_id(bench: Bench) -> None:
    """The largest that 32 bits hold: some keep an id in 16, or in a float."""
    update = await bench.update(request_id=LARGEST)
    await bench.installs(update)


@case(
    "update/7", "A presigned address",
    "the image is asked for at the address of the command, its long query and escapes as they are",
    properties=("C01", "C02"),
    requirement="OCPP 1.6 6.55: location is a URI; OCPP 2.0.1 L01.FR.01; RFC 3986 6",
)  # fmt: skip
async def asks_as_told(bench: Bench) -> None:
    """As object stores make them: cut, tidied or without its query it is refused (403)."""
    await bench.installs(await bench.update(presigned=True))


@case(
    "dates/1", "A retrieve date in the future",
    "the charger waits for its date (2.x: and says DownloadScheduled), then downloads",
    aliases=("TC_L_03",), properties=("C01", "C03"),
    requirement="OCPP 1.6 5.19; OCPP 2.0.1 L01.FR.13",
)  # fmt: skip
async def retrieves_later(bench: Bench) -> None:
    """No download before its date."""
    pace = bench.pace
    update = await bench.update(retrieve_in=pace.later)
    if not bench.variant.core:
        await bench.reports(update, "DownloadScheduled", within=pace.later)
    await bench.sleep(max(0.0, update.asked + pace.later - bench.now() - 0.5))
    bench.expect("Downloading" not in bench.words(update), "no download before its date",
                 "Downloading")  # fmt: skip
    await bench.installs(update)


@case(
    "dates/3", "A retrieve date with an offset",
    "a date that is written in another zone, without a fraction, is the same moment",
    properties=("C01", "C03"), requirement="OCPP-J 1.6 3.10; OCPP 2.0.1 Part 4: RFC 3339",
)  # fmt: skip
async def reads_an_offset(bench: Bench) -> None:
    """Two hours to the east: who drops the offset waits for two hours."""
    pace = bench.pace
    update = await bench.update(retrieve_in=pace.later, zone=EAST)
    await bench.sleep(max(0.0, update.asked + pace.later - bench.now() - 1.5))
    bench.expect("Downloading" not in bench.words(update), "no download before its date",
                 "Downloading")  # fmt: skip
    await bench.installs(update)


@case(
    "dates/2", "An installation date in the future",
    "the charger downloads, says InstallScheduled, and installs at its date",
    aliases=("TC_L_02",), properties=("C01", "C03"), needs=("identified",),
    requirement="OCPP 2.0.1 L01.FR.16",
)  # fmt: skip
async def installs_later(bench: Bench) -> None:
    """No installation before its date."""
    wait = bench.pace.later * 4
    update = await bench.update(install_in=wait)
    await bench.reports(update, "InstallScheduled", within=bench.pace.download)
    await bench.installs(update)


@case(
    "security/1", "Unsigned where signatures are due",
    "a command without certificate and signature is refused: InvalidCertificate or Rejected",
    aliases=("TC_L_18",), properties=("C02", "C13"), needs=("signed", "2.x"),
    requirement="OCPP 2.0.1 L01.FR.11",
)  # fmt: skip
async def refuses_unsigned(bench: Bench) -> None:
    """Neither field is there."""
    update = await bench.update(signed=False)
    bench.expect(not update.accepted, "InvalidCertificate or Rejected", bench.answered(update))


@case(
    "security/2", "A signature over another image",
    "the charger reports InvalidSignature, tells of it in a security event and keeps its version",
    aliases=("TC_081", "TC_L_06"), properties=("C01", "C13", "C08"), flaw="wrong_signature",
    needs=("signed",), requirement="OCPP 2.0.1 L01.FR.03-04",
)  # fmt: skip
async def refuses_signature(bench: Bench) -> None:
    """The image is whole, its signature is not its own."""
    since, version = len(bench.line.heard), bench.version()
    update = await bench.update()
    end = await bench.reports(update, "InvalidSignature", "Installed", "InstallationFailed")
    bench.expect(end == "InvalidSignature", "InvalidSignature", end)
    await _tells(bench, since, "InvalidFirmwareSignature")
    bench.expect(bench.version() == version, f"still version {version}", str(bench.version()))


async def _refuses_certificate(bench: Bench) -> None:
    since = len(bench.line.heard)
    update = await bench.update()
    bench.expect(not update.accepted, "InvalidCertificate or RevokedCertificate",
                 bench.answered(update))  # fmt: skip
    await _tells(bench, since, "InvalidFirmwareSigningCertificate")


async def _tells(bench: Bench, since: int, kind: str) -> None:
    def told() -> bool:
        events = bench.heard("SecurityEventNotification", since=since)
        return any(one.payload.get("type") == kind for one in events)

    there = await bench.until(told, bench.pace.soon)
    bench.expect(there, f"a SecurityEventNotification {kind}", "none")


for _number, _flaw, _said in (
    (3, "expired", "whose time is over"),
    (4, "unknown_root", "that somebody else issued"),
    (5, "not_yet", "whose time has not come"),
    (6, "no_pem", "that cannot be read"),
):
    case(
        f"security/{_number}", f"A signing certificate {_said}",
        "the command is refused before anything is downloaded, and a security event tells of it",
        aliases=("TC_L_05", "TC_L_04") if _number == 3 else (),  # noqa: PLR2004
        properties=("C02", "C13"), flaw=_flaw, needs=("signed",),
        requirement="OCPP 2.0.1 L01.FR.02, L01.FR.21",
    )(_refuses_certificate)  # fmt: skip


@case(
    "security/7", "The security event of an update",
    "a signed update that is installed is told of in a security event FirmwareUpdated",
    aliases=("TC_080",), properties=("C13",), needs=("signed",),
    requirement="OCPP 2.0.1 L01.FR.31",
)  # fmt: skip
async def tells_of_update(bench: Bench) -> None:
    """FirmwareUpdated, before or after Installed."""
    since = len(bench.line.heard)
    await bench.installs(await bench.update())
    await _tells(bench, since, "FirmwareUpdated")
