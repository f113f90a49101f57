"""The parts of a model that the exported page's `evaluator.js` reads, as compact JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from predictor.model.data import ModelData, Pair, Triple
from predictor.model.factors import Completion, FactorModel
from predictor.model.prediction import QUANTILE
from predictor.model.tables import Floats

DECIMALS = 11  # of log-odds: some hundred of them are added up, so that an answer keeps nine


def compact(model: ModelData) -> dict[str, Any]:
    """Return the tables of a model as plain data for `evaluator.js`, log-odds rounded to eleven decimals.

    Parameters
    ----------
    model
        Of any format.

    Returns
    -------
    dict
        Ready for JSON. Cells of all terms are in one row, as in `Grid.offsets`; a table of two or three terms is its
        terms' places and its log-odds, the last axis first; vectors are those of the cells, one after the other.

    Examples
    --------
    >>> from predictor import OfferModel
    >>> model = OfferModel.published()
    >>> data = compact(model)
    >>> data["p"] == len(model.signals), len(data["terms"]) == len(model.terms), data["masked"]
    (True, True, None)
    """
    place = {name: number for number, name in enumerate(model.terms)}
    masked = model.masked
    return {
        "p": len(model.signals),
        "terms": _terms(model),
        "base_rate": model.base_rate,
        "quantile": QUANTILE,
        "intercept": model.intercept,
        "gaps": {"slope": model.gaps.slope, "mean": model.gaps.mean, "most": model.gaps.most},
        "coverage": None if model.intercept_by_rated_count is None else _short(model.intercept_by_rated_count),
        "main": _short(np.concatenate([model.tables[name] for name in model.terms])),
        "joint": _joint(model.pairs, model.triples, place),
        "factors": _factor_model(model, model.factor_model) if model.factor_model else None,
        "masked": {
            "share": masked.weight_of_other_tables,
            "intercept": masked.intercept,
            "main": _short(np.concatenate([masked.tables[name] for name in model.terms])),
            "joint": _joint(masked.pairs, masked.triples, place),
        }
        if masked
        else None,
        "start": _short(model.factors["intercept"]),
        "vectors": _short(np.concatenate([model.factors[name] for name in model.terms])),
        "variances": _short(np.concatenate([model.variances[name] for name in model.terms])),
    }


def _terms(model: ModelData) -> list[dict[str, Any]]:
    grid = model.grid
    return [
        {
            "low": float(grid.low[term]),
            "step": float(grid.step[term]),
            "levels": int(grid.n_knots[term]),
            "apart": int(grid.has_not_applicable[term]),
            **({"uneven": grid.uneven[term].tolist()} if term in grid.uneven else {}),
        }
        for term in range(len(model.terms))
    ]


def _joint(pairs: Sequence[Pair], triples: Sequence[Triple], place: dict[str, int]) -> list[list[Any]]:
    each: list[tuple[Iterable[str], Floats]] = [((pair.first, pair.second), pair.log_odds) for pair in pairs]
    each += [(item.terms, item.log_odds) for item in triples]
    return [[[place[name] for name in terms], _short(table)] for terms, table in each]


def _factor_model(model: ModelData, factors: FactorModel) -> dict[str, Any]:
    missingness = factors.missingness
    return {
        "mean": factors.mean.tolist(),
        "sd": factors.sd.tolist(),
        "unique": factors.unique.tolist(),
        "loadings": factors.loadings.tolist(),
        "shares": [share.tolist() for share in factors.shares],
        "directions": list(model.catalogue.directions),
        "bound": Completion(model.grid, factors, model.catalogue.directions).needs_monotone_clipping,
        "left_out": {**vars(missingness), "loadings": missingness.loadings.tolist()} if missingness else None,
    }


def _short(numbers: Floats) -> list[float | int]:
    """Return numbers in a row, rounded, as few letters as they need."""
    rounded = np.round(numbers, DECIMALS).ravel().tolist()
    return [int(number) if number == math.trunc(number) else number for number in rounded]
