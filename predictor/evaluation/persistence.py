"""Keep fitted challengers in files that run no code when they are read.

The model itself is a JSON file and needs none of this; a challenger is never loaded in order to predict. joblib and
pickle run whatever a file tells them to, before anything could be checked. A file of skops says which types it is made
of, and they are compared with a fixed list before one of them is built.
"""

from __future__ import annotations

import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

from predictor.atomic import write_bytes
from predictor.errors import MissingExtraError, ModelError

# Beside what skops trusts itself: types of scikit-learn and numpy that hold numbers and run nothing of their own.
TRUSTED = (
    "numpy.dtype",
    "predictor.evaluation.baselines.Columns",
    "predictor.evaluation.baselines.MeanRating",
    "predictor.evaluation.baselines.StoppedBoosting",
    # Trees follow the numbers of their nodes without a check: a forged file can crash the process, though not run code.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)


def save_challenger(fitted: Any, path: str | Path) -> Path:
    """Write a fitted challenger to a skops file, atomically.

    Parameters
    ----------
    fitted
        What `challenger(...)` made, fitted.
    path
        Where to write, as in "forest.skops"; folders on the way are made.

    Returns
    -------
    Path
        The path written.

    Raises
    ------
    ModelError
        If the file cannot be written.
    MissingExtraError
        If skops is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from predictor import simulate_interviews
    >>> from predictor.evaluation.baselines import challenger
    >>> known = simulate_interviews(100, seed=1).labelled()
    >>> fitted = challenger("logistic", known.catalogue).fit(known.features, known.y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = load_challenger(save_challenger(fitted, f"{folder}/logistic.skops"))
    >>> bool((again.predict_proba(known.features) == fitted.predict_proba(known.features)).all())
    True
    """
    content = _skops().dumps(fitted, compression=zipfile.ZIP_DEFLATED)
    try:
        return write_bytes(path, content)
    except OSError as error:
        raise ModelError(f"{path}: the challenger cannot be written: {error.strerror or error}") from None


def load_challenger(path: str | Path) -> Any:
    """Read a fitted challenger from its skops file, if it is made of nothing but `TRUSTED` types and skops' own.

    Read it with the scikit-learn that wrote it: another version may refuse it, or answer otherwise.

    Parameters
    ----------
    path
        What `save_challenger` wrote.

    Returns
    -------
    estimator
        With `predict_proba`, as fitted.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or holds any other type.
    MissingExtraError
        If skops is not installed.
    """
    skops = _skops()
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the challenger cannot be read: {error.strerror or error}") from None
    try:
        others = set(skops.get_untrusted_types(data=content)) - set(TRUSTED)
        fitted = None if others else skops.loads(content, trusted=list(TRUSTED))
    except Exception as error:  # whatever a reader may stumble over in a file that is none of ours
        raise ModelError(f"{path}: not a challenger's file, or damaged: {error}; train it again") from None
    if others:
        told = ", ".join(sorted(others))
        raise ModelError(f"{path}: holds {told}, which no challenger is made of; it was not loaded: train it again")
    return fitted


def _skops() -> Any:
    try:
        return import_module("skops.io")
    except ImportError as error:
        raise MissingExtraError("skops", "Keeping a challenger", "train") from error
