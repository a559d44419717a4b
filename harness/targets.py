"""The systems that a drill is run against, seen through the published REST API.

A shell. `RestApi` speaks to any base url; `start_reference` starts our CSMS as a process and
registers the chargers. The bearer key comes from the environment and appears in no log, URL,
argument or report.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from harness import processes
from harness.about import master_data
from harness.diagnosis import diagnose
from harness.errors import TargetError
from harness.fieldlog.frames import finite, refuse
from harness.mapping import Names
from harness.world import Ok, Outcome, Refused, Request, Unknown
from simulator.certificates import KeyPair, client_context
from simulator.wire import deep

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.processes import Child, Lost
    from harness.target_sections import Provision
    from simulator.faults import ChargerSpec

KEY_VARIABLE = "FIRMDRILL_API_KEY"
ANSWER_WITHIN = 30.0  # seconds; a slower answer is an unknown outcome
_LARGEST_BODY = 64 << 20
_WRONG_KEY = "firmdrill-probe-with-a-wrong-key"
_REGISTER_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Address:
    """Where a target is: REST base url, OCPP url template with `{id}`, and what to report."""

    api: str
    ocpp: str
    key: str = field(repr=False)
    ext: str | None = None
    provision: Provision | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Names = field(default_factory=Names)
    ca: Path | None = None  # trusted for the API and OCPP, instead of the system's roots
    certificates: Path | None = None  # folder of what chargers show: <id>.pem and <id>.key

    def trust(self) -> ssl.SSLContext | None:
        """Return the TLS context for its certificates; None: the system's roots."""
        return None if self.ca is None else client_context(self.ca)

    def shown(self, charger_id: str) -> KeyPair | None:
        """Return the certificate with which a charger proves who it is (security profile 3)."""
        if self.certificates is None:
            return None
        name = quote(charger_id, safe="")
        pair = KeyPair(self.certificates / f"{name}.pem", self.certificates / f"{name}.key")
        return pair if pair.certificate.is_file() and pair.key.is_file() else None

    def charger_trust(self, charger_id: str) -> ssl.SSLContext:
        """Return the TLS context of one charger: whom it trusts, and what it shows."""
        return client_context(self.ca, pair=self.shown(charger_id))

    def charger_url(self, charger_id: str) -> str:
        """Return the WebSocket url of one charger."""
        quoted = quote(charger_id, safe="")
        if "{id}" in self.ocpp:
            return self.ocpp.replace("{id}", quoted)
        return f"{self.ocpp.rstrip('/')}/{quoted}"

    def describe(self) -> dict[str, Any]:
        """Return what a history and a report may say about it."""
        return {"api": self.api, "ocpp": self.ocpp, **self.about}


class RestApi:
    """The published REST API at one base url; `open` before the first request, `close` last."""

    def __init__(self, address: Address, *, within: float = ANSWER_WITHIN) -> None:
        self.address = address
        self._within = within
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session (it belongs to the running loop)."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._within),
            connector=aiohttp.TCPConnector(limit=0, ssl=self.address.trust() or True),
        )

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def request(self, request: Request, *, base: str | None = None) -> Outcome:
        """Send one request; never raises for what the system does."""
        assert self._session is not None, "open() first"  # noqa: S101 - a programming error
        names = self.address.names
        request = names.outgoing(request)
        url = (base or self.address.api).rstrip("/") + request.path
        try:
            async with self._session.request(
                request.method,
                url,
                json=request.body,
                headers={**self._authorization(request.key), **request.headers},
                allow_redirects=False,  # a redirect would carry the key elsewhere
            ) as answer:
                return names.incoming(_outcome(answer.status, await _whole(answer.content)))
        except TimeoutError:
            return Unknown(f"no answer within {self._within:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: an odd redirect
            return Unknown(f"{type(error).__name__}: {error}"[:300])

    def _authorization(self, key: str) -> dict[str, str]:
        if key == "missing":
            return {}
        value = self.address.key if key == "right" else _WRONG_KEY
        return {"Authorization": f"Bearer {value}"}

    async def check(self) -> None:
        """Raise TargetError with a diagnosis unless the fleet list can be read."""
        request = Request("fleet", "GET", "/fleet/firmware")
        outcome = await self.request(request)
        if isinstance(outcome, Ok):
            return
        url = self.address.api.rstrip("/") + self.address.names.outgoing(request).path
        if isinstance(outcome, Refused) or outcome.status is not None:
            detail = f"GET {url} answered {outcome.status}"
            hint = (
                f"Set {KEY_VARIABLE} to a valid key."
                if outcome.status in {401, 403}
                else "Is this the base url of the firmware management API?"
            )
            raise TargetError(f"the CSMS cannot be used: {detail}. {hint}")
        found = await diagnose(
            url, authorization=f"Bearer {self.address.key}", tls=self.address.trust()
        )
        raise TargetError(
            f"the CSMS cannot be reached: {found.sentence(url)}"
            if found.step != "ok"
            else f"the CSMS answered GET {url} with nothing usable: {outcome.error}"
        )


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Return a whole body, cut at the largest; one `read` returns only what has arrived."""
    raw = bytearray()
    while len(raw) < _LARGEST_BODY and (piece := await content.read(_LARGEST_BODY - len(raw))):
        raw += piece
    return bytes(raw)


def _outcome(status: int, raw: bytes) -> Outcome:
    """Classify an answer: 2xx happened, 4xx did not, everything else is unknown."""
    body = _body(raw)
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes
        return Ok(status, body)
    # 408 and 425 say nothing about the effect; 429 promises that there was none.
    if 400 <= status < 500 and status not in {408, 425}:  # noqa: PLR2004
        return Refused(status, body)
    return Unknown(f"HTTP {status}", status, body)


def _body(raw: bytes) -> Any:
    """Return the JSON of a body, or its text where it is none (cut: it is only evidence)."""
    if not raw:
        return None
    text = raw.decode("utf-8", "replace")
    try:
        found = json.loads(raw, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError):  # nested a thousand deep
        return text[:2000]
    return text[:2000] if deep(text, found) else found


# ---------------------------------------------------------------------- our own CSMS


@dataclass(slots=True)
class Reference:
    """Our CSMS as a running process."""

    child: Child
    address: Address

    async def stop(self) -> None:
        """End the process."""
        await self.child.stop()


async def start_reference(
    folder: Path,
    *,
    options: Sequence[str] = (),
    mutant: str | None = None,
    log: Path | None = None,
    key: str | None = None,
    lost: Lost | None = None,
) -> Reference:
    """Start the reference CSMS on free loopback ports with its database in `folder`.

    With `mutant` it takes the one wrong decision of that name (harness.mutants.csms).
    """
    key = key or secrets.token_urlsafe(24)
    module, prefix = "reference_csms", []
    if mutant is not None:
        module, prefix = "harness.mutants.csms", [mutant, "--"]
    child = await processes.start(
        "the reference CSMS",
        module,
        [*prefix, "--database", os.fspath(folder / "csms.sqlite"), *options],
        environment={KEY_VARIABLE: key},
        log=log,
        lost=lost,
    )
    ready = child.ready
    about = {"name": "reference CSMS", **({"mutant": mutant} if mutant else {})}
    address = Address(
        api=str(ready.get("api")),
        ocpp=str(ready.get("ocpp")),
        key=key,
        ext=str(ready.get("ext")),
        about=about,
    )
    return Reference(child, address)


async def provision(api: RestApi, chargers: Iterable[ChargerSpec]) -> None:
    """Register chargers with a CSMS that has our extension; raises TargetError if it refuses."""
    base = api.address.ext
    if api.address.provision is not None:
        await _make_known(api, api.address.provision, chargers)
    if base is None:
        return
    passwords = api.address.passwords
    rows = [_row(spec, passwords.get(spec.id)) for spec in chargers]
    for start in range(0, len(rows), _REGISTER_AT_ONCE):
        body = {"chargers": rows[start : start + _REGISTER_AT_ONCE]}
        request = Request("other", "POST", "/chargers", body)
        outcome = await api.request(request, base=base)
        if not isinstance(outcome, Ok):
            raise TargetError(f"the CSMS did not register the chargers: {_why(outcome)}")


async def _make_known(api: RestApi, provision: Provision, chargers: Iterable[ChargerSpec]) -> None:
    """Send the target's own request for every charger."""
    for spec in chargers:
        facts = {"id": spec.id, **master_data(spec)}
        url = provision.url.replace("{id}", quote(spec.id, safe=""))
        request = Request("other", provision.method, "", _filled(provision.body, facts))
        outcome = await api.request(request, base=url)
        if not isinstance(outcome, Ok) and outcome.status not in provision.known:
            raise TargetError(f"{provision.method} {url} did not take {spec.id}: {_why(outcome)}")


def _filled(value: Any, facts: Mapping[str, str]) -> Any:
    """Return a body with {id} and its like filled in, wherever they stand."""
    if isinstance(value, str):
        for name, fact in facts.items():
            value = value.replace("{" + name + "}", fact)
        return value
    if isinstance(value, dict):
        return {key: _filled(item, facts) for key, item in value.items()}
    return [_filled(item, facts) for item in value] if isinstance(value, list) else value


async def publish(api: RestApi, images: Iterable[dict[str, Any]]) -> None:
    """Put images into the catalogue of a CSMS that has our extension; raises TargetError."""
    base = api.address.ext
    for image in images if base is not None else ():
        outcome = await api.request(Request("other", "POST", "/images", image), base=base)
        if not isinstance(outcome, Ok):
            raise TargetError(f"the CSMS did not take the image: {_why(outcome)}")


def _row(spec: ChargerSpec, password: str | None) -> dict[str, str]:
    """Return one charger as the extension wants it: what is unknown is left out."""
    fields = {"charge_point_id": spec.id, **master_data(spec), "password": password}
    if spec.site_id is None:
        del fields["site_id"]
    return {name: value for name, value in fields.items() if value is not None}


def _why(outcome: Outcome) -> str:
    if isinstance(outcome, Unknown):
        return outcome.error
    return f"{outcome.status} {json.dumps(outcome.body)[:500]}"


async def answers(address: Address, within: float) -> None:
    """Wait until a target answers again after a start; TargetError if it does not."""
    api = RestApi(address, within=5.0)
    await api.open()
    deadline = time.monotonic() + within
    try:
        while True:
            try:
                return await api.check()
            except TargetError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)
    finally:
        await api.close()
