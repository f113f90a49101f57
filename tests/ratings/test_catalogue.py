"""The catalogue: the shipped one is complete, others are read or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from predictor import Catalogue
from predictor.errors import CatalogueError
from predictor.ratings.signals import SIDES, Scale


def test_the_shipped_catalogue_is_complete(catalogue: Catalogue) -> None:
    assert catalogue.names  # each is checked below; a new one needs no change here
    assert list(catalogue.families) == ["engagement", "clarity", "alignment", "body_language", "follow_up"]
    for family in catalogue.families:
        sides = {signal.side for signal in catalogue.signals if signal.family == family}
        assert "candidate" in sides
        assert sides & {"interviewer", "both"}
    for signal in catalogue.signals:
        assert signal.name == signal.name.lower()
        assert signal.side in SIDES
        assert signal.question.endswith("?")
        assert set(signal.anchors) == {"1", "3", "5"}
        assert len(signal.label) <= 40


def test_questions_to_a_candidate_avoid_the_third_person(catalogue: Catalogue) -> None:
    for signal in catalogue.signals:
        asked = signal.worded("candidate")
        texts = (asked.label, asked.question, *asked.anchors.values())
        assert not [text for text in texts if "candidate" in text.lower() or "interviewer" in text.lower()]
        assert asked.question.endswith("?")
        assert set(asked.anchors) == {"1", "3", "5"}
        assert len(asked.label) <= 40
        assert signal.worded("observer").question == signal.worded().question == signal.question
    plain = Catalogue.from_dict(_plain()).signals[0]  # a catalogue without such words
    assert plain.worded("candidate") == plain.worded("observer")
    own = {
        "name": "a",
        "family": "all",
        "question": "Did they?",
        "own": {"question": "Did you?", "anchors": {"1": "No."}},
    }
    mine = Catalogue.from_dict(_plain(signals=[own]))
    assert Catalogue.from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    assert (mine.signals[0].worded("candidate").question, mine.signals[0].worded().anchors) == ("Did you?", {})
    for wrong, says in (
        ({"quesion": "x"}, "unknown key 'quesion'"),
        ({"anchors": {"1": 2}}, "own.anchors 1: 2 is not text"),
    ):
        with pytest.raises(CatalogueError, match=says):
            Catalogue.from_dict(_plain(signals=[{"name": "a", "family": "all", "own": wrong}]))


def test_a_catalogue_survives_conversion_to_plain_data(catalogue: Catalogue) -> None:
    assert Catalogue.from_dict(catalogue.to_dict()) == catalogue


def _plain(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "name": "mine",
        "columns": {"outcome": "hired", "group": "who", "context": ["who"]},
        "families": {"all": "All"},
        "signals": [{"name": "a", "family": "all"}, {"name": "b", "family": "all", "scale": {"low": 0, "high": 10}}],
    }
    return {**data, **changes}


def test_directions_and_codes_are_inherited_and_overridden() -> None:
    """A setting at the top holds for all signals, one at a signal for that signal; files keep both."""
    own = {"name": "b", "family": "all", "better": "lower", "not_observed": [], "not_applicable": ["N/A ", -1]}
    mine = Catalogue.from_dict(
        _plain(better="higher", not_observed=[99], signals=[{"name": "a", "family": "all"}, own])
    )
    assert mine.directions == (1, -1)
    assert Catalogue.from_dict(_plain()).directions == (0, 0)
    assert mine.signals[0].codes.keys() == {99.0}
    assert mine.signals[1].codes == dict.fromkeys([0.0, "n/a", -1.0, "not applicable"], 0.0)
    assert Catalogue.from_dict(json.loads(json.dumps(mine.to_dict()))) == mine
    assert Catalogue.shipped().directions == (1,) * len(Catalogue.shipped().signals)


def test_a_custom_catalogue_is_read() -> None:
    mine = Catalogue.from_dict(_plain(scale={"low": 1, "high": 7}))
    assert [str(signal.scale) for signal in mine.signals] == ["1 to 7", "0 to 10"]
    assert mine.columns == ("a", "b", "hired", "who")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"signal": []}, "unknown key 'signal'; did you mean 'signals'"),
        ({"signals": []}, "no signals"),
        ({"signals": [{"name": "a", "family": "al"}]}, "'al' is not under .families.; did you mean 'all'"),
        ({"signals": [{"name": "a", "family": "all"}] * 2}, "named 2 times"),
        ({"signals": [{"name": "a", "family": "all", "side": "them"}]}, "side 'them' is none of"),
        ({"signals": [{"family": "all"}]}, "signal 1: 'name' is missing"),
        ({"signals": [{"name": 3, "family": "all"}]}, "'name' is int"),
        ({"signals": ["a"]}, "signal 1 is str"),
        ({"better": "hihger"}, "signal 'a': better is 'hihger', .* did you mean 'higher'"),
        ({"not_observed": [99, 3]}, "signal 'a': not_observed has 3, a rating on its scale, 1 to 5; take it out"),
        ({"not_applicable": [0]}, "signal 'b': not_applicable has 0, a rating on its scale, 0 to 10"),
        (
            {"not_observed": [99], "not_applicable": [99]},
            "99 is in not_observed and means 'not applicable' as",
        ),
        ({"not_observed": ["Not Applicable"], "not_applicable": [99]}, "it can mean only one"),
        (
            {"not_observed": [0], "not_applicable": [99], "signals": [{"name": "a", "family": "all"}]},
            "empty those cells",
        ),
        ({"not_observed": [True]}, "not_observed has True, which is neither a number nor a word"),
        ({"not_observed": ["99"]}, "not_observed has '99', a number in quotes"),
        ({"not_observed": [" "]}, "which is blank"),
        ({"columns": {"outcome": "a"}}, "the column 'a' is named 2 times"),
        ({"columns": {}}, "'outcome' is missing"),
        ({"scale": {"low": 5, "high": 1}}, "high must be above low"),
        ({"scale": {"low": 1, "high": 5, "step": 0}}, "step above 0"),
        ({"scale": {"low": 1, "high": 5, "step": 3}}, "must divide the scale"),
        ({"scale": {"low": 0, "high": 1e6}}, "must divide the scale"),
        ({"scale": {"low": -1e308, "high": 1e308}}, "must divide the scale"),
        ({"scale": {"low": 1, "high": 10**400}}, r"scale.high is 10+; write a number"),
        ({"scale": {"knots": [1, 10**400]}}, r"scale.knots has 10+; write numbers"),
        ({"not_observed": [10**400]}, "neither a number nor a word"),
        ({"inputs": {"role": {"levels": ["x"]}}}, "two or more different words"),
        ({"inputs": {"role": {"levels": [1, 2]}}}, "words in quotes"),
    ],
)
def test_an_invalid_catalogue_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(CatalogueError, match=says):
        Catalogue.from_dict(_plain(**changes))


def test_an_infinite_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("name = " + "9" * 5000)
    with pytest.raises(CatalogueError, match=r"my\.toml: not a readable TOML file"):
        Catalogue.load(tmp_path / "my.toml")


def test_knots_include_both_ends_of_the_scale() -> None:
    assert Scale(0, 1, 0.1).knots[-1] == 1.0
    assert Scale(-3, 3).knots == (-3, -2, -1, 0, 1, 2, 3)
