"""C05, C07, C08: what a charger's statuses must agree with: bytes served, reboots, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from harness.checkers.base import Checker, sees
from harness.checkers.charger_rules import charger_rule
from harness.checkers.facts import Booted, Interrupted, Reported, Served
from harness.checkers.settling import no_retry_left
from harness.verdict import Grade

if TYPE_CHECKING:
    from harness.checkers.model import Member, Trigger
    from harness.checkers.view import View
    from harness.history import Event


class C05(Checker):
    """Download evidence."""

    requirement = charger_rule(
        "C05",
        "Download evidence",
        "A charger reports Downloaded only after the firmware server sent it the whole image.",
        "OCPP 1.6 7.25; OCPP 2.0.1 FirmwareStatusEnumType; the firmware server's log",
    )

    def __init__(self) -> None:
        """Start with nothing served."""
        super().__init__()
        self._sent: dict[tuple[str, str], int] = {}  # client, path -> bytes
        self._whole: dict[tuple[str, str], bool] = {}
        self._said: list[tuple[Reported, str]] = []
        self._last: dict[tuple[str, str], Event] = {}
        self._redirected: set[str] = set()

    @sees(Served)
    def served(self, _view: View, fact: Served) -> None:
        """Add up what a client was sent of a path."""
        client, path, line = unquote(fact.client), fact.url_path, fact.event.data
        key = (client, path)
        if line.get("outcome") == "redirected":
            self._redirected.add(client)
        sent, total = line.get("sent"), line.get("total")
        if isinstance(sent, int) and line.get("status") in (200, 206):
            self._sent[key] = self._sent.get(key, 0) + sent
            whole = isinstance(total, int) and self._sent[key] >= total
            self._whole[key] = self._whole.get(key, False) or whole
        self._last[key] = fact.event

    @sees(Reported, about=("Downloaded",))
    def reported(self, _view: View, fact: Reported) -> None:
        """Keep a Downloaded: the server's line about it may be recorded later."""
        trigger = fact.trigger
        if trigger is None or fact.before == "Downloaded":
            return
        if fact.request_id is not None or not _overlapping(fact.station.triggers):
            self._said.append((fact, urlsplit(trigger.location).path))

    def end(self, view: View) -> None:
        """Compare what chargers said with what they were sent."""
        if not self._last:
            self.doubt = "the history holds no log of a firmware server"
            return
        for fact, path in self._said:
            charger = fact.station.id
            self.exercised += 1
            key = (charger, path)
            moved = charger in self._redirected and any(
                c == charger and whole for (c, _), whole in self._whole.items()
            )
            if self._whole.get(key) or moved:
                continue
            self.accuse(
                view,
                who=charger,
                charger=charger,
                expected="the whole image sent before Downloaded",
                seen=f"{self._sent.get(key, 0)} bytes sent to it",
                events=(fact.trigger.event if fact.trigger else None, self._last.get(key),
                        fact.event),
            )  # fmt: skip


def _overlapping(triggers: list[Trigger]) -> bool:
    """Whether a status without an id may be of the update before the last, of another image."""
    if len(triggers) < 2 or triggers[-2].location == triggers[-1].location:  # noqa: PLR2004 - pair
        return False
    before = triggers[-2].member
    return before is None or not before.final


class C07(Checker):
    """Reports after the reboot."""

    requirement = charger_rule(
        "C07",
        "Reports after the reboot",
        "After installing a charger reboots, boots with the new version (2.x: for the reason "
        "FirmwareUpdate) and then reports Installed.",
        "OCPP 2.0.1 L01.FR.28, L01.FR.32, B01.FR.09; OCPP 1.6 figure 41, errata 3.47",
    )

    def __init__(self) -> None:
        """Start with nothing installing."""
        super().__init__()
        self._installing: dict[str, tuple[Event, str | None]] = {}  # event, the version then
        self._booted: dict[str, Booted] = {}
        self._early: dict[str, Reported] = {}  # Installed came first

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """A boot may have come unseen."""
        self._forget(fact.station.id)
        self._early.pop(fact.station.id, None)

    @sees(Booted)
    def booted(self, view: View, fact: Booted) -> None:
        """Judge a boot that an installation led to."""
        charger = fact.station.id
        early = self._early.pop(charger, None)
        if early is not None:
            self._version(view, early, fact, fact.before)
            return
        if charger not in self._installing:
            return
        self._booted[charger] = fact
        latest: Trigger = fact.station.triggers[-1]
        has_reason = latest.event.name == "UpdateFirmware"  # a boot of 1.6 has no reason to give
        if latest.full and has_reason and fact.reason != "FirmwareUpdate":
            self.exercised += 1
            # A power cut in the middle boots for its own reason; only the next status can tell.
            self._reasons(view, fact, latest)

    def _reasons(self, view: View, fact: Booted, trigger: Trigger) -> None:
        changed = fact.version is not None and fact.version != fact.before
        if view.field and fact.before is None:
            return  # what it booted with before is not in the log
        if changed:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected="the boot into new firmware gives the reason FirmwareUpdate",
                seen=f"reason {fact.reason}",
                events=(trigger.event, self._installing[fact.station.id][0], fact.event),
            )

    @sees(Reported)
    def reported(self, view: View, fact: Reported) -> None:
        """Judge an Installed by what came before it."""
        charger = fact.station.id
        if fact.status in {"Installing", "InstallRebooting"} and fact.member is not None:
            self._installing.setdefault(charger, (fact.event, fact.station.version))
            return
        if fact.status != "Installed" or fact.member is None or fact.before == "Installed":
            if fact.member is not None and fact.member.final:
                self._forget(charger)
            return
        self.exercised += 1
        boot = self._booted.get(charger)
        began = self._installing.get(charger)
        self._forget(charger)
        if boot is None:
            self._early[charger] = fact
        else:
            self._version(view, fact, boot, began[1] if began else boot.before)

    def end(self, view: View) -> None:
        """Judge those that never rebooted."""
        for charger, fact in self._early.items():
            if view.now - fact.event.time > 60.0:  # noqa: PLR2004 - seconds to reboot in
                self.accuse(
                    view,
                    who=charger,
                    charger=charger,
                    expected="a reboot into the new version",
                    seen="Installed and no boot",
                    events=(fact.event, view.last),
                    grade=Grade.TOLERATED,  # option (b) of L01.FR.32
                )

    def _version(self, view: View, fact: Reported, boot: Booted, before: str | None) -> None:
        """Accuse an Installed beside a boot with the old version (D23)."""
        if boot.version is None or before is None or boot.version != before:
            return
        if any(_installed(trigger.member) for trigger in fact.station.triggers[:-1]):
            return  # what it had may be the very image that this command brought once more
        self.accuse(
            view,
            who=fact.station.id,
            charger=fact.station.id,
            expected="a boot with a new version",
            seen=f"Installed, and a boot with the old version {boot.version}",
            events=(boot.event, fact.event),
            switch="D23",
            # What an earlier update brought, before the log began, may be the same image.
            grade=Grade.TOLERATED if view.field else Grade.VIOLATES,
        )

    def _forget(self, charger: str) -> None:
        for memory in (self._installing, self._booted):
            memory.pop(charger, None)


def _installed(member: Member | None) -> bool:
    return member is not None and (member.final == "Installed" or member.upgraded is not None)


def _gave_up(member: Member, now: float) -> bool:
    """Whether the charger itself said that its update failed: a CSMS may only lose its patience.

    One that refused the last command may be busy with the one before.
    """
    if member.upgraded is not None or member.final == "Installed":
        return False
    if member.final == "DownloadFailed":
        return no_retry_left(member, now)
    return bool(member.final) or all(trigger.refused for trigger in member.triggers)


class C08(Checker):
    """Keeps the old firmware on failure."""

    requirement = charger_rule(
        "C08",
        "Keeps the old firmware",
        "A charger whose update failed goes on with the version it had.",
        "OCPP 2.0.1 L01.FR.29, TC_L_08; OCPP 1.6 TC_044",
    )

    def __init__(self) -> None:
        """Start with no failures."""
        super().__init__()
        self._failed: dict[str, tuple[Member, Event, str | None]] = {}

    @sees(Interrupted)
    def interrupted(self, _view: View, fact: Interrupted) -> None:
        """Another update may have come unseen."""
        self._failed.pop(fact.station.id, None)

    @sees(Reported)
    def reported(self, _view: View, fact: Reported) -> None:
        """Remember the version that a failed update has to leave in place."""
        if fact.member is None:
            return
        charger = fact.station.id
        if _gave_up(fact.member, fact.event.time):
            self._failed.setdefault(charger, (fact.member, fact.event, fact.station.version))
        else:
            self._failed.pop(charger, None)

    @sees(Booted)
    def booted(self, view: View, fact: Booted) -> None:
        """Compare the version after a failure with the one before."""
        failed = self._failed.pop(fact.station.id, None)
        if failed is None or fact.version is None or failed[2] is None:
            return
        self.exercised += 1
        if fact.version != failed[2]:
            self.accuse(
                view,
                who=fact.station.id,
                charger=fact.station.id,
                expected=f"version {failed[2]} after {failed[0].final or 'a refusal'}",
                seen=f"a boot with {fact.version}",
                events=(failed[1], fact.event),
            )
