"""The parts of a batch on a Dask cluster: the model travels once to each worker; a lost worker's part is done anew."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from distributed import KilledWorker, WorkerPlugin, as_completed, get_worker

from predictor.batch.parts import Part
from predictor.batch.scoring import Scored
from predictor.cluster import cluster
from predictor.errors import ConfigError

if TYPE_CHECKING:
    from predictor.batch.running import Work


class _Kept(WorkerPlugin):
    """Brings the work, with the model, to every worker once, and to those that come later."""

    def __init__(self, work: Work) -> None:
        self.work, self.name = work, f"predictor-batch-{uuid.uuid4()}"


def run_on_cluster(
    work: Work, parts: Sequence[Part], scheduler: str | None, workers: int | None
) -> Iterator[tuple[Part, Scored]]:
    """Score parts side by side.

    Parameters
    ----------
    work
        What is done with a part.
    parts
        The parts.
    scheduler, workers
        As `predictor.cluster.cluster` takes them.

    Yields
    ------
    part, scored
        As they are finished.

    Raises
    ------
    RatingsError
        As `predictor.batch.scoring.write_part` does.
    ConfigError
        If the cluster cannot be reached, or a part's worker is lost again and again.
    """
    kept = _Kept(replace(work, out=work.out.absolute()))
    with cluster(scheduler, workers) as client:
        client.register_plugin(kept)
        known = {part.name: part for part in parts}
        futures = [
            client.submit(_score, replace(part, path=part.path.absolute()), kept.name, key=f"{kept.name}-{part.name}")
            for part in parts
        ]
        try:
            for future in as_completed(futures, loop=client.loop):
                part, scored = future.result()
                yield known[part.name], scored
        except KilledWorker as error:
            raise ConfigError(f"workers were lost again and again: {error}; perhaps for lack of memory") from None
        finally:
            client.cancel(futures)
            client.unregister_worker_plugin(kept.name)


def _score(part: Part, name: str) -> tuple[Part, Scored]:
    kept = get_worker().plugins[name]
    assert isinstance(kept, _Kept)
    return kept.work(part)
