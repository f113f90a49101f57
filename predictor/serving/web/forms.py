"""Parse the rating form: ratings, who rated, the base rate and the threshold."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile

from predictor.journal.cells import CONTROL, one_line
from predictor.journal.days import now, today
from predictor.journal.entry import ONE_LINE_TEXTS
from predictor.model.offer_model import OfferModel
from predictor.model.wording import DID_NOT_COME_UP
from predictor.ratings.catalogue import ROLE
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.serving.api.answers import Refusal
from predictor.serving.security import check_csrf

RATING, INPUT = "rating.", "input."  # what the fields of signals and inputs begin with
THRESHOLD = 0.5
GUESS_STEP = 5
ZONE = "predictor_zone"  # the cookie that has the minutes by which the browser's clock is ahead of UTC


async def checked_form(request: Request) -> AsyncIterator[FormData]:
    """Read a form that was on a page of ours; its files are closed after the response."""
    async with request.form() as form:
        await check_csrf(request)
        yield form


Form = Annotated[FormData, Depends(checked_form)]


@dataclass(frozen=True)
class RatingForm:
    """What was filled in on the rating form.

    Attributes
    ----------
    ratings
        By signal name, or "not applicable"; what was not observed is left out.
    inputs
        The words of inputs, such as who rated; what was left open is left out.
    base_rate
        The user's own share of offers, 0 to 1; None: the model's.
    threshold
        For "what goes with a higher estimate", a likelihood, 0 to 1.
    not_come_up
        Signals that did not come up, as the rater stated, in the form's order.
    guess
        The rater's own guess before the estimate, of a hundred, in fives; None: skipped.
    """

    ratings: Mapping[str, float | str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    base_rate: float | None = None
    threshold: float = THRESHOLD
    not_come_up: tuple[str, ...] = ()
    guess: int | None = None

    @property
    def role(self) -> str:
        """Who rated; empty where not given."""
        return self.inputs.get(ROLE, "")

    @property
    def record(self) -> dict[str, Any]:
        """Return what `OfferModel.predict` takes."""
        return {**self.inputs, "ratings": dict(self.ratings)}

    @classmethod
    def read(cls, form: FormData, model: OfferModel) -> RatingForm:
        """Read it from a form; names that the model does not know stay, so that it refuses them.

        Raises
        ------
        Refusal
            422, if a rating is neither a number nor a word for one, what did not come up is not a signal, a share is
            not between 0 and 100 %, or a guess is not in fives.
        """
        ratings: dict[str, float | str] = {}
        inputs, not_come_up = {}, []
        for name in form:
            value = text(form, name)
            if name.startswith(RATING) and value == DID_NOT_COME_UP:
                if (signal := name.removeprefix(RATING)) not in model.signals:
                    raise Refusal(422, "is not a signal of this model; load the page again", field=name)
                not_come_up.append(signal)
            elif name.startswith(RATING) and value:
                if (rating := _rating(name, value, model)) is not None:
                    ratings[name.removeprefix(RATING)] = rating
            elif name.startswith(INPUT) and value:
                inputs[name.removeprefix(INPUT)] = value
        base_rate = _share(form, "base_rate")
        if base_rate is not None and percent(base_rate) == percent(model.base_rate):  # the default in the field
            base_rate = None
        threshold = _share(form, "line") or THRESHOLD
        return cls(ratings, inputs, base_rate, threshold, tuple(not_come_up), _guess(form))


def _rating(name: str, value: str, model: OfferModel) -> float | str | None:
    """Read a rating as one of a file is read; None if nothing was observed."""
    if value == NOT_APPLICABLE:
        return value
    signal = next((item for item in model.catalogue.signals if item.name == name.removeprefix(RATING)), None)
    number = signal.parse_text(value) if signal else _number(value)
    if number is None:
        raise Refusal(422, "is not a number, nor a word for one", field=name, found=value)
    if signal and number == signal.not_applicable_value:
        return NOT_APPLICABLE
    return None if math.isnan(number) else number


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def text(form: FormData, name: str) -> str:
    """Return a field as text without spaces around it, names and titles in one line; empty where it is not there."""
    value = form.get(name, "")
    if isinstance(value, UploadFile):
        return ""
    return one_line(value) if name in ONE_LINE_TEXTS else value.translate(CONTROL).strip()


def parse_day(value: str, field: str) -> date | None:
    """Read a field as a day; None if it is empty.

    Raises
    ------
    Refusal
        422, if it is not a day.
    """
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise Refusal(422, "is not a day; write it as in 2026-05-31", field=field, found=value) from None


def browser_day(request: Request) -> date:
    """Return today where the browser is, by the cookie that `pages.js` sets; without it, that of this machine."""
    try:
        zone = timedelta(minutes=int(request.cookies[ZONE][:5]))
    except (KeyError, ValueError):
        return today()
    return today((now() + zone).date())


def percent(share: float) -> str:
    """Write a share as per cent with one decimal, without the sign."""
    return f"{100 * share:.1f}"


def _guess(form: FormData) -> int | None:
    value = text(form, "guess")
    if not value:
        return None
    if not (len(value) <= 3 and value.isascii() and value.isdecimal() and int(value) in range(0, 101, GUESS_STEP)):
        raise Refusal(422, "write a whole number from 0 to 100, in fives, or nothing", field="guess", found=value)
    return int(value)


def _share(form: FormData, name: str) -> float | None:
    value = text(form, name)
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < 100:
        raise Refusal(422, "write per cent above 0 and below 100, as in 35", field=name, found=value)
    return number / 100
