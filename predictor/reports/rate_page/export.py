"""Build the exported rate page: one HTML file with the model inside, which works offline."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from predictor.atomic import write_text
from predictor.journal.page_file import FORMAT, KIND
from predictor.model.first_questions import first_questions
from predictor.model.offer_model import OfferModel
from predictor.model.wording import (
    CAVEAT,
    DID_NOT_COME_UP,
    MOST_REASONS,
    MOST_SUGGESTED,
    SAME_RATINGS,
    TEXTS,
    WIDE,
    kind_of,
    simulated_label,
)  # fmt: skip
from predictor.ratings.catalogue import ROLE
from predictor.ratings.signals import CANDIDATE, ContextInput, Signal
from predictor.reports.measured_scores import MeasuredValue
from predictor.reports.quality import quality
from predictor.reports.rate_page.compact import compact
from predictor.reports.rate_page.form import by_family, context_input, option

GUESSES = range(0, 101, 5)


def exported_page_html(model: OfferModel, by_role: Mapping[str, MeasuredValue] | None = None) -> str:
    """Return the page as HTML: self-contained, with a policy that lets nothing else in.

    Parameters
    ----------
    model
        Its estimates are within 1e-9 of those of `OfferModel.predict`.
    by_role
        How good its estimates are by who rated, see `accuracy_by_role`.

    Examples
    --------
    >>> page = exported_page_html(OfferModel.published())
    >>> len(page.encode()) < 150_000, "default-src 'none'" in page, "SIMULATED" in page
    (True, True, True)
    """
    first, catalogue = first_questions(model), model.catalogue
    rest = [name for name in model.signals if name not in first]
    script, style = _part("evaluator.js") + _part("page.js"), _part("page.css")
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    mark = simulated_label(_simulated(model))
    return Template(_part("page.html")).substitute(
        policy=policy,
        style=style,
        script=script,
        data=_data(model, by_role),
        strip=f'<aside class="strip" aria-label="Mark"><strong>{mark}</strong>: {_mark_words(model)}</aside>'
        if mark
        else "",
        inputs="\n".join(map(context_input, catalogue.inputs)),
        first=by_family(catalogue, first),
        guesses="".join(
            [*(option("guess", guess, guess) for guess in GUESSES), option("guess", "", "skip", kind="apart")]
        ),
        more_open="" if rest else " hidden",
        more_title=f"{len(rest)} more questions",
        more=by_family(catalogue, rest),
        base_rate=f"{100 * model.base_rate:.1f}",
        caveat=CAVEAT,
        about=escape(f"Model {model.name}, n = {model.trained_on['n']:,} interviews, fingerprint {model.fingerprint}."),
    )


def save_rate_page(model: OfferModel, path: str | Path, by_role: Mapping[str, MeasuredValue] | None = None) -> int:
    """Write the page to a file, atomically; see `exported_page_html`.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    text = exported_page_html(model, by_role)
    write_text(path, text)
    return len(text.encode())


def _part(name: str) -> str:
    return (files("predictor.reports.rate_page") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _simulated(model: OfferModel) -> float:
    """Share, 0 to 1, of what the model knows that is SIMULATED."""
    return 1.0 if model.simulated else model.prior_share


def _mark_words(model: OfferModel) -> str:
    if model.simulated:
        return "not learned from real interviews."
    return f"{100 * model.prior_share:.0f} % of this model comes from published effects, not from interviews."


def _data(model: OfferModel, by_role: Mapping[str, MeasuredValue] | None) -> str:
    """Return what the script needs as JSON; a "<" is escaped, since "</script>" in a text would end the script."""
    roles = [place for place, name in enumerate(model.terms) if name == ROLE]
    share, catalogue = _simulated(model), model.catalogue
    page = {
        "identity": model.predict({}).model,
        "name": model.name,
        "fingerprint": model.fingerprint,
        "simulated": share,
        "mark": simulated_label(share),
        "mark_words": _mark_words(model),
        "kind": kind_of(share),
        "terms": [*map(_asked, catalogue.signals), *map(_asked_input, catalogue.inputs)],
        "highs": catalogue.ends[1],
        "role": roles[0] if roles else None,
        "candidate": CANDIDATE,
        "not_come_up": DID_NOT_COME_UP,
        "caveat": CAVEAT,
        "wide": WIDE,
        "same": SAME_RATINGS,
        "shown": MOST_REASONS,
        "narrowing": MOST_SUGGESTED,
        "typical": {"mean": model.typical_range.mean, "spread": model.typical_range.spread},
        # Ends the sentence "... than in 99 % of the interviews".
        "those": "that it compares with, SIMULATED ones among them" if model.prior_share else "learned from",
        "notes": [note for note in model.predict({}).notes if not note.startswith("Nothing")],
        "quality": quality(model, by_role),
        "format": FORMAT,
        "file_kind": KIND,
    }
    data = {"model": compact(model), "words": dict(TEXTS), "page": page}
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _asked(signal: Signal) -> dict[str, Any]:
    """A signal's name and label, and the words for a candidate who rates; the usual ones are in the form."""
    usual, own = signal.worded(), signal.worded(CANDIDATE)
    words: dict[str, Any] = {"name": signal.name, "label": usual.label}
    return words if own == usual else {**words, "own": {**vars(own), "anchors": dict(own.anchors)}}


def _asked_input(item: ContextInput) -> dict[str, Any]:
    return {"name": item.name, "label": item.label, "levels": list(item.levels)}
