"""The questions of the exported page as HTML: readable where no script runs, and on paper."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from predictor.ratings.catalogue import Catalogue
from predictor.ratings.signals import NOT_APPLICABLE, ContextInput, Signal

NOT_COME_UP = "did not come up"
MOST_BUTTONS = 9  # knots of a scale beside each other; beyond them a list


def question(signal: Signal) -> str:
    """Return the form's part for one signal: what is asked, its scale, and the anchors under it."""
    knots, meanings = [f"{knot:g}" for knot in signal.scale.knots], signal.meanings
    apart = [(NOT_APPLICABLE, "did not apply")] if signal.not_applicable else []
    apart.append((NOT_COME_UP, NOT_COME_UP))
    name = f"rating.{signal.name}"
    if len(knots) <= MOST_BUTTONS:
        answers = [
            f'<label><input type="radio" name="{escape(name)}" value="{knot}"><span>{knot}<span class="hidden" '
            f'data-meaning="{knot}"></span></span></label>'
            for knot in knots
        ]
        answers += [
            f'<label class="apart"><input type="radio" name="{escape(name)}" value="{value}"><span>{words}</span>'
            "</label>"
            for value, words in apart
        ]
        scale = f'<div class="scale">{"".join(answers)}</div>'
    else:
        options = [
            f'<option value="{value}">{escape(words)}</option>'
            for value, words in [*((knot, f"{knot} {meanings.get(knot, '')}".strip()) for knot in knots), *apart]
        ]
        scale = (
            f'<select name="{escape(name)}" aria-label="{escape(signal.label)}"><option value="">not answered</option>'
            f"{''.join(options)}</select>"
        )
    anchors = "".join(
        f'<div><dt>{escape(rating)}</dt><dd data-rating="{escape(rating)}">{escape(words)}</dd></div>'
        for rating, words in meanings.items()
    )
    return (
        f'<fieldset data-signal="{escape(signal.name)}"><legend><span class="label">{escape(signal.label)}</span> '
        f'<span class="question">{escape(signal.question)}</span></legend>\n{scale}\n'
        f'{f"""<dl class="anchors" aria-hidden="true">{anchors}</dl>""" if anchors else ""}</fieldset>'
    )


def context_input(item: ContextInput) -> str:
    """Return the form's part for one input, such as who rated."""
    answers = "".join(
        f'<label><input type="radio" name="input.{escape(item.name)}" value="{escape(level)}"><span>{escape(level)}'
        "</span></label>"
        for level in item.levels
    )
    return (
        f'<fieldset><legend><span class="hidden">{escape(item.label)}</span></legend>'
        f'<div class="scale words">{answers}</div></fieldset>'
    )


def by_family(catalogue: Catalogue, names: Iterable[str]) -> str:
    """Return the questions of some signals, a section a family."""
    chosen = {*names}
    sections = []
    for key, label in catalogue.families.items():
        asked = [signal for signal in catalogue.signals if signal.family == key and signal.name in chosen]
        if asked:
            parts = [f"<section><h2>{escape(label)}</h2>", *map(question, asked), "</section>"]
            sections.append("\n".join(parts))
    return "\n".join(sections)
