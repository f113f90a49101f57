"""Connections: limits on waiting time and request size, and orderly shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Sequence

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

MOST_HEADERS = 65_536  # bytes of a request's first line and headers, as uvicorn's other protocol (h11) has it
LONG_HEADERS = "long_headers"  # key of the request's state that tells `Guard` to answer 431
LINGER = 1.0  # seconds in which a client that sends too much can read why it is refused
TOO_LONG = (
    f"the headers are longer than {MOST_HEADERS:,} bytes; "
    "send fewer or shorter ones, or in a browser delete this address's cookies"
)
_HEAD = (
    "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n"
    "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
)


class ServerStateWithShutdown(ServerState):
    """What connections share with their server: also whether it is shutting down."""

    shutting_down = False


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which neither waits for ever nor takes headers without end.

    uvicorn's own clock starts after the first answer and stops at the next byte, so a client that sends its headers
    one by one, or none at all, would hold a connection for ever (Slowloris). Here the same clock starts with the
    connection, and stops when the headers are complete. From there on `Guard` has another for body and answer.

    httptools, unlike h11, takes headers of any length, and keeps them. Here a connection is answered 431 and closed
    when more than `MOST_HEADERS` bytes came that are neither a body nor complete headers; trailers after a body in
    chunks count as headers do.
    """

    server_state: ServerStateWithShutdown

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock."""
        super().connection_made(transport)
        self._unread = 0  # bytes since the last part of a request was complete
        self._refused = False
        self._last_cycle: RequestResponseCycle | None = None  # the connection closes after its answer
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self.server_state.shutting_down:  # accepted while shutting down
            self.shutdown()

    def data_received(self, data: bytes) -> None:
        """Handle received data; the timeout keeps running unless the headers are complete."""
        if self._refused:
            return
        clock, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MOST_HEADERS and not self.transport.is_closing():
            self._refuse()
        if clock and (self._refused or (self.cycle and not self.cycle.response_complete)):
            clock.cancel()
        else:
            self.timeout_keep_alive_task = clock

    def on_headers_complete(self) -> None:
        """Begin to answer a request."""
        if self._unread > MOST_HEADERS:  # may include the start of a body, so count the headers alone
            length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if length > MOST_HEADERS:
                self.scope["state"][LONG_HEADERS] = True  # `Guard` answers as HTML or JSON
        self._unread = 0
        before = self.cycle
        super().on_headers_complete()
        if self.server_state.shutting_down:
            if before and before is self._last_cycle and not before.response_started:
                before.keep_alive = True  # its answer must not close the connection: this request follows it
            self._end_with(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Handle a part of a body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        self._unread = 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """Answer what was sent, then close; bytes that wait in the kernel count as sent."""
        if self.cycle and not self.cycle.response_complete:  # with requests that wait, it is that of the last
            self._end_with(self.cycle)
        else:
            self.loop.call_later(LINGER / 2, self._close_if_idle)

    def _end_with(self, cycle: RequestResponseCycle) -> None:
        if cycle.keep_alive:
            cycle.keep_alive, self._last_cycle = False, cycle

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _refuse(self) -> None:
        """Answer 431, and read on for a moment: if it closed at once, the client might not receive the answer."""
        self._refused = True
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_refusal(self.headers or ()))
        elif self.cycle.more_body:  # trailers; whoever answers learns that the request ended
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if not self.cycle.response_started:
                self.transport.write(_refusal(self.headers or ()))
        self.loop.call_later(LINGER, self.transport.close)


def _refusal(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write the answer 431: as text to a browser, by the header Accept if it has come, else as JSON."""
    person = any(name == b"accept" and b"text/html" in value for name, value in headers)
    words = f"{TOO_LONG[:1].upper()}{TOO_LONG[1:]}." if person else json.dumps({"error": TOO_LONG, "problems": []})
    kind = "text/plain; charset=utf-8" if person else "application/json"
    return f"{_HEAD.format(kind=kind, length=len(words))}{words}".encode()


class Server(uvicorn.Server):
    """uvicorn's server, which at the end answers every request that was sent, also over a connection not taken yet."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: ServerStateWithShutdown = ServerStateWithShutdown()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, take the connections that the kernel has made already, and let all come to their end."""
        loop = asyncio.get_running_loop()
        self.server_state.shutting_down = True
        waiting: list[socket.socket] = []
        # Copies keep the kernel's queue when uvicorn closes its own.
        listening = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for listener in listening:
            listener.setblocking(False)
            with listener, contextlib.suppress(OSError):  # BlockingIOError: there are no more
                while True:
                    waiting.append(listener.accept()[0])
        for connection in waiting:
            with contextlib.suppress(OSError):  # its client has gone
                await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> TimedProtocol:
        return TimedProtocol(self.config, self.server_state, self.lifespan.state)
