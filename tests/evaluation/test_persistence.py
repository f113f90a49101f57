"""Challengers in files: they answer as before, and a file with anything else in it is refused unread."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import Ratings
from predictor.errors import MissingExtraError, ModelError
from predictor.evaluation.baselines import CHALLENGERS, challenger
from predictor.evaluation.persistence import load_challenger, save_challenger


@pytest.mark.parametrize("name", CHALLENGERS)
def test_a_challenger_answers_as_before(name: str, interviews: Ratings, tmp_path: Path) -> None:
    known = interviews.rows(np.arange(200)).labelled()
    fitted: Any = challenger(name, known.catalogue).fit(known.features, known.y)
    again = load_challenger(save_challenger(fitted, tmp_path / f"{name}.skops"))
    np.testing.assert_array_equal(again.predict_proba(known.features), fitted.predict_proba(known.features))


@pytest.fixture
def kept(interviews: Ratings, tmp_path: Path) -> Path:
    known = interviews.rows(np.arange(100)).labelled()
    fitted = challenger("mean_rating", known.catalogue).fit(known.features, known.y)
    return save_challenger(fitted, tmp_path / "mean_rating.skops")


@pytest.mark.parametrize("other", ["os.system", "predictor.learning.classifier.OfferClassifier"])
def test_any_other_type_is_refused_by_name(kept: Path, other: str) -> None:
    module, name = other.rsplit(".", 1)
    with zipfile.ZipFile(kept) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    schema = parts["schema.json"].decode()
    assert '"MeanRating"' in schema
    schema = schema.replace('"MeanRating"', f'"{name}"').replace("predictor.evaluation.baselines", module)
    with zipfile.ZipFile(kept, "w") as archive:
        for part, content in {**parts, "schema.json": schema.encode()}.items():
            archive.writestr(part, content)
    with pytest.raises(ModelError, match=rf"mean_rating\.skops: holds {other}, which no challenger is made of"):
        load_challenger(kept)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04 cut short"])  # the second is a pickle
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "forest.skops"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"forest\.skops: not a challenger's file, or damaged"):
        load_challenger(path)


def test_what_cannot_be_read_or_written_is_said(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.skops: the challenger cannot be read: No such file"):
        load_challenger(tmp_path / "none.skops")
    with pytest.raises(ModelError, match="the challenger cannot be written: "):
        save_challenger(load_challenger(kept), tmp_path)


def test_without_skops_the_install_line_is_named(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'interview-outcome-predictor\[train\]'"):
        load_challenger(kept)
