"""The questions of the exported page as HTML, readable without JavaScript and on paper."""

from __future__ import annotations

from collections.abc import Collection
from html import escape

from predictor.model.wording import DID_NOT_COME_UP
from predictor.ratings.catalogue import ROLE, Catalogue
from predictor.ratings.signals import NOT_APPLICABLE, ContextInput, Signal

MOST_BUTTONS = 9  # knots of a scale beside each other; beyond them a list
ASKED = {ROLE: "In this interview you were the"}  # as on the server's page


def question(signal: Signal, number: int) -> str:
    """Return the form's part for one signal, numbered for short ids: what is asked, its scale, the anchors under it."""
    knots, meanings = [f"{knot:g}" for knot in signal.scale.knots], signal.anchor_texts
    apart = [(DID_NOT_COME_UP, DID_NOT_COME_UP)]
    if signal.not_applicable:
        apart = [(NOT_APPLICABLE, "did not apply"), (DID_NOT_COME_UP, "not observed")]
    name, key = escape(f"rating.{signal.name}"), escape(signal.name)
    if len(knots) <= MOST_BUTTONS:
        options = [option(name, knot, knot, means=f"m{number}-{knot}" if knot in meanings else "") for knot in knots]
        options += [option(name, value, words, kind="apart") for value, words in apart]
        scale = f'<div class="scale">{"".join(options)}</div>'
    else:
        words = [(knot, f"{knot} {meanings.get(knot, '')}".strip()) for knot in knots]
        options = [f'<option value="{value}">{escape(text)}</option>' for value, text in [*words, *apart]]
        scale = f'<select name="{name}" aria-label="{escape(signal.label)}"><option value="">not rated</option>'
        scale += f"{''.join(options)}</select>"
    anchors = "".join(
        f'<div><dt>{escape(rating)}</dt><dd id="m{number}-{escape(rating)}" data-rating="{escape(rating)}">'
        f"{escape(words)}</dd></div>"
        for rating, words in meanings.items()
    )
    listed = f'<dl class="anchors">{anchors}</dl>' if anchors else ""
    legend = escape(signal.question or signal.label)
    return f'<fieldset data-signal="{key}"><legend>{legend}</legend>\n{scale}\n{listed}</fieldset>'


def context_input(item: ContextInput) -> str:
    """Return the form's part for one input, such as who rated."""
    name = escape(f"input.{item.name}")
    options = "".join(option(name, escape(level), level) for level in item.levels)
    legend = escape(ASKED.get(item.name, item.label))
    return f'<fieldset><legend>{legend}</legend><div class="scale words">{options}</div></fieldset>'


def by_family(catalogue: Catalogue, names: Collection[str]) -> str:
    """Return the questions of some signals, one section per family."""
    sections = []
    for key, label in catalogue.families.items():
        asked = [
            question(signal, number)
            for number, signal in enumerate(catalogue.signals)
            if signal.family == key and signal.name in names
        ]
        if asked:
            sections.append("\n".join([f"<section><h2>{escape(label)}</h2>", *asked, "</section>"]))
    return "\n".join(sections)


def option(name: str, value: str | int, shown: str | int, *, kind: str = "", means: str = "") -> str:
    """Return one choice to tap; name and value are HTML already."""
    described, of_kind = f' aria-describedby="{means}"' if means else "", f' class="{kind}"' if kind else ""
    radio = f'<input type="radio" name="{name}" value="{value}"{described}>'
    return f"<label{of_kind}>{radio}<span>{escape(str(shown))}</span></label>"
