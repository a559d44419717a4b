"""A little world for charger tests: a scripted CSMS in virtual time, and all that was said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator import wire
from simulator.charger import Charger
from simulator.dialect import rfc3339
from simulator.faults import ChargerSpec, Fixed, Reconnect
from simulator.image import Image
from simulator.quirks import BROKEN
from simulator.signing import sign
from simulator.virtual import Connection, Refused, Scheduler, VirtualFleet
from simulator.virtual_downloads import ImageModel, Transfers

if TYPE_CHECKING:
    from simulator.effects import Action

START = 1_800_000_000.0
IMAGE = Image(version="2.0.0", size=100_000)
URL = "https://fw.example/r1/image.bin"


def spec(**fields: Any) -> ChargerSpec:
    """Return a plain charger, quick in everything."""
    plain: dict[str, Any] = {
        "id": "CP-1",
        "cohort": "lab",
        "ocpp": "ocpp1.6",
        "vendor": "ABB",
        "model": "Terra AC",
        "serial": "S1",
        "firmware_version": "1.0.0",
        "install_time": Fixed(value=20.0),
        "reboot_time": Fixed(value=10.0),
        "reconnect": Reconnect(first=1.0, most=8.0, jitter=0.0),
    }
    return ChargerSpec(**(plain | fields))


@cache
def signed_by_somebody() -> dict[str, str]:
    """Return certificate and signature of the lab's image: good where no root is asked for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    now = datetime.fromtimestamp(START, UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return {"signingCertificate": pem, "signature": sign(key, IMAGE.sha256)}


def model(image: Image) -> ImageModel:
    """Return an image as the modelled downloads know it."""
    return ImageModel(image.size, image.sha256, image.head, image.body_sha256)


class ScriptedCsms:
    """Accepts everything, says `{}` to everything else, and calls what a test tells it to call."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.boot_status = ["Accepted"]  # the last one stays
        self.refuse: list[int] = []
        self.mute: set[str] = set()  # actions that get no answer
        self.transaction_id: Any = 1
        self.interval = 60  # seconds between heartbeats
        self.calls = 0
        self.closings = 0  # connections whose end it heard of

    def handshake(
        self, now: float, connection: Connection, offered: tuple[str, ...], password: str | None
    ) -> str | Refused:
        """Accept the first subprotocol offered."""
        del now, password
        if self.refuse:
            return Refused(self.refuse.pop(0))
        self.connection = connection
        return offered[0]

    def receive(self, now: float, connection: Connection, text: str) -> None:
        """Answer a CALL."""
        if text == BROKEN:
            return
        frame = wire.decode(text)
        if not isinstance(frame, wire.Call) or frame.action in self.mute:
            return
        payload: dict[str, Any] = {}
        if frame.action == "BootNotification":
            status = self.boot_status.pop(0) if len(self.boot_status) > 1 else self.boot_status[0]
            payload = {"status": status, "currentTime": rfc3339(now)}
            payload["interval"] = self.interval
        elif frame.action == "StartTransaction":
            tag = {"status": "Accepted"}
            payload = {"transactionId": self.transaction_id, "idTagInfo": tag}
        elif frame.action == "Heartbeat":
            payload = {"currentTime": rfc3339(now)}
        connection.send(wire.encode(wire.CallResult(frame.message_id, payload)))

    def closed(self, now: float, connection: Connection, code: int) -> None:
        """Forget the connection."""
        del now, code
        self.closings += 1
        if self.connection is connection:
            self.connection = None


class Lab:
    """One charger, its CSMS, and the log of what a stranger saw."""

    def __init__(self, faults: list[Any] | None = None, **fields: Any) -> None:
        self.scheduler = Scheduler(START)
        self.csms = ScriptedCsms()
        self.log: list[tuple[float, str, Any]] = []
        self.served: list[dict[str, Any]] = []
        self.charger = Charger(spec(**fields), seed=1, start=START)
        transfers = Transfers(
            self.scheduler,
            images={"image.bin": model(IMAGE)},
            faults={"CP-1": faults or []},
            log=self.served.append,
        )
        self.fleet = VirtualFleet(
            self.scheduler, [self.charger], peer=self.csms, transfers=transfers, observe=self._see
        )
        self.actions: list[Action] = []
        self.broken = 0  # frames that were not JSON

    def _see(self, charger: str, kind: str, text: str | None, data: dict[str, Any]) -> None:
        del charger
        if text == BROKEN:
            self.broken += 1
            return
        what = wire.decode(text) if text is not None else data
        self.log.append((self.scheduler.now - START, kind, what))

    def run(self, seconds: float) -> Lab:
        """Let time pass."""
        self.scheduler.run(until=lambda: False, deadline=self.scheduler.now + seconds)
        return self

    def boot(self) -> Lab:
        """Power on and wait until accepted."""
        self.fleet.start()
        return self.run(5.0)

    def call(self, action: str, payload: dict[str, Any]) -> wire.Frame:
        """Have the CSMS call, and return the charger's answer."""
        assert self.csms.connection is not None
        self.csms.calls += 1
        message_id = f"csms-{self.csms.calls}"
        self.csms.connection.send(wire.encode(wire.Call(message_id, action, payload)))
        self.run(1.0)
        (answer,) = [
            frame
            for _, kind, frame in self.log
            if kind == "send"
            and isinstance(frame, wire.CallResult | wire.CallError)
            and frame.message_id == message_id
        ]
        return answer

    def update(self, **extra: Any) -> wire.Frame:
        """Request an update in the charger's own dialect."""
        retrieve = rfc3339(START + extra.pop("retrieve_in", 0.0))
        if self.charger.spec.ocpp == "ocpp1.6" and not self.charger.spec.signed:
            return self.call("UpdateFirmware", {"location": URL, "retrieveDate": retrieve} | extra)
        secure = signed_by_somebody() if self.charger.spec.signed else {}
        firmware = {"location": URL, "retrieveDateTime": retrieve} | secure
        firmware |= extra.pop("firmware", {})
        action = "SignedUpdateFirmware" if self.charger.spec.signed else "UpdateFirmware"
        request = {"requestId": extra.pop("request_id", 7), "firmware": firmware}
        return self.call(action, request | extra)

    def request_update(self, retrieve_in: float = 0.0) -> None:
        """Request an update as `csms-update`, without waiting for an answer."""
        assert self.csms.connection is not None
        retrieve = rfc3339(START + retrieve_in)
        payload: dict[str, Any] = {"location": URL, "retrieveDate": retrieve}
        if self.charger.spec.ocpp != "ocpp1.6":
            payload = {"requestId": 7, "firmware": {"location": URL, "retrieveDateTime": retrieve}}
        frame = wire.Call("csms-update", "UpdateFirmware", payload)
        self.csms.connection.send(wire.encode(frame))

    def answers(self, message_id: str) -> list[tuple[float, wire.CallResult | wire.CallError]]:
        """Return when and how one CALL of the CSMS was answered."""
        return [
            (time, frame)
            for time, kind, frame in self.log
            if kind == "send"
            and isinstance(frame, wire.CallResult | wire.CallError)
            and frame.message_id == message_id
        ]

    def closes(self) -> list[dict[str, Any]]:
        """Return what was observed of every connection that ended."""
        return [what for _, seen, what in self.log if seen == "close"]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """Return the charger's notes of one kind."""
        return [what for _, seen, what in self.log if seen == "note" and what["note"] == kind]

    def statuses(self) -> list[str]:
        """Return the firmware statuses reported so far."""
        return [
            frame.payload["status"]
            for _, kind, frame in self.log
            if kind == "send"
            and isinstance(frame, wire.Call)
            and frame.action.endswith("FirmwareStatusNotification")
        ]

    def calls(self, action: str) -> list[tuple[float, dict[str, Any]]]:
        """Return (seconds, payload) of the charger's CALLs of one action."""
        return [
            (time, frame.payload)
            for time, kind, frame in self.log
            if kind == "send" and isinstance(frame, wire.Call) and frame.action == action
        ]
