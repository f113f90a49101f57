"""How long the pages take with a long journal: 20,000 interviews of 300 people, each with its answer and a note.

    .venv/bin/python experiments/benchmark/journal.py [ROWS] [PEOPLE]

Prints, per page, its kilobytes, and of seven answers the median of the processor's seconds, and the median and the
longest by the clock, which other programs make longer.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from starlette.testclient import TestClient

from predictor.journal.entry import FREEZING_OUTCOMES, OUTCOMES, Entry, new_id
from predictor.journal.estimate import Estimate
from predictor.journal.people import person_id
from predictor.journal.schema import insert
from predictor.journal.store import Journal
from predictor.model.offer_model import PUBLISHED, OfferModel
from predictor.serving.app import make_app
from predictor.serving.settings import Settings
from predictor.serving.web.answer import answer_to_store
from predictor.serving.web.forms import RatingForm

REPEATS, ANSWERS = 7, 200  # answers are made so often, and shared by many interviews: the pages do not know


def interviews(count: int, people: int, model: OfferModel, rng: random.Random) -> Iterator[Entry]:
    """Make interviews up; they are not marked SIMULATED, so that calibration counts them."""
    made = []
    for _ in range(ANSWERS):
        ratings = {name: float(rng.randint(1, 5)) for name in model.signals if rng.random() < 0.8}
        made.append((ratings or {model.signals[0]: 3.0}, answer_to_store(model, RatingForm(ratings))))
    for number in range(count):
        ratings, answer = rng.choice(made)
        day = date(2024, 1, 1) + timedelta(rng.randrange(700))
        outcome = rng.choice(OUTCOMES)
        closed = outcome != "still open"
        yield Entry(
            id=new_id(), title=f"Company {rng.randrange(500)}, interview {number}", who=f"Person {number % people}",
            round=rng.choice(["phone", "second", "final"]), held_on=day, rated_on=day, ratings=ratings, answer=answer,
            rater_role=rng.choice(["candidate", "interviewer", "observer"]), estimate=Estimate.of_answer(answer),
            guess=rng.choice([None, 40, 60]), due_on=day + timedelta(14), outcome=outcome,
            frozen=outcome in FREEZING_OUTCOMES, outcome_on=day + timedelta(10) if closed else None,
            note="They asked about the team. " * 12,
            try_next="Ask about the first months." if rng.random() < 0.3 else "",
        )  # fmt: skip


def main(count: int = 20_000, people: int = 300) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as there:
        path = Path(there, "long.journal")
        model = OfferModel.published()
        journal = Journal(path, model.catalogue)
        with journal._file.open(write=True) as file:
            for entry in interviews(count, people, model, random.Random(0)):
                insert(file, entry)
        print(f"{count:,} interviews of {people:,} people, {path.stat().st_size / 1e6:.0f} MB")
        client = TestClient(make_app(Settings(PUBLISHED, journal=path)), base_url="http://localhost")
        some, who = journal.page(1, 1)[0][0], "Person 7"
        paths = (
            "/", f"/?person={person_id(who)}", "/journal", f"/journal?page={count // 50}", "/journal?search=view+77",
            "/journal?search=nothing+like+it", "/journal?who=Person+7&sort=due", "/journal?outcome=offer&round=final",
            "/journal?sort=due", "/journal?sort=who", "/journal?sort=title", f"/journal/{some.id}",
            f"/journal/compare?a={some.id}&b={journal.page(2, 1)[0][0].id}", "/people", "/people?search=person+29",
            f"/people/{person_id(who)}", f"/people/{person_id(who)}/delete", "/journal/import", "/calibration",
            "/calibration?silence=no-offer", "/train",
        )  # fmt: skip
        print(f"{'page':<46}{'kB':>6}{'CPU s':>8}{'median s':>10}{'longest s':>11}")
        for address in paths:
            client.get(address)  # what is made once
            seconds, processor = [], []
            for _ in range(REPEATS):
                begun, busy = time.perf_counter(), time.process_time()
                answer = client.get(address)
                seconds.append(time.perf_counter() - begun)
                processor.append(time.process_time() - busy)
            assert answer.status_code == 200, (address, answer.text)
            kilobytes = len(answer.content) / 1000
            median, longest = statistics.median(seconds), max(seconds)
            print(f"{address:<46}{kilobytes:>6.0f}{statistics.median(processor):>8.3f}{median:>10.3f}{longest:>11.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
