"""The model that is served, reloaded when its file changes, without a restart and without a failed request."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock

from predictor.errors import ModelError
from predictor.model.offer_model import OfferModel
from predictor.serving.api.answers import model_parts

log = logging.getLogger(__name__)

Stamp = tuple[Path, int, int, int]


class CurrentModel:
    """The model of a file, as the file is now.

    If the file cannot be read, the previous model stays, and `error` states why.

    Parameters
    ----------
    path
        The model file.
    fallback
        A model file that is served while there is none at `path`.

    Attributes
    ----------
    error
        Why the file, as it is now, is not what is served; None where it is.
    reloads
        How often another file was loaded.

    Raises
    ------
    ModelError
        If there is no usable model to begin with.

    Examples
    --------
    >>> from predictor.model.offer_model import PUBLISHED
    >>> CurrentModel(PUBLISHED)().name
    'published-evidence'
    """

    def __init__(self, path: Path, fallback: Path | None = None) -> None:
        self.path, self.fallback = path.absolute(), fallback and fallback.absolute()
        self.error: str | None = None
        self.reloads = 0
        self._lock = Lock()
        if self.path.exists() and not self.path.is_file():  # a pipe would be waited for, each time again
            raise ModelError(f"{self.path}: is not an ordinary file; name a model file")
        self._stamp = self._file_stamp()
        self._model = OfferModel.load(self._stamp[0] if self._stamp else self.path)
        model_parts(self._model)  # fills a cache, so that the first request is not slower

    def __call__(self) -> OfferModel:
        """Return the model, after a look at its file, which takes microseconds."""
        stamp = self._file_stamp()
        # A request that comes during the reload gets the previous model.
        if stamp != self._stamp and self._lock.acquire(blocking=False):
            try:
                self._reload(stamp)
            finally:
                self._lock.release()
        return self._model

    def _file_stamp(self) -> Stamp | None:
        """Return path, inode, time and size, which change when the file is replaced or written; None without a file."""
        for path in (self.path, self.fallback):
            try:
                status = path.stat() if path else None
            except OSError:
                continue
            if path and status:
                return path, status.st_ino, status.st_mtime_ns, status.st_size
        return None

    def _reload(self, stamp: Stamp | None) -> None:
        try:
            if stamp is None:
                raise ModelError(f"{self.path}: no such model; still serving the previous model")
            model = OfferModel.load(stamp[0])
            model_parts(model)
        except ModelError as error:
            self.error = str(error).replace(str(self.path), self.path.name)  # the path is private
            log.error("model not reloaded", extra={"fields": {"trouble": self.error, "served": self._model.name}})
        else:
            self._model, self.error, self.reloads = model, None, self.reloads + 1
            log.info("model reloaded", extra={"fields": {"model": model.name, "fingerprint": model.fingerprint}})
        self._stamp = stamp
