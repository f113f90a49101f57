"""Build the offer model of a fitted pool: purified tables, and statistics of the training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predictor.learning.decomposition import TablesByTerms, purify
from predictor.learning.pool import MaskedPool, Pool
from predictor.learning.prior import Prior
from predictor.learning.regression import PRIOR_ROWS
from predictor.learning.weights import RowWeights, count, mean, prepend_ones, take, weighted
from predictor.model.data import Masked, Pair, Triple, TypicalRange, mean_and_spread
from predictor.model.factors import Completion
from predictor.model.offer_model import OfferModel
from predictor.model.subsets import signal_groups
from predictor.model.tables import Floats, Grid, quantile
from predictor.ratings.catalogue import Catalogue

DECIMALS = 15  # of the tables in the file: rounding lowers the log-odds of a better rating by at most 1e-12
MASKED_DECIMALS = 5  # of masked tables, which are many, if no signal has a direction
FACTOR_DECIMALS = 5  # of the interval's factors, which need less precision


def assemble(
    pool: Pool,
    values: Floats,
    y: Floats,
    catalogue: Catalogue,
    *,
    prior: Prior | None = None,
    weights: RowWeights = None,
    importances: bool = True,
) -> OfferModel:
    """Convert a fitted pool into a model.

    Parameters
    ----------
    pool
        As `fit_pool` returns it.
    values, y
        The rows that it learned from; see `fit_pool`.
    catalogue
        Of the ratings.
    prior
        The model that it started from. Tables are centred on its rows, too.
    weights
        How often each row counts, shape (n,).
    importances
        Whether to compute them: they take longer than all else, and predictions need none.

    Returns
    -------
    OfferModel
        Without a name, scores, and the source of its rows.
    """
    grid, completion = Grid.of(catalogue), pool.completion
    names = (*catalogue.names, *(item.name for item in catalogue.inputs))
    spans = [slice(*grid.offsets[j : j + 2]) for j in range(len(names))]
    own, all_values = weighted(grid.weights(values), weights), values
    all_weights = weights
    if prior is not None:
        all_values, all_weights = np.concatenate([prior.rows, values]), prepend_ones(len(prior.rows), weights)
    shares = _shares(weighted(grid.weights(all_values), all_weights), grid, completion)
    tables = purify(pool.tables, shares)
    _clear_not_rated(tables)
    middle = [share @ part for share, part in zip(shares, pool.factors[1:], strict=True)]
    factors = [np.sum([pool.factors[0], *middle], axis=0)]
    factors += [part - centre for part, centre in zip(pool.factors[1:], middle, strict=True)]
    signals = all_values[:, : len(catalogue.signals)]
    rated = (signals >= np.array(catalogue.ends[0])).any(axis=1)
    typical, spread = mean_and_spread(signals[rated], catalogue)
    rated_weights = take(all_weights, rated)
    base_rate, weight = (prior.model.base_rate, PRIOR_ROWS) if prior else (0.0, 0.0)
    trained_on = {"source": "fit(X, y)", "digest": "", "n": len(y), "simulated": None}
    if prior:
        trained_on["prior"] = {"name": prior.model.name, "share": round(pool.regressions.prior_share, 3)}
    draft = OfferModel(
        name="offer-model",
        catalogue=catalogue,
        base_rate=float((weighted(y, weights).sum() + weight * base_rate) / (count(y, weights) + weight)),
        intercept=round(float(tables[()]), DECIMALS),
        tables={name: np.round(tables[(j,)], DECIMALS) for j, name in enumerate(names)},
        pairs=_pairs(tables, names, DECIMALS),
        triples=_triples(tables, names, DECIMALS),
        factor_model=completion.factor_model,
        gaps=pool.gaps,
        masked=_masked(pool.masked, shares, grid, catalogue) if pool.masked else None,
        factors={
            name: np.round(part, FACTOR_DECIMALS) for name, part in zip(("intercept", *names), factors, strict=True)
        },
        variances={name: np.round(part, FACTOR_DECIMALS) for name, part in zip(names, pool.variances, strict=True)},
        counts={name: np.round(own[:, span].sum(axis=0), 6) for name, span in zip(names, spans, strict=True)},
        feature_importances={},
        typical_range=TypicalRange(_middle_range(typical, rated_weights), _middle_range(spread, rated_weights)),
        trained_on=trained_on,
    )
    if not importances:
        return draft
    added = draft.contributions(values if len(values) else all_values)
    added_weights = weights if len(values) else all_weights
    sizes = {
        kind: {
            name: float(mean(np.abs(added[:, columns].sum(axis=1)), added_weights)) for name, columns in members.items()
        }
        for kind, members in signal_groups(catalogue).items()
    }
    sizes = {kind: dict(sorted(size.items(), key=lambda item: -item[1])) for kind, size in sizes.items()}
    return replace(draft, feature_importances=sizes.pop("signal"), group_importances=sizes)


def _pairs(tables: TablesByTerms, names: Sequence[str], decimals: int) -> tuple[Pair, ...]:
    pairs = ((at, table) for at, table in tables.items() if len(at) == 2)
    return tuple(Pair(names[at[0]], names[at[1]], np.round(table, decimals)) for at, table in pairs)


def _triples(tables: TablesByTerms, names: Sequence[str], decimals: int) -> tuple[Triple, ...]:
    triples = ((at, table) for at, table in tables.items() if len(at) == 3)
    return tuple(Triple((names[at[0]], names[at[1]], names[at[2]]), np.round(table, decimals)) for at, table in triples)


def _masked(pool: MaskedPool, shares: Sequence[Floats], grid: Grid, catalogue: Catalogue) -> Masked:
    """Purify masked tables; there, "not rated" keeps its cell."""
    names = (*catalogue.names, *(item.name for item in catalogue.inputs))
    tables = purify(pool.tables, shares)
    # Rounding may break monotonicity, which matters only if signals have a direction.
    decimals = DECIMALS if any(catalogue.directions) else MASKED_DECIMALS
    main = {
        name: np.round(tables.get((j,), np.zeros(size)), decimals)
        for j, (name, size) in enumerate(zip(names, grid.sizes.tolist(), strict=True))
    }
    pairs, triples = _pairs(tables, names, decimals), _triples(tables, names, decimals)
    return Masked(
        round(pool.weight_of_other_tables, decimals), round(float(tables[()]), decimals), main, pairs, triples
    )


def _shares(cells: Floats, grid: Grid, completion: Completion) -> list[Floats]:
    """Return the share of each cell of each term among the rows in which it is rated, to centre tables on."""
    shares = []
    for term, size in enumerate(grid.sizes.tolist()):
        rows = cells[:, grid.offsets[term] : grid.offsets[term] + size].sum(axis=0)
        rows[-1] = 0.0
        if term >= completion.signals or not rows.any():
            rows[: grid.n_knots[term]] = completion.factor_model.shares[term]
        shares.append(rows / rows.sum())
    return shares


def _clear_not_rated(tables: TablesByTerms) -> None:
    """Set the cells of "not rated" and "not given" to zero, which is the mean of the others."""
    for table in tables.values():
        for axis in range(table.ndim):
            np.moveaxis(table, axis, 0)[-1] = 0.0


def _middle_range(values: Floats, weights: RowWeights) -> tuple[float, float]:
    low, high = quantile(values, [0.005, 0.995], weights) if len(values) else (0.0, 1.0)
    return round(float(low), 4), round(float(high), 4)
