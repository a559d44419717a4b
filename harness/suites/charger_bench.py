"""What a case has in its hands: one charger, its updates, images, time. A core.

A case is a coroutine that awaits nothing but the methods of `Bench`, so the same case runs over
sockets and in virtual time. What it does is written into the history as an operator's rollout of
one charger: the judge then knows which update a status belongs to, and judges it like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from harness.suites.charger_cases import Skipped, Unmet
from harness.world import Ok, Request
from simulator.dialect import rfc3339
from simulator.faults import DownloadFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.recorder import Recorder
    from harness.suites.charger_cases import Pace, Variant
    from harness.suites.charger_desk import Answer, Desk, Heard, Line
    from simulator.manufacturer import Signed

FAILED = ("DownloadFailed", "InstallationFailed", "InvalidSignature", "InstallVerificationFailed")
ENDS = ("Installed", *FAILED)
REPORTS = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
REFUSALS = ("Rejected", "InvalidCertificate", "RevokedCertificate")
SIDELINE = 10_000  # lets request ids of one bench never meet another's


class Surroundings(Protocol):
    """Where a bench stands: virtual time, or sockets."""

    def now(self) -> float:
        """Return Unix seconds."""

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until the condition holds, asked after every event; False after `within` s."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def shelve(
        self, charger: str, tag: str, image: str, faults: tuple[DownloadFault, ...], *,
        presigned: bool = False,
    ) -> str:  # fmt: skip
        """Lay an image out for one update and return its url; `faults` meet its requests."""

    def sign(self, image: str, flaw: str) -> Signed:
        """Return certificate and signature of an image, good or with this flaw."""

    def size(self, image: str) -> int:
        """Return the bytes of an image."""

    async def ask_person(self, charger: str, what: str) -> bool:
        """Have somebody do something at the charger; False if nobody is there."""


@dataclass(slots=True)
class Update:
    """One update that a case asked for."""

    number: int
    request_id: int
    url: str
    image: str
    asked: float  # Unix seconds
    since: int  # what the line had heard before
    answer: Answer | None = None

    @property
    def accepted(self) -> bool:
        """Whether the charger took it."""
        return self.answer is not None and self.answer.status in {"Accepted", "AcceptedCanceled"}


class Bench:
    """One charger under one case; every wait ends by its pace."""

    def __init__(
        self,
        charger: str,
        *,
        variant: Variant,
        pace: Pace,
        desk: Desk,
        recorder: Recorder,
        at: Surroundings,
        after: Bench | None = None,
        images: tuple[str, str] = ("good.bin", "older.bin"),
        flaw: str = "",
    ) -> None:
        self.charger = charger
        self.variant = variant
        self.pace = pace
        self.recorder = recorder
        self._desk = desk
        self._at = at
        self._number: int = after._number if after else 1  # noqa: SLF001 - our own
        self.last: Update | None = after.last if after else None
        self._has = after.image_installed if after else ""
        self.images = images
        self.flaw = flaw

    # ------------------------------------------------------------------ what there is

    @property
    def line(self) -> Line:
        """The charger's line at the desk."""
        return self._desk.line(self.charger)

    def now(self) -> float:
        """Return Unix seconds."""
        return self._at.now()

    async def until(self, condition: Callable[[], bool], within: float) -> bool:
        """Wait until something is so."""
        return await self._at.until(condition, within)

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await self._at.sleep(seconds)

    def heard(self, *actions: str, since: int = 0) -> list[Heard]:
        """Return what the charger called, from the `since`-th CALL on."""
        return [one for one in self.line.heard[since:] if one.action in actions]

    def expect(self, condition: object, expected: str, seen: str) -> None:
        """End the case as failed unless the condition holds."""
        if not condition:
            raise Unmet(expected, seen)

    async def person(self, what: str) -> None:
        """Have somebody do something, or leave the case out."""
        if not await self._at.ask_person(self.charger, what):
            raise Skipped(f"nobody was there to {what}")

    async def online(self) -> None:
        """Wait until the charger is here and has booted."""
        here = await self.until(lambda: self.line.online, self.pace.connect)
        self.expect(here, "the charger connects and boots", "it did not come")

    async def call(self, action: str, payload: dict[str, Any]) -> Answer:
        """Call the charger and return its answer."""
        message_id = self._desk.call(self.charger, action, payload)
        answers = self.line.answers
        there = await self.until(lambda: message_id in answers, self.pace.answer)
        self.expect(there, f"an answer to {action} within {self.pace.answer:g} s", "none")
        return answers[message_id]

    def hang_up(self, *, again: int = 0) -> None:
        """Close the connection now, and the next few as soon as something is said on them."""
        line = self.line
        line.hang_ups = again
        if line.socket is not None:
            line.socket.close(1001)

    async def answer_slowly(self, delay: float, done: Callable[[], bool], within: float) -> None:
        """Hold every answer back for up to `delay` seconds, until something is so."""
        deadline = self.now() + within
        self.line.slow = True
        while not done() and self.now() < deadline:
            await self.sleep(delay)
            self._desk.release(self.charger)
        self.line.slow = False
        self._desk.release(self.charger)

    # ------------------------------------------------------------------ updates

    @property
    def image_installed(self) -> str:
        """Return the image of the last update that was reported Installed, '' if none was."""
        done = self.last is not None and "Installed" in self.words(self.last)
        return self.last.image if done and self.last is not None else self._has

    @property
    def next_image(self) -> str:
        """Return an image that the charger does not run: another update must change something."""
        return self.images[1] if self.image_installed == self.images[0] else self.images[0]

    @property
    def calm(self) -> bool:
        """Whether nothing is under way on the charger, as far as it tells."""
        over = self.last is None or not self.last.accepted or self._ended(self.last)
        return over and self.line.online

    async def update(
        self,
        *,
        image: str = "",
        faults: tuple[DownloadFault, ...] = (),
        retries: int | None = 2,
        retry_interval: int | None = None,
        retrieve_in: float = 0.0,
        install_in: float | None = None,
        flaw: str | None = None,
        signed: bool | None = None,
        request_id: int | None = None,
        zone: timedelta | None = None,
        presigned: bool = False,
    ) -> Update:
        """Ask for an update, as an operator's rollout of this one charger, and return it.

        `zone`: the retrieve date is written in this zone, to the second, instead of in UTC.
        `presigned`: the address has a query that it has to be asked for with.
        """
        number, now = self._number, self.now()
        self._number += 1
        self._has = self.image_installed
        image = image or self.next_image
        url = self._at.shelve(self.charger, f"u{number}", image, faults, presigned=presigned)
        interval = self.pace.retry_interval if retry_interval is None else retry_interval
        number_of = SIDELINE + number if request_id is None else request_id
        update = Update(number, number_of, url, image, now, len(self.line.heard))
        self.last = update
        self._tell_operator(url, retries, interval)
        date = rfc3339(now + retrieve_in) if zone is None else _in_zone(now + retrieve_in, zone)
        action, payload = self._command(update, date, install_in, signed, flaw)
        if retries is not None:
            payload |= {"retries": retries, "retryInterval": interval}
        update.answer = await self.call(action, payload)
        return update

    def slow(self, seconds: float) -> tuple[DownloadFault, ...]:
        """Return what makes the next download take about so long."""
        rate = self._at.size(self.next_image) / seconds
        return (DownloadFault(kind="throttle", rate=rate, times=None),)

    def _command(
        self, update: Update, retrieve: str, install_in: float | None, signed: bool | None,
        flaw: str | None,
    ) -> tuple[str, dict[str, Any]]:  # fmt: skip
        variant = self.variant
        if variant.core:
            return "UpdateFirmware", {"location": update.url, "retrieveDate": retrieve}
        firmware = {"location": update.url, "retrieveDateTime": retrieve}
        if install_in is not None:
            firmware["installDateTime"] = rfc3339(self.now() + install_in)
        if variant.signed if signed is None else signed:
            made = self._at.sign(update.image, self.flaw if flaw is None else flaw)
            firmware |= {"signingCertificate": made.certificate, "signature": made.signature}
        action = "SignedUpdateFirmware" if variant.old else "UpdateFirmware"
        return action, {"requestId": update.request_id, "firmware": firmware}

    def _tell_operator(self, url: str, retries: int | None, interval: float) -> None:
        """Write the rollout that this update is into the history."""
        rollout = f"case-{self._number - 1}"
        asked = {"charger_ids": [self.charger], "firmware_url": url, "strategy": "all_at_once",
                 "update_timeout": self.pace.update, "retries": retries,
                 "retry_interval": interval}  # fmt: skip
        plan = {"rollout_id": rollout, "strategy": "all_at_once", "firmware_url": url,
                "total_chargers": 1, "status": "pending", "created_at": rfc3339(self.now()),
                "stages": [{"stage": 1, "label": "All chargers", "status": "pending",
                            "charger_ids": [self.charger]}]}  # fmt: skip
        create = Request("create", "POST", "/firmware/rollout", asked)
        self.recorder.outcome(create, self.recorder.invoke(create), Ok(201, plan))
        path = f"/firmware/rollout/{rollout}/execute-stage"
        execute = Request("execute_stage", "POST", path, None, rollout)
        body = {
            "rollout_id": rollout,
            "executed_stage": 1,
            "status": "in_progress",
            "chargers_triggered": [self.charger],
            "triggered_at": rfc3339(self.now()),
        }
        self.recorder.outcome(execute, self.recorder.invoke(execute), Ok(200, body))

    def statuses(self, update: Update) -> list[Heard]:
        """Return the statuses of an update, Idle left out; 1.6 core: all since its command."""
        told = [
            h for h in self.heard(*REPORTS, since=update.since) if h.payload.get("status") != "Idle"
        ]
        if self.variant.core:
            return told
        return [one for one in told if one.payload.get("requestId") == update.request_id]

    def words(self, update: Update) -> list[str]:
        """Return the names of the statuses of an update."""
        return [str(one.payload.get("status")) for one in self.statuses(update)]

    async def reports(self, update: Update, *wanted: str, within: float | None = None) -> str:
        """Wait for one of these statuses and return it; the case fails if none comes."""
        within = self.pace.update if within is None else within
        await self.until(lambda: not set(wanted).isdisjoint(self.words(update)), within)
        said = [word for word in self.words(update) if word in wanted]
        told = ", ".join(self.words(update)) or "no status"
        self.expect(said, " or ".join(wanted) + f" within {within:g} s", told)
        return said[-1]

    async def installs(self, update: Update) -> None:
        """Expect the update to be taken and to succeed, and the charger to be back.

        Its image has to have left our server, too: a charger may say what it likes.
        """
        self.expect(update.accepted, "the update is accepted", self.answered(update))
        end = await self.ends(update)
        self.expect(end == "Installed", "Installed", end)
        size = self._at.size(update.image)
        whole = await self.until(lambda: self.fetched(update) >= size, self.pace.soon)
        seen = f"Installed after {self.fetched(update)} bytes"
        self.expect(whole, f"the image of {size} bytes is fetched before Installed", seen)
        await self.online()

    async def ends(self, update: Update) -> str:
        """Wait for the end of an update; a DownloadFailed ends it when nothing follows."""
        more = 2.0 * self.pace.retry_interval + self.pace.soon
        while True:
            await self.until(lambda: self._ended(update), self.pace.update)
            said = self.words(update)
            told = ", ".join(said) or "no status"
            self.expect(self._ended(update), f"an end within {self.pace.update:g} s", told)
            if said[-1] != "DownloadFailed":
                return said[-1]
            count = len(said)
            if not await self.until(lambda n=count: len(self.words(update)) > n, more):  # type: ignore[misc]
                return said[-1]

    def _ended(self, update: Update) -> bool:
        return bool(said := self.words(update)) and said[-1] in ENDS

    def broken_off(self, update: Update) -> int:
        """Return how many requests for an update's image our server broke off."""
        return sum(line.get("outcome") == "cut" for line in self._served(update))

    def fetched(self, update: Update) -> int:
        """Return how many bytes of an update's image left our server, in all requests together."""
        return sum(int(line.get("sent") or 0) for line in self._served(update))

    def _served(self, update: Update) -> list[dict[str, Any]]:
        """Return what the firmware server's log says of an update, request by request."""
        path = urlsplit(update.url).path
        events = self.recorder.history.events
        return [one.data for one in events if one.source == "firmware" and one.name == path]

    def answered(self, update: Update) -> str:
        """Say what the charger answered to a command."""
        answer = update.answer
        if answer is None:
            return "no answer"
        return f"CALLERROR {answer.error}" if answer.error else answer.status

    # ------------------------------------------------------------------ what boots say

    def version(self) -> str | None:
        """Return the firmware version of the charger's last boot."""
        boots = self.heard("BootNotification")
        if not boots:
            return None
        inner = boots[-1].payload.get("chargingStation", boots[-1].payload)
        found = inner.get("firmwareVersion") if isinstance(inner, dict) else None
        return found if isinstance(found, str) else None

    def out_of_service(self) -> list[str]:
        """Return the connectors that the charger last called Unavailable."""
        last: dict[str, Any] = {}
        for one in self.heard("StatusNotification"):
            place = (one.payload.get("evseId", ""), one.payload.get("connectorId", ""))
            status = one.payload.get("connectorStatus", one.payload.get("status"))
            last[f"connector {place[0]} {place[1]}".replace("  ", " ")] = status
        return [place for place, status in last.items() if status == "Unavailable"]

    def boots(self, since: int) -> list[Heard]:
        """Return the boots since the n-th CALL."""
        return self.heard("BootNotification", since=since)

    def firmware_trigger(self) -> tuple[str, dict[str, Any]]:
        """Return the CALL that asks for the firmware status."""
        signed16 = self.variant.old and self.variant.signed
        wanted = "FirmwareStatusNotification"
        action = "ExtendedTriggerMessage" if signed16 else "TriggerMessage"
        return action, {"requestedMessage": wanted}


def _in_zone(moment: float, offset: timedelta) -> str:
    """Write Unix seconds as RFC 3339 in a zone, cut to whole seconds."""
    return datetime.fromtimestamp(int(moment), timezone(offset)).isoformat()
