"""Cases about an update beside something else: another command, a question, a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.suites.charger_bench import ENDS, REFUSALS, REPORTS
from harness.suites.charger_cases import Skipped, case
from simulator.faults import DownloadFault

if TYPE_CHECKING:
    from harness.suites.charger_bench import Bench

STARTS = ("StartTransaction", "TransactionEvent")


@case(
    "second/1", "A second command during the download",
    "it is answered AcceptedCanceled (the new update runs, the old one ends) or Rejected",
    aliases=("TC_L_10", "TC_L_11"), properties=("C01", "C09", "C14"), needs=("identified",),
    requirement="OCPP 2.0.1 L01.FR.24, L01.FR.27; L02.FR.15, L02.FR.18",
)  # fmt: skip
async def during_download(bench: Bench) -> None:
    """The old download is slow, the new one is not."""
    first = await bench.update(faults=bench.slow(4.0 * bench.pace.quiet + 4.0))
    await bench.reports(first, "Downloading", within=bench.pace.soon)
    second = await bench.update()
    status = second.answer.status if second.answer is not None else ""
    if status in REFUSALS:
        await bench.installs(first)
        return
    await bench.installs(second)
    await bench.sleep(4.0 * bench.pace.quiet + 4.0)
    bench.expect("Installed" not in bench.words(first), "the old update ends", "Installed")


@case(
    "second/2", "Cancelling by a command that cannot work",
    "a command for an image that is not there cancels the running update and ends DownloadFailed",
    aliases=("TC_L_10",), properties=("C01", "C14"), needs=("identified",), level="SHOULD",
    requirement="OCPP 2.0.1 L01.FR.24",
)  # fmt: skip
async def cancels(bench: Bench) -> None:
    """How a CSMS stops an update."""
    first = await bench.update(faults=bench.slow(4.0 * bench.pace.quiet + 4.0))
    await bench.reports(first, "Downloading", within=bench.pace.soon)
    gone = DownloadFault(kind="status", status=404, times=None)
    second = await bench.update(retries=0, faults=(gone,))
    if not second.accepted:
        raise Skipped("it does not let itself be interrupted, which it may")
    end = await bench.ends(second)
    bench.expect(end == "DownloadFailed", "DownloadFailed", end)


async def _asked(bench: Bench) -> str:
    since = len(bench.line.heard)
    answer = await bench.call(*bench.firmware_trigger())
    if answer.error or answer.status == "NotImplemented":
        raise Skipped(f"it does not know the trigger: {answer.error or answer.status}")
    bench.expect(answer.status == "Accepted", "Accepted", answer.status)
    told = await bench.until(lambda: bool(bench.heard(*REPORTS, since=since)), bench.pace.soon)
    bench.expect(told, "a firmware status after accepting the trigger", "none")
    return str(bench.heard(*REPORTS, since=since)[0].payload.get("status"))


@case(
    "trigger/1", "Asked while nothing was ever updated",
    "the answer to a trigger is the status Idle",
    aliases=("TC_F_18",), properties=("C01", "C11"),
    requirement="OCPP 2.0.1 F06.FR.16; OCPP 1.6 4.5",
)  # fmt: skip
async def asked_idle(bench: Bench) -> None:
    """A fresh charger; one that we updated before may repeat how that ended."""
    if bench.heard(*REPORTS):
        raise Skipped("it has been updated before")
    said = await _asked(bench)
    if said in ENDS:
        raise Skipped(f"it remembers an update from before our time: {said}")
    bench.expect(said == "Idle", "Idle", said)


@case(
    "trigger/2", "Asked during a download",
    "the answer to a trigger is the current status, not Idle",
    aliases=("TC_F_17", "TC_F_19"), properties=("C01", "C11"),
    requirement="OCPP 2.0.1 F06.FR.10, L01.FR.26",
)  # fmt: skip
async def asked_downloading(bench: Bench) -> None:
    """The download is slow."""
    update = await bench.update(faults=bench.slow(2.0 * bench.pace.quiet))
    await bench.reports(update, "Downloading", within=bench.pace.soon)
    said = await _asked(bench)
    bench.expect(said != "Idle", "Downloading, or what follows it", said)
    await bench.installs(update)


@case(
    "trigger/3", "Asked after an update",
    "the answer to a trigger after Installed is Idle",
    properties=("C11",), requirement="OCPP 2.0.1 L01.FR.25", level="SHOULD",
)  # fmt: skip
async def asked_after(bench: Bench) -> None:
    """Installed was reported, nothing runs."""
    await bench.installs(await bench.update())
    await bench.sleep(bench.pace.quiet)
    said = await _asked(bench)
    bench.expect(said in {"Idle", "Installed"}, "Idle", said)


@case(
    "transaction/1", "An update while a car charges",
    "the charger neither installs before the transaction is over nor ends it for that",
    aliases=("TC_L_13", "TC_L_14", "TC_L_15"), properties=("C01", "C06", "C12"),
    needs=("person",), requirement="OCPP 2.0.1 L01.FR.06, L01.FR.33; L02.FR.03",
)  # fmt: skip
async def while_charging(bench: Bench) -> None:
    """Somebody plugs a car in, later out."""
    if not bench.heard(*STARTS):
        await bench.person("plug a car in and start charging")
    going = await bench.until(lambda: bool(bench.heard(*STARTS)), bench.pace.person)
    bench.expect(going, "a transaction begins", "none")
    update = await bench.update()
    await bench.reports(update, "Downloaded", "Installing", "DownloadScheduled")
    await bench.sleep(bench.pace.quiet)
    bench.expect(not _ended(bench), "the transaction goes on", "it was ended")
    await bench.person("stop charging and unplug the car")
    await bench.installs(update)


def _ended(bench: Bench) -> bool:
    """Whether the charger has told of a transaction's end."""
    said = bench.heard("StopTransaction", "TransactionEvent")
    return any(one.payload.get("eventType", "Ended") == "Ended" for one in said)


@case(
    "availability/1", "Available again after a failure",
    "a connector that the update took out of service is Available again when it has failed",
    properties=("C12",), requirement="OCPP 2.0.1 L01.FR.07, TC_L_08", needs=("identified",),
)  # fmt: skip
async def available_again(bench: Bench) -> None:
    """The installation is held back, then another command ends the update."""
    first = await bench.update(install_in=bench.pace.later * 4)
    await bench.reports(first, "InstallScheduled", "Installing", "InstallRebooting")
    gone = DownloadFault(kind="status", status=404, times=None)
    second = await bench.update(retries=0, faults=(gone,))
    if not second.accepted:
        await bench.installs(first)
        return
    await bench.ends(second)
    back = await bench.until(lambda: not bench.out_of_service(), bench.pace.soon)
    bench.expect(back, "every connector Available again", ", ".join(bench.out_of_service()))


@case(
    "wire/1", "A CSMS that takes its time",
    "the charger sends its next CALL after the answer to the last (1.6: should), and installs",
    properties=("W02", "W03", "W04"), requirement="OCPP 2.0.1 Part 4 4.1.1; OCPP-J 1.6 4.1.1",
)  # fmt: skip
async def slow_csms(bench: Bench) -> None:
    """Every answer comes up to half a second late."""
    update = await bench.update()
    await bench.answer_slowly(0.5, lambda: "Installed" in bench.words(update), bench.pace.update)
    await bench.installs(update)
