"""Which of two models is significantly better: on the same rows for both, out of fold.

A model's out-of-fold predictions are saved beside it (`OutOfFold`). A later model, perhaps trained on more interviews,
is then compared with it row by row: where both learned from a row, by the out-of-fold predictions of both; where only
the later one did, by what the earlier one predicts now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.atomic import write_text
from predictor.errors import ConfigError, ModelError, plural
from predictor.evaluation.scores import GroupBootstrap, Metric, Score, gain, log_loss, roc_auc
from predictor.model.tables import Floats
from predictor.ratings.ratings import Ratings
from predictor.training import POOL

if TYPE_CHECKING:
    from predictor.training.result import TrainingResult

Keys = NDArray[np.unsignedinteger[Any]]

CHAMPION = "champion"
AS_TRAINED = "row_as_trained"  # column of `OutOfFold.as_trained`
FEWEST = 30  # rows of each outcome under which two models are not compared
DRAWS = 1000
# A difference on a leaderboard is significant if it exceeds this many times the half width of its 90 % interval, about
# 2 standard deviations: rows and folds are the same for all.
SIGNIFICANT_HALF_WIDTHS = 1.2
# A promotion needs about 3. Resampling rows captures neither the chance in the folds nor that in the one champion: on
# simulated interviews 2 promoted 8 or 9 equal challengers of 100, and 3 none (`experiments/benchmark/promotion.py`).
PROMOTION_HALF_WIDTHS = 1.7


def keys(ratings: Ratings) -> tuple[Keys, Keys]:
    """Name rows and their groups by what they hold, so that they are known again in another file.

    Parameters
    ----------
    ratings
        n rows.

    Returns
    -------
    tuple of arrays of shape (n,)
        A number for each row, from its ratings, inputs, outcome and group, and one for its group (the row itself where
        there are no groups). Equal rows are numbered through, so that no two rows share a key.

    Examples
    --------
    >>> from predictor import simulate_interviews
    >>> some = simulate_interviews(50, seed=1).labelled()
    >>> whole, part = keys(some)[0], keys(some.rows([3, 1]))[0]
    >>> bool((part == whole[[3, 1]]).all())
    True
    """
    frame = pd.DataFrame(ratings.values, columns=list(ratings.catalogue.names)).sort_index(axis=1)
    frame["outcome"] = ratings.y
    for item in ratings.catalogue.inputs:
        frame[item.name] = ratings.codes(item)
    group = None if ratings.groups is None else pd.Series(ratings.groups.astype(str))
    frame["group"] = "" if group is None else group
    plain = pd.util.hash_pandas_object(frame, index=False)
    frame["copy"] = plain.groupby(plain).cumcount()
    rows: Any = pd.util.hash_pandas_object(frame, index=False).to_numpy(np.uint64)
    together: Any = rows if group is None else pd.util.hash_pandas_object(group, index=False).to_numpy(np.uint64)
    return rows, together


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Out-of-fold predictions: of each row, by models that had not seen it.

    Attributes
    ----------
    rows, groups
        Keys, shape (n,); see `keys`.
    y
        Outcomes 0 or 1, shape (n,).
    p
        Probabilities of an offer, shape (repeats, n); no repeats where the rows were too few to measure anything.
    folds
        Number of the fold, from 0 in each repeat, shape (repeats, n).
    as_trained
        Keys of the rows without the signals that the training left out, by which the model itself knows them; None
        where it left out none.
    """

    rows: Keys
    groups: Keys
    y: Floats
    p: Floats
    folds: NDArray[np.int64]
    as_trained: Keys | None = None

    @classmethod
    def of(cls, result: TrainingResult) -> OutOfFold:
        """Return the predictions of a training."""
        nothing = np.empty((0, len(result.y)))
        p = result.out_of_fold.get(result.config.model, nothing)
        folds = result.folds if len(p) else nothing.astype(np.int64)
        return cls(*result.keys, result.y, p, folds, result.keys_as_trained)

    def chosen(self, rows: NDArray[Any]) -> OutOfFold:
        """Select rows by a mask or by indices."""
        as_trained = None if self.as_trained is None else self.as_trained[rows]
        return OutOfFold(
            self.rows[rows], self.groups[rows], self.y[rows], self.p[:, rows], self.folds[:, rows], as_trained
        )

    def ordered_as(self, other: OutOfFold) -> OutOfFold | None:
        """Return the rows in another's order; None where they are not the same rows."""
        place = pd.Index(self.rows).get_indexer(pd.Index(other.rows))
        if len(self.rows) != len(other.rows) or not len(place) or (place < 0).any():
            return None
        return self.chosen(place)

    @classmethod
    def none(cls) -> OutOfFold:
        """Build one for a model without training rows."""
        empty = np.empty(0, dtype=np.uint64)
        return cls(empty, empty, np.empty(0), np.empty((0, 0)), np.empty((0, 0), dtype=np.int64))

    @classmethod
    def read(cls, path: str | Path) -> OutOfFold:
        """Read what `write` wrote.

        Raises
        ------
        ModelError
            If the file is missing or damaged.
        """
        try:
            table = pd.read_csv(path, dtype=str)  # numpy reads every digit, which pandas does from 3.1 on
            repeats = sum(str(name).startswith("probability_") for name in table)
            columns = [[f"{kind}_{repeat}" for repeat in range(repeats)] for kind in ("probability", "fold")]
            p, folds = (table[names].to_numpy(dtype=str).T for names in columns)
            row, group, y = (table[name].to_numpy(dtype=str) for name in ("row", "group", "outcome"))
            own = table[AS_TRAINED].to_numpy(dtype=str).astype(np.uint64) if AS_TRAINED in table else None
            return cls(
                row.astype(np.uint64), group.astype(np.uint64), y.astype(float), p.astype(float),
                folds.astype(np.int64), own,
            )  # fmt: skip
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"{path}: no out-of-fold predictions of a training: {error}; train it again") from None

    def write(self, path: str | Path) -> Path:
        """Write a CSV file, one row per interview: keys, outcome, and probability and fold of each repeat."""
        table = pd.DataFrame({"row": self.rows, "group": self.groups, "outcome": self.y.astype(int)})
        if self.as_trained is not None:
            table[AS_TRAINED] = self.as_trained
        for repeat, (p, fold) in enumerate(zip(self.p, self.folds, strict=True)):
            table[f"probability_{repeat}"], table[f"fold_{repeat}"] = p, fold
        return write_text(path, table.to_csv(index=False, lineterminator="\n"))


@dataclass(frozen=True)
class Verdict:
    """Whether a challenger is better than the champion.

    Attributes
    ----------
    gain
        Log-loss improvement of the challenger over the champion on the same rows; None where there are too few.
    n
        Rows on which both could be judged.
    excluded_rows
        Rows of people that the champion was trained on (another row of the same person), or that it cannot predict.

    Examples
    --------
    >>> print(Verdict(Score(0.024, 0.012, 0.036, 800), 800, 0))
    Significantly better: log-loss improvement 0.024 (0.012 to 0.036), n = 800.
    >>> print(Verdict(Score(0.004, -0.008, 0.016, 800), 800, 0))
    Not significantly better: log-loss improvement 0.004 (-0.008 to 0.016), n = 800.
    """

    gain: Score | None
    n: int
    excluded_rows: int

    @property
    def better(self) -> bool:
        """Whether the gain is significant: its 90 % interval is `PROMOTION_HALF_WIDTHS` half widths above 0."""
        return self.gain is not None and self.gain.value > PROMOTION_HALF_WIDTHS * (self.gain.high - self.gain.value)

    def __str__(self) -> str:
        rows = f"{plural(self.excluded_rows, 'row')} {'was' if self.excluded_rows == 1 else 'were'}"
        out = f" {rows} left out: the champion was trained on the same people, or cannot predict them."
        note = out if self.excluded_rows else ""
        if self.gain is None:
            known = f"needs {FEWEST} offers and {FEWEST} non-offers, found {plural(self.n, 'row')}"
            return f"Not enough data: {known}.{note}"
        word = "Significantly better" if self.better else "Not significantly better"
        return f"{word}: log-loss improvement {self.gain}, n = {self.n:,}.{note}"


def judge(
    challenger: OutOfFold, champion: OutOfFold, predict_by_champion: Callable[[], Floats] | None = None
) -> Verdict:
    """Compare a challenger with the champion on the training rows of the challenger.

    Groups are resampled as a whole. Where both learned from the same rows with the same folds, the chance in the folds
    is the same for both.

    Parameters
    ----------
    challenger, champion
        Out-of-fold predictions of each.
    predict_by_champion
        Returns the champion's current probabilities for the challenger's rows, shape (n,), NaN where it has none;
        called only if there are rows that the champion did not learn from.
    """
    place = pd.Index(champion.rows).get_indexer(pd.Index(challenger.rows))
    both = place >= 0
    repeats = min(len(challenger.p), len(champion.p)) or len(challenger.p)
    theirs = np.full((repeats, len(challenger.rows)), np.nan)
    if len(champion.p):
        theirs[:, both] = champion.p[:repeats, place[both]]
    new = ~both & ~np.isin(challenger.groups, champion.groups)
    if repeats and new.any() and predict_by_champion:
        theirs[:, new] = predict_by_champion()[new]
    usable = ~np.isnan(theirs).any(axis=0) & (repeats > 0)
    y, n = challenger.y[usable], int(usable.sum())
    excluded_rows = len(usable) - n
    if min(y.sum(), n - y.sum()) < FEWEST:
        return Verdict(None, n, excluded_rows)
    resampling = GroupBootstrap(challenger.groups[usable], DRAWS, seed=0)
    return Verdict(gain(y, challenger.p[:repeats, usable], theirs[:, usable], resampling), n, excluded_rows)


@dataclass(frozen=True)
class Entry:
    """A line of a leaderboard.

    Attributes
    ----------
    name
        Of the experiment, or "champion (version N)".
    log_loss, roc_auc
        On rows not seen.
    difference
        Log-loss minus that of the reference on the same rows; None for the reference itself.
    """

    name: str
    log_loss: Score
    roc_auc: Score
    difference: Score | None

    @property
    def verdict(self) -> str:
        """Return better, worse, or level (no significant difference) against the reference; or why there is none."""
        difference = self.difference
        if difference is None:
            return "reference"
        if difference.value == difference.low == difference.high == 0:
            return "same"  # the same predictions: the experiment that the champion came from
        significant = abs(difference.value) > SIGNIFICANT_HALF_WIDTHS * (difference.high - difference.value)
        return ("worse" if difference.value > 0 else "better") if significant else "level"


@dataclass(frozen=True)
class Leaderboard:
    """Trainings on the same rows, ranked by log-loss, each compared with one reference.

    Attributes
    ----------
    entries
        The best first.
    reference
        The entry that the differences are to; one of `entries`.
    why
        Why it is the reference, as a sentence.
    """

    entries: tuple[Entry, ...]
    reference: Entry
    why: str

    @property
    def best(self) -> Entry:
        """The experiment with the lowest log-loss; the champion is none of them."""
        return next(entry for entry in self.entries if not entry.name.startswith(CHAMPION))

    @property
    def against(self) -> str:
        """The reference, as part of a sentence."""
        return f"the {self.reference.name}" if self.reference.name.startswith(CHAMPION) else self.reference.name

    @property
    def headline(self) -> str:
        """What came of it, in one sentence."""
        best, other = self.best, self.against
        first = f"{best.name} has the lowest log-loss of the experiments, {best.log_loss}, n = {best.log_loss.n:,}"
        comparison = {
            "reference": "it is the reference",
            "same": f"its predictions are those of {other}",
            "level": f"against {other} the difference may be chance: {best.difference}",
        }.get(best.verdict, f"significantly {best.verdict} than {other}: {best.difference}")
        return f"{first}; {comparison}."

    def rows(self) -> list[dict[str, Any]]:
        """Return the entries as flat rows, ready for CSV."""
        rows = []
        for rank, entry in enumerate(self.entries, 1):
            row: dict[str, Any] = {"rank": rank, "experiment": entry.name, "verdict": entry.verdict}
            for name, score in (
                ("difference", entry.difference), ("log_loss", entry.log_loss), ("roc_auc", entry.roc_auc)
            ):  # fmt: skip
                for end in ("value", "low", "high"):
                    row[name if end == "value" else f"{name}_{end}"] = round(getattr(score, end), 5) if score else None
            rows.append(row | {"n": entry.log_loss.n, "reference": self.reference.name})
        return rows


def leaderboard(results: Mapping[str, TrainingResult], champion: tuple[str, OutOfFold] | None = None) -> Leaderboard:
    """Rank trainings on the same rows and folds by log-loss, with paired differences to one reference.

    Parameters
    ----------
    results
        By experiment's name.
    champion
        Version of the current champion, and its out-of-fold predictions. It is the reference if it learned
        from the same rows; its folds may differ, which adds noise but no bias. Else that is the experiment "pool", or
        the best where there is no "pool".

    Raises
    ------
    ConfigError
        If the trainings did not share their rows and folds.
    """
    predictions = {name: OutOfFold.of(result) for name, result in results.items()}
    scored = {name: (result.scores["log_loss"], result.scores["roc_auc"]) for name, result in results.items()}
    first, base = next(iter(predictions.items()))
    for name, other in predictions.items():
        if not (np.array_equal(other.rows, base.rows) and np.array_equal(other.folds, base.folds)):
            raise ConfigError(f"'{name}' has other rows or folds than '{first}'; give them the same folds and seed")
    resampling = GroupBootstrap(base.groups, DRAWS, seed=0)
    reference = POOL if POOL in results else min(scored, key=lambda name: scored[name][0].value)
    why = f"Compared with {reference}, since there is no registered champion."
    if champion:
        version, theirs = champion
        name, same = f"{CHAMPION} (version {version})", theirs.ordered_as(base)
        why = f"Compared with {reference}, since the {name} learned from other rows."
        if same:
            reference, why = (
                name,
                f"Compared with the {name} on the same rows, using out-of-fold predictions.",
            )
            predictions[name] = same
            scored[name] = _scored(same, resampling)
    them = predictions[reference]
    entries = []
    for name, (loss, auc) in scored.items():
        gap = None if name == reference else _difference(predictions[name], them, resampling)
        entries.append(Entry(name, loss, auc, gap))
    entries.sort(key=lambda entry: entry.log_loss.value)
    return Leaderboard(tuple(entries), next(entry for entry in entries if entry.difference is None), why)


def _difference(one: OutOfFold, reference: OutOfFold, resampling: GroupBootstrap) -> Score:
    repeats = min(len(one.p), len(reference.p))
    return gain(one.y, reference.p[:repeats], one.p[:repeats], resampling)


def _scored(model: OutOfFold, resampling: GroupBootstrap) -> tuple[Score, Score]:
    def score(metric: Metric, highest: float) -> Score:
        return resampling.score(lambda k, w: metric(model.y, model.p[k], w), len(model.p), len(model.y), (0.0, highest))

    return score(log_loss, np.inf), score(roc_auc, 1.0)
