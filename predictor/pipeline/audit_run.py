"""An audit of a trained model, from a table of rows to a report beside the training and in its MLflow run.

Rows that the model learned from are predicted out of fold, by models that had not seen them; other rows by the model
itself. Groups reach no model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from predictor.atomic import write_text
from predictor.errors import ConfigError, ModelError
from predictor.evaluation.audit import Audit, audit
from predictor.evaluation.audited import AuditResult
from predictor.evaluation.groups import Axis, axes_of
from predictor.evaluation.left_out import LeftOut, left_out, predict_without
from predictor.evaluation.proxies import measure_proxies
from predictor.evaluation.scores import LEAST_OF_EACH
from predictor.learning.classifier import OfferClassifier
from predictor.learning.published import published_prior
from predictor.model.offer_model import OfferModel
from predictor.model.raters import LENIENCY, with_levels
from predictor.model.tables import Floats
from predictor.panels.cards import cards_of, read_cards
from predictor.panels.leniency_input import PanelInput
from predictor.pipeline.group_columns import read_groups
from predictor.pipeline.trained_model import TrainedModel
from predictor.ratings.ratings import Ratings
from predictor.reports.audit_report import render_audit_page
from predictor.reports.format import of_people
from predictor.threads import one_thread
from predictor.tracking.record import Record
from predictor.training.comparison import OutOfFold, keys
from predictor.training.folds import groups_of
from predictor.training_folder import AUDIT, AUDIT_REPORT, OUT_OF_FOLD


def audit_model(
    trained: TrainedModel,
    data: Path,
    columns: Mapping[str, str],
    *,
    groups_file: Path | None = None,
    on: str | None = None,
    cards: Path | None = None,
    threshold: float = 0.5,
    resamples: int = 200,
) -> AuditResult:
    """Audit a model on a table of rows with groups.

    Parameters
    ----------
    trained
        The model, with the folder of its training if that is at hand.
    data, columns, groups_file, on
        As for `predictor.pipeline.group_columns.read_groups`.
    cards
        The scorecards one by one, from which folds that are fitted again learn how high panels rate; default: the
        panels' means.
    threshold
        Likelihood, above 0 and below 1, at which a row counts as selected.
    resamples
        Of people, for intervals.

    Raises
    ------
    ConfigError
        If the threshold is no such share, or a column of groups or the scorecards cannot be used.
    RatingsError
        With every problem of the rows.
    """
    if not 0 < threshold < 1:
        raise ConfigError(f"--threshold {threshold:g}: write a likelihood above 0 and below 1, such as 0.5")
    ratings, words = read_groups(data, trained.model.catalogue, columns, groups_file, on)
    axes = axes_of(words)
    people = np.arange(len(ratings)) if ratings.groups is None else ratings.groups.astype(str)
    predictions = _predictions(trained, ratings)
    panels = _panels(trained.model, ratings, cards)
    ratings = with_levels(trained.model.raters, ratings)
    result = audit(predictions.p, ratings.y, people, axes, threshold=threshold, resamples=resamples)
    without, by, n = _compare_left_out(trained, ratings, predictions, people, axes, result, resamples, panels)
    return AuditResult(
        model=trained.model,
        source=str(data),
        simulated=ratings.simulated or trained.model.simulated,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        audit=result,
        n_out_of_fold=int(predictions.in_training.sum()),
        n_new=int((~predictions.in_training).sum()),
        proxies=measure_proxies(ratings, axes, people, resamples=resamples),
        left_out=without,
        left_out_by=by,
        left_out_n=n,
        warnings=list(_warnings(trained, ratings, predictions, people)),
    )


def save_audit(audited: AuditResult, folder: Path) -> list[Path]:
    """Write the report and its figures to a folder; return the files."""
    text = json.dumps(audited.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return [write_text(folder / AUDIT_REPORT, render_audit_page(audited)), write_text(folder / AUDIT, text)]


@dataclass(frozen=True, eq=False)
class _Predictions:
    """Likelihoods of rows: out of fold where the model learned from the row."""

    p: Floats  # shape (repeats, n)
    in_training: NDArray[np.bool_]  # whether the model learned from the row
    training_row: NDArray[np.int64]  # which of the training's rows it is, -1 for none
    out_of_fold: OutOfFold | None  # what the training saved; None where that is not here
    person_in_training: NDArray[
        np.bool_
    ]  # whether the model learned from other rows of this person, but not from this row


def _predictions(trained: TrainedModel, ratings: Ratings) -> _Predictions:
    own = trained.model.predict_many(ratings, interval=False)["offer_probability"].to_numpy()
    n = len(ratings)
    by_model = _Predictions(own[None], np.zeros(n, bool), np.full(n, -1), None, np.zeros(n, bool))
    if trained.folder is None:
        return by_model
    try:
        out_of_fold = OutOfFold.read(trained.folder / OUT_OF_FOLD)
    except ModelError:
        return by_model
    if not len(out_of_fold.p):
        return by_model
    labelled = np.flatnonzero(~np.isnan(ratings.y))
    rows, people = keys(_as_trained(trained.model, ratings).rows(labelled))
    training_row = np.full(n, -1)
    training_rows = out_of_fold.rows if out_of_fold.as_trained is None else out_of_fold.as_trained
    training_row[labelled] = pd.Index(training_rows).get_indexer(pd.Index(rows))
    p = np.tile(own, (len(out_of_fold.p), 1))
    in_training = training_row >= 0
    p[:, in_training] = out_of_fold.p[:, training_row[in_training]]
    of_person = np.zeros(n, bool)
    of_person[labelled] = np.isin(people, out_of_fold.groups)
    return _Predictions(p, in_training, training_row, out_of_fold, of_person & ~in_training)


def _as_trained(model: OfferModel, ratings: Ratings) -> Ratings:
    """Take the rows as the training read them: it computed the panels' leniency itself."""
    if not model.raters:
        return ratings
    inputs = tuple(item for item in ratings.catalogue.inputs if item.name != LENIENCY)
    return dataclasses.replace(ratings, catalogue=dataclasses.replace(ratings.catalogue, inputs=inputs))


def _panels(model: OfferModel, ratings: Ratings, cards: Path | None) -> PanelInput | None:
    """Return what leniency is learned from, where the model has it as an input."""
    if not model.raters:
        return None
    known = cards_of(ratings, read_cards(cards, ratings.catalogue) if cards else None)
    return None if known is None else PanelInput(_as_trained(model, ratings), known)


def _compare_left_out(
    trained: TrainedModel,
    ratings: Ratings,
    predictions: _Predictions,
    people: NDArray[Any],
    axes: Sequence[Axis],
    result: Audit,
    resamples: int,
    panels: PanelInput | None,
) -> tuple[list[LeftOut], str, int]:
    """Compare predictions with and without families and signals, by models that had not seen the rows.

    Also return which models predicted, or why nothing was compared, in words; and how many rows there are.
    """
    out_of_fold, in_training = predictions.out_of_fold, predictions.in_training
    new = ~np.isnan(ratings.y) & ~in_training & ~predictions.person_in_training
    if out_of_fold is not None and in_training.sum() == len(out_of_fold.rows):
        rows, folds = np.flatnonzero(in_training), out_of_fold.folds[0]  # all are here: fit the folds again
        panels = panels and PanelInput(panels.ratings.rows(rows), panels.cards)
        answers = _by_folds(trained, ratings.rows(rows), folds[predictions.training_row[rows]], panels)
        by = f"by models of {int(folds.max()) + 1} folds, fitted again, each on rows that it had not seen"
    elif out_of_fold is None or new.sum() >= LEAST_OF_EACH:
        rows = np.flatnonzero(new)
        answers = predict_without(trained.model, ratings.rows(rows).features.to_numpy())
        by = "by the model itself, on rows that it did not learn from"
        if out_of_fold is None and trained.model.trained_on["n"]:
            by = "by the model itself; rows that it learned from, if any, make it look better than it is"
    else:
        return [], "Not measured: only a part of the rows that the model learned from is here, and no other rows.", 0
    y = ratings.y[rows]
    if min(y.sum(), len(y) - y.sum()) < LEAST_OF_EACH:
        needed = f"{LEAST_OF_EACH} offers and {LEAST_OF_EACH} non-offers"
        return [], f"Not measured: at least {needed} are needed.", len(rows)
    some = [dataclasses.replace(axis, place=axis.place[rows]) for axis in axes]
    return left_out(answers, y, people[rows], some, result, resamples=resamples), by, len(rows)


def _by_folds(
    trained: TrainedModel, ratings: Ratings, folds: NDArray[Any], panels: PanelInput | None
) -> dict[tuple[str, str], Floats]:
    """Predict the rows that a model learned from by models of its folds, without each family and signal.

    How high a panel rates is learned again, too: in each fold, and from scorecards without what is left out.
    """
    prior = published_prior() if "prior" in trained.model.trained_on else None
    groups = groups_of(ratings)
    seed = int(Record.load(trained.folder).params.get("seed", 0)) if trained.folder else 0
    classifier = OfferClassifier(ratings.catalogue, prior=prior, random_state=seed)
    answers: dict[tuple[str, str], Floats] = {}
    X = ratings.features
    with one_thread():
        for fold in np.unique(folds):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            learned, tested, adjust = X.iloc[train], X.iloc[test], None
            if panels:
                of_learned, of_tested = panels.codes(train, test)
                learned, tested = learned.assign(**{LENIENCY: of_learned}), tested.assign(**{LENIENCY: of_tested})
                adjust = _leniency_without(panels, train, test, list(X).index(LENIENCY))
            fitted = clone(classifier).fit(learned, ratings.y[train], groups=groups[train])
            for part, p in predict_without(fitted.model_, tested.to_numpy(), adjust).items():
                answers.setdefault(part, np.empty(len(ratings)))[test] = p
    return answers


def _leniency_without(
    panels: PanelInput, train: NDArray[Any], test: NDArray[Any], column: int
) -> Callable[[list[int], Floats], None]:
    """Return a function that overwrites a column with the leniency of panels as learned without some signals."""

    def adjust(signals: list[int], values: Floats) -> None:
        fewer = PanelInput(panels.ratings, panels.cards.without(signals))
        values[:, column] = fewer.codes(train, test)[1]

    return adjust


def _warnings(trained: TrainedModel, ratings: Ratings, predictions: _Predictions, people: NDArray[Any]) -> Any:
    model, out_of_fold = trained.model, predictions.out_of_fold
    if out_of_fold is None and model.trained_on["n"]:
        yield (
            "No out-of-fold predictions of the training are at hand, so the model itself answered for every row. If it "
            "learned from them, calibration and errors look better than they are."
        )
    elif out_of_fold is not None and not predictions.in_training.any():
        yield (
            f"None of the rows is one of the {len(out_of_fold.rows):,} that the model learned from, so it answered for "
            "all of them itself. If they are the same interviews in another form, figures look better than they are."
        )
    if count := int(predictions.person_in_training.sum()):
        yield f"{count:,} rows that the model did not learn from are of people whose other rows it learned from."
    if (different := len(np.unique(people))) < len(people):
        yield (
            f"{len(people):,} rows are{of_people(different, True)}. Intervals allow for that; the exact test "
            "takes rows as independent, so its p-values are somewhat low."
        )
    elif ratings.groups is None:
        yield "No group column: if one person has several rows, intervals are too narrow."
    if model.rows_deleted:
        yield f"The model was trained with {model.rows_deleted:,} rows since deleted."
