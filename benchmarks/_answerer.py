"""The least a CSMS can be: a picows server that accepts every boot and answers every CALL.

Run as `python -m benchmarks._answerer [--interval S]`; prints `{"port": …}`, and `{"calls": …}` at
each SIGUSR1. It validates nothing and keeps nothing, so that what is measured on the other side is
the other side.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys

import picows
import uvloop

INTERVAL = 300
COUNTED = {"calls": 0}


class Answerer(picows.WSListener):
    """Answers one charger."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Answer a CALL, ignore the rest."""
        if frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
            return
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        call = json.loads(frame.get_payload_as_bytes())
        if call[0] != 2:  # noqa: PLR2004  a CALL
            return
        COUNTED["calls"] += 1
        now = "2026-01-01T00:00:00Z"
        answer: dict[str, object] = {}
        if call[2] == "BootNotification":
            answer = {"status": "Accepted", "currentTime": now, "interval": INTERVAL}
        elif call[2] == "Heartbeat":
            answer = {"currentTime": now}
        transport.send(picows.WSMsgType.TEXT, json.dumps([3, call[1], answer]))


def upgrade(request: picows.WSUpgradeRequest) -> picows.WSUpgradeResponseWithListener:
    """Accept any charger with the first subprotocol it offers."""
    chosen = request.headers.get("Sec-WebSocket-Protocol", "").split(",")[0].strip()
    response = picows.WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": chosen})
    return picows.WSUpgradeResponseWithListener(response, Answerer())


async def serve() -> None:
    """Serve for ever."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = await picows.ws_create_server(
        upgrade, sock=listening, read_buffer_init_size=1024, use_aiofastnet=False,
        websocket_handshake_timeout=30, logger_name="quiet", backlog=4096,
    )  # fmt: skip
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR1, lambda: print(json.dumps(COUNTED), flush=True)
    )
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--interval", type=int, default=INTERVAL)
    INTERVAL = parser.parse_args().interval
    try:
        uvloop.run(serve())
    except KeyboardInterrupt:
        sys.exit(0)
