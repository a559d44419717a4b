"""What a history shows of each charger's update: answers, statuses, boots, breaks, times. A core.

One pass; of every charger only its updates are kept. `deviations` and `fates` say in the words of
the simulator's quirks and faults what was odd about one update.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.checkers.model import RANK
from harness.checkers.wirefold import REPORTS, UPDATES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.history import Event

CALL, RESULT = 2, 3
PATIENCE = 60.0  # seconds within which an open CALL is still waited for
STUCK = 120.0  # seconds without a status after which an update is stuck
ASKS = frozenset({"TriggerMessage", "ExtendedTriggerMessage"})
INSTALLING = frozenset({"Installing", "InstallRebooting"})
ENDS = frozenset({"Installed", "InstallationFailed", "InstallVerificationFailed"})
LATE = 2.0  # seconds after which an answer counts as late, if statuses came first
MOST_DELAYS = 200


@dataclass(frozen=True, slots=True)
class Said:
    """One firmware status."""

    time: float
    status: str
    request_id: int | None


@dataclass(slots=True)
class Attempt:
    """One update command and what followed it."""

    time: float
    payload: dict[str, Any]
    answer: str | None = None  # Accepted, Rejected, CALLERROR <code>; None: never answered
    answered: float = 0.0
    statuses: list[Said] = field(default_factory=list)
    boots: list[tuple[float, str | None]] = field(default_factory=list)
    breaks: list[tuple[float, float | None, int]] = field(default_factory=list)
    idle: bool = False  # an Idle that nobody had asked for
    overlapped: bool = False  # a CALL before the answer to the last one
    gap: bool = False  # the log misses something
    last: float = 0.0  # the charger's last sign
    before: str | None = None  # its version then

    @property
    def names(self) -> list[str]:
        """The statuses in order."""
        return [said.status for said in self.statuses]

    @property
    def firmware(self) -> dict[str, Any]:
        """Where the command names the image."""
        inner = self.payload.get("firmware")
        return inner if isinstance(inner, dict) else self.payload

    def first(self, *statuses: str) -> float | None:
        """Return when the first of these statuses came."""
        return next((said.time for said in self.statuses if said.status in statuses), None)

    def end_of_install(self, began: float) -> tuple[float | None, float | None]:
        """Return when an installation ended in a reboot, and when the charger was back."""
        boot = next((time for time, _ in self.boots if time > began), None)
        down = next((time for time, _, _ in self.breaks if time > began), boot)
        return down, boot


@dataclass(slots=True)
class Likeness:
    """One charger as the history shows it."""

    id: str
    ocpp: str = ""
    vendor: str = ""
    model: str = ""
    version: str | None = None
    versions: int = 0  # boots that said their version
    boots: int = 0
    delays: list[float] = field(default_factory=list)  # from a CALL of the CSMS to its answer
    attempts: list[Attempt] = field(default_factory=list)
    end: float = 0.0  # of the whole history
    _asked: bool = False
    _ours: dict[str, float] = field(default_factory=dict)
    _theirs: dict[str, tuple[float, Attempt | None]] = field(default_factory=dict)
    _down: float | None = None

    @property
    def gone(self) -> bool:
        """Whether it was disconnected when the history ended."""
        return self._down is not None

    @property
    def attempt(self) -> Attempt | None:
        """The update to repeat: the first that is odd, else the first whole one."""
        whole = [one for one in self.attempts if not one.gap] or self.attempts
        odd = (one for one in whole if deviations(self, one) or fates(self, one))
        return next(odd, whole[0] if whole else None)

    # ------------------------------------------------------------------ the fold

    def see(self, event: Event) -> None:
        """Take one of its events."""
        now = self.attempts[-1] if self.attempts else None
        if event.kind == "open":
            self._opened(event, now)
        elif event.kind == "close":
            self._down = None if event.data.get("inferred") else event.time
            self._ours.clear()
            self._theirs.clear()
        elif event.kind == "damaged" and now is not None:
            now.gap = True
        elif event.kind in {"send", "recv"}:
            self._frame(event, now)

    def _opened(self, event: Event, now: Attempt | None) -> None:
        self.ocpp = str(event.data.get("subprotocol") or "") or self.ocpp
        if now is not None and event.data.get("partial"):
            now.gap = True
        elif now is not None and self._down is not None:
            now.breaks.append((self._down, event.time, len(now.statuses)))
        self._down = None

    def _frame(self, event: Event, now: Attempt | None) -> None:
        frame = event.data.get("frame")
        if not isinstance(frame, list) or len(frame) < 3:  # noqa: PLR2004 - the shortest frame
            return
        payload = frame[3] if frame[0] == CALL and len(frame) > 3 else frame[2]  # noqa: PLR2004
        payload = payload if isinstance(payload, dict) else {}
        if event.kind == "send" and now is not None:
            now.last = event.time
        if frame[0] != CALL:
            self._answered(event, frame, payload)
        elif event.kind == "recv":
            self._told(event, payload)
        else:
            self._said(event, payload, now)

    def _told(self, event: Event, payload: dict[str, Any]) -> None:
        attempt = None
        if event.name in UPDATES:
            attempt = Attempt(event.time, payload, last=event.time, before=self.version)
            self.attempts.append(attempt)
        asked = payload.get("requestedMessage")  # anything: a list has no hash
        self._asked |= event.name in ASKS and isinstance(asked, str) and asked in REPORTS
        self._theirs[event.ref] = (event.time, attempt)

    def _answered(self, event: Event, frame: list[Any], payload: dict[str, Any]) -> None:
        if event.kind == "recv":
            self._ours.pop(event.ref, None)
            return
        asked, attempt = self._theirs.pop(event.ref, (event.time, None))
        if attempt is None and len(self.delays) < MOST_DELAYS:
            self.delays.append(event.time - asked)
        if attempt is not None:
            said = str(payload.get("status", "Accepted"))
            attempt.answer = said if frame[0] == RESULT else f"CALLERROR {frame[2]}"
            attempt.answered = event.time

    def _said(self, event: Event, payload: dict[str, Any], now: Attempt | None) -> None:
        if event.name == "BootNotification":
            self._booted(event, payload, now)
        elif event.name in REPORTS and now is not None:
            status, given = str(payload.get("status", "")), payload.get("requestId")
            if status == "Idle":
                now.idle |= not self._asked
            elif not self._asked:
                number = given if isinstance(given, int) else None
                now.statuses.append(Said(event.time, status, number))
                now.overlapped |= any(event.time - since < PATIENCE for since in
                                      self._ours.values())  # fmt: skip
            self._asked = False
        self._ours[event.ref] = event.time

    def _booted(self, event: Event, payload: dict[str, Any], now: Attempt | None) -> None:
        inner = payload.get("chargingStation")
        box = inner if isinstance(inner, dict) else payload
        version = box.get("firmwareVersion")
        self.version = version if isinstance(version, str) else self.version
        self.versions += isinstance(version, str)
        self.boots += 1
        self.vendor = str(box.get("vendorName", box.get("chargePointVendor")) or self.vendor)
        self.model = str(box.get("model", box.get("chargePointModel")) or self.model)
        if now is not None:
            now.boots.append((event.time, version if isinstance(version, str) else None))


def likenesses(events: Iterable[Event]) -> list[Likeness]:
    """Return every charger that was told to update, in the order of their first events."""
    found: dict[str, Likeness] = {}
    end = 0.0
    for event in events:
        end = event.time
        if event.charger is not None:
            one = found.get(event.charger)
            if one is None:
                one = found[event.charger] = Likeness(event.charger)
            one.see(event)
    for one in found.values():
        one.end = end
    return [one for one in found.values() if one.attempts]


# ---------------------------------------------------------------------- in the simulator's words


def deviations(one: Likeness, attempt: Attempt) -> tuple[str, ...]:
    """Return the quirks that make a virtual charger do what this one did."""
    found = [*_answering(attempt), *_telling(attempt), *_naming(attempt)]
    if one.boots and not one.versions:
        found.append("omits_version")
    if fates(one, attempt).get("install") in {"hangs", "bricked"}:
        if not attempt.names:
            found.append("never_reports")
        elif not INSTALLING & set(attempt.names):
            found.append("skips_installing")
    installed = attempt.first("Installed")
    if installed is not None:
        after = [version for time, version in attempt.boots]
        if not after and not attempt.breaks:
            found.append("no_reboot")
        elif after and after[-1] is not None and after[-1] == attempt.before:
            found.append("keeps_version")
    return tuple(dict.fromkeys(found))


def _answering(attempt: Attempt) -> list[str]:
    answer, said = attempt.answer, attempt.statuses
    if answer is None:
        return ["never_answers"] if said and not attempt.gap else []
    refused = answer in {"Rejected", "InvalidCertificate", "RevokedCertificate"}
    if refused or answer.startswith("CALLERROR"):
        if said:
            return ["rejects_but_updates"]
        known = refused or answer in {"CALLERROR NotSupported", "CALLERROR NotImplemented"}
        return ["rejects" if known else "answers_callerror"]
    late = said and attempt.answered > said[0].time and attempt.answered - attempt.time > LATE
    return ["answers_late"] if late else []


def _telling(attempt: Attempt) -> list[str]:
    """Return what was left out, said twice, or in another order."""
    names = attempt.names
    if not names:
        changed = any(version and version != attempt.before for _, version in attempt.boots)
        return ["never_reports"] if changed else []
    doubled = len(names) > 1 and len(names) % 2 == 0 and names[::2] == names[1::2]
    found = ["duplicates_status"] if doubled else []
    if set(names) == {"Installed"}:
        return ["only_installed", *found]
    far = {RANK.get(name, 0) for name in names if name != "DownloadFailed"}
    failed = "DownloadFailed" in names
    if "Downloading" not in names and (failed or max(far, default=0) >= RANK["Downloaded"]):
        found.append("skips_downloading")
    if "Downloaded" not in names and max(far, default=0) >= RANK["Installing"]:
        found.append("skips_downloaded")
    if ENDS & set(names) and not INSTALLING & set(names):
        found.append("skips_installing")
    found += _turned(names)
    found += ["spontaneous_idle"] if attempt.idle else []
    return [*found, "two_calls"] if attempt.overlapped and not doubled else found


def _turned(names: list[str]) -> list[str]:
    found = []
    both = "Downloading" in names and "Downloaded" in names
    if both and names.index("Downloaded") < names.index("Downloading"):
        found.append("swaps_statuses")
    if "Installed" in names and "Downloading" in names[names.index("Installed") :]:
        found.append("late_status")
    if (
        "InstallationFailed" in names
        and "Downloading" in names[names.index("InstallationFailed") :]
    ):
        found.append("reinstalls")
    return found


def _naming(attempt: Attempt) -> list[str]:
    """Return what was wrong with the request ids."""
    wanted = attempt.payload.get("requestId")
    given = {said.request_id for said in attempt.statuses}
    if not isinstance(wanted, int) or not given or wanted in given:
        return []
    if given == {None}:
        return ["no_request_id"]
    return ["old_request_id" if max(0, wanted - 1) in given else "wrong_request_id"]


def fates(one: Likeness, attempt: Attempt) -> dict[str, str]:
    """Return how download and installation ended, where they did not end well.

    `download`: failed (for good), retried or stalled; `install`: fails, verification_fails, hangs,
    bricked; `signature`: wrong.
    """
    names = attempt.names
    found: dict[str, str] = {}
    if "DownloadFailed" in names:
        found["download"] = "failed" if names[-1] == "DownloadFailed" else "retried"
    if "InvalidSignature" in names:
        found["signature"] = "wrong"
    for status, how in (("InstallationFailed", "fails"),
                        ("InstallVerificationFailed", "verification_fails")):  # fmt: skip
        if status in names:
            found["install"] = how
    last = names[-1] if names else ""
    since = attempt.statuses[-1].time if names else max(attempt.answered, attempt.time)
    ended = bool(found) or RANK.get(last, 0) == RANK["Installed"]
    stuck = attempt.answer == "Accepted" and not attempt.gap and one.end - since > STUCK
    if ended or not stuck or any(time > since for time, _ in attempt.boots):
        return found
    if last in {"Downloading", "DownloadScheduled", "DownloadPaused"}:
        found["download"] = "stalled"
    else:
        found["install"] = "bricked" if one.gone else "hangs"
    return found
