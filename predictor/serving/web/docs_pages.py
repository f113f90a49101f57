"""The page that documents the API: requests, responses, every endpoint and every signal."""

from __future__ import annotations

import json
import shlex
from typing import Any

from fastapi import APIRouter, Request, Response

from predictor.model.offer_model import OfferModel
from predictor.ratings.catalogue import Catalogue
from predictor.serving.settings import Settings
from predictor.serving.web.pages import page

docs_pages = APIRouter(include_in_schema=False)

RATED = 3  # signals in the example, each of another family


@docs_pages.get("/docs")
def docs(request: Request) -> Response:
    """Show it, with an example and the current model's response."""
    model: OfferModel = request.app.state.current_model()
    sent = example(model.catalogue)
    headers = ["Content-Type: application/json"]
    settings: Settings = request.app.state.settings
    address = f"{'https://' if settings.https else ''}{request.url.netloc}{settings.root_path}/v1/predict"
    shown = [f"curl {address}", *(f"-H '{header}'" for header in headers)]
    if settings.token:
        shown.append('-H "Authorization: Bearer $PREDICTOR_TOKEN"')
    shown.append(f"-d {shlex.quote(json.dumps(sent))}")
    answer = model.predict(sent).to_dict()
    rated = [part for part in answer["contributions"] if part["rating"] is not None]
    left_out = ("families", "feature_importances", "not_rated")
    abridged = {name: part for name, part in {**answer, "contributions": rated}.items() if name not in left_out}
    return page(
        request, "docs.html", model=model, api=request.app.openapi(), curl=" \\\n  ".join(shown),
        answer=_lines(abridged), left_out=left_out, contributions=len(answer["contributions"]),
    )  # fmt: skip


def _lines(answer: dict[str, Any]) -> str:
    """Write JSON with a line for each part, and for each item of a list, which takes less room than `indent` does."""
    lines = []
    for name, part in answer.items():
        items = ",\n".join(f"    {json.dumps(item)}" for item in part) if isinstance(part, list | tuple) else ""
        lines.append(f"  {json.dumps(name)}: " + (f"[\n{items}\n  ]" if items else json.dumps(part)))
    return "{\n" + ",\n".join(lines) + "\n}"


def example(catalogue: Catalogue) -> dict[str, Any]:
    """Invent an interview: a signal of each of the first families, rated one step below the highest rating.

    Examples
    --------
    >>> example(Catalogue.shipped())
    {'interviewer_active_listening': 4, 'interviewer_explains_role': 4, 'goals_discussed': 4}
    """
    first = {signal.family: signal for signal in reversed(catalogue.signals)}
    chosen = [first[family] for family in catalogue.families if family in first][:RATED]
    knots = {signal.name: list(signal.scale.knots) for signal in chosen}
    ratings = {name: values[-2] if len(values) > 1 else values[0] for name, values in knots.items()}
    return {name: int(value) if value == int(value) else value for name, value in ratings.items()}
