"""Data quality: facts are counted correctly; data made to cause a warning give it, and clean data give none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold

from predictor import Catalogue, Ratings, TrainingResult, simulate_interviews
from predictor.evaluation.copies import copies
from predictor.evaluation.data_quality import data_quality, find_warnings, revealing_signals
from predictor.evaluation.importance import Importance
from predictor.evaluation.scores import GroupBootstrap, Score


@pytest.fixture(scope="module")
def clean_ratings() -> Ratings:
    return simulate_interviews(400, seed=8).labelled()


def warn(ratings: Ratings, **measured: Any) -> list[str]:
    """Return the warnings of ratings and of made-up training figures, without the one about simulated data."""
    printed = {
        "scores": {},
        "scores_by_role": {},
        "roles": None,
        "importances": {},
        "fits": 25,
        "revealing": {},
        **measured,
    }
    found = find_warnings(ratings, {"n_outcome_unknown": 0, "scores": {}}, data_quality(ratings), **printed)
    return [warning for warning in found if not warning.startswith("SIMULATED")]


def with_column(ratings: Ratings, name: str, column: Any) -> Ratings:
    return replace(ratings, columns={**ratings.columns, name: np.asarray(column, dtype=object)})


def test_facts_are_counted_correctly(catalogue: Catalogue) -> None:
    first, second, third = catalogue.names[:3]
    rows = [
        {"candidate_id": "a", first: 5, second: 5, third: 5, "offer": "yes"},  # no spread
        {"candidate_id": "b", first: 5, second: 5, third: 5, "offer": "yes"},  # no spread, and a copy
        {"candidate_id": "b", first: 5, second: 5, third: 5, "offer": "no"},  # not a copy: the outcome differs
        {"candidate_id": "b", first: 1, second: 1, "offer": "no"},  # two equal ratings are not flat
    ]
    facts = data_quality(Ratings.from_records(rows, catalogue))
    assert (facts.n, facts.duplicates, facts.flat) == (4, 1, 3)
    assert (facts.groups, facts.largest_group, facts.rows_per_group) == (2, 3, (1 + 3 * 3) / 4)
    assert (facts.floor[first], facts.ceiling[first], facts.rated[third], facts.missing[third]) == (0.25, 0.75, 3, 0.25)
    empty = data_quality(Ratings.from_records(rows, catalogue).rows(np.array([], dtype=int)))
    assert (empty.n, empty.duplicates, empty.missing[first]) == (0, 0, 1)


def test_clean_data_give_no_warning(clean_ratings: Ratings, training_result: TrainingResult) -> None:
    assert warn(clean_ratings) == []
    kinds = [warning.split(":")[0] for warning in training_result.warnings]
    assert kinds == [
        "SIMULATED",
        f"{training_result.data['n_outcome_unknown']} rows without a known outcome were left out.",
    ]


def test_many_rows_of_one_candidate_are_reported(clean_ratings: Ratings) -> None:
    (printed,) = warn(with_column(clean_ratings, "candidate_id", [f"c{row // 8}" for row in range(len(clean_ratings))]))
    assert "same candidate_id in many rows" in printed
    assert f"{len(clean_ratings)} rows are of {-(-len(clean_ratings) // 8)}" in printed


def test_copied_rows_without_a_group_are_reported(clean_ratings: Ratings) -> None:
    copied = clean_ratings.rows(np.concatenate([np.arange(len(clean_ratings)), np.arange(15)]))
    assert warn(copied) == []  # under the same candidate they stay on one side of a split
    (printed,) = warn(with_column(copied, "candidate_id", range(len(copied))))
    assert printed.startswith(f"30 of {len(copied)} rows are the same as another")
    few = set(clean_ratings.catalogue.names) - {
        *clean_ratings.catalogue.names[:4]
    }  # with four signals rows are alike by chance
    others = with_column(copied, "interview_id", range(len(copied)))
    others = with_column(others, "candidate_id", range(len(copied))).without(few)
    (printed,) = warn(others)  # but not so many in a sequence
    assert printed.startswith(f"30 of {len(copied)} rows are the same as another")
    assert warn(others.rows(np.random.default_rng(0).permutation(len(copied)))) == []
    columns = {name: column for name, column in copied.columns.items() if name != "candidate_id"}
    first, second = warn(replace(copied, columns=columns))
    assert first.startswith(f"15 of {len(copied)} rows repeat another to the last rating, 4%.") and "pasted" in first
    assert second.startswith("No group column")


@pytest.mark.parametrize("rows", [range(10, 16), [3, 77, 20, 41, 9, 66]])
def test_a_few_sparse_rows_pasted_twice_with_their_ids_are_reported(
    clean_ratings: Ratings, rows: Sequence[int]
) -> None:
    few = clean_ratings.without(set(clean_ratings.catalogue.names) - {*clean_ratings.catalogue.names[:4]})
    once = few.rows(np.arange(80))
    assert not any("rows repeat" in line for line in warn(once))
    assert warn(once.rows(np.array([*range(80), *rows])))[0].startswith(
        "6 of 86 rows repeat another to the last rating, 7%."
    )


@pytest.mark.parametrize("signals", [3, 24])  # with three, rows are alike by chance, too
def test_a_file_pasted_three_times_is_detected(clean_ratings: Ratings, signals: int) -> None:
    few = clean_ratings.without(set(clean_ratings.catalogue.names) - {*clean_ratings.catalogue.names[:signals]})
    once = replace(few, columns={})
    n = len(once)
    assert signals == 24 or (copies(once) == np.arange(n)).all()  # equal by chance, not pasted
    pasted = once.rows(np.tile(np.arange(n), 3))
    numbers = copies(pasted)
    assert (numbers == np.tile(copies(once), 3)).all()
    assert warn(pasted)[0].startswith(f"{2 * n:,} of {3 * n:,} rows repeat another to the last rating, 67%.")
    shuffled = pasted.rows(np.random.default_rng(0).permutation(3 * n))
    assert (np.bincount(copies(shuffled)) % 3 == 0).all()


@pytest.mark.parametrize(
    ("rated", "known_on", "late"),
    [
        ("2026-03-02", "2026-03-01", True),
        ("2026-03-01 00:00:00", "2026-03-01", False),  # a time and a day, as in a column of timestamps
        ("2026-03-01T16:00", "2026-03-01 10:00", True),
        ("2026-03-01T09:00", "2026-03-01 10:00", False),
        ("2026-03-01T23:30-08:00", "2026-03-02T07:00Z", True),
        ("2026-10-25T02:10+02:00", "2026-10-25T02:05+01:00", False),  # the hour that daylight saving repeats
        ("2026-03-02T04:30Z", "2026-03-01", False),  # the evening before in California
        ("2026-03-02T13:30Z", "2026-03-01", True),
        ("2026-03-02", "2026-03-01T11:00Z", False),
        ("9.10.2026", "10.10.2026", False),  # as text the first is the later one
        ("28. 2. 2026", "1.3.2026", False),
        ("11.10.2026 09:00", "2026-10-10", True),
        ("2026/03/02", "2026-03-01", True),
        ("", "2026-03-01", False),
        ("2026-03-01", "", False),
    ],
)
def test_ratings_after_the_outcome_are_detected_for_days_and_times(
    clean_ratings: Ratings, rated: str, known_on: str, late: bool
) -> None:
    both = with_column(
        with_column(clean_ratings, "rated_on", [rated] * len(clean_ratings)),
        "outcome_on",
        [known_on] * len(clean_ratings),
    )
    assert any("after the outcome was known" in line for line in warn(both)) == late


def test_ambiguous_days_are_reported(clean_ratings: Ratings) -> None:
    both = with_column(
        with_column(clean_ratings, "rated_on", ["12/1/2026"] * len(clean_ratings)),
        "outcome_on",
        ["2/1/2026"] * len(clean_ratings),
    )
    lines = [line for line in warn(both) if "outcome was known" in line]
    assert len(lines) == 1 and "cannot be checked: days such as '12/1/2026' are not in the form 2026-05-31" in lines[0]


def test_people_with_almost_equal_names_are_reported(clean_ratings: Ratings) -> None:
    names = [f"c{row}" for row in range(len(clean_ratings) - 5)]
    spelled = [*names, "Zoë  Lee", "zoe\u0308 lee", "7", "7.0", "c\u200b1"]
    (printed,) = warn(with_column(clean_ratings, "candidate_id", spelled))
    assert printed.startswith("6 of candidate_id are written almost alike, such as '7' and '7.0': if they are the same")


def test_an_outcome_known_in_the_future_is_reported(clean_ratings: Ratings) -> None:
    here = datetime.now(UTC).date()
    days = [f"{here + timedelta(days=3)}T09:00", "1.1.2999", *[str(here)] * (len(clean_ratings) - 2)]
    (printed,) = warn(with_column(clean_ratings, "outcome_on", days))
    assert printed.startswith("2 rows have an outcome known in the future, such as on 2999-01-01: correct `outcome_on`")


def test_late_ratings_few_offers_and_empty_signals_are_reported(clean_ratings: Ratings) -> None:
    late = with_column(clean_ratings, "rated_on", ["2020-01-01"] * 3 + [""] * (len(clean_ratings) - 3))
    assert warn(with_column(late, "outcome_on", ["2019-12-31"] * len(clean_ratings))) == [
        "3 rows were rated after the outcome was known: such ratings leak the outcome."
    ]
    assert "Only" in warn(clean_ratings.rows(np.arange(80)))[0]
    values = clean_ratings.values.copy()
    values[:, 3] = np.nan
    assert warn(replace(clean_ratings, values=values)) == [f"Never rated: {clean_ratings.catalogue.names[3]}."]


@pytest.mark.parametrize(
    ("roles", "by_role", "auc", "fires"),
    [
        (["interviewer"], {"interviewer": 0.80}, 0.80, False),
        (["interviewer"], {"interviewer": 0.95}, 0.95, True),
        (["candidate"], {"candidate": 0.80}, 0.80, True),  # what is usual for a decision-maker is not for a candidate
        (["interviewer", "candidate"], {}, 0.83, False),
        (["interviewer", "candidate"], {}, 0.88, True),  # no role has enough rows: the limit for a mix of roles applies
        (None, {}, 0.88, False),
        (None, {}, 0.92, True),
    ],
)
def test_an_auc_too_high_for_its_role_is_reported(
    clean_ratings: Ratings, roles: list[str] | None, by_role: dict[str, float], auc: float, fires: bool
) -> None:
    def score(value: float) -> dict[str, Score]:
        return {"roc_auc": Score(value, value - 0.03, value + 0.03, 400)}

    measured = {"scores": score(auc), "scores_by_role": {role: score(value) for role, value in by_role.items()}}
    found = warn(clean_ratings, **measured, roles=None if roles is None else np.array(roles))
    assert [("suspiciously well" in printed and "n = 400" in printed) for printed in found] == [True] * fires


def test_a_signal_that_reveals_the_outcome_is_reported(clean_ratings: Ratings) -> None:
    folds = list(KFold(5, shuffle=True, random_state=0).split(clean_ratings.values))
    resampling = GroupBootstrap(np.arange(len(clean_ratings)), 50, 0)
    assert revealing_signals(clean_ratings, folds, resampling) == {}
    values = clean_ratings.values.copy()
    rng = np.random.default_rng(0)
    values[:, 2] = np.where(rng.random(len(clean_ratings)) < 0.95, 1 + 4 * clean_ratings.y, 3)
    values[clean_ratings.y == 0, 7] = np.nan  # only people with an offer have a value
    printed = replace(clean_ratings, values=values)
    found = revealing_signals(printed, folds, resampling)
    assert set(found) == {clean_ratings.catalogue.names[2], clean_ratings.catalogue.names[7]}
    warnings = [warning for warning in warn(printed, revealing=found) if "gives the outcome away" in warning]
    assert len(warnings) == 2
    assert all(f"n = {len(clean_ratings)}" in warning for warning in warnings)


def test_unstable_importances_are_reported(clean_ratings: Ratings) -> None:
    def importances(top: float) -> dict[str, Importance]:
        score = Score(0.1, 0.0, 0.2, 400)
        return {name: Importance(score, score, top) for name in clean_ratings.catalogue.names}

    assert warn(clean_ratings, importances=importances(0.6)) == []
    (printed,) = warn(clean_ratings, importances=importances(0.4))
    assert "has 2.0 among its own 5, on average over 25 models" in printed
