"""Requests that Schemathesis makes from the API's own document; test_api.py runs this file."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS
from strategies import EXAMPLES

from predictor import OfferClassifier, simulate_interviews
from predictor.serving.app import make_app
from predictor.serving.settings import Settings


def _one_signal(folder: str) -> Path:
    """Fit a model of one signal: each further signal adds nine hundred requests of the same kinds."""
    known = simulate_interviews(100, seed=1).labelled()
    known = known.without(known.catalogue.names[1:])
    return OfferClassifier(known.catalogue).fit(known.features, known.y).model_.save(Path(folder, "one.json"))


CHECKED = {"checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}}}  # 413 among them
FOLDER = TemporaryDirectory()
app = make_app(Settings(_one_signal(FOLDER.name), hosts=("testserver",), max_interviews=3))  # as Schemathesis calls it
schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=schemathesis.Config.from_dict(CHECKED))


@schema.parametrize()
@settings(max_examples=EXAMPLES or 4, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_follows_its_openapi_document(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS.get_all())  # type: ignore[arg-type]  # of a wider type than it takes
