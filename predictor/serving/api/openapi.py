"""The OpenAPI document: what the API takes and answers, exact to each signal's scale."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from predictor.model.raters import LENIENCY
from predictor.model.wording import CAVEAT
from predictor.ratings.catalogue import PANEL, RATINGS, Catalogue
from predictor.ratings.cells import NOT_APPLICABLE_FOREIGN, NOT_OBSERVED
from predictor.ratings.signals import SIDES, Signal
from predictor.serving.settings import Settings

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer"}
PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
IMPORTANCES: Schema = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}}
BLANK: Schema = {"type": "string", "pattern": r"^\s*$"}
_CONTEXT: Schema = {"type": ["string", "number", "boolean", "null"]}
_NOT_OBSERVED_WORDS = [word for word in (*NOT_OBSERVED, *NOT_APPLICABLE_FOREIGN) if word]
BASE_RATE: Schema = {
    "name": "base_rate",
    "in": "query",
    "required": False,
    "description": "Your own share of offers, where it differs from the model's.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
}
WHY = {
    400: "The request names another host, or is truncated",
    401: "The token is missing or wrong",
    403: "Cross-site request refused: it was not sent from this server's own pages",
    413: "The body or the list is too long",
    415: "Content-Type must be application/json, without Content-Encoding",
    422: "The ratings or the query cannot be used; every problem is listed",
    429: "Too many wrong tokens came from this address",
    431: "The headers are too long",
    503: "It took too long",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


INTERVIEWS: Schema = {"required": True, "content": {"application/json": {"schema": _ref("Interviews")}}}


def documented(answer: str | None, *refusals: int, query: Schema | None = None, body: Schema | None = None) -> Any:
    """Return what FastAPI cannot read off a route: the answer (None: text), the refusals, the query and the body."""
    kind, schema = ("application/json", _ref(answer)) if answer else ("text/plain", TEXT)
    responses: dict[int, Schema] = {200: {"description": "The answer", "content": {kind: {"schema": schema}}}}
    for status in (400, 401, *refusals, 429, 431, 503):
        responses[status] = {"description": WHY[status], "content": {"application/json": {"schema": _ref("Refusal")}}}
    extra = {**({"parameters": [query]} if query else {}), **({"requestBody": body} if body else {})}
    return {"responses": responses, "openapi_extra": extra, "response_model": None}


def document(app: FastAPI, catalogue: Catalogue, settings: Settings) -> dict[str, Any]:
    """Write the document for a model's catalogue.

    Parameters
    ----------
    app
        Whose routes are described.
    catalogue
        The signals, inputs and columns that an interview may have.
    settings
        Limits, and whether a token is asked for.

    Returns
    -------
    dict
        An OpenAPI 3.1 document.
    """
    document: dict[str, Any] = get_openapi(
        title="Interview outcome predictor",
        version="1",
        description=f"The likelihood of an offer from ratings of an interview, and what drove it. {CAVEAT}",
        routes=app.routes,
    )
    for path in document["paths"].values():
        for operation in path.values():
            content = operation["responses"]["200"].get("content", {})
            if "text/plain" in content:
                content.pop("application/json", None)
    components = document.setdefault("components", {})
    components["schemas"] = {**_request_schema(catalogue, settings), **_response_schema(catalogue)}
    if settings.root_path:
        document["servers"] = [{"url": settings.root_path}]
    if settings.token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    return document


def _object(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _request_schema(catalogue: Catalogue, settings: Settings) -> Schema:
    signals = {
        signal.name: {
            **_rating_schema(signal),
            "description": " ".join(
                [signal.question or signal.label, *(f"{k}: {v}." for k, v in signal.anchor_texts.items())]
            ),
        }
        for signal in catalogue.signals
    }
    other_fields: Schema = {
        item.name: {"description": item.label, "anyOf": [{"enum": [*item.levels, None]}, _ref("NotObserved")]}
        for item in catalogue.inputs
    }
    other_fields[catalogue.outcome] = {**_CONTEXT, "description": "The outcome; ignored."}
    for name in catalogue.columns:
        if name not in signals and name not in other_fields:
            other_fields[name] = {**_CONTEXT, "description": "Context; ignored."}
    if LENIENCY in other_fields:
        other_fields[PANEL] = {
            "description": f"Who rated, by pseudonym; in place of '{LENIENCY}', and unknown raters count as average.",
            "anyOf": [{"type": "array", "items": {"type": ["string", "integer"]}}, {"type": ["string", "null"]}],
        }
    nested_form = {**other_fields, RATINGS: _ref("Ratings")}
    many = {"type": "array", "items": _ref("Interview"), "minItems": 1, "maxItems": settings.max_interviews}
    return {
        "Ratings": _object(signals, description="Ratings by signal; null or left out: not observed."),
        "NotObserved": {
            "description": "In any case of letters: not observed, or not applicable.",
            "anyOf": [{"enum": _NOT_OBSERVED_WORDS}, BLANK],
        },
        "Interview": {
            "description": f"Ratings by signal with context beside them, or the ratings apart, under '{RATINGS}'.",
            "anyOf": [_object({**signals, **other_fields}), _object(nested_form, required=[RATINGS])],
        },
        "Interviews": {"anyOf": [_ref("Interview"), many]},
    }


def _rating_schema(signal: Signal) -> Schema:
    """Write what may be answered for a signal: a rating on its scale, as a number or in words, a code, or nothing."""
    rating: Schema = {"type": ["number", "null"], "minimum": signal.scale.low, "maximum": signal.scale.high}
    knots = "|".join(re.escape(f"{knot:.12g}") for knot in signal.scale.knots)
    high = signal.scale.high
    text: Schema = {
        "type": "string",
        "pattern": f"^({knots})(/{high:.0f})?$" if high in range(1, 1001) else f"^({knots})$",
    }
    codes = [*dict.fromkeys((*signal.not_observed, *signal.not_applicable, *signal.codes, *signal.levels))]
    return {"anyOf": [rating, text, *([{"enum": codes}] if codes else []), _ref("NotObserved")]}


def _response_schema(catalogue: Catalogue) -> Schema:
    trained_on = {"type": "object", "properties": {"source": TEXT, "digest": TEXT, "n": COUNT}, "required": ["n"]}
    identity: Schema = {"name": TEXT, "fingerprint": TEXT, "created_at": TEXT, "trained_on": trained_on}
    contribution = {
        "signal": TEXT,
        "family": TEXT,
        "side": {"enum": [*SIDES, None]},
        "rating": {"type": ["number", "string", "null"]},
        "log_odds": {**NUMBER, "description": "What it adds; with all others and the baseline, the log-odds."},
        "implied": {
            **NUMBER,
            "description": "The part of log_odds that comes from what the rating suggests about signals that were not "
            "rated; 0 if all were. The rest is its own.",
        },
    }
    interval = {"level": PROBABILITY, "low": PROBABILITY, "high": PROBABILITY}
    answer = {
        "offer_probability": PROBABILITY,
        "interval": _object(interval, required=[*interval]),
        "base_rate": PROBABILITY,
        "log_odds": NUMBER,
        "baseline": NUMBER,
        "contributions": {"type": "array", "items": _object(contribution, required=[*contribution])},
        "families": {"type": "object", "additionalProperties": NUMBER},
        "feature_importances": IMPORTANCES,
        "not_rated": {"type": "array", "items": {"enum": [*catalogue.names]}},
        "notes": {"type": "array", "items": TEXT},
        "model": {"type": "object", "properties": identity, "required": [*identity]},
    }
    row, place = {"type": ["integer", "null"]}, {"type": ["string", "null"]}
    problem = {"row": row, "field": place, "found": TEXT, "problem": TEXT}
    refusal = {"error": TEXT, "problems": {"type": "array", "items": _object(problem, required=[*problem])}}
    rows: Schema = {"type": "array", "items": {"type": "object"}}
    mapping: Schema = {"type": "object"}
    catalogue_fields = {"name": TEXT, "title": TEXT, "columns": mapping, "families": mapping}
    catalogue_fields |= {"inputs": mapping, "signals": rows}
    importances: Schema = dict.fromkeys(("feature_importances", "family_importances", "side_importances"), IMPORTANCES)
    gaps: Schema = {"slope": NUMBER, "mean": PROBABILITY, "most": PROBABILITY}
    deletion: Schema = {"rows": COUNT, "on": TEXT}
    described: Schema = {
        **identity, **importances, "simulated": BOOLEAN, "notes": answer["notes"], "base_rate": PROBABILITY,
        "intercept": NUMBER, "versions": mapping, "gaps": _object(gaps, required=[*gaps]),
        "deletions": {"type": "array", "items": _object(deletion, required=[*deletion])},
        "shape_functions": rows, "strongest_pairs": rows, "catalogue": _ref("Catalogue"),
    }  # fmt: skip
    shown: Schema = {"name": TEXT, "fingerprint": TEXT, "simulated": BOOLEAN}
    figure: Schema = {"value": NUMBER, "low": NUMBER, "high": NUMBER, "n": COUNT}
    figures: Schema = {"type": "object", "additionalProperties": _object(figure, required=[*figure])}
    measured: Schema = {"anyOf": [{"type": "object", "additionalProperties": figures}, {"type": "null"}]}
    listed: Schema = {**shown, **importances, "n": COUNT, "measured": measured}
    ready: Schema = {
        "ready": BOOLEAN,
        "model": _object(shown, required=[*shown]),
        "trouble": {"type": ["string", "null"]},
    }
    return {
        "Answer": _object(answer, required=[*answer]),
        "Answers": {"anyOf": [_ref("Answer"), {"type": "array", "items": _ref("Answer"), "minItems": 1}]},
        "Refusal": _object(refusal, required=[*refusal]),
        "Model": _object(described, required=[*described]),
        "Importances": _object(listed, required=[*listed]),
        "Catalogue": _object(catalogue_fields, required=[*catalogue_fields]),
        "Health": _object({"status": {"const": "ok"}}, required=["status"]),
        "Ready": _object(ready, required=[*ready]),
    }
