"""An HTTP proxy on loopback that spoils chosen exchanges with a real server behind it. The protocol stays real.

with SpoilingProxy(server.port) as proxy:
    proxy.spoil("PUT", "lose-reply")           # the server did it, the client never hears
    proxy.spoil("GET", "cut")                  # half of the body, then the connection closes
    proxy.spoil("PUT", "flip")                 # one bit of the request's body turned
    proxy.spoil("PUT", 409, "ConditionalRequestConflict", times=2)   # answered here, the server is not asked
    proxy.spoil("POST", "pass")                # nothing happens to the next one, but to the one after it
"""

from __future__ import annotations

import dataclasses
import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

_HOP = {"connection", "transfer-encoding", "content-length", "expect"}


@dataclasses.dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]


class SpoilingProxy:
    """`seen` lists every request in order. With a context it speaks TLS to its clients."""

    def __init__(self, upstream_port: int, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self._due: list[tuple[str, str | int, str, bool]] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._serve(self, upstream_port)

            do_PUT = do_HEAD = do_DELETE = do_POST = do_GET

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_port}"

    def spoil(self, method: str, how: str | int, code: str = "", *, times: int = 1, landed: bool = False) -> None:
        """`landed`: the server does it before it is answered here."""
        with self._lock:
            self._due += [(method, how, code, landed)] * times

    def forgive(self) -> None:
        """What was still to be spoilt is not."""
        with self._lock:
            self._due.clear()

    def _next(self, method: str) -> tuple[str | int, str, bool]:
        with self._lock:
            for index, (wanted, *due) in enumerate(self._due):
                if wanted == method:
                    del self._due[index]
                    how, code, landed = due
                    return how, code, landed
        return "", "", False

    def _serve(self, client: BaseHTTPRequestHandler, port: int) -> None:
        chunked = "chunked" in client.headers.get("Transfer-Encoding", "")
        body = _read_chunks(client) if chunked else client.rfile.read(int(client.headers.get("Content-Length", 0)))
        self.seen.append(Seen(client.command, client.path, dict(client.headers)))
        how, code, landed = self._next(client.command)
        if isinstance(how, int) and not landed:
            _answer(client, how, {}, _told(code))
            return
        if how == "flip":
            body = bytes([body[0] ^ 1]) + body[1:]
        upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            headers = {k: v for k, v in client.headers.items() if k.lower() not in _HOP}
            if chunked:
                headers["Transfer-Encoding"] = "chunked"
                upstream.request(client.command, client.path, iter([body]), headers, encode_chunked=True)
            else:
                upstream.request(client.command, client.path, body, headers)
            reply = upstream.getresponse()
            data = reply.read()
            if how == "lose-reply":
                client.close_connection = True
                return
            if isinstance(how, int):
                _answer(client, how, {}, _told(code))
                return
            kept = {k: v for k, v in reply.getheaders() if k.lower() not in _HOP | {"date", "server"}}
            length = reply.getheader("Content-Length") if client.command == "HEAD" else str(len(data))
            half = len(data) // 2 if how == "cut" else len(data)
            _answer(client, reply.status, kept, data[:half], length=length)
            client.close_connection = client.close_connection or how == "cut"
        finally:
            upstream.close()

    def __enter__(self) -> SpoilingProxy:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _read_chunks(client: BaseHTTPRequestHandler) -> bytes:
    body = b""
    while size := int(client.rfile.readline().partition(b";")[0], 16):
        body += client.rfile.read(size)
        client.rfile.readline()
    client.rfile.readline()
    return body


def _told(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()


def _answer(
    client: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, *, length: str | None = None
) -> None:
    client.send_response(status)
    for name, value in headers.items():
        client.send_header(name, value)
    client.send_header("Content-Length", length or str(len(body)))
    client.end_headers()
    if client.command != "HEAD":
        client.wfile.write(body)
