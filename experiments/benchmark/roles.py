"""Ask whether one model of a mixed file, told who rated, is as good as a model of its own for each role.

For each n and seed one model is fitted on n SIMULATED interviews of all roles, and one for each role on the rows of
that role; all answer the same fresh interviews. Printed are means over the seeds: log-loss of both, its paired
difference (joint - separate; below zero the joint model is better) with its standard error over the seeds, and the
joint model's area under the ROC curve.

    .venv/bin/python experiments/benchmark/roles.py
    .venv/bin/python experiments/benchmark/roles.py --n 300 --seeds 2
"""

from __future__ import annotations

import sys

import click
import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from predictor import OfferClassifier, Ratings, simulate_interviews

FRESH = 20_000
ROLE = "rater_role"


def interviews(n: int, seed: int) -> Ratings:
    """Simulate n interviews with a known outcome."""
    return simulate_interviews(2 * n, seed=seed).labelled().rows(np.arange(n))


def likelihoods(train: Ratings, test: Ratings) -> np.ndarray:
    """Learn from some interviews, and give the likelihoods of others."""
    classifier = OfferClassifier(train.catalogue, n_jobs=2).fit(train.features, train.y, groups=train.groups)
    return classifier.predict_proba(test.features)[:, 1]


@click.command()
@click.option("--n", "sizes", default="1000,5000", show_default=True, help="Training rows, with commas.")
@click.option("--seeds", default="5,3", show_default=True, help="Training sets for each n, with commas.")
def main(sizes: str, seeds: str) -> None:
    """Compare one model of all roles with one for each role."""
    fresh = interviews(FRESH, seed=2)
    role = fresh.columns[ROLE]
    places = {"all": np.full(FRESH, True), **{name: role == name for name in sorted(set(role))}}
    print(f"log-loss on {FRESH:,} fresh SIMULATED interviews\n")
    print(f"{'n':>6} {'seeds':>5} {'role':<12} {'joint':>6} {'separate':>8} {'difference':>10} {'error':>7} {'AUC':>6}")
    for n, count in zip(map(int, sizes.split(",")), map(int, seeds.split(",")), strict=True):
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in places}
        with click.progressbar(range(count), label=f"n = {n:,}", file=sys.stderr) as bar:
            for seed in bar:
                some = interviews(n, seed=1000 + seed)
                joint, separate = likelihoods(some, fresh), np.empty(FRESH)
                for name in list(places)[1:]:
                    train, test = some.rows(some.columns[ROLE] == name), fresh.rows(places[name])
                    separate[places[name]] = likelihoods(train.without([ROLE]), test.without([ROLE]))
                for name, at in places.items():
                    losses = [log_loss(fresh.y[at], p[at]) for p in (joint, separate)]
                    found[name].append((losses[0], losses[1], roc_auc_score(fresh.y[at], joint[at])))
        for name, scores in found.items():
            ours, theirs, auc = np.array(scores).T
            gap = ours - theirs
            error = gap.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
            print(f"{n:>6,} {count:>5} {name:<12} {ours.mean():>6.4f} {theirs.mean():>8.4f}", end=" ")
            print(f"{gap.mean():>+10.4f} {error:>7.4f} {auc.mean():>6.3f}", flush=True)


if __name__ == "__main__":
    main()
