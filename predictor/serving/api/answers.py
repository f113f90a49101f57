"""JSON responses: the result, or an error that says why and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

from predictor.errors import PredictorError, Problem, RatingsError, plural, shorten
from predictor.model.offer_model import OfferModel
from predictor.model.prediction import Prediction

LONGEST_VALUE = 80  # characters of a value that a problem repeats


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Write data as JSON; numbers that are not finite are not JSON, and an error of the server.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    content = json.dumps(data, allow_nan=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json")


def answers_response(answers: Sequence[Prediction], model: OfferModel, *, one: bool) -> Response:
    """Serialise a model's answers as the JSON of their `to_dict`; parts common to all are serialised once.

    NaN is not looked for: a model's tables are checked when they are loaded, so their sums are finite.
    """
    shared = model_parts(model)
    parts = [_to_json(answer, shared) for answer in answers]
    return Response(parts[0] if one else b"[" + b",".join(parts) + b"]", media_type="application/json")


@lru_cache(maxsize=2)
def model_parts(model: OfferModel) -> dict[str, bytes]:
    """Serialise what is the same in every answer of a model."""
    about = model.predict({})
    return {name: to_json(getattr(about, name)) for name in ("feature_importances", "model")}


def _to_json(answer: Prediction, shared: Mapping[str, bytes]) -> bytes:
    own = {**vars(answer), "interval": vars(answer.interval), "contributions": [*map(vars, answer.contributions)]}
    for name in shared:
        del own[name]
    return to_json(own)[:-1] + b"".join(b',"%b":%b' % (name.encode(), part) for name, part in shared.items()) + b"}"


class Refusal(Exception):  # noqa: N818 - not a fault, but an answer
    """An error response, HTTP 400 or above: what is wrong, where, and what to do.

    Parameters
    ----------
    status
        HTTP status, 400 or above.
    error
        One sentence.
    field
        The part of the request that is meant, if one is: a signal, a query parameter, a header, or "body".
    found
        The value there.
    headers
        Further headers of the answer.
    problems
        Every problem, where there are many; else `error` is the only one.
    """

    def __init__(
        self,
        status: int,
        error: str,
        *,
        field: str | None = None,
        found: str = "",
        headers: Mapping[str, str] | None = None,
        problems: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers
        only = [{"row": None, "field": field, "found": shorten(found, LONGEST_VALUE), "problem": error}]
        self.problems = only if problems is None else problems

    @classmethod
    def of(cls, error: PredictorError) -> Refusal:
        """Return the refusal for an error of the user's: every problem of the ratings, or the message."""
        if not isinstance(error, RatingsError):
            return cls(422, str(error))
        problems = [_problem_dict(problem) for problem in error.problems]
        return cls(422, f"{plural(len(problems), 'problem')} in the body", problems=problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the refusal as plain data: `error`, and `problems` with row, field, found and problem each."""
        return {"error": self.error, "problems": self.problems}

    def response(self) -> Response:
        """Answer with the refusal as JSON."""
        return json_response(self.to_dict(), self.status, self.headers)


def _problem_dict(problem: Problem) -> dict[str, Any]:
    unknown = problem.unknown_column and problem.column is None  # then what was found is the name
    return {
        "row": problem.row,
        "field": shorten(problem.found if unknown else problem.column or "body", LONGEST_VALUE),
        "found": shorten(problem.found, LONGEST_VALUE),
        "problem": problem.message,
    }
