"""Inspect a model's tables: shape functions, and the strongest pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from predictor.model.data import ModelData, Pair
from predictor.model.prediction import QUANTILE

if TYPE_CHECKING:
    import pandas as pd


def shape_functions(data: ModelData) -> pd.DataFrame:
    """Return what each level of each term adds to the log-odds; see `OfferModel.shape_functions`."""
    import pandas as pd

    parts = []
    for name in data.terms:
        # Factors are centred on the training rows, as the tables are, so this is the deviation of the difference.
        half = QUANTILE * np.sqrt((data.factors[name] ** 2).sum(axis=1) + data.variances[name])
        half[-1] = np.nan
        table = data.tables[name]
        parts.append(
            pd.DataFrame(
                {
                    "signal": name,
                    "rating": pd.Series([*data.catalogue.possible_values[name], None], dtype=object),
                    "log_odds": table,
                    "low": table - half,
                    "high": table + half,
                    "n": data.counts[name],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def strongest_pairs(data: ModelData, k: int = 10) -> list[tuple[Pair, float]]:
    """Return the k pairs with the largest effects; see `OfferModel.strongest_pairs`."""
    n = data.trained_on["n"]  # with none, every cell counts alike
    shares = {
        name: count / count.sum() if n else np.full(len(count), 1 / len(count)) for name, count in data.counts.items()
    }
    pairs = [pair for pair in data.pairs if pair.log_odds.any()]  # without tables that are all zero
    sizes = [(pair, float(np.sqrt(shares[pair.first] @ pair.log_odds**2 @ shares[pair.second]))) for pair in pairs]
    return sorted(sizes, key=lambda item: -item[1])[:k]
