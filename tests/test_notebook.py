"""Notebooks: answers, models and trainings have readable displays, and the example notebook runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from predictor import Catalogue, OfferClassifier, OfferModel, TrainingResult
from predictor.ratings.signals import Signal
from predictor.tracking.models import RUNTIME

FIRST_LOOK = ROOT / "experiments/first-look.ipynb"
BAD = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def safe(self) -> bool:
        """Return whether HTML runs nothing, loads nothing and stays within its cell."""
        known = {"div", "span", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "title", "line", "rect", "circle", "text", "polygon", "polyline"}  # fmt: skip
        loads = [name for name, value in self.attributes if name.startswith("on") or "url(" in (value or "")]
        return set(self.tags) <= known and not loads and not {"href", "src"} & {name for name, _ in self.attributes}


def test_a_prediction_shows_its_interval_and_reasons(model: OfferModel) -> None:
    answer = model.predict({"rater_role": "interviewer", "goals_discussed": 5, "mutual_rapport": 1.5})
    page = Page(answer._repr_html_())
    assert page.safe()
    assert f"Likelihood of an offer: {100 * answer.offer_probability:.0f} %" in page.text
    assert f"90 % interval {100 * answer.interval.low:.0f} % to {100 * answer.interval.high:.0f} %" in page.text
    assert re.search(r"Mutual rapport\s*1.5\s*-\d", page.text)
    for part in ("SIMULATED", "base rate", f"{answer.model['trained_on']['n']:,} interviews", *answer.notes):
        assert part in page.text
    assert Page(model.predict({})._repr_html_()).safe()  # no reasons


def test_a_model_shows_its_shape_functions(model: OfferModel) -> None:
    page = Page(model._repr_html_())
    assert page.safe()
    assert page.tags.count("svg") == page.tags.count("figure") == 12
    first = next(iter(model.feature_importances))
    labels = {item.name: item.label for item in model.catalogue.signals}
    label = {**labels, **{item.name: item.label for item in model.catalogue.inputs}}[first]
    assert page.text.index(label) == page.text.index(page.text.split("base rate")[1].partition(".")[2][: len(label)])
    for part in ("SIMULATED", "90 % interval", f"trained on {model.trained_on['n']:,} interviews"):
        assert part in page.text


def test_a_training_shows_scores_with_intervals_and_baselines(training_result: TrainingResult) -> None:
    page = Page(training_result._repr_html_())
    assert page.safe()
    for by in (training_result.scores, *training_result.baselines.values()):
        assert str(by["log_loss"]) in page.text
        assert str(by["roc_auc"]) in page.text
    for gained in training_result.gains.values():
        assert str(gained) in page.text
    assert page.text.count("SIMULATED") >= 2
    nothing = replace(training_result, scores={}, baselines={}, gains={}, transparency=None, direction_cost=None)
    assert Page(nothing._repr_html_()).safe()
    assert len(repr(training_result)) < 120


def test_names_of_a_catalogue_are_escaped_in_notebooks() -> None:
    name = "<svg onload=alert(1)>"
    signals = tuple(Signal(f"{name}{j}", BAD + str(j), "all", not_applicable=(BAD,) * (j > 0)) for j in range(2))
    X = [[1, 2], [2, 0], [4, 5], [5, 0]] * 10
    model: Any = OfferClassifier(Catalogue("bad", BAD, signals, {"all": BAD})).fit(X, [0, 0, 1, 1] * 10).model_
    model = replace(model, name=BAD, trained_on={**model.trained_on, "source": BAD})
    for shown in (model, model.predict({f"{name}0": 5, f"{name}1": 1})):
        page = Page(shown._repr_html_())
        assert page.safe()
        assert BAD in page.text


def test_a_logged_model_has_a_display_without_the_whole_package(model: OfferModel, tmp_path: Path) -> None:
    """Only a few packages of the project are logged with it."""
    for name in RUNTIME:
        there, copy = ROOT / "predictor" / name, tmp_path / "predictor" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if there.is_dir() else shutil.copy)(there, copy)
    model.save(tmp_path / "model.json")
    code = (
        "import sys; from predictor import OfferModel; model = OfferModel.load('model.json')\n"
        "answer = model.predict({'goals_discussed': 4}); assert 'predictor.model.notebook' not in sys.modules\n"
        "assert answer._repr_html_() and 'pandas' not in sys.modules and model._repr_html_()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={})
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
def test_the_example_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat  # here, since each worker reads this file
    from nbclient import NotebookClient

    notebook = nbformat.read(FIRST_LOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "it is committed without outputs"
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FIRST_LOOK.parent)}}).execute()
    shown = [output.get("data", {}) for cell in code for output in cell.outputs]
    pages = [data["text/html"] for data in shown if "text/html" in data]
    for words in ("Training first-look", "Model first-look", "Likelihood of an offer"):
        assert any(words in page and "SIMULATED" in page for page in pages)
