"""Whether a CSMS that a target file describes can be used, step by step. A shell.

Each step says what was tried, with its whole url, and a failing one what to do about it. Nothing
that a sound CSMS would carry out is sent, but for the target's own request that makes one charger
known and that charger's BootNotification.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from harness.diagnosis import diagnose
from harness.errors import TargetError
from harness.mapping import PATHS
from harness.targets import RestApi, provision
from harness.world import Ok, Request
from simulator.credentials import basic
from simulator.dialect import dialect_of
from simulator.faults import ChargerSpec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from harness.diagnosis import Diagnosis
    from harness.target_file import Target
    from harness.targets import Address
    from harness.world import Outcome

NOBODY = "firmdrill-no-such-rollout"
BOOT_WITHIN = 30.0  # seconds for the answer to a BootNotification
LAYERS = ("dns", "tcp", "tls", "http")
_UNAUTHORIZED, _MISSING, _ABSENT = 401, 404, {404, 405, 501}
_HINTS = {
    401: "Set {key} to a valid key.",
    403: "The key that {key} holds may not do this.",
    404: "Is `api:` the base url of the firmware management API, and `names: paths:` right?",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried; `works` is None where nothing could be concluded.

    `vital` says that no drill can run without it.
    """

    works: bool | None
    text: str
    vital: bool = True


async def probe(target: Target) -> AsyncIterator[Step]:
    """Yield one step after the other; ends early where nothing further makes sense."""
    fleet = [_charger(version) for version in target.subprotocols]
    if target.chargers.ids:
        fleet = fleet[: len(target.chargers.ids)] or fleet[:1]
    chargers = target.rename(fleet)
    address = target.address(chargers)
    api = RestApi(address)
    await api.open()
    try:
        works = True
        async for step in _api(api, target.key_env):
            works = works and (step.works is not False or not step.vital)
            yield step
        if works:
            async for step in _made_known(api, chargers):
                yield step
    finally:
        await api.close()
    for version in target.subprotocols:
        named = next((one for one in chargers if one.ocpp == version), chargers[0])
        async for step in _ocpp(address, named.model_copy(update={"ocpp": version})):
            yield step


def _charger(version: str) -> ChargerSpec:
    name = f"firmdrill-probe-{version.replace('.', '')}"
    return ChargerSpec(
        id=name, cohort="probe", ocpp=version, vendor="firmdrill", model="probe", serial=name,
        firmware_version="0.0.0",
    )  # fmt: skip


def _layers(found: Diagnosis, url: str) -> list[Step]:
    """Return one step for each layer below what failed, and the failure."""
    names = [name for name in LAYERS if name != "tls" or url.startswith(("https", "wss"))]
    reached = names.index(found.step) if found.step in names else len(names) - 1
    steps = [Step(works=True, text=f"{name.upper():<5} {url}") for name in names[:reached]]
    if found.step != "ok":
        steps.append(Step(works=False, text=found.sentence(url)))
    return steps


# ---------------------------------------------------------------------- the API


async def _api(api: RestApi, key: str) -> AsyncIterator[Step]:
    """DNS, TCP, TLS; the key, and that others open nothing; every operation."""
    url = api.address.api + api.address.names.outgoing(_request("fleet")).path
    found = await diagnose(url, authorization=f"Bearer {api.address.key}", tls=api.address.trust())
    lower = _layers(found, url)
    for step in lower:
        if step.works or found.step in LAYERS[:3]:
            yield step
    if found.step in LAYERS[:3]:
        return
    answer = await api.request(_request("fleet"))
    hint = "" if isinstance(answer, Ok) else _hint(answer, found, key)
    yield Step(isinstance(answer, Ok), f"GET {url} with the key: {_seen(answer)}. {hint}".strip())
    for wrong in ("missing", "wrong"):
        outcome = await api.request(_request("fleet", key=wrong))
        text = f"GET {url} with the key {wrong}: {_seen(outcome)}"
        refused = outcome.status == _UNAUTHORIZED
        yield Step(refused, text if refused else f"{text}; 401 is expected", vital=False)
    if isinstance(answer, Ok):
        for operation in ("create", "read", "execute_stage", "pause"):
            yield await _operation(api, operation)


def _hint(answer: Outcome, found: Diagnosis, key: str) -> str:
    """Return what to do about an answer that is not the fleet list."""
    if answer.status is None:
        return found.hint or "Look into its log."
    if answer.status >= 500:  # noqa: PLR2004 - HTTP's classes
        return "It failed inside: look into its log."
    return _HINTS.get(answer.status, _HINTS[_MISSING]).format(key=key)


def _request(operation: str, *, key: str = "right") -> Request:
    """Return a request of one operation that a sound CSMS refuses, or that reads the fleet."""
    method = "GET" if operation in {"read", "fleet"} else "POST"
    body: dict[str, Any] | None = {"charger_ids": []} if operation == "create" else None
    path = PATHS[operation].replace("{rollout_id}", NOBODY)
    return Request("other", method, path, body, key=key)


async def _operation(api: RestApi, operation: str) -> Step:
    """Ask an operation for what does not exist, and compare with a path that does not."""
    request = _request(operation)
    url = api.address.api + api.address.names.outgoing(request).path
    outcome = await api.request(request)
    text = f"{request.method} {url}: {_seen(outcome)}"
    if outcome.status is None or isinstance(outcome, Ok) or outcome.status >= 500:  # noqa: PLR2004
        return Step(works=False, text=f"{text}; a refusal (4xx) is expected", vital=False)
    if outcome.status not in _ABSENT:
        return Step(works=True, text=f"{text}, so it exists")
    nowhere = Request("other", request.method, "/firmdrill-no-such-path", request.body)
    absent = await api.request(nowhere)
    same = (absent.status, _kind(absent)) == (outcome.status, _kind(outcome))
    if same or outcome.status != _MISSING or operation == "create":
        if operation == "create":
            return Step(works=False, text=f"{text}. {_HINTS[_MISSING]}")
        hint = "like any unknown path, so only a drill shows whether it exists"
        return Step(works=None, text=f"{text}, {hint}", vital=False)
    return Step(works=True, text=f"{text}: no such rollout, as it should be")


def _kind(outcome: Outcome) -> Any:
    """Return what tells two answers apart, without what they repeat of the request."""
    body: Any = outcome.body
    return [*sorted(body), body.get("title")] if isinstance(body, dict) else str(body)[:20]


def _seen(outcome: Outcome) -> str:
    return str(outcome.status) if outcome.status is not None else outcome.error


async def _made_known(api: RestApi, chargers: list[ChargerSpec]) -> AsyncIterator[Step]:
    """Send the target's own request, where it has one, so that chargers may connect."""
    address = api.address
    if address.provision is None and address.ext is None:
        return
    url = address.provision.url if address.provision is not None else f"{address.ext}/chargers"
    names = ", ".join(one.id for one in chargers)
    try:
        await provision(api, chargers)
    except TargetError as error:
        yield Step(works=False, text=f"{url}: {error}. Check `chargers: provision:`.")
    else:
        yield Step(works=True, text=f"{url}: {names} made known")


# ---------------------------------------------------------------------- OCPP


async def _ocpp(address: Address, spec: ChargerSpec) -> AsyncIterator[Step]:
    """DNS, TCP, TLS, the subprotocol, and a boot."""
    url, version = address.charger_url(spec.id), dialect_of(spec).subprotocol
    password = address.passwords.get(spec.id)
    headers = {} if password is None else {"Authorization": basic(spec.id, password)}
    trust = address.charger_trust(spec.id)
    found = await diagnose(
        url, subprotocols=(version,), authorization=headers.get("Authorization"), tls=trust
    )
    for step in _layers(found, url):
        yield Step(step.works, f"{version}: {step.text}")
    if found.step == "ok":
        yield Step(works=True, text=f"{version}: {url} speaks it")
        try:
            status = await _boot(url, spec, headers, trust)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            told = str(error) or f"no answer within {BOOT_WITHIN:.0f} s"
            hint = "Look into the log of the CSMS: what did it make of the BootNotification?"
            text = f"{version}: {url}: BootNotification: {told}. {hint}"
            yield Step(works=False, text=text)
            return
        hint = "" if status == "Accepted" else "; drills need Accepted: register the charger"
        yield Step(status == "Accepted", f"{version}: {url}: BootNotification: {status}{hint}")


async def _boot(url: str, spec: ChargerSpec, headers: dict[str, str], trust: Any) -> str:
    """Connect, send a BootNotification and return the status of its answer."""
    dialect, number = dialect_of(spec), "firmdrill-probe"
    payload = dialect.boot(spec, spec.firmware_version, "PowerUp")
    timeout = aiohttp.ClientTimeout(total=BOOT_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.ws_connect(
            url, protocols=(dialect.subprotocol,), headers=headers, ssl=trust
        ) as socket,
    ):
        await socket.send_str(json.dumps([2, number, "BootNotification", payload]))
        while True:
            message = await socket.receive(BOOT_WITHIN)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ValueError("the connection was closed instead of an answer")
            frame = json.loads(message.data)
            if frame[1:2] == [number]:
                return _status(frame)


def _status(frame: list[Any]) -> str:
    """Return the status of the answer, or what came instead of one."""
    if frame[0] == 3 and isinstance(frame[2], dict):  # noqa: PLR2004 - CALLRESULT
        return str(frame[2].get("status"))[:40]
    return f"refused: {' '.join(map(str, frame[2:4]))}"[:200]
