"""The card of a model, from its file and from the reports of later commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from predictor.atomic import write_text
from predictor.errors import ModelError
from predictor.model.offer_model import OfferModel
from predictor.pipeline.trained_model import TrainedModel
from predictor.reading import read_whole
from predictor.reports.model_card import AttachedReports, audit_section, card_page, drift_section
from predictor.reports.page import Section, render_html, render_markdown
from predictor.training_folder import AUDIT, CARD, CARD_PAGE, DRIFT, IMPORTANCES, SCORES

Estimate = tuple[float, float, float, int]  # a value, its interval, and n


def save_model_card(trained: TrainedModel, folder: Path, checks: Path) -> list[Path]:
    """Write the card of a model to a folder, as Markdown and as HTML.

    Parameters
    ----------
    trained
        The model, with the folder of its training if that is at hand.
    folder
        Where to; an audit is looked for there, too.
    checks
        The folder of checks for drift: the latest of this model is in the card.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ModelError
        If an audit or a check for drift is there and damaged.
    """
    page = card_page(trained.model, attached_reports(trained, folder, checks))
    return [
        write_text(folder / CARD, render_markdown(page)),
        write_text(folder / CARD_PAGE, render_html(page)),
    ]


def attached_reports(trained: TrainedModel, folder: Path, checks: Path) -> AttachedReports:
    """Read what later commands have written on a model; what they wrote on another is left out."""
    model = trained.model
    paths = [path / AUDIT for path in dict.fromkeys([folder, trained.folder or folder])]
    audits = [content for path in paths if (content := _read_report(path, model, audit_section))]
    drifts = [content for path in checks.glob(f"*/{DRIFT}") if (content := _read_report(path, model, drift_section))]
    return AttachedReports(
        scores=_scores(trained.folder / SCORES) if trained.folder else {},
        importances=_importances(trained.folder / IMPORTANCES) if trained.folder else {},
        audit=audits[0] if audits else {},
        drift=max(drifts, key=lambda content: str(content["made"]), default={}),
    )


def _read_report(
    path: Path, model: OfferModel, section_of: Callable[[OfferModel, Mapping[str, Any]], Section]
) -> Mapping[str, Any]:
    """Read a report; nothing where there is none, or it is of another model."""
    try:
        content: Mapping[str, Any] = json.loads(read_whole(path))
        if content["model"]["fingerprint"] != model.fingerprint:
            return {}
        section_of(model, content)  # so that a damaged file is reported by its name
        return content
    except FileNotFoundError:
        return {}
    except (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: damaged ({error}); make it again, or delete it") from None


def _scores(path: Path) -> dict[str, Estimate]:
    return {name: estimate for (name,), estimate in _rows(path, ("name",), "value", "low", "high")}


def _importances(path: Path) -> dict[tuple[str, str], Estimate]:
    ends = ("contribution", "contribution_low", "contribution_high")
    return {(kind, name): estimate for (kind, name), estimate in _rows(path, ("kind", "name"), *ends)}


def _rows(path: Path, names: tuple[str, ...], *ends: str) -> list[tuple[tuple[str, ...], Estimate]]:
    """Read names, a figure with its interval, and n from a table that a training wrote; no rows where there is none."""
    try:
        rows = csv.DictReader(io.StringIO(read_whole(path).decode()))
        return [(tuple(str(row[name]) for name in names), _estimate(row, *ends)) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ModelError(f"{path}: damaged ({error}); train the model again") from None


def _estimate(row: Mapping[str, str], *ends: str) -> Estimate:
    value, low, high = (float(row[end]) for end in ends)
    return value, low, high, int(row["n"])
