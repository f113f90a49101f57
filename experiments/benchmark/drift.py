"""Does `predictor drift` raise an alarm where something moved, and none where nothing did? SIMULATED teams.

    .venv/bin/python experiments/benchmark/drift.py [--teams 200] [--learned 500] [--current 60]

A team has rated interviews with known outcomes, which its model learned from, and later ones. In the first half of the
check nothing moved; in the second the ratings of three signals, drawn anew for each team, are half a standard deviation
lower. An alarm is any test with a significant change, after correction for all tests of a team.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import numpy as np

from predictor import OfferModel, Ratings, simulate_interviews
from predictor.evaluation.drift import corrected, drift_tests, reference_of
from predictor.evaluation.rates import wilson
from predictor.learning.factors import fit_factors
from predictor.sources.simulation_known_effects import add_drift


def team(seed: int, learned: int, current: int) -> tuple[OfferModel, Ratings]:
    """Simulate a team: a model that holds what its first rows looked like, and later rows of other people.

    The tables are those of the shipped prior, which has seen none of the rows: so their likelihoods are out of fold.
    Counts and factor model are of the rows learned from, as a training makes them.
    """
    rows = simulate_interviews(3 * (learned + current), seed=seed)
    people = rows.groups
    assert people is not None
    whose = np.unique(people, return_inverse=True)[1]
    first = np.flatnonzero(whose <= whose[learned - 1])
    later = np.flatnonzero(whose > whose[learned - 1])[:current]
    before, tables = rows.rows(first), OfferModel.published()
    values = before.features.to_numpy()
    counts = tables.grid.weights(values)
    spans = zip(tables.terms, tables.grid.offsets[:-1], tables.grid.offsets[1:], strict=True)
    model = replace(
        tables,
        counts={name: counts[:, start:end].sum(axis=0) for name, start, end in spans},
        factor_model=fit_factors(values, tables.grid, tables.catalogue, tables.catalogue.directions, before.groups),
    )
    p = model.predict_many(before, interval=False)["offer_probability"].to_numpy()
    return replace(model, reference=reference_of(before, p, people[first])), rows.rows(later)


def main() -> None:
    """Print how often alarms are raised, and by which tests."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--teams", type=int, default=200)
    asked.add_argument("--learned", type=int, default=500)
    asked.add_argument("--current", type=int, default=60)
    asked.add_argument("--moved", type=int, default=3)
    asked.add_argument("--by", type=float, default=-0.5)
    options = asked.parse_args()
    alarms: dict[str, int] = {"nothing moved": 0, "moved": 0}
    kinds: dict[str, Counter[str]] = {name: Counter() for name in alarms}
    recognised, number = [], 0
    for seed in range(options.teams):
        model, later = team(seed, options.learned, options.current)
        signals = np.random.default_rng(seed).choice(model.signals, options.moved, replace=False).tolist()
        for name, rows in (("nothing moved", later), ("moved", add_drift(later, signals, by=options.by, seed=seed))):
            result = corrected(drift_tests(model, rows))
            number = len(result)
            moved = [test for test in result if test.significant]
            alarms[name] += bool(moved)
            kinds[name].update({test.kind for test in moved})
            if name == "moved":
                recognised.append(len({test.name for test in moved} & set(signals)))
    print(
        f"SIMULATED: {options.teams} teams, {options.learned} rows learned from, {options.current} current, "
        f"{number} tests"
    )
    for name, count in alarms.items():
        low, high = wilson(count, options.teams)
        print(f"  {name:<14} alarm in {count / options.teams:.1%} ({low:.1%} to {high:.1%}); by {dict(kinds[name])}")
    print(
        f"  of the {options.moved} signals that moved by {options.by:g} standard deviations, "
        f"{np.mean(recognised):.1f} are named"
    )


if __name__ == "__main__":
    main()
