"""Do the intervals of `predictor audit` hold the truth in about nine cases of ten? SIMULATED teams with known groups.

    .venv/bin/python experiments/benchmark/audit.py [--teams 100] [--rows 600]

The truth is what the same law gives for 300,000 interviews: groups whose people are judged lower by no, half a and a
whole standard deviation. The likelihoods are those of the shipped prior, which has seen no row. Ratios count that can
be judged: 30 rows or more on both sides.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from predictor import OfferModel, Ratings, simulate_interviews
from predictor.evaluation.audit import MEANINGS, audit
from predictor.evaluation.groups import axes_of
from predictor.sources.simulation_known_effects import simulate_groups

MANY, THRESHOLD = 300_000, 0.35


def likelihoods(model: OfferModel, ratings: Ratings) -> np.ndarray:
    """Predict all rows."""
    return model.predict_many(ratings, interval=False)["offer_probability"].to_numpy()


def main() -> None:
    """Print how often each kind of interval holds the truth."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--teams", type=int, default=100)
    asked.add_argument("--rows", type=int, default=600)
    options = asked.parse_args()
    model = OfferModel.published()
    everybody = simulate_interviews(MANY, seed=10**6)
    p = likelihoods(model, everybody)
    print(f"SIMULATED: {options.teams} teams of {options.rows} rows; 90 % intervals of the impact ratio that hold it")
    print(f"{'disparity':<11}{'groups':<14}" + "".join(f"{name:>26}" for name in MEANINGS))
    for disparity in (0.0, 0.5, 1.0):
        hits = {"offers": everybody.y == 1, "selected": p >= THRESHOLD, "above_median": p > np.median(p)}
        truth, held = {}, defaultdict(list)
        for axis in axes_of(simulate_groups(everybody, seed=1, disparity=disparity)):
            for place, category in enumerate(axis.categories):
                rows = axis.place == place
                known = rows & ~np.isnan(everybody.y)
                for name, hit in hits.items():
                    truth[axis.name, category, name] = hit[known if name == "offers" else rows].mean()
        for seed in range(options.teams):
            team = simulate_interviews(options.rows, seed=seed)
            axes = axes_of(simulate_groups(team, seed=seed, disparity=disparity))
            result = audit(likelihoods(model, team)[None], team.y, team.groups, axes, threshold=THRESHOLD, resamples=3)
            for audited in result.axes:
                for name in MEANINGS:
                    best = audited.comparator(name)
                    assert best and not best.small_share
                    for group in audited.categories:
                        figure = group.figures[name]
                        if figure.ratio and not figure.few:
                            ratio = truth[audited.name, group.name, name] / truth[audited.name, best.name, name]
                            held[audited.name, name].append(figure.ratio.low <= ratio <= figure.ratio.high)
        for by in ("sex", "race", "sex and race"):
            shares = [f"{np.mean(held[by, name]):.1%} of {len(held[by, name])}" for name in MEANINGS]
            print(f"{disparity:<11}{by:<14}" + "".join(f"{share:>26}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
