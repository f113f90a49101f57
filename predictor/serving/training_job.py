"""Train on the journal in a separate process, one training at a time, so that the server keeps responding."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock

from predictor.atomic import write_bytes
from predictor.errors import ConfigError, PredictorError
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.training_folder import MODEL


@dataclass(frozen=True)
class TrainingState:
    """The state of a training job.

    Attributes
    ----------
    folder
        Where its model will be; the folder's name is the model's.
    running
        Whether it is under way.
    done, total
        Fits of the cross-validation; both 0 before the first, and if there are too few rows for one.
    comparison
        How the new model compares with the current one, in words; None while it runs, and after an error.
    n, offers
        Interviews that it was trained on, and how many of them ended in an offer.
    score
        ROC AUC with its interval, as text; None if there are too few rows for it.
    error
        Why it ended without a model; None otherwise.
    used
        Whether the new model was put into use: copied over the file that is served.
    """

    folder: Path
    running: bool = True
    done: int = 0
    total: int = 0
    comparison: str | None = None
    n: int = 0
    offers: int = 0
    score: str | None = None
    error: str | None = None
    used: bool = False


class TrainingJob:
    """The training that runs, or ran last; earlier ones are not remembered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._state: TrainingState | None = None
        self._process: BaseProcess | None = None
        self._channel: Connection | None = None

    def start(self, journal: Path, model: Path, models: Path) -> None:
        """Begin, unless one is running already.

        Parameters
        ----------
        journal
            What to train on.
        model
            The model in use, which the new one is compared with.
        models
            The folder of trainings; the new one gets a folder of its own in it, named by the time.
        """
        with self._lock:
            if self._look() and self._state and self._state.running:
                return
            folder = models / f"journal-{datetime.now():%Y-%m-%d-%H%M%S}"
            context = multiprocessing.get_context("spawn")
            self._channel, theirs = context.Pipe(duplex=False)
            self._process = context.Process(target=_train, args=(theirs, journal, model, folder), daemon=True)
            self._process.start()
            theirs.close()  # so that the end of the process is seen
            self._state = TrainingState(folder)

    @property
    def state(self) -> TrainingState | None:
        """Its state now; None where none was started."""
        with self._lock:
            return self._look()

    def use_new_model(self, served: Path) -> None:
        """Copy the new model over the file that is served: no test decides, and MLflow is not involved.

        Raises
        ------
        ConfigError
            If there is no new model.
        OSError
            If the file cannot be written.
        """
        with self._lock:
            state = self._look()
            if state is None or state.comparison is None:
                raise ConfigError("there is no new model; train one first")
            write_bytes(served, (state.folder / MODEL).read_bytes())
            self._state = replace(state, used=True)

    def _look(self) -> TrainingState | None:
        """Read what the process has sent."""
        while self._state and self._state.running and self._channel and self._process:
            try:
                if not self._channel.poll():
                    break
                self._state = replace(self._state, **self._channel.recv())
            except (EOFError, OSError):
                self._process.join(5)
                why = (
                    f"The training process ended unexpectedly, exit code {self._process.exitcode}; the log may say why"
                )
                self._state = replace(self._state, running=False, error=why)
            if not self._state.running:
                self._channel.close()
        return self._state


def _train(channel: Connection, journal: Path, model: Path, folder: Path) -> None:
    """Train in a process of its own, and report its progress through the channel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it holds is given back
    if hasattr(os, "nice"):
        os.nice(10)  # answers come first
    from predictor.pipeline.journal_training import train_on_journal

    try:
        present = OfferModel.load(model)
        learned = train_on_journal(
            Journal.existing(journal, present.catalogue),
            present,
            folder,
            progress=lambda done, total: channel.send({"done": done, "total": total}),
        )
    except (PredictorError, OSError) as error:
        channel.send({"running": False, "error": str(error).replace(str(journal), journal.name)})
        return
    result = learned.saved.result
    score = str(result.scores["roc_auc"]) if result.scores else None
    channel.send(
        {
            "running": False,
            "comparison": learned.summary,
            "n": len(result.y),
            "offers": int(result.y.sum()),
            "score": score,
        }
    )
