"""The reference CSMS inside our own process, for virtual time: its real cores, no sockets.

One of the two modules of the harness that may import `reference_csms`. Requests go through the same
parsing and the same service as over HTTP, chargers' frames through the same hub; only the sockets
and the clock are missing. `kill` drops everything that was not committed, as kill -9 does, and
`restart` loads the rest from the database.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from harness.about import master_data
from harness.errors import TargetError
from harness.world import Ok, Outcome, Refused, Request, Unknown
from reference_csms import api_models as models
from reference_csms.auth import StationPasswords
from reference_csms.errors import Problem
from reference_csms.model import NewCharger, Reply, Settings, Ticket
from reference_csms.ocpp_hub import Hub, Line
from reference_csms.service import Service
from reference_csms.store_late import LateStore
from simulator.credentials import basic
from simulator.virtual import Connection
from simulator.virtual import Refused as UpgradeRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reference_csms.store import Store
    from simulator.faults import ChargerSpec
    from simulator.virtual import Scheduler, Timer

    ServiceFactory = Callable[[Store, Settings, float], Service]

SUBPROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
_ROLLOUT = re.compile(r"/firmware/rollout/([^/]+)(/execute-stage|/pause)?")


class _Link:
    """Carries the hub's frames into a virtual connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.line: Line | None = None

    def write(self, text: str) -> bool:
        """Hand a frame over."""
        if self.connection.open:
            self.connection.send(text)
        return self.connection.open

    def hang_up(self, code: int, reason: str) -> None:
        """Close the connection."""
        del reason
        self.connection.close(code)


class InProcessCsms:
    """A virtual fleet's peer and an operator's API at once; its store survives `kill`."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        settings: Settings | None = None,
        service_factory: ServiceFactory = Service,
        hub_factory: Callable[..., Hub] = Hub,
    ) -> None:
        self.scheduler = scheduler
        self._settings = settings or Settings(instance="virtual")
        self._service_factory = service_factory
        self._hub_factory = hub_factory
        self._links: dict[Connection, _Link] = {}
        self._unanswered: list[Callable[[Outcome], None]] = []
        self._turn_timer: Timer | None = None
        self._turn_at = 0.0
        self.passwords: dict[str, str] = {}  # by charger
        self._doors = StationPasswords(b"virtual")
        self.store = LateStore()
        self.hub: Hub | None = None
        self._start_up()

    # ------------------------------------------------------------------ life

    def restart(self) -> None:
        """Start again on what the database holds."""
        self.store.restart()
        self._start_up()

    def _start_up(self) -> None:
        service = self._service_factory(self.store, self._settings, self.scheduler.now)
        self.hub = self._hub_factory(service, epoch=self.store.epoch)
        self._soon()

    def kill(self) -> None:
        """Stop without warning: what was not committed never was; every socket breaks."""
        self.hub = None
        for connection in list(self._links):
            connection.close(1006)
        self._links.clear()
        unanswered, self._unanswered = self._unanswered, []
        for done in unanswered:
            done(Unknown("the connection broke before an answer came"))

    def kill_at_commit(self, killed: Callable[[], None]) -> None:
        """Kill it as soon as it has written something down; nothing that follows from it leaves.

        `killed` is called right before.
        """
        assert self.hub is not None, "the CSMS is down"  # noqa: S101 - a programming error
        service = self.hub.service
        commit = service.commit

        def last_commit(now: float) -> list[Any]:
            written = bool(self.store.changes)
            if (released := commit(now)) and written:
                killed()
                self.kill()
                return []
            return released

        vars(service)["commit"] = last_commit

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def provision(self, chargers: Iterable[ChargerSpec]) -> None:
        """Register the fleet; raises TargetError if this CSMS refuses it.

        The first charger has a password: one is enough to see whether the door is guarded.
        """
        assert self.hub is not None, "the CSMS is down"  # noqa: S101 - a programming error
        new = [
            NewCharger(charger_id=spec.id, password_hash=self._guard(spec.id), **master_data(spec))
            for spec in chargers
        ]
        if not new:
            return
        try:
            self.hub.service.register(self.scheduler.now, new)
        except Problem as error:
            raise TargetError(f"the CSMS did not register the chargers: {error}") from error
        self._soon()

    def _guard(self, charger_id: str) -> str:
        """Give a password to the first charger that asks; return its hash, '' for all others."""
        if self.passwords:
            return ""
        self.passwords[charger_id] = password = f"of {charger_id}"
        return self._doors.hashed(charger_id, password)

    def publish(self, images: Iterable[dict[str, Any]]) -> None:
        """Put images into the catalogue."""
        assert self.hub is not None, "the CSMS is down"  # noqa: S101 - a programming error
        for image in images:
            self.hub.service.put_image(
                self.scheduler.now, models.parse_image(msgspec.json.encode(image))
            )
            self._soon()

    # ------------------------------------------------------------------ the fleet's peer

    def handshake(
        self, now: float, connection: Connection, offered: tuple[str, ...], password: str | None
    ) -> str | UpgradeRefused:
        """Take a connection of a registered charger; 404 for others, 503 while down."""
        if self.hub is None:
            return UpgradeRefused(503)
        charger_id = connection.charger_id
        charger = self.hub.service.known(charger_id)
        if charger is None:
            return UpgradeRefused(404)
        header = None if password is None else basic(charger_id, password)
        known = charger.password_hash
        if known and not self._doors.matches(charger_id, known, header):
            return UpgradeRefused(401)
        version = next((name for name in offered if name in SUBPROTOCOLS), None)
        if version is None:
            return UpgradeRefused(400)
        link = self._links[connection] = _Link(connection)
        link.line = self.hub.open(now, connection.charger_id, version, link)
        self._soon()
        return version

    def receive(self, now: float, connection: Connection, text: str) -> None:
        """Take one frame."""
        link = self._links.get(connection)
        if self.hub is not None and link is not None and link.line is not None:
            self.hub.receive(now, link.line, text)
            if not self.hub.service.idle:
                self._soon()

    def closed(self, now: float, connection: Connection, code: int) -> None:
        """Learn that a connection is gone."""
        del code
        link = self._links.pop(connection, None)
        if self.hub is not None and link is not None and link.line is not None:
            self.hub.close(now, link.line)
            self._soon()

    # ------------------------------------------------------------------ turns

    def _soon(self) -> None:
        self._plan(self.scheduler.now)

    def _plan(self, time: float) -> None:
        if self._turn_timer is not None:
            if self._turn_at <= time:
                return
            self._turn_timer.cancel()
        self._turn_at = max(time, self.scheduler.now)
        self._turn_timer = self.scheduler.at(self._turn_at, self._turn)

    def _turn(self, _: Any) -> None:
        self._turn_timer = None
        if self.hub is None:
            return
        self.hub.turn(self.scheduler.now)
        due = self.hub.next_turn() if self.hub is not None else None
        if due is not None:
            self._plan(due)

    # ------------------------------------------------------------------ the operator's API

    def request(self, request: Request, done: Callable[[Outcome], None]) -> None:
        """Answer one request of the published API; `done` hears the outcome, maybe at once."""
        if self.hub is None:
            done(Unknown("connection refused"))
            return
        if request.key != "right":
            done(Refused(401, {"title": "Unauthorized", "status": 401}))
            return
        try:
            ticket = self._start(self.hub.service, request)
        except Problem as problem:
            done(_refusal(problem))
            return
        self._unanswered.append(done)

        def answer(outcome: Reply | Exception) -> None:
            if done in self._unanswered:
                self._unanswered.remove(done)
                done(_outcome(outcome))

        ticket.then(answer)
        self._soon()

    def _start(self, service: Service, request: Request) -> Ticket:
        url = urlsplit(request.path)
        now = self.scheduler.now
        body = None if request.body is None else msgspec.json.encode(request.body)
        key = request.headers.get("Idempotency-Key")
        if (request.method, url.path) == ("GET", "/fleet/firmware"):
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            return service.fleet_firmware(now, query.get("site_id"), query.get("vendor"))
        if (request.method, url.path) == ("POST", "/firmware/rollout"):
            return service.create_rollout(now, models.parse_create(_data(body)), key)
        match = _ROLLOUT.fullmatch(url.path)
        if match is None:
            raise Problem(404, "Not found", "There is no such path.")
        rollout = unquote(match[1])
        match (request.method, match[2]):
            case ("GET", None):
                return service.read_rollout(now, rollout)
            case ("POST", "/execute-stage"):
                return service.execute_stage(now, rollout, key)
            case ("POST", "/pause"):
                return service.pause(now, rollout, models.parse_pause(_data(body)))
            case _:
                raise Problem(405, "Method not allowed", "Not with this method.")


def _data(body: bytes | None) -> bytes:
    return b"" if body is None else body


def _outcome(outcome: Reply | Exception) -> Outcome:
    if isinstance(outcome, Reply):
        return Ok(outcome.status, msgspec.json.decode(outcome.encoded()))
    if isinstance(outcome, Problem):
        return _refusal(outcome)
    return Unknown(f"{type(outcome).__name__}: {outcome}", 500)


def _refusal(problem: Problem) -> Outcome:
    body = msgspec.json.decode(msgspec.json.encode(problem.body()))
    if problem.status >= 500:  # noqa: PLR2004 - HTTP: its effect is unknown
        return Unknown(problem.title, problem.status, body)
    return Refused(problem.status, body)
