"""Work on a Dask cluster: one that is there already, or processes of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from predictor.errors import ConfigError, MissingExtraError

try:
    import dask
    from distributed import Client, KilledWorker, LocalCluster, Security, WorkerPlugin, as_completed, get_worker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import connect
    from distributed.gc import disable_gc_diagnosis
    from joblib import parallel_config
except ModuleNotFoundError as error:
    raise MissingExtraError(str(error.name), "a cluster", "cluster") from None

PATIENCE = 5.0  # seconds in which a scheduler and its first worker have to answer
LARGE = "distributed.admin.large-graph-warning-threshold"
Given = TypeVar("Given")
Made = TypeVar("Made")
PACKAGES = (
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "joblib",
    "pyarrow",
    "distributed",
)  # what decides on numbers, or on talk


@contextmanager
def cluster(scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """Run what joblib runs side by side on a Dask cluster, while the block lasts.

    Fits become tasks: one whose worker is lost is done anew by another, with the same numbers. All else, such as what
    MLflow is told, stays in this process.

    Parameters
    ----------
    scheduler
        Address of a running Dask scheduler, as in "tcp://10.0.0.5:8786". Its workers need this project and the
        packages that it learns with, in the same versions; those that are there at first are asked. Where workers have
        several threads, BLAS needs one, as Dask's nanny sets it, or last bits may differ. Whoever reaches a scheduler
        can run code on its workers: keep it in a network of your own, or have Dask use TLS.
    workers
        So many processes of one thread each on this machine, 1 or more, in place of a scheduler. They end with the
        block, and listen on this machine only, to those who hold a certificate made for them.
        Python starts them by importing the caller's script, so it needs `if __name__ == "__main__":`.

    Yields
    ------
    distributed.Client
        The connection.

    Raises
    ------
    ConfigError
        If not exactly one of the two is given, or workers is below 1; if no scheduler answers within some seconds, or
        it has no worker, or its workers have other versions.
    MissingExtraError
        On import, if distributed or joblib is not installed.

    Examples
    --------
    >>> from predictor import simulate_interviews, train
    >>> with cluster(workers=2):  # doctest: +SKIP
    ...     result = train(simulate_interviews(600, seed=1))
    """
    if (scheduler is None) == (workers is None) or (workers is not None and workers < 1):
        given = f"scheduler = {scheduler!r}, workers = {workers}"
        raise ConfigError(f"{given}: give the address of a scheduler, or a number of workers here from 1 on")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        stack.enter_context(dask.config.set({"temporary-directory": folder}))  # else something stays in that of all
        stack.enter_context(dask.config.set({LARGE: "1TB"}))  # warns of large arrays; each is sent once
        place: Any = scheduler or LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            security=True,  # else whoever has an account on this machine could run code as its user
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
            preload="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",  # Ctrl-C is for this process alone
        )
        if scheduler:
            _reach(scheduler)
        else:
            stack.enter_context(place)
            disable_gc_diagnosis()  # a Ctrl-C or SIGTERM that falls into its callback would be lost
        client = stack.enter_context(_Client(place, timeout=PATIENCE, set_as_default=False))  # type: ignore[no-untyped-call]  # as its base
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ConfigError(f"the scheduler at {place} has no worker; start one: dask worker {place}") from None
        if scheduler:
            _check(scheduler, client.run(versions, on_error="return"))
        stack.enter_context(parallel_config(backend="dask", client=client))
        try:
            yield client
        except (FutureCancelledError, KilledWorker, TimeoutError) as error:
            raise ConfigError(f"the cluster was lost amid the work: {error}") from None


def spread(client: Client, work: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
    """Do some work on each item, on whatever worker is free.

    Parameters
    ----------
    client
        As `cluster` yields it.
    work
        What is done; it travels once to each worker, and to those that come later.
    items
        One task each; those of a worker that is lost are done anew by another, so doing one twice must do no harm.

    Yields
    ------
    object
        Results, as they are finished.
    """
    kept = _Kept(work)
    client.register_plugin(kept)
    futures = [client.submit(_work, item, kept.name, pure=False) for item in items]
    try:
        for future in as_completed(futures, loop=client.loop):
            yield future.result()
    finally:
        client.cancel(futures)
        client.unregister_worker_plugin(kept.name)


class _Kept(WorkerPlugin):
    """Brings work to every worker."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work, self.name = work, f"work-{uuid.uuid4()}"


def _work(item: Any, name: str) -> Any:
    kept = get_worker().plugins[name]
    assert isinstance(kept, _Kept)
    return kept.work(item)


def _reach(scheduler: str) -> None:
    """Knock at an address; a client would wait for ever where something else listens."""

    async def knock() -> None:
        told = Security().get_connection_args("client")
        comm = await asyncio.wait_for(connect(scheduler, timeout=PATIENCE, **told), PATIENCE)
        await comm.close()

    try:
        with ThreadPoolExecutor(1) as aside:  # for the caller may have an event loop of its own
            aside.submit(asyncio.run, knock()).result()
    except (ValueError, TypeError) as error:  # the latter for tls without certificates
        raise ConfigError(f"{scheduler}: no address of a scheduler, {error}; write tcp://HOST:PORT") from None
    except (OSError, MemoryError):  # the latter where the answer, read as Dask's, begins with a length beyond bounds
        raise ConfigError(f"no Dask scheduler answers at {scheduler}; is it running there: dask scheduler") from None


class _Client(Client):
    """Makes a task of every array that joblib scatters, for what is scattered is lost with the worker that holds it."""

    async def scatter(self, data: Any, *_: Any, **__: Any) -> Any:
        return self.submit(_itself, data, pure=False)


def _itself(data: Any) -> Any:
    return data


def versions() -> dict[str, str]:
    """Say what this process computes with: versions, and a digest of this project's own code.

    Examples
    --------
    >>> list(versions())[:3]
    ['interview-outcome-predictor', 'Python', 'numpy']
    """
    here, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(here.rglob("*.py")):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    ours = f"{version('interview-outcome-predictor')} of code {digest.hexdigest()[:8]}"
    python = ".".join(map(str, sys.version_info[:2]))
    return {"interview-outcome-predictor": ours, "Python": python, **{name: version(name) for name in PACKAGES}}


def _check(scheduler: str, found: Mapping[str, Any]) -> None:
    """Refuse workers that would compute other numbers; each said what it has, or why it cannot say."""
    for worker, theirs in found.items():
        if isinstance(theirs, Exception):
            raise ConfigError(
                f"worker {worker} of {scheduler} cannot run this project: {theirs}; install it there, too"
            )
        other = [f"{name} {theirs[name]}, here {ours}" for name, ours in versions().items() if theirs[name] != ours]
        if other:
            raise ConfigError(
                f"worker {worker} of {scheduler} may compute other numbers: {'; '.join(other)}; install the same there"
            )
