"""What a model gains by knowing how high panels rate, against subtracting it: SIMULATED teams, and real raters.

    python experiments/benchmark/leniency.py teams --out leniency.jsonl [--seconds 200] [--first-seed 0]
    python experiments/benchmark/leniency.py speed-dating FOLDER --out leniency.jsonl
    python experiments/benchmark/leniency.py report leniency.jsonl

Simulated teams: each model learns from n applications and is tested on 6,000 others of the same raters; figures are the
change of log-loss times 1,000 against the plain panel's mean, below 0 is better. `teams` goes on where the file ends.
The estimator is the pool's regression, which has the input as the pool has it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator

from predictor.evaluation.scores import GroupBootstrap, gain
from predictor.learning.assembly import assemble
from predictor.learning.pool import fit_pool
from predictor.model.raters import INPUT, LENIENCY, names_of
from predictor.panels.cards import Cards
from predictor.panels.leniency import codes_of, fit_leniency, quantile_cuts
from predictor.panels.leniency_input import PanelInput
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import Scale, Signal
from predictor.sources.simulation_teams import SimulatedTeam, simulate_team
from predictor.threads import one_thread
from predictor.training.config import TrainingConfig
from predictor.training.folds import split_into_folds
from predictor.training.panel_trial import try_panels

Floats = NDArray[np.float64]
TEST, SEEDS, RESAMPLES = 6_000, 10, 400
CELLS = [
    {"n": n, "panel": panel, "cards": 12, "severity": severity, "confounded": confounded}
    for n, panel, severity, confounded in itertools.product((300, 1000), (1, 3), (0.0, 0.08, 0.24), (False, True))
    if severity or not confounded
]
CELLS += [{"n": 1000, "panel": 1, "cards": 30, "severity": severity, "confounded": True} for severity in (0.08, 0.24)]


class Member(BaseEstimator):
    """The pool's regression by itself."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def fit(self, X: pd.DataFrame, y: Floats, groups: NDArray[Any] | None = None) -> Member:
        values = X.to_numpy()
        pool = fit_pool(values, y, self.catalogue, groups, boosted=False)
        self.model_ = assemble(pool, values, y, self.catalogue, importances=False)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        p = expit(self.model_.log_odds(X.to_numpy()))
        return np.column_stack([1 - p, p])


def team_losses(cell: dict[str, Any], seed: int) -> dict[str, Any]:
    """Fit and test on one simulated team."""
    n, total = cell["n"], cell["n"] + TEST
    team = simulate_team(
        total,
        seed=seed,
        panel=cell["panel"],
        cards_per_rater=cell["cards"] * total / n,
        severity=cell["severity"],
        confounded=cell["confounded"],
    )
    rows = np.random.default_rng(seed).permutation(total)
    learned, test = team.ratings.rows(rows[:n]), team.ratings.rows(rows[n:])
    cards = Cards.from_ratings(team.cards)
    history = cards.rows(np.isin(cards.application, learned.columns["application"]))
    panels = PanelInput(learned, history)
    config = TrainingConfig(repeats=1, resamples=200)
    groups = learned.groups
    assert groups is not None
    folds = split_into_folds(learned, groups, config, needed=True)
    narrow, wide = learned.catalogue, panels.catalogue
    term = try_panels(panels, folds, groups, Member(narrow), Member(wide), resamples=200, seed=0)

    def loss(train: pd.DataFrame, tested: pd.DataFrame, catalogue: Catalogue) -> float:
        p = Member(catalogue).fit(train, learned.y, groups).predict_proba(tested)[:, 1]
        return float(-np.log(np.where(test.y == 1, p, 1 - p)).mean())

    leniency, others = panels.whole, [names_of(cell) for cell in test.columns["panel"]]
    own = leniency.of_panels(panels.panels, panels.applications)
    theirs = leniency.of_panels(others, test.columns["application"])
    cuts = quantile_cuts(own)
    plain = loss(learned.features, test.features, narrow)
    losses = {"plain": plain, "subtracted": loss(_shifted(learned, own), _shifted(test, theirs), narrow)}
    if leniency.differs:
        known = leniency.knows(others)
        losses["term"] = loss(
            learned.features.assign(**{LENIENCY: codes_of(own, cuts)}),
            test.features.assign(**{LENIENCY: codes_of(theirs, cuts, known)}),
            wide,
        )
    else:
        losses["term"] = plain
    losses["kept"] = losses["term"] if term.kept else plain
    losses["oracle"] = plain if not cell["severity"] else loss(*_oracle(team, learned, test, panels, others), wide)
    return {**cell, "seed": seed, "kept_term": term.kept, **{f"loss_{name}": value for name, value in losses.items()}}


def _shifted(ratings: Ratings, leniency: Floats) -> pd.DataFrame:
    return (ratings.features - 4 * leniency[:, None]).clip(1, 5)


def _oracle(
    team: SimulatedTeam, learned: Ratings, test: Ratings, panels: PanelInput, others: list[tuple[str, ...]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take the true severities."""
    own, theirs = (
        np.array([-np.mean([team.severity[name] for name in panel]) for panel in some])
        for some in (panels.panels, others)
    )
    cuts = quantile_cuts(own)
    return (
        learned.features.assign(**{LENIENCY: codes_of(own, cuts)}),
        test.features.assign(**{LENIENCY: codes_of(theirs, cuts)}),
    )


def teams(out: Path, seconds: float, first: int) -> None:
    """Fit ten seeds until the time is over; what the file has already is passed over."""
    done = {_key(row) for row in _rows(out)}
    end = time.monotonic() + seconds
    for seed, cell in itertools.product(range(first, first + SEEDS), CELLS):
        if _key({**cell, "seed": seed}) in done:
            continue
        if time.monotonic() > end:
            return
        row = team_losses(cell, seed)
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("n", "panel", "cards", "severity", "confounded", "seed"))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            if "seed" in (row := json.loads(line)):
                yield row


def speed_dating(folder: Path, out: Path, *, permuted: bool) -> None:
    """Fold by rater; a test row's leniency comes from the same rater's other ratings, never from outcomes."""
    frame = pd.read_csv(folder / "speed_dating.csv")
    names = [name for name in frame if name not in ("label", "group")]
    signals = tuple(Signal(name, name, "all", scale=Scale(0, 10)) for name in names)
    catalogue = Catalogue("speed-dating", "Speed dating", signals, {"all": "All"}, outcome="label", group="group")
    wide = Catalogue("speed-dating", "Speed dating", signals, {"all": "All"}, (INPUT,), outcome="label", group="group")
    ratings = Ratings.from_frame(frame, catalogue)
    y, groups = ratings.y, ratings.groups
    assert groups is not None
    rater = np.random.default_rng(1).permutation(groups) if permuted else groups
    number = np.arange(len(y)).astype(str).astype(object)
    cards = Cards(
        catalogue, ratings.values, number, np.full(len(y), "", dtype=object), tuple((str(r),) for r in rater), groups
    )
    rated = (ratings.values >= 0).any(axis=1)
    folds = split_into_folds(ratings, groups, TrainingConfig(repeats=1), needed=True)
    predictions = np.empty((2, len(y)))
    with one_thread():
        for fold in folds:
            codes = {}
            cuts = None
            for part in (fold.train, fold.test):  # each part knows its own raters, by their other ratings
                leniency = fit_leniency(cards.rows(part[rated[part]]))
                own = leniency.of_panels([cards.raters[row] for row in part.tolist()], number[part])
                cuts = quantile_cuts(own) if cuts is None else cuts
                codes[len(codes)] = codes_of(own, cuts) if leniency.differs else np.full(len(part), 2.0)
            X = ratings.features
            for place, catalogue_of in enumerate((catalogue, wide)):
                train, test = X.iloc[fold.train], X.iloc[fold.test]
                if place:
                    train, test = train.assign(**{LENIENCY: codes[0]}), test.assign(**{LENIENCY: codes[1]})
                fitted = Member(catalogue_of).fit(train, y[fold.train], groups[fold.train])
                predictions[place, fold.test] = fitted.predict_proba(test)[:, 1]
    plain, term = (float(-np.log(np.where(y == 1, p, 1 - p)).mean()) for p in predictions)
    saved = gain(y, predictions[1:], predictions[:1], GroupBootstrap(groups, RESAMPLES, 0))
    row = {"set": "speed_dating", "permuted": permuted, "plain": plain, "term": term}
    row |= {"change": -saved.value, "low": -saved.high, "high": -saved.low, "rows": len(y), "raters": len(set(groups))}
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(row)


def report(path: Path) -> None:
    """Print both tables as Markdown."""
    cells: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(path):
        cells[_key(row)[:-1]].append(row)
    print("| n | panel | cards a rater | severity | confounded | subtracted | term | term if kept | oracle | kept |")
    print("| --: | --: | --: | --: | --- | --: | --: | --: | --: | --: |")
    for key, rows in sorted(cells.items()):
        figures = []
        for name in ("subtracted", "term", "kept", "oracle"):
            change = 1000 * np.array([row[f"loss_{name}"] - row["loss_plain"] for row in rows])
            error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
            figures.append(f"{change.mean():+.1f} ± {error:.1f}")
        kept = sum(row["kept_term"] for row in rows)
        n, panel, cards, severity, confounded = key
        print(
            f"| {n:,} | {panel} | {cards} | {severity:g} | {'yes' if confounded else 'no'} | {' | '.join(figures)} "
            f"| {kept} of {len(rows)} |"
        )
    for line in path.read_text(encoding="utf-8").splitlines():
        if "set" in (row := json.loads(line)):
            print(
                f"\n{row['set']}{', raters permuted' if row['permuted'] else ''}: {row['plain']:.4f} to "
                f"{row['term']:.4f}, {row['change']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f}), "
                f"n = {row['rows']:,}, {row['raters']} raters"
            )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("teams")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--seconds", type=float, default=200)
    command.add_argument("--first-seed", type=int, default=0, help="fresh seeds, where a choice was made on others")
    command = commands.add_parser("speed-dating")
    command.add_argument("folder", type=Path)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--permuted", action="store_true")
    commands.add_parser("report").add_argument("path", type=Path)
    asked = parser.parse_args()
    if asked.command == "teams":
        teams(asked.out, asked.seconds, asked.first_seed)
    elif asked.command == "speed-dating":
        speed_dating(asked.folder, asked.out, permuted=asked.permuted)
    else:
        report(asked.path)


if __name__ == "__main__":
    main()
