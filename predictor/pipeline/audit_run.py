"""An audit of a trained model, from a table of rows to a report beside the training and in its MLflow run.

Rows that the model learned from are answered out of fold, by models that had not seen them; other rows by the model
itself. Groups are read beside them and reach no model.
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
from predictor.evaluation.data_quality import MINIMUM
from predictor.evaluation.group_inference import proxies
from predictor.evaluation.groups import Grouping, axes_of
from predictor.evaluation.left_out import LeftOut, answers_without, left_out
from predictor.learning.classifier import OfferClassifier
from predictor.learning.published import published_prior
from predictor.model.offer_model import OfferModel
from predictor.model.raters import LENIENCY, with_levels
from predictor.model.tables import Floats
from predictor.panels.cards import cards_of, read_cards
from predictor.panels.term import PanelInput
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
    groups: Path | None = None,
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
    data, columns, groups, on
        As `data`, `columns`, `beside` and `on` of `predictor.pipeline.group_columns.read_groups`.
    cards
        The scorecards one by one, from which folds that are fitted again learn how high panels rate; where None, the
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
    ratings, words = read_groups(data, trained.model.catalogue, columns, groups, on)
    axes = axes_of(words)
    people = np.arange(len(ratings)) if ratings.groups is None else ratings.groups.astype(str)
    unseen = _unseen(trained, ratings)
    panels = _panels(trained.model, ratings, cards)
    ratings = with_levels(trained.model.raters, ratings)
    result = audit(unseen.p, ratings.y, people, axes, threshold=threshold, resamples=resamples)
    without, by, n = _left_out(trained, ratings, unseen, people, axes, result, resamples, panels)
    return AuditResult(
        model=trained.model,
        source=str(data),
        simulated=ratings.simulated or trained.model.simulated,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        audit=result,
        n_out_of_fold=int(unseen.known.sum()),
        n_new=int((~unseen.known).sum()),
        proxies=proxies(ratings, axes, people, resamples=resamples),
        left_out=without,
        left_out_by=by,
        left_out_n=n,
        warnings=list(_warnings(trained, ratings, unseen, people)),
    )


def save_audit(audited: AuditResult, folder: Path) -> list[Path]:
    """Write the report and its figures to a folder; return the files."""
    text = json.dumps(audited.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return [write_text(folder / AUDIT_REPORT, render_audit_page(audited)), write_text(folder / AUDIT, text)]


@dataclass(frozen=True, eq=False)
class _Unseen:
    """Likelihoods for rows by models that had not seen them.

    `p` has shape (repeats, n); `known` says which rows are the training's; `place` is each one's place among the
    training's rows, -1 for others; `kept` is what the training kept, None where that is not here.
    """

    p: Floats
    known: NDArray[np.bool_]
    place: NDArray[np.int64]
    kept: OutOfFold | None
    known_people: NDArray[np.bool_]


def _unseen(trained: TrainedModel, ratings: Ratings) -> _Unseen:
    answers = trained.model.predict_many(ratings, interval=False)["offer_probability"].to_numpy()
    n = len(ratings)
    nothing = _Unseen(answers[None], np.zeros(n, bool), np.full(n, -1), None, np.zeros(n, bool))
    if trained.folder is None:
        return nothing
    try:
        kept = OutOfFold.read(trained.folder / OUT_OF_FOLD)
    except ModelError:
        return nothing
    if not len(kept.p):
        return nothing
    labelled = np.flatnonzero(~np.isnan(ratings.y))
    rows, people = keys(_as_trained(trained.model, ratings).rows(labelled))
    place = np.full(n, -1)
    theirs = kept.rows if kept.as_trained is None else kept.as_trained
    place[labelled] = pd.Index(theirs).get_indexer(pd.Index(rows))
    p = np.tile(answers, (len(kept.p), 1))
    known = place >= 0
    p[:, known] = kept.p[:, place[known]]
    known_people = np.zeros(n, bool)
    known_people[labelled] = np.isin(people, kept.groups)
    return _Unseen(p, known, place, kept, known_people & ~known)


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


def _left_out(
    trained: TrainedModel,
    ratings: Ratings,
    unseen: _Unseen,
    people: NDArray[Any],
    axes: Sequence[Grouping],
    result: Audit,
    resamples: int,
    panels: PanelInput | None,
) -> tuple[list[LeftOut], str, int]:
    """Compare answers with and without families and signals, by models that had not seen the rows."""
    kept, labelled = unseen.kept, ~np.isnan(ratings.y)
    new = labelled & ~unseen.known & ~unseen.known_people
    if kept is not None and unseen.known.sum() == len(kept.rows):
        rows = np.flatnonzero(unseen.known)
        panels = panels and PanelInput(panels.ratings.rows(rows), panels.cards)
        answers = _by_folds(trained, ratings.rows(rows), kept.folds[0, unseen.place[rows]], panels)
        by = f"by models of {int(kept.folds[0].max()) + 1} folds, fitted again, each on rows that it had not seen"
    elif kept is None or new.sum() >= MINIMUM:
        rows = np.flatnonzero(new)
        answers = answers_without(trained.model, ratings.rows(rows).features.to_numpy())
        by = "by the model itself, on rows that it did not learn from"
        if kept is None and trained.model.trained_on["n"]:
            by = "by the model itself; rows that it learned from, if any, make it look better than it is"
    else:
        return [], "Not measured: only a part of the rows that the model learned from is here, and no other rows.", 0
    y = ratings.y[rows]
    if min(y.sum(), len(y) - y.sum()) < MINIMUM:
        return [], f"Not measured: at least {MINIMUM} offers and {MINIMUM} non-offers are needed.", len(rows)
    some = [dataclasses.replace(axis, place=axis.place[rows]) for axis in axes]
    return left_out(answers, y, people[rows], some, result, resamples=resamples), by, len(rows)


def _by_folds(
    trained: TrainedModel, ratings: Ratings, folds: NDArray[Any], panels: PanelInput | None
) -> dict[tuple[str, str], Floats]:
    """Answer for the rows that a model learned from by models of its folds, without each family and signal.

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
                known, unseen = panels.codes(train, test)
                learned, tested = learned.assign(**{LENIENCY: known}), tested.assign(**{LENIENCY: unseen})
                adjust = _panels_without(panels, train, test, list(X).index(LENIENCY))
            fitted = clone(classifier).fit(learned, ratings.y[train], groups=groups[train])
            for part, p in answers_without(fitted.model_, tested.to_numpy(), adjust).items():
                answers.setdefault(part, np.empty(len(ratings)))[test] = p
    return answers


def _panels_without(
    panels: PanelInput, train: NDArray[Any], test: NDArray[Any], column: int
) -> Callable[[list[int], Floats], None]:
    def adjust(places: list[int], values: Floats) -> None:
        fewer = PanelInput(panels.ratings, panels.cards.without(places))
        values[:, column] = fewer.codes(train, test)[1]

    return adjust


def _warnings(trained: TrainedModel, ratings: Ratings, unseen: _Unseen, people: NDArray[Any]) -> Any:
    model = trained.model
    learned = int(model.trained_on["n"])
    if unseen.kept is None and learned:
        yield (
            "No out-of-fold predictions of the training are at hand, so the model itself answered for every row. If it "
            "learned from them, calibration and errors look better than they are."
        )
    elif unseen.kept is not None and not unseen.known.any():
        yield (
            f"None of the rows is one of the {len(unseen.kept.rows):,} that the model learned from, so it answered for "
            "all of them itself. If they are the same interviews in another form, figures look better than they are."
        )
    if count := int(unseen.known_people.sum()):
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
