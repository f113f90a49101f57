"""The journal: entries and changes, what freezes a rating, local days, and the ratings it can train on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from predictor import OfferModel, TrainingConfig, simulate_interviews
from predictor.errors import FrozenError, JournalError, NoEntryError, RatingsError
from predictor.journal import days
from predictor.journal.entry import FREEZING_OUTCOMES, OUTCOMES
from predictor.journal.estimate import Estimate
from predictor.journal.people import person_id
from predictor.journal.query import Query
from predictor.journal.store import Journal
from predictor.pipeline.journal_training import CurrentTraining, train_on_journal
from predictor.sources.files import write_csv
from predictor.training.comparison import FEWEST

GOALS, RAPPORT = "goals_discussed", "mutual_rapport"
SAID = Estimate(0.4, 0.2, 0.7, "mine", "0123456789abcdef", simulated=1)
ANSWER = {"format": 1, "prediction": {"offer_probability": 0.4}}  # the rest is the page's own
FIRST = date(2026, 5, 1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "my.journal")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock of the journal to this many days after the first."""

    def turn(later: int) -> None:
        monkeypatch.setattr(days, "now", lambda: datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(later))

    turn(0)
    return turn


def test_an_outcome_freezes_the_rating_permanently(journal: Journal, clock: Callable[[int], None]) -> None:
    entry = journal.add(
        "Acme", {GOALS: 3, RAPPORT: None}, rater_role="candidate", guess=60, estimate=SAID, answer=ANSWER
    )
    assert entry.ratings == {GOALS: 3}
    clock(1)
    entry = journal.edit(entry.id, ratings={GOALS: 4})
    assert (entry.rated_on, entry.estimate, entry.answer) == (
        date(2026, 5, 2),
        None,
        None,
    )  # the estimate was for other ratings
    entry = journal.edit(entry.id, estimate=SAID, answer=ANSWER)
    clock(2)
    assert journal.edit(entry.id, title="Acme, first round", ratings={GOALS: 4}).rated_on == entry.rated_on
    entry = journal.set_outcome(entry.id, "offer", at=date(2026, 5, 3))
    for change in (
        {"ratings": {GOALS: 5}},
        {"rater_role": "observer"},
        {"not_come_up": [RAPPORT]},
        {"estimate": replace(SAID, probability=0.6)},
    ):
        with pytest.raises(FrozenError, match=r"known since 2026-05-03.*hindsight"):
            journal.edit(entry.id, title="lost", **change)
    assert journal.get(entry.id) == entry
    assert journal.edit(entry.id, held_on=date(2026, 4, 29)).held_on == journal.edit(entry.id).held_on
    assert journal.edit(entry.id, held_on=None).held_on is None
    mended = journal.edit(entry.id, note="They called.", ratings={GOALS: 4}, held_on=date(2026, 4, 30))
    assert (mended.note, mended.rated_on, mended.estimate) == ("They called.", entry.rated_on, SAID)
    assert (mended.answer, mended.guess) == (ANSWER, 60)
    assert journal.set_outcome(entry.id, "no offer").outcome == "no offer"
    assert journal.set_outcome(entry.id, "still open").frozen
    with pytest.raises(FrozenError):
        journal.edit(entry.id, ratings={GOALS: 5})
    clock(9)
    assert journal.set_outcome(entry.id, "offer").outcome_on == entry.outcome_on  # so that hindsight cannot be hidden


@pytest.mark.parametrize(
    ("zone", "kept", "known", "hindsight"),
    [
        ("America/Los_Angeles", "2026-05-02T03:30:00", "2026-05-01", False),  # 20:30 on the first, and "today"
        ("America/Los_Angeles", "2026-05-02T03:30:00", "2026-04-30", True),
        ("Pacific/Auckland", "2026-05-01T20:00:00", "2026-05-01", True),  # 8:00 on the second, and "yesterday"
        ("Pacific/Auckland", "2026-05-01T20:00:00", "2026-05-02", False),
        ("UTC", "2026-05-01T23:59:59", "2026-05-01", False),
        ("UTC", "2026-05-02T00:00:01", "2026-05-01", True),
    ],
)
def test_hindsight_uses_the_raters_local_day(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, zone: str, kept: str, known: str, hindsight: bool
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        at, day = datetime.fromisoformat(f"{kept}+00:00"), date.fromisoformat(known)
        monkeypatch.setattr(days, "now", lambda: at)
        entry = journal.add("Acme", {GOALS: 4}, estimate=SAID)
        later = max(at, datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
        monkeypatch.setattr(days, "now", lambda: later)
        entry = journal.set_outcome(entry.id, "offer", at=day)
        assert entry.in_hindsight == hindsight
        assert len(journal.calibration(day + timedelta(40))[0]) == (not hindsight)
        columns = journal.ratings().columns
        assert (columns["rated_on"][0] > columns["outcome_on"][0]) == hindsight  # the warnings use these days
        assert columns["outcome_on"][0] == known
        again = Journal(journal.path.with_name("again"))
        again.import_csv(journal.export_csv().encode())
        assert again.entries()[0].in_hindsight == hindsight
        now = journal.add("Globex", {GOALS: 4})
        assert not journal.set_outcome(now.id, "offer").in_hindsight  # known the moment after
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("browser", "now", "day"),
    [
        (date(2026, 5, 2), "2026-05-01T20:00", date(2026, 5, 2)),  # Auckland, where the server is in UTC
        (date(2026, 4, 30), "2026-05-01T03:00", date(2026, 4, 30)),  # Los Angeles
        (date(2026, 5, 4), "2026-05-01T12:00", date(2026, 5, 1)),  # no time zone is that far ahead
        (None, "2026-05-01T12:00", date(2026, 5, 1)),
    ],
)
def test_today_is_the_browsers_day(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, browser: date | None, now: str, day: date
) -> None:
    monkeypatch.setattr(days, "now", lambda: datetime.fromisoformat(f"{now}+00:00"))
    entry = journal.add("Acme", {GOALS: 4}, day=browser)
    assert entry.rated_on == day
    assert journal.set_outcome(entry.id, "offer", at=day, day=browser).outcome_on == day
    with pytest.raises(JournalError, match="no outcome can be known"):
        journal.set_outcome(entry.id, "offer", at=day + timedelta(1), day=browser)


def test_an_outcome_dated_in_the_future_is_refused(journal: Journal, clock: Callable[[int], None]) -> None:
    entry = journal.add("Acme", {GOALS: 4})
    for at in (date(2026, 5, 2), date(2027, 1, 1)):
        with pytest.raises(JournalError, match="no outcome can be known"):
            journal.set_outcome(entry.id, "offer", at=at)
    assert journal.get(entry.id) == entry
    assert journal.set_outcome(entry.id, "offer", at=FIRST).outcome == "offer"


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_only_decisive_outcomes_freeze_the_rating(journal: Journal, outcome: str) -> None:
    entry = journal.set_outcome(journal.add("Acme", {GOALS: 3}).id, outcome)
    assert entry.frozen == (outcome in FREEZING_OUTCOMES) == (outcome not in ("still open", "withdrew"))
    assert journal.set_outcome(entry.id, "still open").outcome_on == (entry.outcome_on if entry.frozen else None)
    with pytest.raises(JournalError, match=r"is none of still open, offer, no offer, .*; did you mean 'offer'"):
        journal.set_outcome(entry.id, "offr")


def test_an_interview_without_ratings_is_refused(journal: Journal) -> None:
    with pytest.raises(RatingsError, match="no signal is rated; rate one at least"):
        journal.add("Acme", {GOALS: None})
    entry = journal.add("Acme", {GOALS: 4})
    with pytest.raises(RatingsError, match="no signal is rated"):
        journal.edit(entry.id, ratings={})
    assert journal.entries() == [entry]


def test_bad_entries_are_refused_with_every_problem(journal: Journal) -> None:
    with pytest.raises(RatingsError) as refused:
        journal.add("x", {GOALS: 9, RAPPORT: "four", "goal": 1}, rater_role="boss")
    assert len(refused.value.problems) == 4
    with pytest.raises(JournalError, match=r"title has 201 characters.*note has a character that UTF-8 cannot hold"):
        journal.add("x" * 201, {GOALS: 4}, note="\ud800")
    for wrong in ({"guess": 101}, {"interview": "7"}, {"answer": ANSWER}, {"answer": {}, "estimate": SAID}):
        with pytest.raises(JournalError, match=f"{next(iter(wrong))} (is not|does not match)"):
            journal.add("x", {GOALS: 4}, **wrong)
    assert journal.entries() == []


def test_entries_are_listed_newest_first(journal: Journal) -> None:
    held = [date(2026, 5, 2), None, date(2026, 5, 3), date(2026, 5, 3)]
    ids = [journal.add(str(day), {GOALS: 4}, held_on=day).id for day in held]
    assert [entry.id for entry in journal.entries()] == [ids[1], ids[3], ids[2], ids[0]]  # rated today, whenever held


def test_a_query_filters_and_sorts(journal: Journal, clock: Callable[[int], None]) -> None:
    rows = [("Acme", "AB", "phone", 3, "offer"), ("Initech", "CD", "phone", 2, ""), ("Globex", "ab", "second", 1, "")]
    ids = {}
    for title, who, round_, later, outcome in rows:
        entry = journal.add(title, {GOALS: 4}, who=who, round=round_, held_on=FIRST - timedelta(later), note="Straße")
        ids[entry.id] = title
        if outcome:
            journal.set_outcome(entry.id, outcome)
        else:
            journal.edit(entry.id, due_on=FIRST + timedelta(later))

    def titles(**query: object) -> list[str]:
        return [ids[entry.id] for entry in journal.page(1, 50, Query(**query))[0]]  # type: ignore[arg-type]

    assert titles() == ["Globex", "Initech", "Acme"]
    assert titles(sort="oldest") == [*titles(sort="title", search="STRASSE")[:1], "Initech", "Globex"]
    assert titles(sort="due") == ["Globex", "Initech", "Acme"]
    assert titles(who="AB") == ["Acme"]
    assert titles(outcome="still open", round="phone") == ["Initech"]
    assert titles(since=FIRST - timedelta(2), until=FIRST - timedelta(2)) == ["Initech"]
    assert titles(search="%") == titles(search="' OR 1") == []
    waiting, total = journal.waiting(1)
    assert ([entry.title for entry in waiting], total) == (["Globex"], 2)


def test_people_are_sorted_by_due_day_and_never_by_likelihood(journal: Journal, clock: Callable[[int], None]) -> None:
    for who, due, p in (("late", 9, 0.9), ("soon", 2, 0.1), ("none", None, 0.5), ("done", 1, 0.3), ("soon", 5, 0.99)):
        due_on = FIRST + timedelta(due) if due else None
        entry = journal.add(
            who, {GOALS: 4}, who=who, due_on=due_on, estimate=replace(SAID, probability=p, low=0, high=1)
        )
        if who == "done":
            journal.set_outcome(entry.id, "no offer")
    journal.edit(entry.id, try_next="Ask first.")
    clients, total = journal.person_summaries()
    assert ([person.who for person in clients], total) == (["soon", "late", "none", "done"], 4)
    assert [person.who for person in journal.person_summaries("ON", 1, 1)[0]] == ["none"]
    assert (clients[0].n, clients[0].n_open, clients[0].due) == (2, 2, FIRST + timedelta(2))
    assert (clients[0].try_next, clients[1].try_next) == ("Ask first.", "")
    assert journal.person(person_id("late")) == "late"
    with pytest.raises(NoEntryError, match="no person has the id"):
        journal.person("0" * 12)
    last = journal.last_try("soon")
    assert last == journal.last_try()
    assert last
    assert last.try_next == "Ask first."
    assert journal.last_try("late") is None


def test_each_side_is_hidden_until_both_have_rated(journal: Journal) -> None:
    one = journal.add("Acme", {GOALS: 4}, who="AB", rater_role="interviewer", interview="0" * 12)
    alone = journal.add("Globex", {GOALS: 2}, who="AB", rater_role="candidate")
    assert journal.hidden_until_both_rated([one, alone]) == {one.id}
    again = journal.add("Acme", {GOALS: 3}, who="AB", rater_role="interviewer", interview="0" * 12)
    assert journal.hidden_until_both_rated([one, again]) == {
        one.id,
        again.id,
    }  # the same side twice is not both sides
    journal.add("Acme", {GOALS: 2}, who="AB", rater_role="candidate", interview="0" * 12)
    assert not journal.hidden_until_both_rated(journal.entries())
    with pytest.raises(JournalError, match="rated by different sides"):
        journal.pair(one.id, again.id)
    other = journal.add("Globex", {GOALS: 5}, who="AB", rater_role="interviewer")
    journal.pair(alone.id, other.id)
    assert [entry.id for entry in journal.sides(journal.get(alone.id).interview)] == [alone.id, other.id]
    journal.delete(other.id)
    assert journal.get(alone.id).interview == ""  # it has no other side to wait for


def test_ratings_to_train_on_have_a_known_outcome(journal: Journal, clock: Callable[[int], None]) -> None:
    ids = [journal.add(word, {GOALS: 4}, who=word[:4], rater_role="candidate").id for word in OUTCOMES]
    for id_, outcome in zip(ids, OUTCOMES, strict=True):
        journal.set_outcome(id_, outcome, at=date(2026, 4, 30) if outcome == "offer" else None)
    alone = [journal.add("", {GOALS: 4}, interview=interview) for interview in ("", "0" * 12, "0" * 12)]
    ratings = journal.ratings(training=True)
    assert ratings.y.tolist()[1:3] == [1, 0]
    assert len(ratings.labelled()) == 2  # a next round, silence and a withdrawal are no labels
    assert ratings.columns["rated_on"].tolist() == ["2026-05-01"] * 9
    assert ratings.columns["outcome_on"].tolist()[:3] == ["", "2026-04-30", "2026-05-01"]
    groups = ["stil", "offe", "no o", "next", "no a", "with", alone[0].id, "0" * 12, "0" * 12]
    assert list(ratings.groups if ratings.groups is not None else ()) == groups
    assert not ratings.simulated


def test_calibration_counts_only_entries_past_their_due_day(journal: Journal, clock: Callable[[int], None]) -> None:
    soon, later = FIRST + timedelta(5), FIRST + timedelta(20)
    rows = [
        ("offer", soon, None), ("no offer", soon, None), ("offer", later, None), ("no answer", soon, None),
        ("next round", soon, None), ("still open", soon, None), ("still open", later, None), ("withdrew", soon, None),
        ("offer", soon, date(2026, 4, 30)), ("no offer", None, None),
    ]  # fmt: skip
    for number, (outcome, due, at) in enumerate(rows):
        said = replace(SAID, probability=0.3 + number / 100)
        entry = journal.add(outcome, {GOALS: 4}, estimate=said, due_on=due, guess=10 * number if number else None)
        journal.set_outcome(entry.id, outcome, at=at)  # the last but one was rated on the day after
    journal.set_outcome(journal.add("never asked", {GOALS: 4}, due_on=soon).id, "offer")
    record = journal.track_record(FIRST)
    assert (len(record.y), record.still_open, record.early, record.left_out) == (0, 0, 4, 2)
    record = journal.track_record(soon)
    assert (record.y.tolist(), record.p.tolist()) == ([1, 0], [0.3, 0.31])
    assert record.guess.tolist() == pytest.approx([float("nan"), 0.1], nan_ok=True)
    assert record.no_answer.tolist() == pytest.approx([0.33])
    assert (record.still_open, record.early, record.left_out) == (1, 2, 2)
    assert record.with_no_answer()[0].tolist() == [1, 0, 0]
    record = journal.track_record(FIRST + timedelta(30))  # where nobody wrote a day, thirty days are assumed
    assert (record.y.tolist(), record.still_open, record.early) == ([1, 0, 1, 0], 2, 0)
    assert [len(part) for part in Journal(journal.path.with_name("new")).calibration()] == [0, 0]


def test_deleting_a_person_leaves_only_counts(journal: Journal, clock: Callable[[int], None]) -> None:
    for number in range(6):
        entry = journal.add(f"SECRET-{number}", {GOALS: 4}, who="SECRET NAME" if number % 2 else "CD")
        journal.set_outcome(entry.id, ("offer", "still open", "no offer")[number % 3])
    assert (journal.deleted_since(FIRST), journal.forget(""), journal.forget("EF")) == (0, 0, 0)
    assert journal.forget("SECRET NAME") == 3
    assert b"SECRET NAME" not in journal.path.read_bytes()
    assert journal.person_names() == ["CD"]
    clock(3)
    journal.delete(next(entry.id for entry in journal.entries() if entry.outcome == "offer"))
    assert [journal.deleted_since(FIRST + timedelta(later)) for later in (0, 1, 4)] == [3, 1, 0]


def test_a_model_trained_on_the_journal_is_compared_with_the_present_one(journal: Journal, tmp_path: Path) -> None:
    write_csv(simulate_interviews(130, seed=3, base_rate=0.5), tmp_path / "some.csv")
    assert journal.import_csv(tmp_path / "some.csv") == 130
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "models" / "journal-pool"
    learned = train_on_journal(
        journal,
        OfferModel.published(),
        folder,
        config=TrainingConfig(folds=2, repeats=1, resamples=20, baselines=("base_rate",)),
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(1, 2), (2, 2)]
    result, ratings, verdict = learned.saved.result, journal.ratings(), learned.verdict
    assert ratings.simulated
    assert result.model.simulated
    assert verdict
    assert verdict.gain
    assert verdict.n == result.model.trained_on["n"] >= 2 * FEWEST
    itself = CurrentTraining.of(OfferModel.load(folder / "model.json"), folder.parent)
    again = itself.judge(result, ratings)
    assert again
    assert again.gain
    assert (again.gain.value, again.n, again.better) == (0, verdict.n, False)
    unkept = CurrentTraining.of(replace(result.model, name="other"), folder.parent)
    assert unkept.judge(result, ratings) is None
    assert "Cannot be compared: no out-of-fold predictions" in unkept.summary(None)
