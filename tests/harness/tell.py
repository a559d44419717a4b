"""A compact way to tell a history by hand: every call records the events that it stands for.

`Tale` keeps just enough of a well-behaved CSMS in mind to fill in bodies; every method takes what
should be told differently. A story: `t = Tale(); r = t.create("ABC"); t.execute(r); ...`.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from harness.checkers import judge
from harness.history import Event, Header, History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.verdict import Judgement, Result

START = datetime(2026, 1, 1, tzinfo=UTC)
SHOWN = {
    "DownloadScheduled": ("scheduled", 0),
    "Downloading": ("downloading", 10),
    "DownloadPaused": ("downloading", 10),
    "Downloaded": ("downloaded", 80),
    "SignatureVerified": ("downloaded", 80),
    "InstallScheduled": ("installing", 85),
    "Installing": ("installing", 85),
    "InstallRebooting": ("rebooting", 95),
    "Installed": ("installed", 100),
}
GOOD = ("Downloading", "Downloaded", "Installing", "Installed")


class Tale:
    """A history in the making."""

    def __init__(self, **header: Any) -> None:
        self.history = History(Header(scenario={"name": "told"}, **header))
        self.now = 0.0
        self.plans: dict[str, dict[str, Any]] = {}
        self.state: dict[str, dict[str, dict[str, Any]]] = {}
        self.current: dict[str, int] = {}
        self.status: dict[str, str] = {}
        self.rollout_of: dict[str, str] = {}
        self.requests: dict[str, int] = {}
        self.connections: dict[str, int] = {}
        self.dialect: dict[str, str] = {}
        self.versions: dict[str, tuple[str, str, str]] = {}
        self._op = 0
        self._id = 0

    # ------------------------------------------------------------------ plumbing

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def stamp(self) -> str:
        """The time of day as the CSMS writes it."""
        return (START + timedelta(seconds=self.now)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def event(self, source: str, kind: str, name: str = "", ref: str = "", **data: Any) -> Event:
        """Record one event, a hundredth of a second after the last."""
        self.now += 0.01
        return self.history.record(self.now, source, kind, name, ref=ref, data=copy.deepcopy(data))

    def judged(self) -> Judgement:
        """Judge what was told."""
        return judge(self.history.header, self.history.events)

    def result(self, requirement: str) -> Result:
        """Judge what was told and return one result."""
        return self.judged().result(requirement)

    # ------------------------------------------------------------------ chargers

    def open(self, charger: str, dialect: str = "ocpp1.6") -> None:
        """Connect a charger."""
        self.connections[charger] = self.connections.get(charger, 0) + 1
        self.dialect[charger] = dialect
        ref = f"{charger}#{self.connections[charger]}"
        self.event(f"charger:{charger}", "open", ref=ref, url="ws://csms/ocpp", subprotocol=dialect)

    def close(self, charger: str, code: int = 1001) -> None:
        """Disconnect a charger."""
        ref = f"{charger}#{self.connections[charger]}"
        self.event(f"charger:{charger}", "close", ref=ref, code=code, reason="")

    def crash(self, *chargers: str) -> None:
        """The CSMS dies and comes back, and these chargers boot again."""
        self.event("harness", "kill", "csms")
        for charger in chargers:
            self.close(charger, 1006)
        self.wait(2)
        self.event("harness", "up", "csms")
        self.boot(*chargers)

    def call(self, charger: str, action: str, payload: dict[str, Any], by: str = "charger") -> str:
        """One side sends a CALL; return its message id."""
        self._id += 1
        ref = f"m{self._id}"
        kind = "send" if by == "charger" else "recv"
        frame = [2, ref, action, payload]
        self.event(f"charger:{charger}", kind, action, ref, frame=frame)
        return ref

    def answer(
        self, charger: str, ref: str, payload: Any, by: str = "csms", name: str = ""
    ) -> None:
        """The other side answers a CALL."""
        kind = "recv" if by == "csms" else "send"
        frame = payload if isinstance(payload, list) else [3, ref, payload]
        self.event(f"charger:{charger}", kind, name, ref, frame=frame)

    def boot(
        self,
        *chargers: str,
        version: str = "1.0.0",
        vendor: str = "ABB",
        model: str = "Terra AC",
        dialect: str = "ocpp1.6",
        reason: str = "PowerUp",
    ) -> None:
        """Connect chargers and let their boots be accepted."""
        for charger in chargers:
            self.open(charger, dialect)
            self.notify_boot(charger, version, vendor, model, reason)

    def notify_boot(
        self,
        charger: str,
        version: str,
        vendor: str = "ABB",
        model: str = "Terra AC",
        reason: str = "PowerUp",
    ) -> None:
        """Send an accepted BootNotification on the open connection."""
        self.versions[charger] = (version, vendor, model)
        if self.dialect[charger] == "ocpp1.6":
            body: dict[str, Any] = {
                "chargePointVendor": vendor,
                "chargePointModel": model,
                "firmwareVersion": version,
            }
        else:
            body = {
                "reason": reason,
                "chargingStation": {
                    "vendorName": vendor,
                    "model": model,
                    "firmwareVersion": version,
                },
            }
        ref = self.call(charger, "BootNotification", body)
        reply = {"status": "Accepted", "currentTime": self.stamp(), "interval": 300}
        self.answer(charger, ref, reply, name="BootNotification")

    def fence(self, *chargers: str) -> None:
        """Let chargers make a Heartbeat round trip."""
        for charger in chargers:
            ref = self.call(charger, "Heartbeat", {})
            self.answer(charger, ref, {"currentTime": self.stamp()}, name="Heartbeat")

    def command(self, rollout: str, charger: str, **extra: Any) -> str:
        """Let a charger receive the update command; return the message id."""
        url = self.plans[rollout]["firmware_url"]
        if self.dialect[charger] == "ocpp1.6":
            body = {
                "location": url,
                "retrieveDate": self.stamp(),
                "retries": 2,
                "retryInterval": 30,
            }
        else:
            self.requests[charger] = self.requests.get(charger, 0) + 1
            body = {
                "requestId": self.requests[charger],
                "retries": 2,
                "retryInterval": 30,
                "firmware": {"location": url, "retrieveDateTime": self.stamp()},
            }
        return self.call(charger, "UpdateFirmware", body | extra, by="csms")

    def trigger(self, rollout: str, *chargers: str, answer: Any = None, **extra: Any) -> None:
        """Let chargers receive and answer the update command."""
        for charger in chargers:
            ref = self.command(rollout, charger, **extra)
            old = self.dialect[charger] == "ocpp1.6"
            reply: Any = answer if answer is not None else ({} if old else {"status": "Accepted"})
            if isinstance(reply, list):
                reply = [4, ref, *reply]
            self.answer(charger, ref, reply, by="charger", name="UpdateFirmware")
            self.rollout_of[charger] = rollout
            self.show(rollout, charger, status="scheduled", started_at=self.stamp())

    def report(self, charger: str, *statuses: str, request: int | None = None) -> None:
        """Let a charger send firmware statuses, each answered; GET will show them."""
        for status in statuses:
            body: dict[str, Any] = {"status": status}
            if self.dialect[charger] != "ocpp1.6" and status != "Idle":
                body["requestId"] = self.requests[charger] if request is None else request
            ref = self.call(charger, "FirmwareStatusNotification", body)
            self.answer(charger, ref, {}, name="FirmwareStatusNotification")
            rollout = self.rollout_of.get(charger)
            if rollout is None:
                continue
            if status in SHOWN:
                shown, progress = SHOWN[status]
                self.show(rollout, charger, status=shown, progress_percent=progress)
            elif status != "Idle":
                self.show(rollout, charger, status="failed", reason=status)
            if status == "Installed" or status not in {*SHOWN, "Idle"}:
                self.show(rollout, charger, completed_at=self.stamp())

    def update(self, *chargers: str, version: str = "2.0.0") -> None:
        """Let chargers live through the whole update, reboot included."""
        for charger in chargers:
            name = self.plans[self.rollout_of[charger]]["firmware_url"]
            self.report(charger, "Downloading")
            self.served(charger, name)
            self.report(charger, "Downloaded", "Installing")
            self.close(charger)
            self.wait(1)
            _, vendor, model = self.versions[charger]
            dialect = self.dialect[charger]
            self.boot(
                charger,
                version=version,
                vendor=vendor,
                model=model,
                dialect=dialect,
                reason="FirmwareUpdate",
            )
            self.report(charger, "Installed")

    def served(self, client: str, url: str, **line: Any) -> None:
        """Let the firmware server finish a request."""
        path = "/" + url.split("/", 3)[3]
        row = {
            "time": self.now,
            "client": client,
            "path": path,
            "range": None,
            "status": 200,
            "sent": 1000,
            "total": 1000,
            "outcome": "complete",
            "fault": None,
        }
        self.event("firmware", "get", path, client, **(row | line))

    # ------------------------------------------------------------------ operator

    def invoke(self, name: str, rollout: str | None = None, **data: Any) -> str:
        """The operator sends a request; return the op id."""
        self._op += 1
        ref = f"op-{self._op}"
        row = {"method": "POST", "path": f"/{name}", "body": None, "rollout": rollout} | data
        self.event("operator", "invoke", name, ref, **row)
        return ref

    def ok(self, name: str, ref: str, body: Any, status: int = 200) -> None:
        """A request is answered 2xx."""
        self.event("operator", "ok", name, ref, status=status, body=body)

    def fail(self, name: str, ref: str, status: int, body: Any = None) -> None:
        """A request is refused."""
        self.event("operator", "fail", name, ref, status=status, body=body or {"status": status})

    def info(self, name: str, ref: str) -> None:
        """A request's outcome is unknown."""
        self.event("operator", "info", name, ref, error="timeout")

    def create(
        self,
        chargers: Iterable[str],
        strategy: str = "canary",
        *,
        stages: list[list[str]] | None = None,
        url: str | None = None,
        body: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """Create a rollout and return its id; `body` overrides fields of the answer."""
        ids = list(chargers)
        number = len(self.plans) + 1
        rollout = f"rollout_{number}"
        url = url or f"https://firmware.example/{rollout}/image.bin"
        request = {"charger_ids": ids, "firmware_url": url, "strategy": strategy} | fields
        ref = self.invoke("create", body=request)
        plan = _split(strategy, list(dict.fromkeys(ids)), fields) if stages is None else stages
        self.plans[rollout] = {
            "rollout_id": rollout,
            "strategy": strategy,
            "firmware_url": url,
            "total_chargers": sum(map(len, plan)),
            "status": "pending",
            "stages": [
                {
                    "stage": k,
                    "label": _label(strategy, k),
                    "charger_ids": members,
                    "status": "pending",
                }
                for k, members in enumerate(plan, start=1)
            ],
            "created_at": self.stamp(),
        }
        self.state[rollout] = {
            c: {"charge_point_id": c, "status": "pending"} for members in plan for c in members
        }
        self.current[rollout] = 0
        self.status[rollout] = "pending"
        self.ok("create", ref, self.plans[rollout] | (body or {}), 201)
        return rollout

    def stage(self, rollout: str, number: int) -> list[str]:
        """The chargers of one stage."""
        return list(self.plans[rollout]["stages"][number - 1]["charger_ids"])

    def execute(
        self,
        rollout: str,
        chargers: Iterable[str] | None = None,
        *,
        stage: int | None = None,
        listed: Iterable[str] | None = None,
        **body: Any,
    ) -> None:
        """Execute the next stage, or `stage`: the commands go out before the answer."""
        ref = self.invoke("execute_stage", rollout)
        stage = stage or self.current[rollout] + 1
        members = list(chargers if chargers is not None else self.stage(rollout, stage))
        self.trigger(rollout, *members)
        self.executed(rollout, ref, stage, list(listed) if listed is not None else members, **body)

    def executed(self, rollout: str, ref: str, stage: int, listed: list[str], **body: Any) -> None:
        """Answer an execute-stage."""
        self.current[rollout] = stage
        self.status[rollout] = body.get("status", "in_progress")
        reply = {
            "rollout_id": rollout,
            "executed_stage": stage,
            "status": "in_progress",
            "chargers_triggered": listed,
            "triggered_at": self.stamp(),
        }
        self.ok("execute_stage", ref, reply | body)

    def refuse(self, rollout: str, name: str = "execute_stage", status: int = 409) -> None:
        """An operation is refused."""
        self.fail(name, self.invoke(name, rollout), status)

    def pause(
        self, rollout: str, reason: str | None = None, said: str | None = None, **body: Any
    ) -> None:
        """Pause a rollout for a reason; the answer may say another."""
        ref = self.invoke("pause", rollout, body={"reason": reason} if reason else None)
        self.status[rollout] = "paused"
        reply = {
            "rollout_id": rollout,
            "status": "paused",
            "paused_at": self.stamp(),
            "reason": said or reason,
        }
        self.ok("pause", ref, reply | body)

    def show(self, rollout: str, charger: str, **row: Any) -> None:
        """Change what GET will show of a charger."""
        shown = self.state[rollout][charger]
        if "status" in row and len(shown) == 2:
            shown.update(progress_percent=0, started_at=None, completed_at=None)
        shown.update(row)

    def body(self, rollout: str, **fields: Any) -> dict[str, Any]:
        """What GET would show now."""
        plan = self.plans[rollout]
        return {
            "rollout_id": rollout,
            "strategy": plan["strategy"],
            "firmware_url": plan["firmware_url"],
            "status": self.status[rollout],
            "current_stage": self.current[rollout] or None,
            "stages": [
                {
                    "stage": stage["stage"],
                    "label": stage["label"],
                    "status": self._stage_status(rollout, stage),
                    "chargers": [dict(self.state[rollout][c]) for c in stage["charger_ids"]],
                }
                for stage in plan["stages"]
            ],
            "created_at": plan["created_at"],
            "updated_at": self.stamp(),
        } | fields

    def _stage_status(self, rollout: str, stage: dict[str, Any]) -> str:
        rows = [self.state[rollout][c]["status"] for c in stage["charger_ids"]]
        if stage["stage"] > self.current[rollout]:
            return "pending"
        if any(status not in {"installed", "failed"} for status in rows):
            return "in_progress"
        return "completed" if "installed" in rows else "failed"

    def read(self, rollout: str, **fields: Any) -> None:
        """Read a rollout; `fields` override what the answer says."""
        ref = self.invoke("read", rollout, method="GET")
        if "status" in fields:
            self.status[rollout] = fields["status"]
        self.ok("read", ref, self.body(rollout, **fields))

    def fleet(self, query: str = "", **fields: Any) -> None:
        """Read the fleet list; by default it says what the chargers last booted with."""
        ref = self.invoke("fleet", method="GET", path="/fleet/firmware" + query)
        groups: dict[tuple[str, str, str], list[str]] = {}
        for charger, key in sorted(self.versions.items()):
            groups.setdefault(key, []).append(charger)
        versions = [
            {
                "firmware_version": version,
                "charger_count": len(chargers),
                "vendor": vendor,
                "model": model,
                "release_date": None,
                "charger_ids": chargers,
            }
            for (version, vendor, model), chargers in sorted(groups.items())
        ]
        total = sum(v["charger_count"] for v in versions)  # type: ignore[misc]
        self.ok("fleet", ref, {"versions": versions, "total_chargers": total} | fields)

    def mark(self, name: str) -> None:
        """The runner passes a named moment."""
        self.event("harness", "mark", name)


def _split(strategy: str, ids: list[str], fields: dict[str, Any]) -> list[list[str]]:
    if strategy == "canary":
        first = fields.get("canary_count", 1)
        return [part for part in (ids[:first], ids[first:]) if part]
    if strategy == "all_at_once":
        return [ids]
    size = fields.get("batch_size", max(1, -(-len(ids) // 10)))
    return [ids[k : k + size] for k in range(0, len(ids), size)]


def _label(strategy: str, stage: int) -> str:
    if strategy == "canary":
        return "Canary" if stage == 1 else "Rollout"
    return "All" if strategy == "all_at_once" else f"Batch {stage}"


def booted(*chargers: str, dialect: str = "ocpp1.6", **header: Any) -> Tale:
    """Chargers that are there."""
    t = Tale(**header)
    t.boot(*chargers, dialect=dialect)
    return t


def good_canary() -> Tale:
    """A canary rollout as it should be: pause, fence, resume, all installed."""
    t = Tale()
    t.boot("A", "B", "C", "D")
    t.boot("E", dialect="ocpp2.0.1", vendor="Wallbe")
    rollout = t.create("ABCDE", canary_count=1)
    t.read(rollout)
    t.execute(rollout)
    t.read(rollout)
    t.update("A")
    t.read(rollout)
    ref = t.invoke("execute_stage", rollout)
    t.trigger(rollout, "B", "C")
    t.executed(rollout, ref, 2, ["B", "C"])
    t.pause(rollout, "checking")
    t.fence("B", "C", "D", "E")
    t.read(rollout)
    t.update("B")
    t.read(rollout)
    t.execute(rollout, "DE", stage=2)
    t.read(rollout)
    t.update("C", "D", "E")
    t.read(rollout, status="completed")
    t.fleet()
    t.mark("end")
    return t
