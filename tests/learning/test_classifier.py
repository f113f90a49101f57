"""The classifier: scikit-learn's own checks, tables that equal the pool, intervals, classes and bad input."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from predictor import Catalogue, OfferClassifier, OfferModel, Ratings, read_ratings, simulate_interviews
from predictor.batch.running import score_files
from predictor.errors import ConfigError, RatingsError
from predictor.learning.assembly import assemble
from predictor.learning.decomposition import evaluate
from predictor.learning.factors import fit_factors
from predictor.learning.pool import fit_pool, fold_numbers
from predictor.learning.prior_mixture import Rows, fit_regressions
from predictor.learning.published import published_prior
from predictor.learning.regression import INTERCEPT_PRECISION, fit_regression
from predictor.model.data import Triple
from predictor.model.factors import Completion
from predictor.model.tables import Grid
from predictor.ratings.signals import ContextInput, Scale, Signal


@parametrize_with_checks([OfferClassifier()])  # type: ignore[untyped-decorator]  # of scikit-learn, which has no types
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_scikit_learn_estimator_checks_pass(estimator: OfferClassifier, check: Callable[[Any], None]) -> None:
    check(estimator)


def _anything(catalogue: Catalogue, rows: int, seed: int) -> np.ndarray:
    """Return random ratings, on knots and between, some not observed, with any role or none."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 5, size=(rows, len(catalogue.signals)))
    values = np.where(rng.random(values.shape) < 0.5, np.round(values), values)
    values[rng.random(values.shape) < 0.2] = np.nan
    role = rng.choice([0.0, 1.0, 2.0, np.nan], size=rows)
    return np.column_stack([values, role])


@pytest.mark.parametrize(("n", "strong"), [(500, False), (400, True)], ids=["as simulated", "by strong interactions"])
def test_tables_equal_the_pool(n: int, strong: bool) -> None:
    ratings = simulate_interviews(n, seed=1).labelled()
    y = ratings.y
    if strong:  # three interacting signals: boosters get all the weight, with tables of three terms
        odd = np.nan_to_num(ratings.values[:, :3], nan=3.0) > 3
        y = (odd.sum(axis=1) % 2).astype(float)
        kept = Catalogue.shipped().without([s.name for s in ratings.catalogue.signals[4:]])
        kept = replace(kept, signals=tuple(replace(signal, better="either") for signal in kept.signals))
        ratings = replace(ratings, catalogue=kept, values=ratings.values[:, :4])
    classifier = OfferClassifier(ratings.catalogue).fit(ratings.features, y)
    model, pool, grid = classifier.model_, classifier.pool_, Grid.of(ratings.catalogue)
    values = _anything(ratings.catalogue, 1000, seed=2)
    weights = pool.completion.cells(values)
    whole = pool.member_weights[0] * evaluate(pool.regressions.tables, weights, grid)
    if pool.boosters:
        whole += pool.member_weights[1] * evaluate(pool.boosters.tables, weights, grid)
    assert model._evaluator.partial_tables
    gaps = model.gaps.total(np.isnan(values[:, :-1]).mean(axis=1))
    shrinkage = model._evaluator.partial_tables.shrinkage(values, pool.completion.estimate(values))
    unrated = np.isnan(values[:, :-1])
    # boosters that learned from masked rows have tables of their own for rows with gaps
    rated = ~unrated.any(axis=1) if model.masked else ~unrated.all(axis=1)
    gap = (model.log_odds(values) - gaps)[rated] / shrinkage[rated] - whole[rated]
    np.testing.assert_allclose(gap, gap[0], atol=1e-9)  # the remainder is the intercept of calibration
    assert model.pairs, "the rater's role must interact"
    assert bool(model.triples) == strong


def test_jobs_and_backend_do_not_change_the_model() -> None:
    ratings = simulate_interviews(200, seed=1).labelled()
    models = []
    for backend, jobs in (("threading", 1), ("threading", 2), ("loky", 2)):
        with parallel_config(backend=backend, n_jobs=jobs):
            fitted = OfferClassifier(ratings.catalogue).fit(ratings.features, ratings.y, groups=ratings.groups)
        models.append(fitted.model_.fingerprint)
    assert len(set(models)) == 1


def test_a_pool_member_equals_its_penalised_regression(interviews: Ratings) -> None:
    ratings = interviews.labelled()
    either = replace(ratings.catalogue, signals=tuple(replace(s, better="either") for s in ratings.catalogue.signals))
    pool = OfferClassifier(either).fit(ratings.features, ratings.y).pool_
    basis, cells = pool.regressions.dominant.basis, pool.completion.cells(ratings.features.to_numpy())
    design = np.column_stack([np.ones(len(cells)), basis.design(cells)])
    for shrinkage in (np.ones(len(cells)), np.random.default_rng(0).uniform(0.4, 1, len(cells))):
        member = fit_regression(cells, ratings.y, basis, shrinkage=shrinkage)
        spread = np.array([member.deviations[basis.names[block]] for block in basis.block])
        scale = np.concatenate([[INTERCEPT_PRECISION**-0.5], spread])
        same = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10, max_iter=5000)
        same.fit(shrinkage[:, None] * design * scale, ratings.y)
        assert member.belief == pytest.approx(1)
        np.testing.assert_allclose(same.coef_[0] * scale, [member.intercept, *member.coefficients], atol=1e-4)
        log_odds = evaluate(member.tables(), cells, basis.grid)
        np.testing.assert_allclose(same.decision_function(design * scale), log_odds, atol=1e-4)


def test_unrated_signals_change_no_answer(interviews: Ratings) -> None:
    """Their expected values follow from the other signals, so they add no information."""
    ratings = interviews.labelled().rows(np.arange(60))
    never = list(ratings.catalogue.names[::3])
    full, fewer_signals = ratings.features.fillna(3.0), ratings.catalogue.without(never)
    kept = full.drop(columns=never)
    model = OfferClassifier(ratings.catalogue).fit(full.assign(**dict.fromkeys(never, np.nan)), ratings.y).model_
    fewer = OfferClassifier(fewer_signals).fit(kept, ratings.y).model_
    assert all(not model.tables[name].any() for name in never)
    log_odds = model.log_odds(full.assign(**dict.fromkeys(never, np.nan)).to_numpy())
    np.testing.assert_allclose(log_odds, fewer.log_odds(kept.to_numpy()), atol=1e-5)


def test_intervals_narrow_with_data_and_cover_a_near_true_model() -> None:
    """The near-true model is trained on 30,000 simulated interviews; the catalogue's interval is a 90 % one."""
    X, y = _simulated(30_000, 99)
    pool = fit_pool(X.to_numpy(), y, Catalogue.shipped(), boosted=False)
    truth = assemble(pool, X.to_numpy(), y, Catalogue.shipped())
    sample = simulate_interviews(1000, seed=123)
    near = truth.predict_many(sample)["offer_probability"]
    widths = {}
    for n in (50, 200, 1000):
        inside, width = [], []
        for seed in range(4):
            found = OfferClassifier(sample.catalogue).fit(*_simulated(n, seed)).model_.predict_many(sample)
            inside.append(near.between(found["interval_low"], found["interval_high"]).mean())
            width.append((found["interval_high"] - found["interval_low"]).mean())
        widths[n] = np.mean(width)
        assert 0.82 < np.mean(inside) < 0.98  # a few training sets of one size vary by about .04
    assert widths[50] > 1.2 * widths[200] > 1.2 * 1.2 * widths[1000]


def test_single_and_pair_tables_are_centred() -> None:
    ratings = simulate_interviews(400, seed=1).labelled()
    classifier = OfferClassifier(ratings.catalogue).fit(ratings.features, ratings.y)
    model = classifier.model_
    shares = {name: np.append(count[:-1], 0) / count[:-1].sum() for name, count in model.counts.items()}
    for name, table in model.tables.items():
        assert shares[name] @ table == pytest.approx(0, abs=1e-6)
    for pair in model.pairs:
        np.testing.assert_allclose(shares[pair.first] @ pair.log_odds, 0, atol=1e-6)
        np.testing.assert_allclose(pair.log_odds @ shares[pair.second], 0, atol=1e-6)


def test_contributions_take_half_of_each_pair(model: OfferModel) -> None:
    """If every signal is rated."""
    rating = {"rater_role": "candidate", **dict.fromkeys(model.signals, 2), "goals_discussed": 4}
    found = {item.signal: item.log_odds for item in model.predict(rating).contributions}
    cell = dict.fromkeys(model.signals, 1) | {"rater_role": 2, "goals_discussed": 3}
    expected = {name: model.tables[name][cell[name]] for name in model.terms}
    for pair in model.pairs:
        for name in (pair.first, pair.second):
            expected[name] += pair.log_odds[cell[pair.first], cell[pair.second]] / 2
    assert found == pytest.approx(expected, abs=1e-12)


def test_contributions_take_a_third_of_each_triple(model: OfferModel) -> None:
    names = ("goals_discussed", "mutual_rapport", "rater_role")
    table = np.arange(6 * 6 * 4, dtype=float).reshape(6, 6, 4) / 100
    more = replace(model, triples=(Triple(names, table),))
    rating = {"rater_role": "candidate", **dict.fromkeys(model.signals, 2), "goals_discussed": 4, "mutual_rapport": 1.5}
    before, after = model.predict(rating), more.predict(rating)
    assert after.log_odds - before.log_odds == pytest.approx((table[3, 0, 2] + table[3, 1, 2]) / 2, abs=1e-12)
    for old, new in zip(before.contributions, after.contributions, strict=True):
        third = (after.log_odds - before.log_odds) / 3 * (old.signal in names)
        assert new.log_odds - old.log_odds == pytest.approx(third, abs=1e-12)


def _simulated(n: int, seed: int) -> tuple[Any, Any]:
    ratings = simulate_interviews(n, seed=seed).labelled()
    return ratings.features, ratings.y


def test_columns_in_another_order_are_refused(interviews: Ratings) -> None:
    ratings = interviews.labelled()
    classifier = OfferClassifier(ratings.catalogue).fit(ratings.X, ratings.y)
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict_proba(ratings.X.iloc[:, ::-1])
    with pytest.raises(ConfigError, match="in another order"):
        OfferClassifier(ratings.catalogue).fit(ratings.X.iloc[:, ::-1], ratings.y)
    with pytest.raises(ConfigError, match=f"{ratings.X.shape[1]} signals"):
        OfferClassifier(ratings.catalogue).fit(ratings.X.iloc[:, :3], ratings.y)


def test_few_groups_suffice_to_fit_and_are_never_split() -> None:
    ratings = simulate_interviews(300, seed=1).labelled()
    for count in (1, 2, 3):
        groups = np.arange(len(ratings)) % count
        model = OfferClassifier(ratings.catalogue).fit(ratings.features, ratings.y, groups=groups).model_
        assert model.predict({}).offer_probability == pytest.approx(model.base_rate)
    fold = fold_numbers(ratings.y, groups := np.arange(len(ratings)) % 25, 0)
    assert fold is not None
    assert all(len(set(fold[groups == group])) == 1 for group in range(25))


def test_a_prior_is_mixed_with_a_fit_of_the_rows_alone() -> None:
    ratings = simulate_interviews(200, seed=2).labelled()
    prior, grid = published_prior(), Grid.of(ratings.catalogue)
    either = replace(ratings.catalogue, signals=tuple(replace(s, better="either") for s in ratings.catalogue.signals))
    values = np.concatenate([prior.rows, ratings.features.to_numpy()])
    completion = Completion(grid, fit_factors(values, grid, either, either.directions), either.directions)
    known = completion.cells(values)
    cells = known[len(prior.rows) :]
    mixed = fit_regressions(Rows(cells, 1 - ratings.y, known, grid, either, prior))
    alone = fit_regressions(Rows(cells, 1 - ratings.y, cells, grid, either))
    agreed = fit_regressions(Rows(cells, ratings.y, known, grid, either, prior))
    assert mixed.prior_share < agreed.prior_share, "offers against the prior should overrule it"
    both = np.array([evaluate(fit.tables, cells, grid) for fit in (mixed, alone)])
    assert np.corrcoef(both)[0][1] > 0.95


@pytest.mark.parametrize(
    ("offer", "none"),
    [
        ("hired", "not hired"),
        ("offer", "rejected"),
        ("accepted", "declined"),
        ("Offer", "No_Offer"),
        ("yes", "no"),
        ("true", "false"),
        (1, 0),
        (1, -1),
        (True, False),
    ],
)
def test_known_outcome_words_decide_which_class_is_the_offer(offer: Any, none: Any) -> None:
    X = np.array([[1.0], [2], [4], [5]] * 10)
    classifier = OfferClassifier().fit(X, np.array([none, none, offer, offer] * 10))
    assert classifier.positive_ == offer
    assert classifier.model_.predict({"x0": 5}).offer_probability > 0.5
    assert classifier.predict(X[:4]).tolist() == [none, none, offer, offer]
    column = classifier.classes_.tolist().index(offer)
    answers = classifier.model_.predict_many(pd.DataFrame({"x0": X[:, 0]}))["offer_probability"]
    np.testing.assert_allclose(classifier.predict_proba(X)[:, column], answers)


@pytest.mark.parametrize(("none", "offer"), [(False, True), (0, 1), (np.False_, np.True_)])
def test_outcomes_may_be_objects(none: Any, offer: Any) -> None:
    X = np.array([[1.0], [2], [4], [5]] * 10)
    y = pd.Series([none, none, offer, offer] * 10, dtype=object)
    classifier = OfferClassifier().fit(X, y)
    assert classifier.positive_ == offer and classifier.predict(X[:4]).tolist() == y.tolist()[:4]


@pytest.mark.parametrize("dtype", [str, object])
def test_unknown_outcome_words_require_a_named_positive_class(dtype: type) -> None:
    X = np.array([[1.0], [2], [4], [5]] * 10)
    y: NDArray[Any] = np.array(["stays", "stays", "goes", "goes"] * 10, dtype=dtype)
    with pytest.raises(ValueError, match=r"'goes' or 'stays'\? Name it: OfferClassifier\(positive="):
        OfferClassifier().fit(X, y)
    with pytest.raises(ValueError, match="positive='gone' is none of the classes 'goes' or 'stays'"):
        OfferClassifier(positive="gone").fit(X, y)
    for positive, high in (("goes", True), ("stays", False)):
        classifier = OfferClassifier(positive=positive).fit(X, y)
        assert (classifier.model_.predict({"x0": 5}).offer_probability > 0.5) == high
        assert classifier.predict([[5]]) == ["goes"]


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", "category", object])
def test_missing_outcomes_are_refused(dtype: Any) -> None:
    y = pd.Series(["hired", None, "not hired", pd.NA], dtype=dtype)
    with pytest.raises(ValueError, match=r"y is empty .* in 2 of 4 rows; leave out"):
        OfferClassifier().fit(np.array([[1.0], [2], [3], [4]]), y)


@pytest.mark.parametrize("classes", [(1, 2), (0.0, 5.0), ("one", "two")])
def test_the_larger_number_is_the_offer_with_a_warning(classes: tuple[Any, Any]) -> None:
    X, (low, high) = np.array([[1.0], [2], [4], [5]] * 10), classes
    with pytest.warns(UserWarning, match="the larger of the classes"):
        classifier = OfferClassifier().fit(X, np.array([low, low, high, high] * 10))
    assert classifier.positive_ == high
    first = OfferClassifier(positive=low).fit(X, np.array([low, low, high, high] * 10))
    assert first.model_.predict({"x0": 5}).offer_probability < 0.5


SCALED = replace(
    Catalogue.shipped(),
    signals=(
        Signal("calm", "Calm", "body_language", not_applicable=("n/a",)),
        Signal("clear", "Clear", "body_language"),
    ),
)


@pytest.mark.parametrize("wrong", [[99, 3, 0], [3, 6, 0], [-1, 3, 0], [3, 0, 0], [3, 3, 7], [3, 3, 0.5]], ids=str)
def test_ratings_out_of_scale_are_refused_by_fit_and_predict(wrong: list[float]) -> None:
    """With the same message as other inputs; 0 means "not applicable" and is valid only where the signal allows it."""
    X, y = np.array([[1, 2, 0], [2, 1, np.nan], [4, 5, 2], [0, np.nan, 1]] * 10), [0, 0, 1, 1] * 10
    classifier = OfferClassifier(SCALED).fit(X, y)
    classifier.predict_proba(X)
    words = "is out of scale; write 1 to 5|is not the code of a level; write 0 \\(interviewer\\)"
    with pytest.raises(RatingsError, match=words):
        classifier.predict_proba([wrong])
    with pytest.raises(RatingsError, match=words):
        OfferClassifier(SCALED).fit(np.vstack([X, wrong]), [*y, 1])
    with pytest.raises(RatingsError, match="is out of scale"):
        make_pipeline(StandardScaler(), OfferClassifier(SCALED)).fit(X, y)


YES_NO = replace(
    Catalogue.shipped(),
    signals=(
        Signal("calm", "Calm", "body_language"),
        Signal("open", "Open", "body_language", scale=Scale(1, 2, 1), levels=("false", "true")),
    ),
    inputs=(ContextInput("referred", "Referred", ("false", "true")),),
)


@pytest.mark.parametrize("kind", [bool, object, "boolean", "bool[pyarrow]", "category", np.ndarray, list])
def test_booleans_are_ratings_only_if_levels_have_those_names(kind: Any) -> None:
    """In the estimator as in `predict_many`; scikit-learn would take them for 1 and 0."""
    frame = pd.DataFrame({"calm": [2.0, 4, 2, 5], "open": [1.0, 2, 1, 2], "referred": [0.0, 1, 0, 1]})
    classifier = OfferClassifier(YES_NO).fit(pd.concat([frame] * 5), [0, 1, 0, 1] * 5)

    def given(name: str) -> Any:
        if kind in (np.ndarray, list):
            table = frame.astype({name: object}).assign(**{name: [False, True, False, True]})
            return table.to_numpy(object) if kind is np.ndarray else table.to_numpy(object).tolist()
        return frame.assign(**{name: pd.Series([False, True, False, True]).astype(kind)})

    warned = pytest.warns(UserWarning) if kind in (np.ndarray, list) else nullcontext()  # of names of columns
    for name in ("open", "referred"):
        with warned:
            assert classifier.predict_proba(given(name)).tolist() == classifier.predict_proba(frame).tolist()
    readers: list[Callable[[Any], Any]] = [classifier.predict_proba, lambda X: OfferClassifier().fit(X, [0, 1, 0, 1])]
    if kind not in (np.ndarray, list):
        readers += [lambda X: OfferClassifier(YES_NO).fit(X, [0, 1, 0, 1]), classifier.model_.predict_many]
    for reader in readers:
        with pytest.raises(
            RatingsError, match=r"(calm|x0) is true or false, not a rating; write a number on the scale"
        ):
            reader(given("calm"))


def test_ratings_beyond_learned_ends_count_as_the_end_with_a_warning(tmp_path: Path) -> None:
    """The ends of a scale learned from data are no limit: every input path takes the nearest end and warns once."""
    rng = np.random.default_rng(0)
    X = np.round(rng.uniform(1.1, 5.4, size=(60, 2)), 2)
    X[0], X[1] = 5.4, 1.1
    model = OfferClassifier().fit(X, X[:, 0] > 3).model_
    model.save(tmp_path / "model.json")
    assert OfferModel.load(tmp_path / "model.json").catalogue.learned_ends
    classifier = OfferClassifier().fit(X, X[:, 0] > 3)
    end = model.predict({"x0": 5.4, "x1": 1.1}).offer_probability
    frame = pd.DataFrame({"x0": [5.48], "x1": [-3.0]})
    frame.to_parquet(tmp_path / "in.parquet")
    frame.to_csv(tmp_path / "in.csv", index=False)
    ways: list[Callable[[], float]] = [
        lambda: classifier.predict_proba(frame.to_numpy())[0, 1],
        lambda: model.predict({"x0": 5.48, "x1": -3.0}).offer_probability,
        lambda: model.predict_many(frame)["offer_probability"][0],
        lambda: model.predict_many(Ratings(model.catalogue, frame.to_numpy(), np.array([np.nan])))["offer_probability"][
            0
        ],
        lambda: model.predict_many(read_ratings(tmp_path / "in.csv", model.catalogue))["offer_probability"][0],
    ]
    for way in ways:
        with pytest.warns(UserWarning, match=r"outside the training range .* x0 \(1.1 to 5.4\), x1") as caught:
            assert way() == pytest.approx(end)
        assert len(caught) == 1
    for name in ("in.csv", "in.parquet"):
        with pytest.warns(UserWarning, match="outside the training range"):
            score_files(tmp_path / name, tmp_path / "out.csv", model, threads=1)
        assert pd.read_csv(tmp_path / "out.csv")["offer_probability"][0] == pytest.approx(end)
    with pytest.raises(RatingsError, match="not a number"):
        model.predict({"x0": float("inf")})


def test_columns_in_another_order_are_named(catalogue: Catalogue) -> None:
    X = pd.DataFrame(np.full((20, len(catalogue.names)), 3.0), columns=list(catalogue.names)[::-1])
    with pytest.raises(ConfigError, match=rf"'{catalogue.names[-1]}' instead of '{catalogue.names[0]}'; select"):
        OfferClassifier(catalogue).fit(X, [0, 1] * 10)
