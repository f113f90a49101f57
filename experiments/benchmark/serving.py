"""Requests per second of three servers that answer the same request on the same machine.

- `predictor serve`: 24 ratings in, the likelihood with all its reasons out.
- An empty FastAPI route, on the same uvicorn settings, that takes JSON and answers JSON of the same size, made anew
  for each answer by FastAPI, and in a second column by `json.dumps`, which is as little as a route can do.
- `mlflow models serve` of the same model.

Each has one worker; where there are two cores, servers have the first and the load the other. The load is a raw
socket, kept alive, for each connection.

    .venv/bin/python experiments/benchmark/serving.py [SECONDS]
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat, takewhile
from pathlib import Path

from load import answers, request, started, until

from predictor import OfferModel

MODEL = OfferModel.published()
BODY = {"rater_role": "interviewer", "ratings": {name: 1 + place % 5 for place, name in enumerate(MODEL.signals)}}
CONNECTIONS = (1, 8)
ROUNDS = 3  # in turn, so that a machine that slows down slows all
PORTS = {"ours": 8131, "empty route": 8132, "empty route, json.dumps": 8133, "mlflow": 8134}
EMPTY = """
import json
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()
ANSWER = json.loads({answer!r})

@app.post("/fastapi")
async def by_fastapi(body: dict[str, Any]) -> dict[str, Any]:
    return ANSWER

@app.post("/dumps")
async def by_dumps(request: Request) -> Response:
    await request.json()
    return Response(json.dumps(ANSWER), media_type="application/json")

uvicorn.run(
    app, port={port}, log_config=None, access_log=False, server_header=False, proxy_headers=False, ws="none",
    lifespan="off",
)
"""
LOG_MODEL = """
import sys
from predictor import OfferModel
from predictor.tracking.models import log_model
from predictor.tracking.store import Store, connect, import_mlflow

import_mlflow()
place = Store.named(sys.argv[1])
client = connect(place)
run = client.create_run(client.create_experiment("served", artifact_location=place.artifacts))
print(log_model(client, run.info.run_id, OfferModel.published()))
"""


def main() -> None:
    """Start the servers, load them in turn, and print what they did."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    answer = json.dumps(MODEL.predict(BODY).to_dict())
    body, frame = json.dumps(BODY), json.dumps({"dataframe_records": [BODY]})
    asked = {
        "ours": request(PORTS["ours"], "/v1/predict", body),
        "empty route": request(PORTS["empty route"], "/fastapi", body),
        "empty route, json.dumps": request(PORTS["empty route"], "/dumps", body),
        "mlflow": request(PORTS["mlflow"], "/invocations", frame),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        for command, environment in _servers(Path(folder), answer):
            running.enter_context(started(command, Path(folder), environment=environment, cores=cores))
        if len(cores) > 1:
            os.sched_setaffinity(0, cores[1:])
        ports = {name: PORTS["empty route" if name.startswith("empty") else name] for name in asked}
        for name, sent in asked.items():
            until(ports[name], sent)
        print(f"{len(body):,} bytes in, {len(answer):,} out; {ROUNDS} rounds of {seconds:g} s")
        for connections in CONNECTIONS:
            found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in asked}
            for _ in range(ROUNDS):
                for name, sent in asked.items():
                    found[name].append(_load(ports[name], sent, connections, seconds))
            print(f"\nconnections: {connections}; requests/s, p50 and p99 in ms, p99/p50, ours/theirs")
            for name, rounds in found.items():
                rate, p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
                ratios = sorted(ours[0] / theirs[0] for ours, theirs in zip(found["ours"], rounds, strict=True))
                spread = f"{statistics.median(ratios):7.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                print(f"  {name:<24}{rate:>9,.0f}{1e3 * p50:>9.2f}{1e3 * p99:>9.2f}{p99 / p50:>7.1f}{spread}")


def _servers(folder: Path, answer: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    place = f"sqlite:///{folder}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-c", LOG_MODEL, place], cwd=folder, capture_output=True, text=True, check=True
    )
    uri = done.stdout.split()[-1]
    (folder / "empty.py").write_text(EMPTY.format(answer=answer, port=PORTS["empty route"]))
    yield [sys.executable, "-m", "predictor", "serve", "--port", str(PORTS["ours"])], {}
    yield [sys.executable, "empty.py"], {}
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "--workers", "1"]
    yield [*mlflow, "--port", str(PORTS["mlflow"])], {"MLFLOW_TRACKING_URI": place}


def _load(port: int, asked: bytes, connections: int, seconds: float) -> tuple[float, float, float]:
    """Ask over this many connections at once; give requests per second, and the median and 99 % of seconds for one."""
    took: list[float] = []
    start = time.perf_counter()
    requests = takewhile(lambda _: time.perf_counter() < start + seconds, repeat(asked))
    for answer in answers(port, requests, connections):
        if answer.status != 200:
            raise SystemExit(f"not answered: {answer}")
        took.append(answer.seconds)
    rate = len(took) / (time.perf_counter() - start)
    return rate, statistics.median(took), statistics.quantiles(took, n=100)[98]


if __name__ == "__main__":
    main()
