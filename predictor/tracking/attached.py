"""Reports on a trained model, such as an audit, saved with the run of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from predictor.tracking.runs import is_unrecorded, run_of
from predictor.tracking.store import Store, opened
from predictor.training_folder import RECORDED


def attach(folder: Path, files: Sequence[Path], tags: Mapping[str, str]) -> str | None:
    """Attach files to the run of a training; older ones of the same name are replaced.

    Parameters
    ----------
    folder
        Of the training.
    files
        What to keep.
    tags
        What to note on the run.

    Returns
    -------
    str or None
        Id of the run; None where the training has none in this store.

    Raises
    ------
    TrackingError
        If the store cannot be reached or written.
    """
    if not (folder / RECORDED).is_file() or is_unrecorded(folder):
        return None
    place = Store.named(None)
    with opened(place, f"keep {', '.join(path.name for path in files)}") as client:
        run = run_of(client, folder, place)
        if run is None:
            return None
        for path in files:
            client.log_artifact(run.info.run_id, str(path))
        for name, value in tags.items():
            client.set_tag(run.info.run_id, name, value)
        return str(run.info.run_id)
