"""A draft works without edits, has the right scale, and keeps from the model what it must not use."""

from __future__ import annotations

import csv
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor.errors import CatalogueError, RatingsError
from predictor.ratings.catalogue import Catalogue
from predictor.ratings.ratings import Ratings
from predictor.ratings.signals import Scale
from predictor.sources.drafting.write import draft_catalogue
from predictor.sources.files import read_ratings, write_csv

PUBLIC = Path(os.environ.get("DATASETS", "no-such-folder"))  # a folder of public rating data, where there is one
N = 60
RNG = np.random.default_rng(3)
OUTCOME = ["yes" if i % 3 else "no" for i in range(N)]


def ratings(low: int, high: int, n: int = N) -> list[int]:
    """Return ratings without a relation to the outcome that include both ends of the scale."""
    return [low, high, *RNG.integers(low, high + 1, n - 2).tolist()]


def write(folder: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    path = folder / "my.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*columns.values(), strict=True))
    return path


def draft(path: Path, outcome: str = "hired", group: str | None = None) -> Catalogue:
    """Draft, save and load as a user does, and read the file with it."""
    toml = path.with_suffix(".toml")
    toml.write_text(draft_catalogue(path, outcome=outcome, group=group), encoding="utf-8")
    catalogue = Catalogue.load(toml)
    read_ratings(path, catalogue, training=True)
    return catalogue


def why(path: Path, column: str) -> str:
    """Return the reason in the draft for leaving a column out."""
    line = next(
        line for line in draft_catalogue(path, outcome="hired").splitlines() if line.startswith(f'  "{column}"')
    )
    return line.partition(" # ")[2]


@pytest.mark.parametrize(
    ("cells", "scale"),
    [
        (ratings(0, 5), Scale(0, 5)),
        (ratings(0, 4), Scale(0, 4)),
        (ratings(1, 5), Scale(1, 5)),
        (ratings(1, 4, 12) * 5, Scale(1, 4)),
        (ratings(1, 7), Scale(1, 7)),
        (ratings(2, 9), Scale(1, 10)),
        (ratings(0, 10), Scale(0, 10)),
        (ratings(-3, 3), Scale(-3, 3)),
        (ratings(0, 1), Scale(0, 1)),
        (ratings(3, 96), Scale(0, 100, 10)),
        (RNG.uniform(0.02, 0.98, N).tolist(), Scale(0, 1, 0.1)),
        (RNG.uniform(2.3, 6.6, N).tolist(), Scale(1, 7)),
    ],
    ids=lambda value: str(value) if isinstance(value, Scale) else "",
)
def test_the_scale_of_a_signal_is_inferred(tmp_path: Path, cells: list[float], scale: Scale) -> None:
    catalogue = draft(write(tmp_path, {"s": cells, "hired": OUTCOME}))
    assert catalogue.signals[0].scale == scale
    assert len(scale.knots) <= 21


def test_columns_share_a_scale_unless_they_need_their_own(tmp_path: Path) -> None:
    columns: dict[str, Sequence[float]] = {f"rating_{i}": ratings(1, 10) for i in range(4)}
    columns |= {"timid": ratings(4, 8), "confidence": ratings(1, 5), "told": ratings(0, 1), "share": [0.3, 0.7] * 30}
    scales = {signal.name: signal.scale for signal in draft(write(tmp_path, {**columns, "hired": OUTCOME})).signals}
    assert scales["timid"] == scales["rating_0"] == Scale(1, 10)
    assert scales["confidence"] == Scale(1, 5)
    assert scales["told"] == Scale(0, 1)
    assert scales["share"] == Scale(0, 1, 0.1)


def test_one_wider_column_does_not_stretch_the_others(tmp_path: Path) -> None:
    columns = {f"q{i}": ratings(1, 5) for i in range(8)} | {"wide": ratings(1, 7)}
    scales = {signal.name: signal.scale for signal in draft(write(tmp_path, {**columns, "hired": OUTCOME})).signals}
    assert scales["wide"] == Scale(1, 7)
    assert scales["q0"] == Scale(1, 5)


@pytest.mark.parametrize(
    ("name", "cells", "reason"),
    [
        ("candidateID", [i % 20 for i in range(N)], "an id"),
        ("number", range(101, 101 + N), "an id"),
        ("row_number", range(N), "index"),
        ("when", [f"2024-01-{i % 28 + 1:02}" for i in range(N)], "dates"),
        ("season", [2019 + i % 5 for i in range(N)], "dates"),
        ("remarks", [f"liked answer {i}" for i in range(N)], "free text"),
        ("team", ["red", "blue"] * 30, '[inputs.team] with levels = ["blue", "red"]'),
        ("calm", [*ratings(1, 5, N - 1), "ask Ann"], "numbers, but for such as 'ask Ann'"),
        ("calm", [*ratings(1, 5, N - 1), "4/5", "8/10"][-N:], "numbers out of different things"),
        (
            "mark",
            [*ratings(1, 5, N - 1), "2+"],
            "marks such as '2+', whose order depends on which is best: write [[signals]] with scale = { low = 1",
        ),
        ("pay", [30000 + i % 7 for i in range(N)], "measure"),
        ("constant", [3] * N, "'3' in every row"),
        ("empty", [""] * N, "empty in every row"),
        ("candidateAge", [20 + i % 40 for i in range(N)], "protected"),
        ("protected_x", ratings(1, 5), "protected"),
        ("zip_code", ratings(1, 5), "protected"),
        ("MaritalStatus", ratings(0, 1), "protected"),
        ("copy", [int(o == "yes") for o in OUTCOME], "disguise"),
        ("reverse", ["out" if o == "yes" else "in" for o in OUTCOME], "disguise"),
        ("score", [9 + i % 2 if o == "yes" else 1 + i % 7 for i, o in enumerate(OUTCOME)], "disguise"),
        ("start", ["" if o == "no" else 1 + i % 5 for i, o in enumerate(OUTCOME)], "disguise"),
        ("final_decision", [1 - (o == "yes") if i == 7 else o == "yes" for i, o in enumerate(OUTCOME)], "disguise"),
    ],
)
def test_unsuitable_columns_are_left_out_with_a_reason(
    tmp_path: Path, name: str, cells: Sequence[Any], reason: str
) -> None:
    cells = [int(cell) if isinstance(cell, bool) else cell for cell in cells]
    path = write(tmp_path, {name: cells, "rapport": ratings(1, 5), "hired": OUTCOME})
    assert draft(path).context == (name,)
    assert reason in why(path, name)


def test_suspicious_looking_signals_are_kept(tmp_path: Path) -> None:
    columns = {name: ratings(1, 5) for name in ("valid", "courage", "result_focus", "engagement", "role_clarity")}
    assert draft(write(tmp_path, {**columns, "hired": OUTCOME})).names == tuple(columns)


@pytest.mark.parametrize(
    ("cells", "codes", "scale"),
    [
        ([99, *ratings(1, 5, N - 1)], (99,), Scale(1, 5)),
        ([98, 99, *ratings(1, 7, N - 2)], (98, 99), Scale(1, 7)),
        ([-9, *ratings(0, 10, N - 1)], (-9,), Scale(0, 10)),
        ([-1, *ratings(1, 5, N - 1)], (-1,), Scale(1, 5)),
        ([-1, *ratings(0, 5, N - 1)], (), Scale(-5, 5)),
        ([9, *ratings(1, 5, N - 1)], (), Scale(1, 10)),
        ([3, 5, 7, 99] * 2 + [3] * (N - 8), (99,), Scale(1, 7)),
        (ratings(0, 99), (), Scale(0, 100, 10)),
    ],
)
def test_an_obvious_code_is_written_into_the_draft(
    tmp_path: Path, cells: list[int], codes: tuple[float, ...], scale: Scale
) -> None:
    path = write(tmp_path, {"calm": cells, "hired": OUTCOME})
    (calm,) = draft(path).signals
    assert (calm.not_observed, calm.scale) == (codes, scale)
    values = read_ratings(path, Catalogue.load(path.with_suffix(".toml"))).values[:, 0]
    np.testing.assert_array_equal(values, [np.nan if cell in codes else cell for cell in cells])


def taken(text: str) -> Catalogue:
    """Return the draft with the scale replaced by the one that its comments suggest."""
    lines = [
        line.removeprefix("#   ") if line.startswith(("#   not_", "#   scale = ")) else line
        for line in text.splitlines()
    ]
    suggested = [line for line in lines if line.startswith(("not_", "scale = "))]
    lines = [line for line in lines if line not in suggested]
    return Catalogue.from_dict(tomllib.loads("\n".join([*lines, *suggested[:2]])))


@pytest.mark.parametrize("code", [8, 9])
def test_a_likely_code_is_noted(tmp_path: Path, code: int) -> None:
    path = write(tmp_path, {"calm": [*ratings(1, 5, N - 1), code], "hired": OUTCOME})
    text = draft_catalogue(path, outcome="hired")
    assert text.count("is set apart") == 1
    assert f"# {code} is set apart (n = 1): if it means 'not observed'" in text
    (calm,) = taken(text).signals
    assert (calm.not_observed, calm.scale) == ((code,), Scale(1, 5))


def outcomes(shares: Mapping[int, tuple[int, int]]) -> dict[str, list[Any]]:
    """Return rows of one signal, by rating: how many rows, and how many of them are offers."""
    cells = [rating for rating, (n, _) in shares.items() for _ in range(n)]
    return {"calm": cells, "hired": [int(i < yes) for n, yes in shares.values() for i in range(n)]}


RISING = {1: (100, 20), 2: (100, 30), 3: (100, 40), 4: (100, 50), 5: (100, 60)}
LEVEL = {1: (100, 40), 2: (100, 44), 3: (100, 40), 4: (100, 44), 5: (100, 40)}


@pytest.mark.parametrize(
    ("shares", "code"),
    [
        ({0: (20, 18), **RISING}, 0),
        ({0: (20, 0), **RISING}, None),  # where the order of the ratings leads
        ({0: (20, 8), **RISING}, None),  # a difference within noise
        ({0: (90, 81), **RISING}, None),  # not rare
        ({**RISING, 6: (20, 2)}, 6),
        ({**RISING, 6: (20, 20)}, None),
        ({0: (20, 20), **LEVEL}, 0),
        (LEVEL, None),
    ],
)
def test_an_end_that_breaks_the_order_is_noted(
    tmp_path: Path, shares: dict[int, tuple[int, int]], code: int | None
) -> None:
    text = draft_catalogue(write(tmp_path, outcomes(shares)), outcome="hired")
    assert ("stands out" in text) == (code is not None)
    if code is not None:
        n, yes = shares[code]
        assert f"# {code} stands out: hired = yes in {yes / n:.0%} (n = {n})" in text
        (calm,) = taken(text).signals
        assert (calm.not_applicable, calm.scale) == ((code,), Scale(1, 5))


@pytest.mark.parametrize(
    ("name", "best", "third"),
    [
        ("Schulnote", None, -1),
        ("Fachnote", 1, -1),
        ("Answer", 1, -1),
        ("Answer", 5, 1),
        ("x (1 = good, 5 = poor)", None, -1),
    ],
)
def test_plus_and_minus_marks_follow_a_known_direction(tmp_path: Path, name: str, best: int, third: int) -> None:
    """Known by name, by the heading, or by the outcomes."""
    numbers = [number for number in range(1, 6) for _ in range(12)]
    marks = [f"{number}{('+', '-', '')[row % 3]}" for row, number in enumerate(numbers)]
    marks[0] = "1-2" if third < 0 else "1"
    good = [6 - number if best == 1 else number if best else row % 6 for row, number in enumerate(numbers)]
    outcome = ["yes" if row * 7 % 10 < 2 * share - 1 else "no" for row, share in enumerate(good)]
    path = write(tmp_path, {name: marks, "hired": outcome})
    ratings = read_ratings(path, draft(path), training=True)
    assert ratings.catalogue.directions == (third,)
    assert ratings.values[12:15, 0].tolist() == pytest.approx([2 + third / 3, 2 - third / 3, 2])


def test_a_direction_is_suggested_as_a_comment_only(tmp_path: Path) -> None:
    """The tendency is computed without rows that have a code, and omitted where it is noise."""
    for shares, said in (
        ({0: (20, 18), **RISING}, ' # in this file higher ratings go with hired = yes (rank correlation .29, n = 500)'),
        ({6 - rating: share for rating, share in RISING.items()}, ' # in this file lower ratings go with hired = yes (rank correlation -.29, n = 500)'),
        (LEVEL, ""),
    ):  # fmt: skip
        path = write(tmp_path, outcomes(shares))
        assert f'\nbetter = "either"{said}\n' in draft_catalogue(path, outcome="hired")
        assert draft(path).directions == (0,)


def test_roles_become_an_input_and_names_give_labels_and_sides(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "rater_role": ["panel", "Peer"] * 30,
        "interviewerListens": ratings(1, 5),
        "CV_fit": ratings(1, 5),
    }
    catalogue = draft(write(tmp_path, {**columns, "hired": OUTCOME}))
    assert catalogue.inputs[0].levels == ("Peer", "panel")
    assert [(s.label, s.side) for s in catalogue.signals] == [("Interviewer listens", "interviewer"), ("CV fit", None)]


def test_shipped_signals_are_copied_with_all_fields(interviews: Ratings, tmp_path: Path) -> None:
    path = write_csv(interviews, tmp_path / "ours.csv")
    catalogue = draft(path, "offer", "candidate_id")
    shipped = Catalogue.shipped()
    assert catalogue.signals == shipped.signals
    assert catalogue.inputs == shipped.inputs
    assert catalogue.families == shipped.families
    assert read_ratings(path, catalogue).simulated


def test_shipped_names_on_another_scale_lose_their_anchors(tmp_path: Path) -> None:
    signal = draft(write(tmp_path, {"goals_discussed": ratings(0, 10), "hired": OUTCOME})).signals[0]
    assert signal.scale == Scale(0, 10)
    assert signal.family == "alignment"
    assert not signal.anchors


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "é ü 面接", "a.b", "= [", "# x", "???", "😀"])
def test_unusual_column_names_are_accepted(tmp_path: Path, name: str) -> None:
    columns: dict[str, list[Any]] = {
        name: ratings(1, 5),
        f"{name} role": ["a", f"b{name}"] * 30,
        f"{name} team": ["c", f"d{name}"] * 30,
    }
    catalogue = draft(write(tmp_path, {**columns, f"{name}?": OUTCOME}), f"{name}?")
    assert catalogue.names == (name,)
    assert catalogue.context == (f"{name} team",)


@pytest.mark.parametrize("name", ["a\x01b", "del\x7f"])
def test_column_names_with_control_characters_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError, match="control character"):
        draft(write(tmp_path, {name: ratings(1, 5), "hired": OUTCOME}))


def test_drafts_are_made_from_json_and_parquet(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"calm": ratings(1, 5), "at": pd.Timestamp("2024-02-01"), "hired": [o == "yes" for o in OUTCOME]}
    )
    frame.loc[3, "calm"] = None
    frame.loc[4, "at"] = pd.Timestamp("2024-03-01")
    frame.to_parquet(tmp_path / "my.parquet")
    records = [
        {"ratings": {"calm": c}, "at": f"2024-02-{c}", "hired": o} for c, o in zip(ratings(1, 5), OUTCOME, strict=True)
    ]
    (tmp_path / "my.json").write_text(json.dumps(records))
    for ending in ("parquet", "json"):
        catalogue = draft(tmp_path / f"my.{ending}")
        assert (catalogue.names, catalogue.context) == (("calm",), ("at",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calm,hird\n1,yes\n", "(columns: calm, hird); did you mean 'hird'?"),
        ("calm,hired\n1,good\n2,bad\n", "holds 'bad', 'good', which is not an outcome"),
        ("calm,hired\n1,3\n2,5\n", "holds 2 different numbers from 3 to 5"),
        ("calm,hired\n1,\n2,\n", "empty in every row"),
        ("calm,hired\n1,yes\n2,yes\n", "'yes' in every row"),
        ("age,hired\n30,yes\n40,no\n", "age: a protected attribute"),
        ("calm,calm,hired\n1,2,yes\n", "appears 2 times"),
        (",hired\n1,yes\n", "has no name"),
        ("calm,hired\n", "no rows"),
        ("calm,hired\n1,yes,4\n", "cells"),
        ("", "empty"),
    ],
)
def test_unusable_files_are_refused_with_a_clear_message(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "my.csv"
    path.write_text(text)
    with pytest.raises(RatingsError) as error:
        draft_catalogue(path, outcome="hired")
    assert said in str(error.value)


def test_an_unknown_group_column_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"calm": ratings(1, 5), "person": [i % 9 for i in range(N)], "hired": OUTCOME})
    assert draft(path, group="person").names == ("calm",)
    for group, said in (("persn", "did you mean 'person'"), ("hired", "both the outcome and the group")):
        with pytest.raises(RatingsError, match=said):
            draft_catalogue(path, outcome="hired", group=group)


@pytest.mark.parametrize("path", sorted(PUBLIC.glob("*.csv")), ids=lambda path: path.stem)
def test_published_data_sets_keep_all_ratings_and_their_scales(path: Path) -> None:
    """Every rating of these public files is kept, and the scale is the published one."""
    about = json.loads(path.with_suffix(".json").read_text())
    catalogue = Catalogue.from_dict(
        tomllib.loads(draft_catalogue(path, outcome="label", group="group" if about["group"] else None))
    )
    assert set(catalogue.names) == set(about["features"])
    likert = {"0-100": (0, 100), "0-4 Likert": (0, 4), "1-5 Likert": (1, 5)}
    for signal in catalogue.signals:
        published = about["features"][signal.name]["scale"]
        assert likert.get(published, (signal.scale.low, signal.scale.high)) == (signal.scale.low, signal.scale.high)
