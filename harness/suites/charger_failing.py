"""Cases about what goes wrong: downloads, images, power, connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.suites.charger_bench import FAILED
from harness.suites.charger_cases import case
from simulator.faults import DownloadFault

if TYPE_CHECKING:
    from harness.suites.charger_bench import Bench

ALWAYS = None  # times: for ever


@case(
    "download/1", "A download that is cut once",
    "the charger tries again after retryInterval, resumes or starts over, and installs",
    properties=("C01", "C04", "C05"), requirement="OCPP 1.6 6.55; OCPP 2.0.1 L01.FR.30",
)  # fmt: skip
async def cut_once(bench: Bench) -> None:
    """The server breaks the first request off."""
    await bench.installs(await bench.update(faults=(DownloadFault(kind="cut", at=0.5),)))


@case(
    "download/2", "A cut download and a server without ranges",
    "the charger begins from the start where the server does not resume",
    properties=("C01", "C05"), requirement="RFC 9110 14.2; OCPP 2.0.1 L01.FR.30",
)  # fmt: skip
async def cut_without_range(bench: Bench) -> None:
    """The second request is answered with the whole image, whatever it asks for."""
    faults = (DownloadFault(kind="cut", at=0.5), DownloadFault(kind="no_range", times=ALWAYS))
    await bench.installs(await bench.update(faults=faults))


@case(
    "download/3", "A download that is always cut",
    "the charger tries as often as the command says, waits in between, and reports DownloadFailed",
    aliases=("TC_044_2", "TC_L_07"), properties=("C01", "C04", "C05", "C08"),
    requirement="OCPP 1.6 6.55; OCPP 2.0.1 L01.FR.30, L01.FR.29",
)  # fmt: skip
async def always_cut(bench: Bench) -> None:
    """No attempt gets through."""
    version, retries = bench.version(), 2
    update = await bench.update(
        retries=retries, faults=(DownloadFault(kind="cut", at=0.3, times=ALWAYS),)
    )
    end = await bench.ends(update)
    bench.expect(end == "DownloadFailed", "DownloadFailed", end)
    bench.expect(bench.version() == version, f"still version {version}", str(bench.version()))
    attempts = bench.broken_off(update)  # 1.6 leaves open whether `retries` holds the first
    bench.expect(
        attempts in {retries, retries + 1}, f"{retries} or {retries + 1} attempts", str(attempts)
    )


@case(
    "download/4", "An image that is not there",
    "the charger reports DownloadFailed",
    aliases=("TC_044_2", "TC_L_07"), properties=("C01", "C05"),
    requirement="OCPP 1.6 4.5; OCPP 2.0.1 L01.FR.30",
)  # fmt: skip
async def not_found(bench: Bench) -> None:
    """404 to every request."""
    gone = DownloadFault(kind="status", status=404, times=ALWAYS)
    end = await bench.ends(await bench.update(retries=0, faults=(gone,)))
    bench.expect(end == "DownloadFailed", "DownloadFailed", end)


@case(
    "download/5", "A server that is busy once",
    "the charger comes back after 503 and Retry-After, and installs",
    properties=("C01", "C04"), requirement="RFC 9110 10.2.3; OCPP 2.0.1 L01.FR.30", level="SHOULD",
)  # fmt: skip
async def busy_once(bench: Bench) -> None:
    """503 to the first request."""
    await bench.installs(await bench.update(faults=(DownloadFault(kind="status", status=503),)))


@case(
    "download/6", "A download that stalls",
    "the charger gives a silent connection up and tries again",
    properties=("C01", "C05"), requirement="OCPP 2.0.1 L01.FR.30", level="SHOULD",
)  # fmt: skip
async def stalls_once(bench: Bench) -> None:
    """Bytes stop coming in the middle."""
    await bench.installs(await bench.update(faults=(DownloadFault(kind="stall", at=0.5),)))


@case(
    "download/7", "A damaged image",
    "the charger reports a failure and goes on with the version it had",
    aliases=("TC_044_3", "TC_L_08", "TC_L_09"), properties=("C01", "C05", "C08"),
    requirement="OCPP 1.6 4.5; OCPP 2.0.1 L01.FR.29",
)  # fmt: skip
async def damaged(bench: Bench) -> None:
    """Sixteen bytes in the middle are wrong, in every attempt."""
    version = bench.version()
    bad = DownloadFault(kind="corrupt", at=0.5, times=ALWAYS)
    update = await bench.update(retries=0, faults=(bad,))
    end = await bench.ends(update)
    bench.expect(end in FAILED, " or ".join(FAILED), end)
    await bench.sleep(bench.pace.quiet)
    await bench.online()
    bench.expect(bench.version() == version, f"still version {version}", str(bench.version()))


@case(
    "download/8", "A login page in place of the image",
    "the charger does not install what a captive portal says",
    properties=("C01", "C05", "C08"), requirement="OCPP 2.0.1 L01.FR.29",
)  # fmt: skip
async def login_page(bench: Bench) -> None:
    """200 and HTML to every request."""
    page = DownloadFault(kind="html", times=ALWAYS)
    end = await bench.ends(await bench.update(retries=0, faults=(page,)))
    bench.expect(end in FAILED, " or ".join(FAILED), end)


@case(
    "download/9", "After a failure",
    "an update that follows a failed one is taken and succeeds",
    properties=("C01", "C08", "C09"), requirement="OCPP 2.0.1 L01.FR.20",
)  # fmt: skip
async def after_failure(bench: Bench) -> None:
    """The charger is not stuck with its failure."""
    gone = DownloadFault(kind="status", status=404, times=ALWAYS)
    await bench.ends(await bench.update(retries=0, faults=(gone,)))
    await bench.installs(await bench.update())


@case(
    "update/8", "Retries after retries",
    "an update has all its attempts, however many the one before it needed",
    properties=("C01", "C04", "C05"), requirement="OCPP 1.6 6.55; OCPP 2.0.1 L01.FR.30",
)  # fmt: skip
async def counts_anew(bench: Bench) -> None:
    """The first update uses its attempts up, the second one needs two."""
    always = DownloadFault(kind="cut", at=0.3, times=ALWAYS)
    await bench.ends(await bench.update(retries=2, faults=(always,)))
    once = DownloadFault(kind="cut", at=0.5)
    await bench.installs(await bench.update(retries=2, faults=(once,)))


@case(
    "connection/1", "The connection breaks during the download",
    "the charger connects again and brings its update to an end",
    properties=("C10", "C15"), requirement="OCPP 2.0.1 L01.FR.01; Part 4 5.3",
)  # fmt: skip
async def loses_connection(bench: Bench) -> None:
    """We hang up in the middle of the download."""
    update = await bench.update(faults=bench.slow(2.0 * bench.pace.quiet))
    await bench.reports(update, "Downloading", "Downloaded", within=bench.pace.soon)
    bench.hang_up()
    await bench.installs(update)


@case(
    "connection/2", "The CSMS hangs up again and again",
    "the charger waits longer between its attempts instead of hammering the CSMS",
    properties=("C15",), requirement="OCPP 2.0.1 Part 4 5.3; OCPP-J 1.6 errata 3.4",
)  # fmt: skip
async def does_not_hammer(bench: Bench) -> None:
    """Five connections are closed as soon as something is said on them."""
    count = len(bench.line.opened)
    bench.hang_up(again=5)
    await bench.until(lambda: len(bench.line.opened) >= count + 5, bench.pace.connect)


@case(
    "connection/3", "The connection breaks while nothing runs",
    "the charger connects again by itself and takes an update",
    properties=("C01", "C15"), requirement="OCPP 2.0.1 Part 4 5.3; OCPP-J 1.6 3.4",
)  # fmt: skip
async def connects_again(bench: Bench) -> None:
    """We hang up on an idle charger."""
    line = bench.line
    count = len(line.opened)
    bench.hang_up()
    back = await bench.until(lambda: len(line.opened) > count and line.online, bench.pace.connect)
    bench.expect(back, f"a new connection within {bench.pace.connect:g} s", "none")
    await bench.installs(await bench.update())


@case(
    "power/1", "A reset during the download",
    "the charger boots and reports how its update stands: a failure, or it goes on",
    properties=("C01", "C08", "C10"), requirement="OCPP 2.0.1 L01.FR.01, B12",
)  # fmt: skip
async def reset_while_downloading(bench: Bench) -> None:
    """Reset at once, in the middle of the download."""
    since = len(bench.line.heard)
    update = await bench.update(faults=bench.slow(2.0 * bench.pace.quiet))
    await bench.reports(update, "Downloading", within=bench.pace.soon)
    kind = "Hard" if bench.variant.old else "Immediate"
    answer = await bench.call("Reset", {"type": kind})
    if answer.status != "Accepted":
        await bench.installs(update)  # it may refuse while it updates
        return
    booted = await bench.until(lambda: bool(bench.boots(since)), bench.pace.reboot)
    bench.expect(booted, "a boot after the reset", "none")
    await bench.ends(update)


@case(
    "power/2", "The plug is pulled during the installation",
    "the charger comes back with one of the two versions, and says how its update ended",
    properties=("C01", "C07", "C08", "C10"), needs=("person",),
    requirement="OCPP 2.0.1 L01.FR.29",
)  # fmt: skip
async def loses_power(bench: Bench) -> None:
    """Somebody pulls the mains plug and puts it back."""
    since = len(bench.line.heard)
    update = await bench.update()
    await bench.reports(update, "Installing", "InstallRebooting", "Installed")
    await bench.person("pull the charger's mains plug now, and plug it in again")
    await bench.until(lambda: bool(bench.boots(since)), bench.pace.reboot)
    await bench.ends(update)
