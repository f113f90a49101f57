"""The pages of one interview: the stored answer, outcome, reflection, both sides, comparing, changing, deleting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from predictor.errors import FrozenError
from predictor.journal.calendar import calendar
from predictor.journal.edits import NO_RATING
from predictor.journal.entry import LONGEST, OUTCOMES, ROLE, STILL_OPEN, TARGET_OF_OUTCOME, Entry
from predictor.journal.estimate import Estimate
from predictor.journal.query import Query
from predictor.journal.store import Journal
from predictor.model.offer_model import OfferModel
from predictor.model.prediction import Prediction
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.signals import NOT_APPLICABLE
from predictor.serving.api.answers import Refusal
from predictor.serving.web.answer import answer_to_store, answer_view
from predictor.serving.web.forms import Form, Rated, day, local_day, text
from predictor.serving.web.journal_form import FIELD_LABELS, LOOKING_BACK, read_details, read_texts, values_of
from predictor.serving.web.journal_pages import SIZE, OpenJournal, attachment, notice, to
from predictor.serving.web.pages import page
from predictor.serving.web.views import signed

entry_pages = APIRouter(prefix="/journal", include_in_schema=False)


NOT_YET = "is in the future, when no outcome can be known; write today or an earlier day"


class Unsaved(NamedTuple):
    """A form of the page that comes back: which, what is wrong by field, and what was typed and rated."""

    form: str
    problems: Mapping[str, str]
    typed: FormData
    rated: Rated | None = None
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
        rows=beside(one, two, model.catalogue),
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
    rated: Rated | None = None
    rerated: dict[str, Any] = {}
    if text(form, "with_ratings"):  # an entry that was frozen meanwhile refuses them
        model: OfferModel = request.app.state.current_model()
        rated = Rated.read(form, model)
        now = dict(rated.ratings), rated.role, rated.not_come_up
        if not rated.ratings:
            problems = {"ratings": NO_RATING, **problems}
        elif now != (dict(entry.ratings), entry.rater_role, entry.not_come_up):
            base_rate = entry.estimate.base_rate if entry.estimate else None
            again = Rated(rated.ratings, rated.inputs, base_rate, not_come_up=rated.not_come_up, guess=entry.guess)
            answer = answer_to_store(model, again, request.app.state.settings.trainings_folder)
            estimate = Estimate.of_answer(answer, base_rate)
            rerated = dict(zip(("ratings", "rater_role", "not_come_up"), now, strict=True))
            rerated |= {"estimate": estimate, "answer": answer}
    if problems:
        return _show(request, journal, entry, Unsaved("what", problems, form, rated))
    try:
        journal.edit(id, day=local_day(request), **rerated, **changes)
    except FrozenError as error:
        return _show(request, journal, journal.get(id), Unsaved("what", {"ratings": str(error)}, form, status=409))
    return to(f"/journal/{id}?notice=changed")


@entry_pages.post("/{id}/outcome")
def add_outcome(request: Request, id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Record what came of it."""
    entry, known_on = journal.get(id), None
    try:
        known_on = day(form, "known_on")
        problems = {"known_on": NOT_YET} if known_on and known_on > local_day(request) else {}
    except Refusal as refusal:
        problems = {"known_on": refusal.error}
    if (outcome := text(form, "outcome")) not in OUTCOMES:
        problems["outcome"] = "is none of those below; choose one"
    if problems:
        return _show(request, journal, entry, Unsaved("came", problems, form))
    journal.set_outcome(id, outcome, at=known_on, day=local_day(request))
    return to(f"/journal/{id}?notice=outcome")


@entry_pages.post("/{id}/look-back")
def look_back(request: Request, id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Save what went well, what to do differently, the one thing to try next, and the private note."""
    changes, problems = read_texts(form, LOOKING_BACK)
    if problems:
        return _show(request, journal, journal.get(id), Unsaved("back", problems, form))
    journal.edit(id, **changes)
    return to(f"/journal/{id}?notice=looked-back")


@entry_pages.post("/{id}/pair")
def pair(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Record that another rating, by the other side, is of the same interview."""
    journal.pair(id, text(form, "other"))
    return to(f"/journal/{id}?notice=paired")


@entry_pages.post("/{id}/open")
def open_now(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Wait no longer for the other side."""
    journal.edit(id, interview="")
    return to(f"/journal/{id}?notice=opened")


@entry_pages.get("/{id}/delete")
def ask_to_delete(request: Request, id: str, journal: OpenJournal) -> Response:  # noqa: A002
    """Ask for confirmation."""
    return page(request, "delete.html", entry=journal.get(id), learned=TARGET_OF_OUTCOME)


@entry_pages.post("/{id}/delete")
def delete(id: str, form: Form, journal: OpenJournal) -> Response:  # noqa: A002
    """Delete it for good."""
    journal.delete(id)
    return to("/journal?notice=deleted")


def _show(request: Request, journal: Journal, entry: Entry, unsaved: Unsaved | None = None) -> Response:
    """Show an interview; after a form that could not be saved with its problems, and all that was typed."""
    model: OfferModel = request.app.state.current_model()
    sides = [other for other in journal.sides(entry.interview) if other.id != entry.id]
    taken = {signal.name: bool(signal.not_applicable) for signal in model.catalogue.signals}
    foreign = sorted(
        name
        for name, rating in entry.ratings.items()
        if not taken.get(name, False) and (name not in taken or rating == NOT_APPLICABLE)
    )
    others, _ = journal.page(1, SIZE, Query(who=entry.who)) if entry.who else journal.page(1, SIZE)
    inputs = {ROLE: entry.rater_role} if entry.rater_role else {}
    rated = (unsaved and unsaved.rated) or Rated(entry.ratings, inputs, not_come_up=entry.not_come_up)
    values = values_of(entry)
    if unsaved:
        values |= {name: text(unsaved.typed, name) for name in values if name in unsaved.typed}
    return page(
        request, "entry.html", unsaved.status if unsaved else 200, model=model, entry=entry, rated=rated, values=values,
        wrong=unsaved.problems if unsaved else {}, form=unsaved.form if unsaved else "", field_labels=FIELD_LABELS,
        notice=notice(request), outcomes=OUTCOMES, still_open=STILL_OPEN, foreign=foreign,
        # Ratings that the model in use does not ask for would be lost by a change, so they are shown only.
        fixed=entry.frozen or bool(foreign), hidden=entry.id in journal.hidden_until_both_rated([entry]), sides=sides,
        rows=beside(entry, sides[0], model.catalogue) if sides else {}, longest=LONGEST,
        answer=entry.answer and answer_view(entry.answer),
        later=None if foreign else _current_prediction(entry, model),
        other_sides=[other for other in others if _may_be_other_side(entry, other)],
        others=[other for other in others if other not in (entry, *sides)], people=journal.person_names(1_000),
        rounds=journal.rounds(), labels=labels(model.catalogue),
    )  # fmt: skip


def _current_prediction(entry: Entry, model: OfferModel) -> Prediction | None:
    """Return what the present model answers, where another answered then."""
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


def beside(one: Entry, two: Entry, catalogue: Catalogue) -> dict[str, list[Compared]]:
    """Return the ratings of two interviews beside each other: by family, one row per signal that either has.

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
        return "did not come up" if name in entry.not_come_up else "\N{EN DASH}"
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
        differ.append(f"the model that answered ({one.estimate.model}, {two.estimate.model})")
    return differ
