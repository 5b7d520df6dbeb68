"""Answers that break off: the server's connections by peer, and responses that drop one before or within the body."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class Connections:
    """Open connections by the peer's address, which ASGI tells an application; the socket it does not."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """A protocol class for uvicorn that registers every connection here."""
        transports = self._transports

        class RegisteredProtocol(H11Protocol):
            def __init__(
                self,
                config: Config,
                server_state: ServerState,
                app_state: dict[str, object],
                _loop: asyncio.AbstractEventLoop | None = None,
            ) -> None:
                super().__init__(config, server_state, app_state, _loop)

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client is not None:
                    transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client is not None:
                    transports.pop(self.client, None)
                super().connection_lost(exc)

        return RegisteredProtocol

    async def drop(self, scope: Scope, receive: Receive, *, flush: bool) -> None:
        """Closes the connection of a request, and returns when the server has noticed."""
        peer = scope["client"]
        transport = self._transports.get((peer[0], peer[1]))
        if transport is not None:
            transport.close() if flush else transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


class LostAnswer(Response):
    """The connection ends without a byte, whatever was done."""

    def __init__(self, connections: Connections) -> None:
        super().__init__()
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._connections.drop(scope, receive, flush=False)


class TruncatedFile(Response):
    """Announces a whole file and sends half of it."""

    def __init__(self, path: Path, media_type: str, connections: Connections) -> None:
        super().__init__(media_type=media_type)
        self._path, self._connections = path, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        data = await asyncio.to_thread(self._path.read_bytes)
        headers = [(b"content-type", str(self.media_type).encode()), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})
        await self._connections.drop(scope, receive, flush=True)
