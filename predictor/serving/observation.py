"""Structured logs and metrics of a server, without any personal data.

A line is time, method, route template, status and milliseconds. No body, query, name, id or client address is in it.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predictor.model.offer_model import OfferModel
from predictor.serving.api.answers import Refusal
from predictor.serving.current_model import CurrentModel

log = logging.getLogger(__name__)

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)  # seconds


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; of an exception kind and place only: its message may contain request data."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON."""
        line: dict[str, Any] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            place = traceback.extract_tb(record.exc_info[2])[-1:]
            line["exception"] = type(record.exc_info[1]).__name__
            line["at"] = [f"{frame.filename}:{frame.lineno}" for frame in place]
        return json.dumps(line)


@lru_cache(maxsize=1)
def _second(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


_quoted = lru_cache(maxsize=256)(json.dumps)


class Metrics:
    """Counts and times for Prometheus, of one server.

    Attributes
    ----------
    registry
        What `GET /metrics` writes out.
    """

    def __init__(self, current_model: CurrentModel) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "predictor_requests", "Requests answered", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "predictor_request_seconds", "Seconds until the answer", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self.interviews = Counter("predictor_interviews", "Interviews predicted", registry=self.registry)
        self._cached_metrics = lru_cache(maxsize=256)(self._labelled)  # finding them takes longer than counting
        reloads = Gauge("predictor_model_reloads", "Models reloaded while it runs", registry=self.registry)
        reloads.set_function(lambda: current_model.reloads)
        stale = Gauge("predictor_model_stale", "1 if the model file could not be reloaded", registry=self.registry)
        stale.set_function(lambda: float(current_model.error is not None))
        self._info = Gauge(
            "predictor_model_info", "The model that is served", ("name", "fingerprint", "simulated"),
            registry=self.registry,
        )  # fmt: skip

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        requests, times = self._cached_metrics(method, route, status)
        requests.inc()
        times.observe(seconds)

    def _labelled(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(method, route, str(status)), self.seconds.labels(route)

    def set_model(self, model: OfferModel) -> None:
        """Set the model that is served."""
        self._info.clear()
        self._info.labels(model.name, model.fingerprint, str(model.simulated).lower()).set(1)


class Observed:
    """Log and count every request; an internal error is answered without its message.

    Parameters
    ----------
    app
        What answers.
    metrics
        What counts.
    out
        Where a line for each request goes; None: nowhere.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, out: TextIO | None) -> None:
        self.app, self.metrics, self.out = app, metrics, out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Observe one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            log.exception("error")
            if status:  # too late for another answer; the server ends the connection
                raise
            ours = Refusal(500, "internal server error; details are in the server's log")
            await ours.response()(scope, receive, watched)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", "none")
            self.metrics.count(method, route, status, seconds)
            if self.out:  # written out by itself, since a log record takes longer than a fifth of the request
                now = time.time()
                self.out.write(
                    f'{{"time": "{_second(int(now))}.{int(now % 1 * 1000):03}Z", "level": "info", "event": "request", '
                    f'"method": "{method}", "route": {_quoted(route)}, "status": {status}, '
                    f'"ms": {1000 * seconds:.2f}}}\n'
                )
