"""The REST API on aiohttp: routes, and what every answer has in common. A shell.

`api_routes.ROUTES` tells the API. A handler turns a request into one operation of `Service`; the
middleware lets in only who has a key and turns every refusal, ours and aiohttp's, into
`application/problem+json` (D28). Request bodies are read by `api_models`, without HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from reference_csms import api_models as models
from reference_csms import openapi, problems
from reference_csms.api_events import Events, Metrics
from reference_csms.api_routes import OPEN_PATHS, ROUTES
from reference_csms.auth import Failures
from reference_csms.errors import CsmsError, Problem
from reference_csms.model import RolloutStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reference_csms.auth import ApiKeys, StationPasswords
    from reference_csms.model import Reply, Ticket
    from reference_csms.ocpp_facts import Outcome
    from reference_csms.turns import Turns

LARGEST_BODY = 16 * 1024 * 1024  # bytes: a list of 100 000 chargers
_FAILURES = 100  # wrong keys a minute from one address before 401 becomes 429
_LONGEST_KEY = 200
_STATUS_TITLES = {404: "Not found", 405: "Method not allowed", 413: "Body too large"}
# The raw call must not go round the rollouts: they could not account for it (R13, R17).
_RESERVED = frozenset({"UpdateFirmware", "SignedUpdateFirmware"})

_log = logging.getLogger(__package__)


class Api:
    """The routes over one service."""

    def __init__(self, turns: Turns, keys: ApiKeys, passwords: StationPasswords) -> None:
        self._turns = turns
        self._hub = turns.hub
        self._service = turns.hub.service
        self._keys = keys
        self._passwords = passwords
        self._failures = Failures(_FAILURES)
        self._events = Events(turns)
        self._metrics = Metrics(turns)

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(middlewares=[self._answer], client_max_size=LARGEST_BODY)
        for route in ROUTES:
            handler = getattr(self, f"_{route.operation}")
            app.router.add_route(route.method, route.path, handler)

        async def _end(app: web.Application) -> None:
            del app
            self._events.close()

        app.on_shutdown.append(_end)
        return app

    # -------------------------------------------------- what every answer has in common

    @web.middleware
    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Check the key, call the handler, and turn what it raises into a problem."""
        try:
            self._authorize(request)
            return await handler(request)
        except Problem as problem:
            return _problem(problem)
        except web.HTTPException as error:
            if error.status < 400:  # noqa: PLR2004 - not a refusal
                raise
            return _translated(error)
        except (ConnectionResetError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the operator gets an answer
            # A defect of ours: the operator gets no details, the log gets all.
            _log.exception("%s %s failed", request.method, request.rel_url.raw_path)
            return _problem(Problem(500, "Internal error", "This is a defect of the CSMS."))

    def _authorize(self, request: web.Request) -> None:
        if request.path in OPEN_PATHS:
            return
        headers, now = request.headers.getall("Authorization", []), self._turns.now()
        try:
            header = headers[0] if len(headers) == 1 else None
            self._keys.check(header, now, writes=request.method not in {"GET", "HEAD", "OPTIONS"})
        except Problem as problem:
            if problem.status == 401:  # noqa: PLR2004 - HTTP
                self._slow_down(request.remote or "", now)
            raise

    def _slow_down(self, address: str, now: float) -> None:
        """Refuse for a while to say 401 to an address that keeps guessing."""
        wait = self._failures.wait(address, now)
        if wait:
            detail = f"Too many requests without a valid key. Wait {wait} s."
            raise Problem(429, "Too many failures", detail, retry_after=wait)
        self._failures.note(address, now)

    async def _do(self, start: Callable[[float], Ticket]) -> web.Response:
        return _reply(await self._turns.outcome(start))

    # -------------------------------------------------- the published endpoints

    async def _list_firmware(self, request: web.Request) -> web.Response:
        site, vendor = request.query.get("site_id"), request.query.get("vendor")
        return await self._do(lambda now: self._service.fleet_firmware(now, site, vendor))

    async def _create_rollout(self, request: web.Request) -> web.Response:
        body, key = models.parse_create(await _json(request)), _idempotency(request)
        return await self._do(lambda now: self._service.create_rollout(now, body, key))

    async def _get_rollout(self, request: web.Request) -> web.Response:
        rollout = request.match_info["rollout_id"]
        return await self._do(lambda now: self._service.read_rollout(now, rollout))

    async def _execute_stage(self, request: web.Request) -> web.Response:
        rollout, key = request.match_info["rollout_id"], _idempotency(request)
        models.parse_nothing(await _json(request, required=False))
        return await self._do(lambda now: self._service.execute_stage(now, rollout, key))

    async def _pause_rollout(self, request: web.Request) -> web.Response:
        rollout = request.match_info["rollout_id"]
        reason = models.parse_pause(await _json(request, required=False))
        return await self._do(lambda now: self._service.pause(now, rollout, reason))

    # -------------------------------------------------- extensions: chargers

    async def _register_chargers(self, request: web.Request) -> web.Response:
        bodies = models.parse_chargers(await _json(request))
        new = [models.new_charger(one, self._hashed(one)) for one in bodies]
        return await self._do(lambda now: self._service.register(now, new))

    def _hashed(self, body: models.ChargerBody) -> str:
        if body.password is None:
            return ""
        low, high = self._passwords.shortest, self._passwords.longest
        if not low <= len(body.password) <= high:
            problem = f"must have {low} to {high} characters"
            raise problems.invalid([{"field": "password", "problem": problem}])
        return self._passwords.hashed(body.charge_point_id, body.password)

    async def _list_chargers(self, request: web.Request) -> web.Response:
        site, vendor = request.query.get("site_id"), request.query.get("vendor")
        return await self._do(lambda now: self._service.list_chargers(now, site, vendor))

    async def _remove_charger(self, request: web.Request) -> web.Response:
        charger = request.match_info["charger_id"]
        return await self._do(lambda now: self._service.remove_charger(now, charger))

    async def _report_progress(self, request: web.Request) -> web.Response:
        charger = request.match_info["charger_id"]
        body = models.parse(models.ProgressBody, await _json(request))
        return await self._do(lambda now: self._service.progress(now, charger, body.percent))

    async def _call_charger(self, request: web.Request) -> web.Response:
        """Send one OCPP call and wait for what becomes of it (D29)."""
        charger = request.match_info["charger_id"]
        body = models.parse_call(await _json(request))
        self._check_call(charger, body)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if not future.done():  # the operator may have left
                future.set_result(outcome)

        sent = self._hub.call(self._turns.now(), charger, body.action, body.payload, settle)
        self._turns.soon()
        if not sent:
            detail = "The charger is offline or has another call to answer. Try again."
            raise Problem(409, "Charger not free", detail)
        outcome = await future
        answer = _called(outcome)
        self._service.record_call(self._turns.now(), charger, body.action, answer)
        self._turns.soon()
        return web.json_response(answer, dumps=_dumps)

    def _check_call(self, charger: str, body: models.CallBody) -> None:
        if self._service.known(charger) is None:
            raise problems.unknown_charger(charger)
        if body.action in _RESERVED:
            problem = "is sent by rollouts only; create one"
            raise problems.invalid([{"field": "action", "problem": problem}])
        session = self._hub.session(charger)
        refusal = None if session is None else session.refusal(body.action, body.payload)
        if refusal is not None:
            raise problems.invalid([{"field": "payload", "problem": refusal}])

    # -------------------------------------------------- extensions: images, rollouts, audit

    async def _put_image(self, request: web.Request) -> web.Response:
        image = models.parse_image(await _json(request))
        return await self._do(lambda now: self._service.put_image(now, image))

    async def _list_images(self, request: web.Request) -> web.Response:
        del request
        return await self._do(self._service.list_images)

    async def _list_rollouts(self, request: web.Request) -> web.Response:
        status = request.query.get("status")
        if status is not None and status not in set(RolloutStatus):
            problem = f"must be one of {', '.join(RolloutStatus)}"
            raise problems.invalid([{"field": "status", "problem": problem}])
        return await self._do(lambda now: self._service.list_rollouts(now, status))

    async def _cancel_rollout(self, request: web.Request) -> web.Response:
        rollout = request.match_info["rollout_id"]
        reason = models.parse_pause(await _json(request, required=False))
        return await self._do(lambda now: self._service.cancel(now, rollout, reason))

    async def _retry_rollout(self, request: web.Request) -> web.Response:
        rollout = request.match_info["rollout_id"]
        models.parse_nothing(await _json(request, required=False))
        return await self._do(lambda now: self._service.retry(now, rollout))

    async def _read_audit(self, request: web.Request) -> web.Response:
        rollout = request.query.get("rollout_id")
        after, limit = _number(request, "after", 0, 2**53), _number(request, "limit", 1000, 10_000)
        return await self._do(
            lambda now: self._service.audit(now, rollout, after=after, limit=limit)
        )

    async def _stream_events(self, request: web.Request) -> web.StreamResponse:
        return await self._events.stream(request)

    # -------------------------------------------------- the process

    async def _get_health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok", "connected_chargers": len(self._hub)})

    async def _get_metrics(self, request: web.Request) -> web.Response:
        del request
        return web.Response(body=self._metrics.page(), content_type="text/plain", charset="utf-8")

    async def _get_document(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=openapi.text(), content_type="application/json")


# ------------------------------------------------------------------ requests


async def _json(request: web.Request, *, required: bool = True) -> bytes:
    """Return the body; 415 if it is not declared as JSON, 413 if it is too large."""
    if (request.content_length or 0) > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(
            LARGEST_BODY, request.content_length or 0
        )  # before a byte of it is read
    body = await request.read()
    if not body and not required:
        return body
    kind = request.content_type
    if kind != "application/json" and not kind.endswith("+json"):
        detail = (
            f"The body is declared as {kind!r}. Send the header Content-Type: application/json."
        )
        raise Problem(415, "Unsupported media type", detail)
    return body


def _idempotency(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isprintable()):
        problem = f"must have 1 to {_LONGEST_KEY} printable characters"
        raise problems.invalid([{"field": "Idempotency-Key", "problem": problem}])
    return key


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):  # noqa: PLR2004 - int() of endless digits is slow
        raise problems.invalid([{"field": name, "problem": f"must be a number from 0 to {most}"}])
    return int(text)


# ------------------------------------------------------------------ answers


def _reply(reply: Reply) -> web.Response:
    return web.Response(
        body=reply.encoded(),
        status=reply.status,
        headers=reply.headers,
        content_type="application/json",
    )


def _problem(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    headers = dict(headers or {})
    if problem.status == 401:  # noqa: PLR2004 - HTTP
        headers["WWW-Authenticate"] = 'Bearer realm="csms"'
    if problem.status in {429, 503}:
        headers["Retry-After"] = str(problem.members.get("retry_after", 1))
    return web.Response(
        body=msgspec.json.encode(problem.body()),
        status=problem.status,
        headers=headers,
        content_type="application/problem+json",
    )


def _translated(error: web.HTTPException) -> web.Response:
    """Turn aiohttp's own refusals into problems."""
    title = _STATUS_TITLES.get(error.status, error.reason)
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    detail = {
        404: "No such resource. The routes are listed at /openapi.json.",
        405: f"This resource allows {kept.get('Allow', 'other methods')}.",
        413: f"A body may have at most {LARGEST_BODY} bytes.",
    }.get(error.status, error.reason)
    return _problem(Problem(error.status, title, detail), kept)


def _called(outcome: Outcome) -> dict[str, Any]:
    if outcome.error is not None:
        error = {"code": outcome.error.code, "description": outcome.error.description}
        return {"outcome": "error", "error": error}
    if outcome.missing is not None:
        return {"outcome": outcome.missing}
    return {"outcome": "result", "result": outcome.result}


def _dumps(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, ValueError) as error:
        raise CsmsError("the answer cannot be written as JSON") from error
