"""Says why a connect failed: DNS, TCP, TLS, HTTP status, key or subprotocol; with a hint.

A shell. It repeats the failed connect step by step, so the answer names the first step that fails
and not what a library made of it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECT_WITHIN = 10.0
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Where a connect fails: `step` is dns, tcp, tls, http, auth, subprotocol or ok."""

    step: str
    detail: str
    hint: str

    def sentence(self, url: str) -> str:
        """Return one line for the user."""
        if self.step == "ok":
            return f"{url}: now it answers ({self.detail})"
        return f"{url}: {self.step.upper()} failed: {self.detail}. {self.hint}"


async def diagnose(
    url: str,
    *,
    subprotocols: tuple[str, ...] = (),
    authorization: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Diagnosis:
    """Connect step by step; with `subprotocols` as a WebSocket, else as plain HTTP."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        return Diagnosis("dns", str(error), "Check the port in the URL.")
    if parts.scheme not in _PORTS or not host:
        return Diagnosis(
            "dns", "this is no http(s) or ws(s) URL", "Write it as ws://host:port/path."
        )
    try:
        await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        reason = error.strerror or str(error)
        return Diagnosis("dns", f"{host}: {reason}", "Check the host name in the URL.")
    return await _connect(url, host, port, subprotocols, authorization, tls)


async def _connect(  # noqa: PLR0917 - the parts of one question
    url: str,
    host: str,
    port: int,
    subprotocols: tuple[str, ...],
    authorization: str | None,
    tls: ssl.SSLContext | None,
) -> Diagnosis:
    secure = urlsplit(url).scheme in {"https", "wss"}
    context = (tls or ssl.create_default_context()) if secure else None
    try:
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(host, port, ssl=context), CONNECT_WITHIN
        )
    except ssl.SSLError as error:
        hint = "Is it a TLS port, and is its certificate from an authority that we trust (`ca:`)?"
        return Diagnosis("tls", error.reason or str(error), hint)
    except TimeoutError:
        return Diagnosis("tcp", f"no answer from {host}:{port}", "Is a firewall in between?")
    except OSError as error:
        detail = f"{host}:{port}: {error.strerror or error}"
        return Diagnosis("tcp", detail, "Is it running, and on this port?")
    try:
        writer.write(_upgrade(url, host, port, subprotocols, authorization))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CONNECT_WITHIN)
    except TimeoutError:
        told = f"the connection was made, but no HTTP answer came within {CONNECT_WITHIN:g} s"
        return Diagnosis("http", told, "Is it overloaded, or does this port speak something else?")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        hint = "Does this port speak HTTP? A TLS port needs https:// or wss://."
        return Diagnosis("http", "the connection was made, but no HTTP answer came", hint)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1.0)
    return _read(head.decode("latin-1"), subprotocols)


def _upgrade(
    url: str, host: str, port: int, subprotocols: tuple[str, ...], authorization: str | None
) -> bytes:
    parts = urlsplit(url)
    lines = [
        f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1",
        f"Host: {host}:{port}",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    if subprotocols:
        key = base64.b64encode(os.urandom(16)).decode()
        lines += [
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}",
        ]
    else:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _read(head: str, subprotocols: tuple[str, ...]) -> Diagnosis:
    """Judge the head of an HTTP answer."""
    first, *rest = head.split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    shown = "".join(c for c in first if c.isprintable())[:120]
    if not first.startswith("HTTP/"):
        return Diagnosis("http", shown, "Does this port speak HTTP?")
    if status in {401, 403}:
        return Diagnosis("auth", shown, "Check the key or password, and that the id is registered.")
    if not subprotocols:
        if 200 <= status < 400:  # noqa: PLR2004 - HTTP's classes
            return Diagnosis("ok", shown, "")
        return Diagnosis("http", shown, "Check the path of the URL.")
    if status != 101:  # noqa: PLR2004 - Switching Protocols
        hint = "Check the path: many systems want /<something>/<charger id>, with a known id."
        return Diagnosis("http", shown, hint)
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}
    chosen = headers.get("sec-websocket-protocol", "")
    if chosen not in subprotocols:
        offered = ", ".join(subprotocols)
        return Diagnosis(
            "subprotocol",
            f"offered {offered}, the server chose {chosen or 'none'}",
            "Does the server speak this version of OCPP on this URL?",
        )
    return Diagnosis("ok", shown, "")
