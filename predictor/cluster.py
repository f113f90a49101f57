"""Work on a Dask cluster: one that is there already, or processes of this machine."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from predictor.errors import ClusterError, ConfigError, MissingExtraError

try:
    import dask
    import psutil
    from distributed import Client, KilledWorker, LocalCluster, Security, WorkerPlugin, as_completed, get_worker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import connect
    from distributed.gc import disable_gc_diagnosis
    from distributed.utils import silence_logging_cmgr
    from joblib import parallel_config
    from joblib._dask import DaskDistributedBackend
except ModuleNotFoundError as error:
    raise MissingExtraError(str(error.name), "a cluster", "cluster") from None

PATIENCE = 5.0  # seconds in which a scheduler and its first worker have to answer
START = 60.0  # seconds in which processes of this machine have to start; a busy one takes ten
LOST = 60.0  # seconds without any running worker after which a cluster is given up
ANSWER = LOST + 15.0  # seconds in which a scheduler has to answer what is asked amid the work
QUIET = 15.0  # seconds without a heartbeat from running workers before a warning is printed
LARGE = "distributed.admin.large-graph-warning-threshold"
Given = TypeVar("Given")
Made = TypeVar("Made")
# Packages whose version changes results, or the protocol between processes.
PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "joblib", "pyarrow", "distributed")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def cluster(
    scheduler: str | None = None, workers: int | None = None, *, warn: Callable[[str], None] = _to_stderr
) -> Iterator[Client]:
    """Within the block, run joblib's parallel jobs on a Dask cluster.

    Fits become tasks: one whose worker is lost is done again by another, with the same numbers. Everything else, such
    as recording in MLflow, stays in this process.

    Parameters
    ----------
    scheduler
        Address of a running Dask scheduler, as in "tcp://10.0.0.5:8786". Its workers need this project and the
        packages that it learns with, in the same versions; workers present at the start are checked. Where workers have
        several threads, BLAS needs one, as Dask's nanny sets it, or last bits may differ. Whoever reaches a scheduler
        can run code on its workers: keep it in a network of your own, or have Dask use TLS.
    workers
        Start this many single-threaded processes on this machine, 1 or more, instead of using a scheduler. They end
        with the block, and listen on this machine only, to those who hold a certificate made for them.
        Python starts them by importing the caller's script, so it needs `if __name__ == "__main__":`.
        They share this machine's memory: none has a limit of its own, at which Dask would pause it for ever.
    warn
        Called with a line as soon as no worker is running, and when one is back; writes to stderr by default. After
        `LOST` seconds without one the work is given up.

    Yields
    ------
    distributed.Client
        The connection.

    Raises
    ------
    ConfigError
        If not exactly one of the two is given, or workers is below 1; if no scheduler answers within some seconds, or
        it has no worker, or its workers have other versions; if local processes do not start.
    ClusterError
        If the cluster is lost amid the work: no worker runs for `LOST` seconds, the scheduler is gone, or a task
        crashes every worker.
    MissingExtraError
        On import, if distributed or joblib is not installed.

    Examples
    --------
    >>> from predictor import simulate_interviews, train
    >>> with cluster(workers=2):  # doctest: +SKIP
    ...     result = train(simulate_interviews(600, seed=1))
    """
    if (scheduler is None) == (workers is None) or (workers is not None and workers < 1):
        raise ConfigError(
            f"scheduler = {scheduler!r}, workers = {workers}: "
            "give the address of a scheduler, or a number of workers here from 1 on"
        )
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        except OSError as error:
            raise ConfigError(f"no room for a cluster's files: {error}; set TMPDIR to a folder with room") from None
        stack.enter_context(dask.config.set({"temporary-directory": folder}))  # else files stay in the common one
        stack.enter_context(dask.config.set({LARGE: "1TB"}))  # no warning of large arrays: each is sent only once
        stack.enter_context(silence_logging_cmgr(logging.CRITICAL))  # no tracebacks: we print our own message
        if scheduler:
            _check_reachable(scheduler)
        place: Any = scheduler or stack.enter_context(_local(workers, folder))
        limit = PATIENCE if scheduler else START / 2
        client = stack.enter_context(_Client(place, timeout=limit, set_as_default=False))
        try:
            client.wait_for_workers(1, timeout=PATIENCE if scheduler else START)
        except TimeoutError:
            if scheduler:
                raise ConfigError(f"the scheduler at {place} has no worker; start one: dask worker {place}") from None
            raise ConfigError(f"no worker started within {START:.0f} s; {_ADVICE}") from None
        backend = _Backend(client=client, wait_for_workers_timeout=2 * LOST)
        watch = _Watch(client, backend, warn, None if scheduler else place)
        stack.callback(watch.end)
        stack.enter_context(parallel_config(backend=backend))
        try:
            if scheduler:
                _check(scheduler, client.run(versions, on_error="return"))
            yield client
        except (FutureCancelledError, KilledWorker, TimeoutError, _TaskError) as error:
            why = watch.verdict or f"{error}; {_ADVICE}"
            if "scheduler-connection-lost" in why:
                why = f"the connection to the scheduler was lost; {_ADVICE}"
            raise ClusterError(f"the cluster was lost during the run: {why}") from None


_ADVICE = (
    "see what became of its workers (memory, disk, network), or work without a cluster: leave out --workers and "
    "--scheduler"
)


@contextmanager
def _local(workers: int | None, folder: str) -> Iterator[LocalCluster]:
    """Start processes of this machine, and end them, however the block ends."""
    try:
        local = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=None,  # else a worker pauses for ever where its share is little more than Python itself
            security=True,  # else whoever has an account on this machine could run code as its user
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
            preload="import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",  # Ctrl-C is for this process alone
        )
    except (OSError, RuntimeError, TimeoutError) as error:
        cause = error.__cause__ or error
        raise ConfigError(f"no worker could be started in {folder}: {cause}; {_ADVICE}") from None
    disable_gc_diagnosis()  # a Ctrl-C or SIGTERM that falls into its callback would be lost
    with local:
        yield local


class _Watch:
    """Cancels pending work if no worker has been running for `LOST` seconds; Dask and joblib would wait for ever.

    A worker that is paused is not running, and one that is frozen sends no heartbeat. Time is counted by checks, at
    most `PATIENCE + 1` seconds each, so that a laptop that was suspended does not lose its cluster.
    """

    def __init__(
        self, client: _Client, backend: _Backend, warn: Callable[[str], None], local: LocalCluster | None = None
    ) -> None:
        self.verdict: str | None = None
        self._client, self._backend, self._warn, self._local = client, backend, warn, local
        self._heartbeats: set[tuple[str, float]] = set()
        self._ended = False
        loop: Any = client.loop
        loop.add_callback(self._look)

    def end(self) -> None:
        self._ended = True

    async def _look(self) -> None:
        silent, warned, looked = 0.0, False, time.monotonic()
        while not self._ended:
            why = await self._missing()
            now = time.monotonic()
            silent, looked = silent + min(now - looked, PATIENCE + 1) if why else 0.0, now
            if self._ended:
                return
            if why and not warned and (silent > QUIET or why != _FROZEN):
                warned = True
                self._warn(f"Waiting: {why}. The work is given up after {LOST:.0f} s without a worker.")
            elif warned and not why:
                warned = False
                self._warn("A worker is running again; the work goes on.")
            if silent > LOST:
                self.verdict = f"{why} for {LOST:.0f} s; {_ADVICE}"
                self._client.fail_pending(self.verdict)
                self._backend.fail_pending(self.verdict)
                return
            await asyncio.sleep(1)

    async def _missing(self) -> str | None:
        """Return what is missing; None if a worker is running, and has sent a heartbeat since the last check."""
        scheduler: Any = self._client.scheduler
        try:
            about = await asyncio.wait_for(scheduler.identity(n_workers=-1), PATIENCE)
        except Exception:  # whatever the network makes of it; AttributeError once the client has closed itself
            return "the scheduler does not answer"
        states = {name: (worker["status"], worker["last_seen"]) for name, worker in about["workers"].items()}
        if not states:
            return "there is no worker"
        running = {(name, seen) for name, (status, seen) in states.items() if status == "running"}
        if not running:
            return f"no worker is running ({', '.join(sorted({status for status, _ in states.values()}))})"
        heartbeats = running | self._cpu_seconds()
        changed, self._heartbeats = heartbeats - self._heartbeats, heartbeats
        return None if changed else _FROZEN

    def _cpu_seconds(self) -> set[tuple[str, float]]:
        """CPU seconds of each worker of this machine: on a busy machine heartbeats may be minutes apart."""
        seconds = set[tuple[str, float]]()
        for nanny in list(self._local.workers.values()) if self._local else ():
            with suppress(psutil.Error):
                if nanny.pid:
                    used = psutil.Process(nanny.pid).cpu_times()
                    seconds.add((f"process {nanny.pid}", used.user + used.system))
        return seconds


_FROZEN = "no worker responds"


class _TaskError(Exception):
    """A task that Dask could not do at all, such as one that ends every worker it meets."""


class _Backend(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
    """Joblib's backend for Dask, with a fix: the caller gets the error of a task that Dask itself fails."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._waiting: set[Future[Any]] = set()

    def submit(self, func: Any, callback: Any = None) -> Any:
        waiting = super().submit(func, callback)

        def pass_on(done: Future[Any]) -> None:
            self._waiting.discard(done)
            if callback and (error := done.exception()):
                callback(_TaskError(f"{type(error).__name__}: {error}"))

        self._waiting.add(waiting)
        waiting.add_done_callback(pass_on)
        return waiting

    async def _collect(self) -> None:
        with suppress(InvalidStateError):  # a task that `fail_pending` has ended here ends in Dask's hands, too
            await super()._collect()

    def fail_pending(self, why: str) -> None:
        """End what is waited for, also where its result is known and does not come."""
        for waiting in list(self._waiting):
            with suppress(InvalidStateError):  # it came after all
                waiting.set_exception(_TaskError(why))


def run_tasks(client: Client, work: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
    """Run `work` on each item on the cluster; yield results as they finish.

    Parameters
    ----------
    client
        As `cluster` yields it.
    work
        It travels once to each worker, and to those that come later.
    items
        One task each; those of a worker that is lost are done again by another, so doing one twice must do no harm.

    Yields
    ------
    object
        The results.
    """
    shared = _SharedWork(work)
    client.register_plugin(shared)
    futures = [client.submit(_work, item, shared.name, pure=False) for item in items]
    try:
        for future in as_completed(futures, loop=client.loop):
            result = future.result(timeout=ANSWER)  # it is there, and has to be fetched
            future.release()  # else Dask recomputes it if that worker is lost later
            yield result
    finally:
        with suppress(OSError, TimeoutError, AttributeError, RuntimeError):  # the cluster may be gone by now
            client.cancel(futures)
            client.unregister_worker_plugin(shared.name)


class _SharedWork(WorkerPlugin):
    """Brings work to every worker."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work, self.name = work, f"work-{uuid.uuid4()}"


def _work(item: Any, name: str) -> Any:
    shared = get_worker().plugins[name]
    assert isinstance(shared, _SharedWork)
    return shared.work(item)


def _check_reachable(scheduler: str) -> None:
    """Connect to an address once; a client would wait for ever where something else listens."""

    async def connect_once() -> None:
        security = Security().get_connection_args("client")
        comm = await asyncio.wait_for(connect(scheduler, timeout=PATIENCE, **security), PATIENCE)
        await comm.close()

    try:
        with ThreadPoolExecutor(1) as aside:  # for the caller may have an event loop of its own
            aside.submit(asyncio.run, connect_once()).result()
    except (ValueError, TypeError) as error:  # the latter for tls without certificates
        raise ConfigError(f"{scheduler}: no address of a scheduler, {error}; write tcp://HOST:PORT") from None
    except (OSError, MemoryError):  # the latter where the answer, read as Dask's, begins with a length beyond bounds
        raise ConfigError(f"no Dask scheduler answers at {scheduler}; is it running there: dask scheduler") from None


class _Client(Client):
    """A client with timeouts; it submits scattered arrays as tasks, since Dask can recompute tasks only."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self.lost = False
        super().__init__(*given, **named)  # type: ignore[no-untyped-call]

    async def scatter(self, data: Any, *_: Any, **__: Any) -> Any:
        return self.submit(_identity, data, pure=False)

    def sync(self, func: Any, *given: Any, callback_timeout: Any = None, **named: Any) -> Any:
        """Call the scheduler, with a timeout; only waiting for a task, which `fail_pending` ends, has none."""
        waits = getattr(func, "__name__", "") in _TASKS
        if self.lost and not waits:
            raise TimeoutError  # nothing is cleared up on a cluster that does not answer
        limit = callback_timeout or (None if waits else ANSWER)
        return super().sync(func, *given, callback_timeout=limit, **named)  # type: ignore[no-untyped-call]

    def close(self, *given: Any, **named: Any) -> Any:
        """Close, whatever becomes of a connection that is lost at this very moment; the words about it come first."""
        with suppress(RuntimeError, OSError, TimeoutError):
            return super().close(*given, **named)  # type: ignore[no-untyped-call]
        return None

    def fail_pending(self, why: str) -> None:
        """End everything that waits for a task, as Dask does itself where the connection is lost; on its own loop."""
        self.lost = True
        for state in self.futures.values():
            state.cancel(reason="lost", msg=why)
        self.futures.clear()


_TASKS = {"_result", "_exception", "_traceback", "_gather", "_wait"}  # coroutines that wait for tasks


def _identity(data: Any) -> Any:
    return data


def versions() -> dict[str, str]:
    """Return what this process computes with: versions, and a digest of this project's own code.

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


def _check(scheduler: str, reported: Mapping[str, Any]) -> None:
    """Refuse workers that would compute other numbers; each reported its versions, or why it cannot."""
    for worker, theirs in reported.items():
        if isinstance(theirs, Exception):
            raise ConfigError(
                f"worker {worker} of {scheduler} cannot run this project: {theirs}; install it there, too"
            )
        other = [f"{name} {theirs[name]}, here {ours}" for name, ours in versions().items() if theirs[name] != ours]
        if other:
            raise ConfigError(
                f"worker {worker} of {scheduler} may compute other numbers: {'; '.join(other)}; install the same there"
            )
