"""A small client of the YAML language server that editors use: what it underlines."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Editor:
    """Opens files in `yaml-language-server --stdio` and collects its diagnostics."""

    def __init__(self, command: str) -> None:
        self._server = subprocess.Popen(
            [command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._ids = 0

    def __enter__(self) -> Self:
        """Shake hands; schemas come from the modelines, nothing from the network."""
        settings = {"schemaStore": {"enable": False}, "validate": True}
        self._request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self._notify("initialized", {})
        self._notify("workspace/didChangeConfiguration", {"settings": {"yaml": settings}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """End the server."""
        self._server.kill()
        self._server.communicate()

    def underlined(self, path: Path, text: str) -> list[str]:
        """Return `line: message` for everything that the editor would underline in this text."""
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._notify("textDocument/didOpen", {"textDocument": document})
        for message in self._messages():
            told = message.get("params") or {}
            if message.get("method") == "textDocument/publishDiagnostics" and told["uri"] == uri:
                return [
                    f"{found['range']['start']['line'] + 1}: {found['message']}"
                    for found in told["diagnostics"]
                ]
        raise AssertionError("the language server ended")

    # ------------------------------------------------------------------ JSON-RPC over pipes

    def _request(self, method: str, params: dict[str, Any]) -> None:
        self._ids += 1
        self._write({"id": self._ids, "method": method, "params": params})
        for message in self._messages():
            if message.get("id") == self._ids and "method" not in message:
                return

    def _notify(self, method: str, params: dict[str, Any]) -> None:
        self._write({"method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._server.stdin.flush()

    def _messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the server says; its own requests are answered with null."""
        assert self._server.stdout is not None
        while line := self._server.stdout.readline():
            length = int(line.split(b":")[1])
            while self._server.stdout.readline().strip():
                pass
            message = json.loads(self._server.stdout.read(length))
            if "method" in message and "id" in message:
                self._write({"id": message["id"], "result": None})
            yield message
