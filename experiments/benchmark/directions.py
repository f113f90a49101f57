"""Ask whether a better rating ever lowers a likelihood, and whether a side's own ratings alone point the right way.

The first with random inputs, part of them rated, of the shipped prior and of a model of each public set of a folder
with the directions in which its ratings go with the outcome; printed is the largest fall of a likelihood when a rating
gets better. The second with the shipped prior and, if its file is named, another model: the likelihood when just the
candidate's own signals are rated, all 1 to all 5, and the ROC AUC of each side alone on 20,000 SIMULATED interviews.

    .venv/bin/python experiments/benchmark/directions.py FOLDER --model experiments/models/interviews-pool/model.json
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from sklearn.metrics import roc_auc_score
from subset_cells import SIMULATED, SIZES, draw, only
from subset_peers import tendency

from predictor import OfferModel

INPUTS, AT_ONCE = 200_000, 2_000


def largest_fall(model: OfferModel, rng: np.random.Generator) -> tuple[int, float]:
    """Better one rating of each of many random inputs; how many were rated, and the largest fall of a likelihood."""
    p, directions = len(model.signals), np.array(model.catalogue.directions)
    low, high = (np.array(end)[:p] for end in model.catalogue.ends)
    step, at = np.array([signal.scale.step for signal in model.catalogue.signals]), np.arange(AT_ONCE)
    count, worst = 0, 0.0
    for _ in range(INPUTS // AT_ONCE):
        values = low + (high - low) * rng.random((AT_ONCE, p))
        whole = np.clip(low + np.round((values - low) / step) * step, low, high)
        values = np.where(rng.random(values.shape) < 0.5, whole, values)
        values[rng.random(values.shape) < rng.random((AT_ONCE, 1))] = np.nan
        roles = [rng.choice([np.nan, *range(len(item.levels))], (AT_ONCE, 1)) for item in model.catalogue.inputs]
        before = np.column_stack([values, *roles])
        signal, better = rng.choice(np.flatnonzero(directions), AT_ONCE), before.copy()
        further = directions[signal] * rng.exponential(0.25, AT_ONCE) * (high - low)[signal]
        better[at, signal] = np.clip(before[at, signal] + further, low[signal], high[signal])
        change = np.diff([1 / (1 + np.exp(-model.log_odds(rows))) for rows in (before, better)], axis=0)[0]
        rated = ~np.isnan(before[at, signal])
        count, worst = count + int(rated.sum()), min(worst, float(change[rated].min(initial=0)))
    return count, max(0.0, -worst)


def own_signals(name: str, model: OfferModel) -> None:
    """Print what one side's ratings alone come to."""
    rows = draw(None, SIMULATED, 200, 0)  # the test rows are the same for every n
    side = np.array([signal.side for signal in model.catalogue.signals])
    for number, role in enumerate([*model.catalogue.inputs[0].levels, "not given"]):
        asked = np.full((5, rows.T.shape[1]), np.nan)
        asked[:, : len(side)][:, side == "candidate"] = np.arange(1, 6)[:, None]
        asked[:, len(side)] = number if role != "not given" else np.nan
        likelihoods = " ".join(f"{100 / (1 + np.exp(-x)):.0f} %" for x in model.log_odds(asked))
        print(f"{name:12} the candidate's own ten signals rated 1, 2, 3, 4, 5 by: {role:12} {likelihoods}")
    for which in ("candidate", "interviewer"):
        auc = roc_auc_score(rows.t, model.log_odds(only(rows.T, side == which)))
        print(f"{name:12} ROC AUC of the {which}'s signals alone, {len(rows.t):,} SIMULATED interviews: {auc:.3f}")


@click.command()
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--model", "path", type=click.Path(exists=True, path_type=Path), help="Another model of the shipped signals."
)
def main(folder: Path | None, path: Path | None) -> None:
    """Print both."""
    models = {"prior": OfferModel.published()} | ({path.parent.name: OfferModel.load(path)} if path else {})
    for name, model in models.items():
        own_signals(name, model)
    for file in sorted(folder.glob("*.csv")) if folder else []:
        for n in SIZES.get(file.stem, [1000]):
            rows = draw(folder, file.stem, n, 0)
            models[f"{file.stem}, n = {n:,}"] = tendency(rows.catalogue, rows.X, rows.y, rows.groups).model_
    rng = np.random.default_rng(0)
    for name, model in models.items():
        count, fall = largest_fall(model, rng)
        terms = f"{len(model.pairs)} pairs, {'with' if model.masked else 'without'} masked boosters"
        print(f"{name:40} {count:,} ratings bettered: largest fall of a likelihood {fall:.1e} ({terms})", flush=True)


if __name__ == "__main__":
    main()
