"""Deleting a person: only their rows, in all files or none, and models that learned from them are marked."""

from __future__ import annotations

import codecs
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from predictor import OfferModel, Ratings
from predictor.errors import ConfigError
from predictor.journal.store import Journal
from predictor.sources.deletion import without_person
from predictor.sources.files import read_ratings, write_csv
from predictor.training.comparison import OutOfFold

COLUMNS = ("person", "candidate_id")


@pytest.fixture
def team(workplace: Path, training_folder: Path, interviews: Ratings) -> Path:
    """A training on team.csv, that file, and the champion, which is a copy of the training."""
    shutil.copytree(training_folder, "experiments/models/tested")
    write_csv(interviews, "team.csv")
    path = workplace / "experiments/models/tested/model.json"
    model = OfferModel.load(path)
    from dataclasses import replace

    model = replace(model, trained_on={**model.trained_on, "source": "team.csv"})
    model.save(path)
    model.save("experiments/models/champion.json")
    return workplace


def test_a_person_is_deleted_from_all_files_and_models_are_marked(
    team: Path, run: Callable[..., Result], interviews: Ratings
) -> None:
    known = interviews.labelled()
    assert known.groups is not None and interviews.groups is not None
    person = max(set(known.groups), key=list(known.groups).count)
    rows, all_rows = int((known.groups == person).sum()), int((interviews.groups == person).sum())
    before = OfferModel.load("experiments/models/champion.json")
    others = [line for line in Path("team.csv").read_bytes().splitlines(True) if person.encode() not in line]
    done = run("forget", person, "--table", "team.csv", "--yes", "--no-track")
    assert done.exit_code == 0, done.output
    assert f"{all_rows} row" in done.output
    assert Path("team.csv").read_bytes() == b"".join(others)  # no other byte has changed
    assert person not in read_ratings("team.csv").columns["candidate_id"]
    folder = Path("experiments/models/tested")
    kept = OutOfFold.read(folder / "out_of_fold.csv")
    assert len(kept.rows) == len(known) - rows
    for path in (folder / "model.json", Path("experiments/models/champion.json")):
        model = OfferModel.load(path)
        assert model.rows_deleted == rows
        assert model.fingerprint == before.fingerprint
        note = f"Trained with rows since deleted: {rows} of {len(known):,}"
        assert any(text.startswith(note) for text in model.predict({"goals_discussed": 4}).notes)
    for command in (("inspect",), ("predict", "-", "--json"), ("card", "--no-track")):
        answer = run(*command, stdin='{"goals_discussed": 4}')
        text = answer.output + (folder / "card.md").read_text() if command[0] == "card" else answer.output
        assert "rows since deleted" in " ".join(text.split())
    again = run("forget", person, "--table", "team.csv", "--yes", "--no-track")
    assert again.exit_code == 2
    assert "is in none of the files" in again.stderr


def test_nothing_is_deleted_if_a_file_is_unreadable_or_not_confirmed(
    team: Path, run: Callable[..., Result], interviews: Ratings
) -> None:
    assert interviews.groups is not None
    person, before = str(interviews.groups[0]), Path("team.csv").read_bytes()
    Path("cards.csv").write_text("who,level\nx,1\n")
    broken = run("forget", person, "--table", "team.csv", "--cards", "cards.csv", "--yes")
    assert broken.exit_code == 2
    assert "It has: who, level" in broken.stderr
    refused = run("forget", person, "--table", "team.csv", stdin="n\n")
    assert refused.exit_code == 1
    assert Path("team.csv").read_bytes() == before
    assert OfferModel.load("experiments/models/champion.json").rows_deleted == 0


def test_the_same_id_in_another_file_leaves_models_unmarked(
    team: Path, run: Callable[..., Result], interviews: Ratings
) -> None:
    known = interviews.labelled()
    assert known.groups is not None
    person = str(known.groups[0])
    Path("other.csv").write_text(f"person,level\n{person},1\nsomebody,2\n")
    done = run("forget", person, "--table", "other.csv", "--yes", "--no-track")
    assert done.exit_code == 0
    assert f"Left as it is: tested learned from a '{person}' of team.csv" in done.output
    assert OfferModel.load("experiments/models/champion.json").rows_deleted == 0


def test_a_person_is_deleted_from_a_journal(workplace: Path, run: Callable[..., Result]) -> None:
    journal = Journal(workplace / "my.journal")
    for title, who in (("one", "A. B."), ("two", "A. B."), ("three", "C. D.")):
        journal.add(title, {"goals_discussed": 4}, who=who)
    done = run("forget", "A. B.", "--journal", "my.journal", "--yes")
    assert done.exit_code == 0, done.output
    assert "2 interviews" in done.output
    assert [entry.title for entry in journal.entries()] == ["three"]


@pytest.mark.parametrize(
    ("name", "content", "left"),
    [
        ("a.csv", b'person;note\r\nx;"two\r\nlines; x"\r\ny;"x"\r\nx;\r\n', b'person;note\r\ny;"x"\r\n'),
        ("b.csv", "\ufeffperson,s\nx,\u00e9\n y ,\u00e8\n".encode(), "\ufeffperson,s\n y ,\u00e8\n".encode()),
        ("c.csv", "person\ts\nx\t1\ny\t2\n".encode("utf-16"), "person\ts\ny\t2\n".encode("utf-16")),
        ("d.jsonl", b'{"person": "x"}\n{"person": 7, "a": 1}\n', b'{"person": 7, "a": 1}\n'),
        ("e.csv", b"person,s\nxx,1\nX,2", b"person,s\nxx,1\nX,2"),  # an exact match only
        (
            "f.jsonl",
            b'{"person": "y",\r "a": 1}\n{"person": "x"}\n{"person": "z"}',
            b'{"person": "y",\r "a": 1}\n{"person": "z"}',
        ),
        ("g.jsonl", '{"person": "x"}\n{"person": "y"}\n'.encode("utf-16"), '{"person": "y"}\n'.encode("utf-16")),
        *(
            (name, codecs.BOM_UTF16_BE + words.encode("utf-16-be"), codecs.BOM_UTF16_BE + left.encode("utf-16-be"))
            for name, words, left in [
                ("i.csv", "person,s\r\nx,\u00e9\r\ny,2\r\n", "person,s\r\ny,2\r\n"),
                ("j.jsonl", '{"person": "x"}\n{"person": "\u00e9"}\n', '{"person": "\u00e9"}\n'),
            ]
        ),
        ("k.csv", "person\nx\ny".encode("utf-32"), "person\ny".encode("utf-32")),
        ("h.tsv", b"person\ts\nx\t1\ny\t2\n", b"person\ts\ny\t2\n"),
    ],
    ids=[
        "CSV with quotes",
        "CSV with a byte order mark",
        "UTF-16 TSV",
        "JSON Lines",
        "CSV without the person",
        "JSON Lines with a carriage return",
        "UTF-16 JSON Lines",
        "big-endian CSV",
        "big-endian JSON Lines",
        "UTF-32 CSV",
        "TSV",
    ],
)
def test_only_records_of_the_person_are_deleted(tmp_path: Path, name: str, content: bytes, left: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert without_person(path, "x", COLUMNS).content == left


def test_a_person_is_deleted_from_json_and_parquet(tmp_path: Path) -> None:
    import pandas as pd

    rows = [{"candidate_id": 17.0, "s": 1.5}, {"candidate_id": 18, "s": None}]  # ids beside a gap are often decimals
    (tmp_path / "a.json").write_text(json.dumps(rows))
    result = without_person(tmp_path / "a.json", "17", COLUMNS)
    assert (result.removed, json.loads(result.content)) == (1, rows[1:])
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    shorter = without_person(tmp_path / "a.parquet", "17", COLUMNS)
    (tmp_path / "b.parquet").write_bytes(shorter.content)
    assert pd.read_parquet(tmp_path / "b.parquet")["candidate_id"].tolist() == [18]
    (tmp_path / "twice.csv").write_text("person,s,person\nx,1,y\ny,2,x\n")
    with pytest.raises(ConfigError, match="has 2 columns with the name 'person'"):
        without_person(tmp_path / "twice.csv", "x", COLUMNS)
    with pytest.raises(ConfigError, match="by hand"):
        without_person(tmp_path / "a.xlsx", "17", COLUMNS)
