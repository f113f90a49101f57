"""Read and write the model file: readable JSON that runs no code, in formats 1 to 3, validated when it is read.

Most keys are the names of attributes of `ModelData`. The others:

| key                      | attribute                                                                 | formats |
| ------------------------ | ------------------------------------------------------------------------- | ------- |
| `ordinary`               | `typical_range`                                                           | all     |
| `coverage`               | `intercept_by_rated_count`                                                | 1, 2    |
| `tables`: `rows...`      | `counts`; `not_observed` is the last cell, `not_applicable` the one before | all     |
| `interval`               | `factors`, `variances`                                                    | all     |
| `unrated`                | `factor_model` (`signals`, `shares`), `gaps`, `masked`                    | 3       |
| `unrated`: `left_out`    | `factor_model.missingness`                                                | 3       |
| `unrated`: `masked`: `share` | `masked.weight_of_other_tables`                                       | 3       |
| `reference`: `crowd`     | `Reference.mean_cluster_size`                                             | 3       |
| `reference`: `likeness`  | `Reference.intraclass_correlation`                                        | 3       |
| `raters`: `unknown`      | `RaterTable.unknown_variance`                                             | 3       |
| `raters`: `cuts`         | `RaterTable.cut_points`                                                   | 3       |
| `raters`: `usual`        | `RaterTable.usual_variances`                                              | 3       |
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from predictor.atomic import write_text
from predictor.errors import CatalogueError, ModelError, control_character
from predictor.model.data import FORMAT, Masked, ModelData, Pair, Triple, TypicalRange
from predictor.model.factors import FactorModel, Missingness
from predictor.model.gaps import Gaps
from predictor.model.prediction import INTERVAL_LEVEL
from predictor.model.raters import LENIENCY, RaterTable
from predictor.model.reference import Reference
from predictor.model.subsets import check_scores
from predictor.model.tables import Floats
from predictor.ratings.catalogue import Catalogue
from predictor.reading import read_whole

LARGEST = 1e12  # largest number in a file, so that squares and sums of it stay finite
NOT_IN_FINGERPRINT = ("name", "created_at", "fingerprint", "deletions")
KIND = "interview outcome predictor: exact tables of log-odds"


def to_dict(data: ModelData) -> dict[str, Any]:
    """Return the model as plain data, as in its file."""
    terms: dict[str, Any] = {}
    for name, levels in zip(data.terms, data.grid.n_knots, strict=True):
        knots = int(levels)
        log_odds, rows = data.tables[name].tolist(), data.counts[name].tolist()
        terms[name] = {"log_odds": log_odds[:knots], "not_observed": log_odds[-1]}
        terms[name] |= {"rows": rows[:knots], "rows_not_observed": rows[-1]}
        if len(log_odds) > knots + 1:
            terms[name] |= {"not_applicable": log_odds[knots], "rows_not_applicable": rows[knots]}
    return {
        "format": data.format,
        "kind": KIND,
        "simulated": data.simulated,
        "name": data.name,
        "created_at": data.created_at,
        "trained_on": dict(data.trained_on),
        "versions": dict(data.versions),
        "base_rate": data.base_rate,
        "intercept": data.intercept,
        **_unrated_to_dict(data),
        "feature_importances": dict(data.feature_importances),
        **({"group_importances": dict(data.group_importances)} if data.group_importances else {}),
        **({"reference": data.reference.to_dict()} if data.reference else {}),
        **({"deletions": [dict(item) for item in data.deletions]} if data.deletions else {}),
        "tables": terms,
        **_joint_to_dict(data),
        "ordinary": {"mean": list(data.typical_range.mean), "spread": list(data.typical_range.spread)},
        "interval": {
            "level": INTERVAL_LEVEL,
            "factors": {name: part.tolist() for name, part in data.factors.items()},
            "variances": {name: part.tolist() for name, part in data.variances.items()},
        },
        **({"raters": data.raters.to_dict()} if data.raters else {}),
        "catalogue": data.catalogue.to_dict(),
    }


def save(data: Mapping[str, Any], path: str | Path) -> Path:
    """Write a model's plain data, as `to_dict` returns it, atomically.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    content = {**data, "fingerprint": fingerprint(data)}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    # A list of numbers reads better, and makes smaller diffs, on one line. The newline distinguishes it from text.
    text = re.sub(r"\[\n[\s\d.,e+-]+\]", lambda numbers: f"[{' '.join(numbers[0][1:-1].split())}]", text)
    try:
        return write_text(path, text + "\n")
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be written: {error.strerror or error}") from None


def load(path: str | Path) -> Any:
    """Read the plain data of a model file; `parse` checks them.

    Raises
    ------
    ModelError
        If the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(read_whole(path))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model; train one with: predictor train DATA.csv") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a model file, or cut short: {error}") from None


def parse(data: Any) -> dict[str, Any]:
    """Parse plain data to the arguments of `ModelData`.

    Raises
    ------
    ModelError
        If it is not a model, of a newer format, or not what was once saved.
    """
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ModelError("this is not a model of the interview outcome predictor")
    number = data.get("format")
    if type(number) is not int or number < 1:
        raise ModelError(f"damaged: its format is {number!r}, not a number")
    if number > FORMAT:
        raise ModelError(f"its format {number} is newer than this version reads ({FORMAT}): update the predictor")
    if data.get("fingerprint") != fingerprint(data):
        raise ModelError("its content does not match its fingerprint: damaged or edited; train it or copy it again")
    try:
        arguments = _arguments(data)
        _check(ModelData(**arguments))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, CatalogueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ModelError(f"damaged: {what}") from None
    return arguments


def fingerprint(data: Mapping[str, Any]) -> str:
    """Compute the first 16 hexadecimal digits of the SHA-256 of the model's content, without `NOT_IN_FINGERPRINT`."""
    content = {key: value for key, value in data.items() if key not in NOT_IN_FINGERPRINT}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    tables, counts = {}, {}
    for name, item in data["tables"].items():
        other = ([item["not_applicable"]], [item["rows_not_applicable"]]) if "not_applicable" in item else ([], [])
        tables[name] = np.array([*item["log_odds"], *other[0], item["not_observed"]], dtype=np.float64)
        counts[name] = np.array([*item["rows"], *other[1], item["rows_not_observed"]], dtype=np.float64)
    return {
        "name": data["name"],
        "catalogue": Catalogue.from_dict(data["catalogue"]),
        "base_rate": data["base_rate"],
        "intercept": data["intercept"],
        "tables": tables,
        "counts": counts,
        "pairs": _pairs(data),
        "triples": _triples(data) if data["format"] > 1 else (),
        "variances": {name: np.array(part) for name, part in data["interval"]["variances"].items()},
        "factor_model": _factor_model(data["unrated"], tuple(tables)) if data["format"] > 2 else None,
        "gaps": Gaps(**data["unrated"]["gaps"]) if data["format"] > 2 else Gaps(),
        "masked": _masked(data["unrated"]["masked"]) if "masked" in data.get("unrated", ()) else None,
        "intercept_by_rated_count": np.array(data["coverage"]) if data["format"] < 3 else None,
        "factors": {name: np.array(part) for name, part in data["interval"]["factors"].items()},
        "feature_importances": data["feature_importances"],
        "group_importances": data.get("group_importances", {}),
        "reference": Reference.from_dict(data["reference"]) if "reference" in data else None,
        "deletions": tuple({"rows": int(item["rows"]), "on": str(item["on"])} for item in data.get("deletions", ())),
        "raters": RaterTable.from_dict(data["raters"], LARGEST) if "raters" in data else None,
        "typical_range": TypicalRange(tuple(data["ordinary"]["mean"]), tuple(data["ordinary"]["spread"])),
        "trained_on": data["trained_on"],
        "versions": data["versions"],
        "created_at": data["created_at"],
    }


def _check(data: ModelData) -> None:
    """Reject values that training never produces, so that a look-up neither fails nor returns nonsense."""
    r = len(data.factors["intercept"])
    cells = dict(zip(data.terms, data.grid.sizes.tolist(), strict=True))
    pairs, triples = data.pairs, data.triples
    if data.masked:
        pairs, triples = (*pairs, *data.masked.pairs), (*triples, *data.masked.triples)
    arrays: list[tuple[str, Floats, tuple[int, ...]]] = [
        ("intercept", data.factors["intercept"], (r,)),
        *((f"{p.first} with {p.second}", p.log_odds, (cells[p.first], cells[p.second])) for p in pairs),
        *((" with ".join(t.terms), t.log_odds, tuple(cells[name] for name in t.terms)) for t in triples),
        *((name, data.factors[name], (cells[name], r)) for name in data.terms),
    ]
    if any(len(set(item.terms)) != 3 for item in triples):
        raise ValueError("a triple has other than three terms")
    if data.intercept_by_rated_count is not None:
        arrays.append(("coverage", data.intercept_by_rated_count, (len(data.signals) + 1,)))
    arrays += _unrated_arrays(data)
    for part in (data.tables, data.counts, data.variances, *([data.masked.tables] if data.masked else [])):
        arrays += [(name, part[name], (cells[name],)) for name in data.terms]
    for name, array, shape in arrays:
        if array.shape != shape or array.dtype.kind not in "if" or not (np.abs(array) <= LARGEST).all():
            raise ValueError(f"the numbers of {name} are not finite, beyond {LARGEST:g}, or not of shape {shape}")
    if any((data.variances[name] < 0).any() for name in data.terms):
        raise ValueError("a variance is below 0")
    if data.factor_model and min(data.factor_model.sd.min(), data.factor_model.unique.min()) < 1 / LARGEST:
        raise ValueError(f"a standard deviation or a unique variance is below {1 / LARGEST:g}")
    if data.raters and LENIENCY not in data.terms:
        raise ValueError(f"it has raters, and no input {LENIENCY}")
    _check_numbers(data)
    _check_about(data)


def _check_numbers(data: ModelData) -> None:
    """Refuse single numbers that are not finite, or beyond their range."""
    importances = [data.feature_importances[name] for name in data.terms]
    gaps = [data.gaps.slope, data.gaps.mean, data.gaps.most]
    gaps += [data.masked.intercept, data.masked.weight_of_other_tables] if data.masked else []
    for number in (
        data.intercept,
        data.base_rate,
        *gaps,
        *data.typical_range.mean,
        *data.typical_range.spread,
        *importances,
    ):
        if type(number) not in (int, float) or not abs(number) <= LARGEST:
            raise ValueError(f"{number!r:.40} is not a finite number of at most {LARGEST:g}")
    if not 0 < data.base_rate < 1 or len(data.typical_range.mean) != 2 or len(data.typical_range.spread) != 2:
        raise ValueError("the base rate or the typical range is out of range")


def _check_about(data: ModelData) -> None:
    """Refuse what is not a description of a training: texts, counts, scores and versions."""
    trained_on = data.trained_on
    for word in (data.name, data.created_at, trained_on["source"], trained_on["digest"]):
        if not isinstance(word, str) or not word.isprintable():
            raise ValueError(f"{word!r} is not printable text")
    if type(trained_on["n"]) is not int or trained_on["simulated"] not in (True, False, None):
        raise ValueError("how many interviews it was trained on, or whether simulated ones, is missing")
    check_scores(trained_on.get("partial_scores", {}))
    scores = trained_on.get("scores") or {}
    if not isinstance(scores, dict) or not all(_is_score(score) for score in scores.values()):
        raise ValueError("trained_on.scores are not a value and the ends of its interval by metric")
    if not isinstance(data.versions, Mapping) or not all(isinstance(word, str) for word in data.versions.values()):
        raise ValueError("versions are not texts by library")
    if word := next(filter(control_character, (*_texts(trained_on), *_texts(data.versions))), None):
        raise ValueError(f"{word!r:.60} has a control character")
    words = {"offer_word": str, "unknown_words": list, "sheet": str}
    if not all(isinstance(word, words.get(name, ())) for name, word in trained_on.get("read_with", {}).items()):
        raise ValueError("trained_on.read_with are not words by which a file is read")
    if "prior" in trained_on and not 0 <= trained_on["prior"]["share"] <= 1:
        raise ValueError("the prior's share is not between 0 and 1")


def _unrated_to_dict(data: ModelData) -> dict[str, Any]:
    if data.factor_model is None:
        return {"coverage": [] if data.intercept_by_rated_count is None else data.intercept_by_rated_count.tolist()}
    model = data.factor_model
    return {
        "unrated": {
            "signals": {
                name: {"mean": float(mean), "sd": float(sd), "loadings": loadings.tolist(), "unique": float(unique)}
                for name, mean, sd, loadings, unique in zip(
                    data.signals, model.mean, model.sd, model.loadings, model.unique, strict=True
                )
            },
            "shares": {name: share.tolist() for name, share in zip(data.terms, model.shares, strict=True)},
            "left_out": _missingness_to_dict(data),
            "gaps": {"slope": data.gaps.slope, "mean": data.gaps.mean, "most": data.gaps.most},
            **({"masked": _masked_to_dict(data.masked)} if data.masked else {}),
        }
    }


def _masked_to_dict(masked: Masked) -> dict[str, Any]:
    return {
        "share": masked.weight_of_other_tables,
        "intercept": masked.intercept,
        "tables": {name: table.tolist() for name, table in masked.tables.items()},
        **_joint_to_dict(masked),
    }


def _joint_to_dict(data: ModelData | Masked) -> dict[str, Any]:
    pairs = [{"first": pair.first, "second": pair.second, "log_odds": pair.log_odds.tolist()} for pair in data.pairs]
    triples = [{"terms": list(item.terms), "log_odds": item.log_odds.tolist()} for item in data.triples]
    return {"pairs": pairs, "triples": triples}


def _pairs(data: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(Pair(item["first"], item["second"], np.array(item["log_odds"])) for item in data["pairs"])


def _triples(data: Mapping[str, Any]) -> tuple[Triple, ...]:
    return tuple(Triple(tuple(item["terms"]), np.array(item["log_odds"])) for item in data["triples"])


def _masked(data: Mapping[str, Any]) -> Masked:
    tables = {name: np.array(table) for name, table in data["tables"].items()}
    return Masked(data["share"], data["intercept"], tables, _pairs(data), _triples(data))


def _missingness_to_dict(data: ModelData) -> dict[str, Any] | None:
    missingness = data.factor_model.missingness if data.factor_model else None
    return None if missingness is None else {**vars(missingness), "loadings": missingness.loadings.tolist()}


def _unrated_arrays(data: ModelData) -> list[tuple[str, Floats, tuple[int, ...]]]:
    """Name, values and right shape of each array of the factor model."""
    if data.factor_model is None:
        return []
    model, p = data.factor_model, len(data.signals)
    arrays: list[tuple[str, Floats, tuple[int, ...]]] = [
        (word, getattr(model, word), (p,)) for word in ("mean", "sd", "unique")
    ]
    k = model.loadings.shape[-1]
    arrays.append(("loadings", model.loadings, (p, k)))
    if model.missingness is not None:
        about = model.missingness
        arrays.append(
            ("left_out", np.append(about.loadings, [about.mean, about.sd, about.most, about.unique]), (k + 4,))
        )
        if about.sd <= 0 or about.unique <= 0:
            raise ValueError("a spread of what was left out is not above 0")
    levels = zip(data.terms, model.shares, data.grid.n_knots.tolist(), strict=True)
    return arrays + [(f"shares of {name}", share, (count,)) for name, share, count in levels]


def _factor_model(data: Mapping[str, Any], terms: Sequence[str]) -> FactorModel:
    signals = list(data["signals"].values())
    if list(data["signals"]) != list(terms[: len(signals)]) or list(data["shares"]) != list(terms):
        raise ValueError("the factor model has other signals than the tables")
    missingness = data["left_out"]
    return FactorModel(
        missingness=missingness and Missingness(**{**missingness, "loadings": np.array(missingness["loadings"])}),
        mean=np.array([item["mean"] for item in signals]),
        sd=np.array([item["sd"] for item in signals]),
        loadings=np.array([item["loadings"] for item in signals]),
        unique=np.array([item["unique"] for item in signals]),
        shares=tuple(np.array(share) for share in data["shares"].values()),
    )


def _is_score(score: Any) -> bool:
    return (
        isinstance(score, list | tuple)
        and len(score) == 3
        and all(type(number) in (int, float) and abs(number) <= LARGEST for number in score)
    )


def _texts(data: Any) -> Iterator[str]:
    """Return every text of nested data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        yield from (text for item in data.items() for part in item for text in _texts(part))
    elif isinstance(data, list | tuple):
        yield from (text for part in data for text in _texts(part))
