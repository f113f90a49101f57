"""Connections that wait for a request no longer than they are told to, however slowly it comes."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class TimedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which closes a connection that has been without a request for `timeout_keep_alive` seconds.

    uvicorn's own clock starts after the first answer and stops at the next byte, so a client that sends its headers
    one by one, or none at all, would hold a connection for ever (Slowloris). Here the same clock starts with the
    connection, and stops when the headers are complete. From there on `Guard` has another for body and answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the clock."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def data_received(self, data: bytes) -> None:
        """Take what came; the clock goes on unless it completed the headers."""
        clock, self.timeout_keep_alive_task = self.timeout_keep_alive_task, None
        super().data_received(data)
        if clock and self.cycle and not self.cycle.response_complete:
            clock.cancel()
        else:
            self.timeout_keep_alive_task = clock
