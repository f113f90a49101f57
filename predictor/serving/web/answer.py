"""The model's answer for the pages: stored as it was shown, and converted into what the template shows.

A stored answer is plain data. It holds the prediction and all the words that depend on the model and on who rated,
so that it can be shown later, by a server with another model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import Request
from starlette.datastructures import FormData

from predictor.model.first_questions import remaining
from predictor.model.offer_model import OfferModel
from predictor.model.points import points_of
from predictor.model.stored_answer import stored_answer
from predictor.model.wording import (
    MOST_REASONS,
    MOST_SUGGESTED,
    SAME_RATINGS,
    TEXTS,
    headline,
    interval_sentence,
    is_wide,
    of_100,
    rated_count,
)
from predictor.reports.format import signed
from predictor.reports.measured_scores import accuracy_by_role
from predictor.reports.quality import quality, sentences_for
from predictor.serving.security import is_signed
from predictor.serving.web.forms import RatingForm, text

COLUMNS, ROWS, STEP, GAP = 20, 5, 10, 6  # of the hundred dots, in the drawing's units; a gap after each ten
NEGLIGIBLE = 1e-9  # log-odds that are not shown


def answer_to_store(model: OfferModel, rated: RatingForm, trainings_folder: Path | None = None) -> dict[str, Any]:
    """Predict, and return everything that is shown of the prediction.

    Parameters
    ----------
    model
        The model.
    rated
        What was filled in.
    trainings_folder
        Folder of trainings; the model's own folder has the accuracy by who rated.

    Returns
    -------
    dict
        Plain data: JSON keeps it as it is.

    Raises
    ------
    RatingsError
        With every problem of the ratings.

    Examples
    --------
    >>> stored = answer_to_store(OfferModel.published(), RatingForm({"goals_discussed": 4}, guess=40))
    >>> stored["guess"], stored["mark"]
    (40, 'SIMULATED')
    >>> answer_view(stored)["guess"]
    'Your guess before: 40 of 100.'
    """
    prediction = model.predict(rated.record, base_rate=rated.base_rate)
    left = remaining(model, rated.record, base_rate=rated.base_rate)
    by_role = accuracy_by_role(trainings_folder / model.name, model) if trainings_folder else {}
    indices = [index for index, name in enumerate(model.signals) if name in rated.ratings]
    return stored_answer(
        prediction.to_dict(),
        model.catalogue,
        rated_by=rated.role,
        guess=rated.guess,
        not_come_up=rated.not_come_up,
        own_base_rate=rated.base_rate is not None,
        remaining={"low": left.low, "high": left.high, "signals": [*left.explained][:MOST_SUGGESTED]} if left else None,
        quality=sentences_for(quality(model, by_role), indices, rated.role),
        scores=model.trained_on.get("scores", {}),
    )


def seen_answer(request: Request, form: FormData, model: OfferModel) -> tuple[RatingForm, dict[str, Any]]:
    """Return the ratings of a form, and the stored answer that was shown with them.

    The page has it, signed, in the field `answer`. It is used if it is unchanged and belongs to these ratings;
    otherwise, or if nothing was shown yet, the model predicts now.

    Raises
    ------
    Refusal, RatingsError
        If the form cannot be read.
    """
    rated, stored_json = RatingForm.read(form, model), text(form, "answer")
    if stored_json and is_signed(request, stored_json, text(form, "answer_signature")):
        seen: dict[str, Any] = json.loads(stored_json)
        prediction = seen["prediction"]
        parts = {part["signal"]: part["rating"] for part in prediction["contributions"] if part["rating"] is not None}
        base_rate = prediction["base_rate"] if seen["own_base_rate"] else None
        if parts == {**rated.inputs, **rated.ratings} and base_rate == rated.base_rate:
            return rated, seen
    return rated, answer_to_store(model, rated, request.app.state.settings.trainings_folder)


def answer_view(stored: Mapping[str, Any], *, live: bool = False, id: str = "answer") -> dict[str, Any]:  # noqa: A002 - HTML's own word for it
    """Convert a stored answer into what `_answer.html` shows.

    Parameters
    ----------
    stored
        As `answer_to_store` made it, now or long ago.
    live
        Whether it stands on the rate page, which always shows the mark SIMULATED, and asks for the signals named.
    id
        What ids of the template begin with; each answer on a page needs its own.
    """
    prediction, labels = stored["prediction"], stored["labels"]
    p, low, high = prediction["offer_probability"], prediction["interval"]["low"], prediction["interval"]["high"]
    rated = stored["total"] - len(prediction["not_rated"])
    points = points_of(prediction)
    reasons, small = _reasons(prediction, labels, points.whole_start, points.whole_parts)
    left, own = stored["remaining"], "own_base" if stored["own_base_rate"] else "base"
    return {
        "id": id,
        "live": live,
        "headline": headline(p, low, high, simulated=stored["simulated"], rated=rated),
        "quiet": is_wide(low, high),
        "short": f"{of_100(low)} to {of_100(high)}" if is_wide(low, high) else of_100(p),
        "interval": interval_sentence(p, low, high),
        "base": TEXTS[own].format(base=of_100(prediction["base_rate"])) if rated else "",
        "dots": _dots(p, low, high, prediction["base_rate"]),
        "guess": TEXTS["guess" if stored["guess"] is not None else "no_guess"].format(guess=stored["guess"]),
        "same": _same(prediction),
        "points": points,
        "reasons": reasons,
        "small": small,
        "remaining": left
        and {
            "sentence": TEXTS["remaining"].format(
                total=stored["total"], low=of_100(left["low"]), high=of_100(left["high"])
            ),
            "signals": [{"name": name, "label": labels[name]} for name in left["signals"]],
        },
        "quality": stored["quality"] or [TEXTS["quality_unknown"]],
        "unusual": [note for note in prediction["notes"] if note.startswith("Unusual")],
        "counted": rated_count(rated, stored["total"], len(stored["not_come_up"])),
        "mark": "" if live else stored["mark"],
        "technical": {
            "prediction": prediction,
            "legend": f"{TEXTS['implied']} {TEXTS['points']}",
            "total": signed(prediction["log_odds"], 3),
            "baseline": signed(prediction["baseline"], 3),
            "rows": _log_odds(prediction, labels),
            "scores": {name: stored["scores"][name] for name in ("roc_auc", "brier") if name in stored["scores"]},
        },
    }


class _Reason(NamedTuple):
    label: str
    points: int
    rating: str = ""
    size: float = 0.0  # absolute log-odds, for the order

    def bar(self, longest: int) -> dict[str, Any]:
        """Return what the template shows; the longest bar takes half of the width."""
        width = round(50 * abs(self.points) / longest, 2)
        points = signed(self.points, 0)
        return {"label": self.label, "detail": self.rating, "points": points, "up": self.points >= 0, "width": width}


def _reasons(
    prediction: Mapping[str, Any], labels: Mapping[str, str], start: int, whole: tuple[int, ...]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the reasons in points, the strongest first, and those that are smaller or round to nothing."""
    reasons, unrated = list[_Reason](), 0
    for part, points in zip(prediction["contributions"], whole, strict=True):
        if part["rating"] is None:
            unrated += points
        else:
            rating = part["rating"] if isinstance(part["rating"], str) else f"{part['rating']:g}"
            reasons.append(_Reason(labels[part["signal"]], points, rating, abs(part["log_odds"])))
    if unrated:
        count = len(prediction["not_rated"])
        reasons.append(_Reason(f"{count} signals left unrated" if count else "Who rated, not given", unrated))
    reasons.sort(key=lambda reason: (-abs(reason.points), -reason.size))
    beginning = _Reason(TEXTS["start"], start)
    longest = max(abs(reason.points) for reason in (beginning, *reasons)) or 1
    shown = [reason for reason in (beginning, *reasons[:MOST_REASONS]) if reason.points]
    small = [reason for place, reason in enumerate(reasons) if place >= MOST_REASONS or not reason.points]
    return [reason.bar(longest) for reason in shown], [reason.bar(longest) for reason in small]


def _log_odds(prediction: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the contributions in log-odds, for statisticians; they add up with the baseline."""
    return [
        {
            "label": labels[part["signal"]],
            "log_odds": signed(part["log_odds"], 3),
            "implied": signed(part["implied"], 3),
        }
        for part in sorted(prediction["contributions"], key=lambda part: -abs(part["log_odds"]))
        if abs(part["log_odds"]) > NEGLIGIBLE
    ]


def _dots(p: float, low: float, high: float, base: float) -> dict[str, Any]:
    """Return a hundred dots: how many of them are offers, at the base rate and with these ratings."""
    whole, whole_base = round(100 * p), round(100 * base)
    if is_wide(low, high):
        sure, most = round(100 * low), round(100 * high)
        kinds = ["both"] * sure + ["maybe"] * (most - sure) + ["none"] * (100 - most)
        key = [("both", f"low end, {of_100(low)}"), ("maybe", f"up to the high end, {of_100(high)}")]
        if whole_base:
            kinds[whole_base - 1] += " base"
            key.append(("base", f"base rate, {of_100(base)}"))
        alt = (
            f"A hundred dots: {of_100(low)} are filled, up to {of_100(high)} half filled. "
            f"The base rate is {of_100(base)}."
        )
    else:
        both, apart = min(whole, whole_base), abs(whole - whole_base)
        beyond = "more" if whole > whole_base else "fewer"
        kinds = ["both"] * both + [beyond] * apart + ["none"] * (100 - both - apart)
        key = [("both", TEXTS["dots_both"].format(count=both))]
        words = TEXTS[f"dots_{beyond}" if apart else "dots_same"].format(count=apart, base=of_100(base))
        key += [(beyond, words)] if apart else []
        alt = f"A hundred dots: {of_100(p)} are offers, {words}."
    dots = []
    for number, kind in enumerate(kinds):
        row, column = divmod(number, COLUMNS)
        dots.append(
            {"x": STEP / 2 + STEP * column + GAP * (column >= COLUMNS // 2), "y": STEP / 2 + STEP * row, "kind": kind}
        )
    return {"dots": dots, "key": key, "alt": alt, "width": STEP * COLUMNS + GAP, "height": STEP * ROWS}


def _same(prediction: Mapping[str, Any]) -> str:
    """Return a sentence where all numbers but one at most are equal; else nothing."""
    numbers = Counter(part["rating"] for part in prediction["contributions"] if isinstance(part["rating"], int | float))
    if (total := numbers.total()) < SAME_RATINGS:
        return ""
    ((rating, count),) = numbers.most_common(1)
    return TEXTS["same"].format(count=count, total=total, rating=f"{rating:g}") if count >= total - 1 else ""
