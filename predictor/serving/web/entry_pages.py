"""The pages of one interview: its estimate, outcome, reflection, both sides, comparing, changing, deleting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from predictor.errors import FrozenError
from predictor.journal.edits import NO_RATING
from predictor.journal.entry import LONGEST, OUTCOMES, STILL_OPEN, TARGET_OF_OUTCOME, Entry
from predictor.journal.estimate import Estimate
from predictor.journal.ics import calendar
from predictor.journal.query import Query
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.model.prediction import Prediction
from predictor.model.wording import DID_NOT_COME_UP
from predictor.ratings.catalogue import ROLE, Catalogue
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.reports.format import signed
from predictor.serving.api.answers import Refusal
from predictor.serving.web.answer import answer_to_store, answer_view
from predictor.serving.web.forms import Form, RatingForm, browser_day, parse_day, text
from predictor.serving.web.journal_form import FIELD_LABELS, REFLECTION, read_details, read_texts, values_of
from predictor.serving.web.journal_pages import SIZE, OpenJournal, attachment, notice, redirect_to
from predictor.serving.web.pages import page

entry_pages = APIRouter(prefix="/journal", include_in_schema=False)


NOT_YET = "is in the future, when no outcome can be known; write today or an earlier day"


class Unsaved(NamedTuple):
    """A form that is shown again ("details", "outcome" or "reflection"): what is wrong by field, what was typed."""

    form: str
    problems: Mapping[str, str]
    typed: FormData
    rated: RatingForm | None = None
    status: int = 422


@entry_pages.get("/compare")
def compare(request: Request, journal: OpenJournal, a: str, b: str) -> Response:
    """Show two interviews beside each other; what differs besides the ratings comes first."""
    one, two = journal.get(a), journal.get(b)
    model: OfferModel = request.app.state.current_model()
    pair = (one, two)
    return page(
        request, "compare.html", model=model, pair=pair, hidden=journal.hidden_until_both_rated(pair),
        differ=differences(one, two),
        rows=compared(one, two, model.catalogue),
        answers=[entry.answer and answer_view(entry.answer, id=f"a{place}") for place, entry in enumerate(pair)],
    )  # fmt: skip


@entry_pages.get("/{id}")
def show(request: Request, id: str, journal: OpenJournal) -> Response:  # noqa: A002 - what it is
    """Show one interview."""
    return _show(request, journal, journal.get(id))


@entry_pages.get("/{id}/hear.ics")
def due_date_calendar(id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Return the due date of one interview as a calendar file."""
    return attachment(calendar([journal.get(id)]), "text/calendar", "hear-back.ics")


@entry_pages.post("/{id}")
def change(request: Request, id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Change an interview's details and, until its outcome is known, its ratings, which are then predicted again."""
    entry = journal.get(id)
    changes, problems = read_details(form)
    rated: RatingForm | None = None
    rerated: dict[str, Any] = {}
    if text(form, "with_ratings"):  # if the entry was frozen in the meantime, `journal.edit` raises FrozenError
        model: OfferModel = request.app.state.current_model()
        rated = RatingForm.read(form, model)
        if rated.ratings:
            rerated = _predict_again(rated, entry, model, request.app.state.settings.trainings_folder)
        else:
            problems = {"ratings": NO_RATING, **problems}
    if problems:
        return _show(request, journal, entry, Unsaved("details", problems, form, rated))
    try:
        journal.edit(id, day=browser_day(request), **rerated, **changes)
    except FrozenError as error:
        return _show(request, journal, journal.get(id), Unsaved("details", {"ratings": str(error)}, form, status=409))
    return redirect_to(f"/journal/{id}?notice=changed")


def _predict_again(rated: RatingForm, entry: Entry, model: OfferModel, trainings_folder: Path) -> dict[str, Any]:
    """Return what `Journal.edit` takes for changed ratings; nothing if they are as before."""
    new = {"ratings": dict(rated.ratings), "rater_role": rated.role, "not_come_up": rated.not_come_up}
    if new == {"ratings": dict(entry.ratings), "rater_role": entry.rater_role, "not_come_up": entry.not_come_up}:
        return {}
    base_rate = entry.estimate.base_rate if entry.estimate else None
    answer = answer_to_store(model, replace(rated, base_rate=base_rate, guess=entry.guess), trainings_folder)
    return {**new, "estimate": Estimate.of_answer(answer, base_rate), "answer": answer}


@entry_pages.post("/{id}/outcome")
def add_outcome(request: Request, id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Record the outcome."""
    entry, known_on = journal.get(id), None
    try:
        known_on = parse_day(text(form, "known_on"), "known_on")
        problems = {"known_on": NOT_YET} if known_on and known_on > browser_day(request) else {}
    except Refusal as refusal:
        problems = {"known_on": refusal.error}
    if (outcome := text(form, "outcome")) not in OUTCOMES:
        problems["outcome"] = "is none of those below; choose one"
    if problems:
        return _show(request, journal, entry, Unsaved("outcome", problems, form))
    journal.set_outcome(id, outcome, at=known_on, day=browser_day(request))
    return redirect_to(f"/journal/{id}?notice=outcome")


@entry_pages.post("/{id}/look-back")
def reflect(request: Request, id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Save what went well, what to do differently, the one thing to try next, and the private note."""
    changes, problems = read_texts(form, REFLECTION)
    if problems:
        return _show(request, journal, journal.get(id), Unsaved("reflection", problems, form))
    journal.edit(id, **changes)
    return redirect_to(f"/journal/{id}?notice=looked-back")


@entry_pages.post("/{id}/pair")
def pair(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Record that another rating, by the other side, is of the same interview."""
    journal.pair(id, text(form, "other"))
    return redirect_to(f"/journal/{id}?notice=paired")


@entry_pages.post("/{id}/open")
def show_without_waiting(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Show a rating before the other side has rated."""
    journal.edit(id, interview="")
    return redirect_to(f"/journal/{id}?notice=opened")


@entry_pages.get("/{id}/delete")
def ask_to_delete(request: Request, id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Ask for confirmation."""
    return page(request, "delete.html", entry=journal.get(id), learned=TARGET_OF_OUTCOME)


@entry_pages.post("/{id}/delete")
def delete(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Delete it for good."""
    journal.delete(id)
    return redirect_to("/journal?notice=deleted")


def _show(request: Request, journal: Journal, entry: Entry, unsaved: Unsaved | None = None) -> Response:
    """Show an interview; if a form could not be saved, with its problems and all that was typed."""
    model: OfferModel = request.app.state.current_model()
    sides = [other for other in journal.sides(entry.interview) if other.id != entry.id]
    possible = model.catalogue.possible_values
    unknown_to_model = any(
        name not in model.signals or (rating == NOT_APPLICABLE and rating not in possible[name])
        for name, rating in entry.ratings.items()
    )
    others, _ = journal.page(1, SIZE, Query(who=entry.who)) if entry.who else journal.page(1, SIZE)
    inputs = {ROLE: entry.rater_role} if entry.rater_role else {}
    rated = (unsaved and unsaved.rated) or RatingForm(entry.ratings, inputs, not_come_up=entry.not_come_up)
    values = values_of(entry)
    if unsaved:
        values |= {name: text(unsaved.typed, name) for name in values if name in unsaved.typed}
    return page(
        request, "entry.html", unsaved.status if unsaved else 200, model=model, entry=entry, rated=rated, values=values,
        wrong=unsaved.problems if unsaved else {}, form=unsaved.form if unsaved else "", field_labels=FIELD_LABELS,
        notice=notice(request), outcomes=OUTCOMES, still_open=STILL_OPEN,
        unknown_to_model=unknown_to_model,
        # A change would lose ratings that the current model does not ask for.
        read_only=entry.frozen or unknown_to_model, sides=sides,
        hidden=entry.id in journal.hidden_until_both_rated([entry]),
        rows=compared(entry, sides[0], model.catalogue) if sides else {}, longest=LONGEST,
        answer=entry.answer and answer_view(entry.answer),
        current_prediction=None if unknown_to_model else _current_prediction(entry, model),
        other_sides=[other for other in others if _may_be_other_side(entry, other)],
        others=[other for other in others if other not in (entry, *sides)], people=journal.person_names(1_000),
        rounds=journal.rounds(), labels=labels(model.catalogue),
    )  # fmt: skip


def _current_prediction(entry: Entry, model: OfferModel) -> Prediction | None:
    """Return the current model's prediction, if another model made the estimate."""
    if entry.estimate is None or entry.estimate.fingerprint == model.fingerprint:
        return None
    record = {"ratings": dict(entry.ratings), **({ROLE: entry.rater_role} if entry.rater_role else {})}
    return model.predict(record, base_rate=entry.estimate.base_rate)


def _may_be_other_side(entry: Entry, other: Entry) -> bool:
    """Return whether another rating may be of the same interview: of that person and day, by another side."""
    return bool(
        entry.who and other.id != entry.id and other.day == entry.day and not (entry.interview and other.interview)
        and entry.rater_role and other.rater_role and entry.rater_role != other.rater_role
    )  # fmt: skip


def labels(catalogue: Catalogue) -> dict[str, str]:
    """Return what signals are called, by name."""
    return {signal.name: signal.label for signal in catalogue.signals}


class Compared(NamedTuple):
    """One signal of two interviews: their ratings as shown, the second less the first, and whether that is much."""

    label: str
    one: str
    two: str
    difference: str
    apart: bool


def compared(one: Entry, two: Entry, catalogue: Catalogue) -> dict[str, list[Compared]]:
    """Compare the ratings of two interviews: by family, one row per signal that either has.

    Apart means a difference of at least half the scale: 2 on a scale of 1 to 5.
    """
    signals = {signal.name: signal for signal in catalogue.signals}
    rows: dict[str, list[Compared]] = {}
    either = {*one.ratings, *two.ratings}
    for name in [*(name for name in signals if name in either), *sorted(either - {*signals})]:
        signal, ratings = signals.get(name), (one.ratings.get(name), two.ratings.get(name))
        difference, apart = "", False
        if signal and isinstance(ratings[0], int | float) and isinstance(ratings[1], int | float):
            by = ratings[1] - ratings[0]
            difference = signed(by, 0 if by == int(by) else 1)
            apart = abs(by) >= (signal.scale.high - signal.scale.low) / 2
        row = Compared(signal.label if signal else name, _shown(one, name), _shown(two, name), difference, apart)
        rows.setdefault(catalogue.families[signal.family] if signal else "Not asked for any more", []).append(row)
    return rows


def _shown(entry: Entry, name: str) -> str:
    rating = entry.ratings.get(name)
    if rating is None:
        return DID_NOT_COME_UP if name in entry.not_come_up else "\N{EN DASH}"
    return rating if isinstance(rating, str) else f"{rating:g}"


def differences(one: Entry, two: Entry) -> list[str]:
    """Return in words what may make two interviews incomparable, besides what was rated."""
    differ = []
    if one.rater_role != two.rater_role:
        differ.append(f"who rated ({one.rater_role or 'not known'}, {two.rater_role or 'not known'})")
    if one.round != two.round:
        differ.append(f"the round ({one.round or 'not known'}, {two.round or 'not known'})")
    if one.who != two.who:
        differ.append("whom they are about")
    if one.estimate and two.estimate and one.estimate.fingerprint != two.estimate.fingerprint:
        differ.append(f"the model ({one.estimate.model}, {two.estimate.model})")
    return differ
