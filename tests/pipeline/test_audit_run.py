"""Audit, drift and model card commands: files, exit codes, out-of-fold rows, joins, MLflow, and refusals."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from conftest import SIGNALS

from predictor import OfferModel, Ratings, TrainingConfig, simulate_interviews, train
from predictor.errors import ConfigError, RatingsError
from predictor.pipeline.audit_run import audit_model
from predictor.pipeline.group_columns import parse_groups, read_groups
from predictor.pipeline.run import save
from predictor.pipeline.trained_model import TrainedModel
from predictor.sources.files import write_csv
from predictor.sources.simulation_known_effects import add_drift, simulate_groups
from predictor.training.comparison import OutOfFold

FORBIDDEN = ("compliant", "certified", "bias-free", "audit passed", "not high-risk")


@pytest.fixture
def team(workplace: Path, training_folder: Path, interviews: Ratings) -> Path:
    """A working folder with a training, its data file, a table of groups, and a copy of the training as champion."""
    shutil.copytree(training_folder, "experiments/models/tested")
    write_csv(interviews, "team.csv")
    groups = simulate_groups(interviews, seed=1, disparity=0.8)
    assert interviews.groups is not None
    people = dict(zip(interviews.groups, zip(groups["sex"], groups["race"], strict=True), strict=True))
    with Path("groups.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["candidate_id", "sex", "race_ethnicity"])
        writer.writerows([person, *words] for person, words in people.items())
    return workplace


ASK = ("audit", "team.csv", "--groups", "groups.csv", "--group", "sex", "--group", "race=race_ethnicity", "--no-track")


def test_an_audit_uses_the_out_of_fold_rows_of_the_champion(team: Path, run: Callable[..., Result]) -> None:
    done = run(*ASK)
    assert done.exit_code == 0, done.output
    assert all(len(line) <= 80 for line in done.stdout.splitlines() if not line.startswith("Report:"))
    folder = team / "experiments/models/tested"
    result, page = json.loads((folder / "audit.json").read_text()), (folder / "audit.html").read_text()
    kept = OutOfFold.read(folder / "out_of_fold.csv")
    assert result["n_out_of_fold"] == len(kept.rows)
    assert result["n_out_of_fold"] + result["n_new"] == 600
    assert result["simulated"] and "SIMULATED" in page and "SIMULATED" in done.output
    words = "selection rate, scoring rate and impact ratio as defined in 6 rcny 5-300; not an independent bias audit"
    for text in (page.lower(), done.output.lower().replace("\n", " "), json.dumps(result).lower()):
        assert words in " ".join(text.split())
        assert not any(word in text for word in FORBIDDEN)
    assert len(result["left_out"]) == SIGNALS + 5  # and the families
    assert "models of 5 folds" in result["left_out_by"]
    losses = {item["name"]: item["cost"]["value"] for item in result["left_out"] if item["kind"] == "family"}
    assert max(losses.values()) > 0  # leaving out the most important family has a cost


def test_training_rows_are_scored_by_models_that_did_not_learn_them(
    team: Path, interviews: Ratings, model: OfferModel
) -> None:
    trained = TrainedModel.load(Path("experiments/models/champion.json"), Path("experiments/models"))
    columns = {"sex": "sex"}
    audited = audit_model(trained, Path("team.csv"), columns, groups_file=Path("groups.csv"), resamples=5)
    kept = OutOfFold.read(team / "experiments/models/tested/out_of_fold.csv")
    unknown = int(np.isnan(interviews.y).sum())
    assert audited.n_new == unknown
    new = model.predict_many(interviews.rows(np.isnan(interviews.y)), interval=False)["offer_probability"]
    assert audited.audit.median == pytest.approx(np.median([*kept.p.mean(axis=0), *new]))
    # a file in another order gives the same figures; without the training's folder the model itself answers, and says so
    shuffled = interviews.rows(np.random.default_rng(0).permutation(600))
    write_csv(shuffled, "shuffled.csv")
    again = audit_model(trained, Path("shuffled.csv"), columns, groups_file=Path("groups.csv"), resamples=5)
    assert again.audit.median == audited.audit.median
    assert [a.figures for a in again.audit.axes[0].categories] == [a.figures for a in audited.audit.axes[0].categories]
    shutil.rmtree("experiments/models/tested")
    alone = TrainedModel.load(Path("experiments/models/champion.json"), Path("experiments/models"))
    seen = audit_model(alone, Path("team.csv"), columns, groups_file=Path("groups.csv"), resamples=5)
    assert seen.n_out_of_fold == 0
    assert any("better than they are" in warning for warning in seen.warnings)


def test_training_rows_are_recognised_despite_left_out_signals(team: Path, interviews: Ratings) -> None:
    config = TrainingConfig(folds=3, repeats=1, resamples=20, baselines=(), leave_out=("body_language", "rater_role"))
    few = interviews.rows(np.arange(200))
    save(train(few, config, name="fewer", curve=False), Path("experiments/models/fewer"))
    trained = TrainedModel.load(Path("experiments/models/fewer/model.json"), Path("experiments/models"))
    audited = audit_model(trained, Path("team.csv"), {"sex": "sex"}, groups_file=Path("groups.csv"), resamples=5)
    assert audited.n_out_of_fold == int((~np.isnan(few.y)).sum())
    assert "of 3 folds" in audited.left_out_by


def test_groups_may_be_in_the_table_or_in_another_one(team: Path, interviews: Ratings) -> None:
    with Path("team.csv").open() as file:
        rows = list(csv.reader(file))
    with Path("groups.csv").open() as file:
        known = {row[0]: row[1] for row in csv.reader(file)}
    place = rows[0].index("candidate_id")
    with Path("one.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [[*row, known.get(row[place], "")] if n else [*row, "sex"] for n, row in enumerate(rows)]
        )
    catalogue = interviews.catalogue
    ratings, inside = read_groups(Path("one.csv"), catalogue, {"sex": "sex"})
    _, beside = read_groups(Path("team.csv"), catalogue, {"sex": "sex"}, Path("groups.csv"))
    assert inside["sex"].tolist() == beside["sex"].tolist()
    assert ratings.values.shape == (600, len(catalogue.signals))  # no group among the signals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--group", "sex=gender"), "has no column 'gender'"),
        (("--group", "x=goals_discussed"), "is an input of the model"),
        (("--group", "role=rater_role"), "is an input of the model"),
        (("--group", "sex", "--group", "sex=race_ethnicity"), "named twice"),
        (("--group", "sex", "--threshold", "1"), "above 0 and below 1"),
        (("--group", "sex", "--on", "other"), "no such column"),
        (("--group", "sex", "--model", "nobody"), "no model 'nobody'"),
    ],
)
def test_unusable_audit_input_is_refused(
    team: Path, run: Callable[..., Result], arguments: tuple[str, ...], message: str
) -> None:
    done = run("audit", "team.csv", "--groups", "groups.csv", *arguments, "--no-track")
    assert done.exit_code == 2
    assert message in done.stderr
    assert not list(team.rglob("audit.*"))


def test_one_category_or_equal_rows_leave_nothing_to_compare(team: Path, run: Callable[..., Result]) -> None:
    """With one category there is no ratio, and with equal rows none is above the median: both are stated."""
    first, row, *_ = Path("team.csv").read_text().splitlines()
    row = row.replace(row.split(",")[first.split(",").index("candidate_id")], "nobody")  # new to every model
    Path("alike.csv").write_text("\n".join([f"{first},sex", *[f"{row},Female"] * 3]))
    done = run("audit", "alike.csv", "--attribute", "sex", "--no-track")
    assert done.exit_code == 0 and " of 1 person;" in done.output
    assert "one category only: nothing to compare" in done.output
    assert "100.0 % of the rows are equal to the median likelihood" in done.output


def test_a_contradictory_table_of_groups_is_refused(team: Path, interviews: Ratings) -> None:
    text = Path("groups.csv").read_text().splitlines()
    person = text[1].split(",")[0]
    Path("twice.csv").write_text("\n".join([text[0], f"{person},Female,Asian", f"{person},Male,Asian", *text[2:]]))
    with pytest.raises(ConfigError, match=f"as '{person}'"):
        read_groups(Path("team.csv"), interviews.catalogue, {"sex": "sex"}, Path("twice.csv"))
    Path("wide.csv").write_text("candidate_id,sex,sex\nnobody,Female,Male\n")
    with pytest.raises(RatingsError, match="sex: appears 2 times in the header"):
        read_groups(Path("team.csv"), interviews.catalogue, {"sex": "sex"}, Path("wide.csv"))
    Path("alike.csv").write_text("\n".join([text[0], f"{person},Female,Asian", f"{person},FEMALE ,Asian", *text[2:]]))
    read_groups(Path("team.csv"), interviews.catalogue, {"sex": "sex"}, Path("alike.csv"))  # differing only in case
    Path("alien.csv").write_text("candidate_id,sex\nnobody,Female\n")
    with pytest.raises(ConfigError, match="none of its 1 row has a 'candidate_id'"):
        read_groups(Path("team.csv"), interviews.catalogue, {"sex": "sex"}, Path("alien.csv"))
    assert parse_groups(["sex=Gender", "race"]) == {"sex": "Gender", "race": "race"}


def test_drift_exits_with_one_if_ratings_changed(team: Path, run: Callable[..., Result]) -> None:
    current = simulate_interviews(80, seed=99)
    write_csv(current, "same.csv")
    write_csv(add_drift(current, ["goals_discussed", "mutual_rapport"], by=-0.7), "moved.csv")
    same, moved = run("drift", "same.csv", "--no-track"), run("drift", "moved.csv", "--no-track")
    assert (same.exit_code, moved.exit_code) == (0, 1), same.output + moved.output
    assert "No significant change" in same.output
    assert "Goals discussed: rated lower" in moved.output
    pages = sorted(team.glob("experiments/drift/*/drift.html"))
    assert len(pages) == 2
    assert all("SIMULATED" in page.read_text() for page in pages)
    assert run("journal", "import", "moved.csv", "--journal", "my.journal").exit_code == 0
    kept = run("drift", "--journal", "my.journal", "--no-track")
    assert kept.exit_code == 1, kept.output
    assert "Goals discussed: rated lower" in kept.output
    assert run("drift", "same.csv", "--journal", "my.journal").exit_code == 2
    missing = run("drift", "nowhere.csv")
    assert missing.exit_code == 2
    assert "no such file" in missing.stderr


def test_the_model_card_includes_audit_and_drift_if_they_exist(
    team: Path, run: Callable[..., Result], model: OfferModel
) -> None:
    folder = team / "experiments/models/tested"
    assert run("card", "--no-track").exit_code == 0
    before = (folder / "card.md").read_text()
    assert "This model has not been audited" in before
    assert "Drift has not been checked for this model" in before
    run(*ASK)
    write_csv(simulate_interviews(80, seed=98), "later.csv")
    run("drift", "later.csv", "--no-track")
    assert run("card", "--no-track").exit_code == 0
    card = (folder / "card.md").read_text()
    page = (folder / "card.html").read_text()
    assert "sex: Female" in card and "Checked 20" in card
    auc = model.trained_on["scores"]["roc_auc"]
    for figure in (f"{auc[0]:.3f}", f"{auc[1]:.3f} to {auc[2]:.3f}", model.fingerprint, f"{model.trained_on['n']:,}"):
        assert figure in card and figure in page
    assert not any(word in card.lower() for word in FORBIDDEN)
    for name, damages in DAMAGES.items():
        (path,) = [*folder.glob(name), *team.glob(f"experiments/drift/*/{name}")]
        whole = path.read_bytes()
        for old, new in damages:
            assert old in whole
            path.write_bytes(whole.replace(old, new, 1))
            broken = run("card", "--no-track")
            assert broken.exit_code == 2
            assert f"{path.relative_to(team)}: damaged (" in broken.stderr.replace(f"{team}/", "")
        path.unlink()
        os.mkfifo(path)  # a pipe without a writer
        assert "not an ordinary file" in run("card", "--no-track").stderr
        path.unlink()
        path.write_bytes(whole)
    assert run("card", "--no-track").exit_code == 0


DAMAGES = {
    "audit.json": [
        (b"{", b""),
        (b'"categories": [', b'"categories": [5, '),
        (b'"n_new": ', b'"n_new": "x", "before": '),
        (b'"warnings": [', b'"warnings": 7, "before": ['),
    ],
    "drift.json": [
        (b"{", b"["),
        (b'"made": ', b'"made": 3, "before": '),
        (b'"outcomes": {', b'"outcomes": {"n": [], "'),
    ],
    "scores.csv": [
        (b"roc_auc,0", b"roc_auc,\x10.0"),
        (b"roc_auc,", b"roc_auc,,"),
        (b"name,", b"same,"),
        (b"\n", b"\n\xff"),
    ],
    "importances.csv": [(b",0.", b",0-"), (b"kind,", b"kinds,")],
}


def test_reports_are_stored_with_the_mlflow_run(team: Path, run: Callable[..., Result]) -> None:
    from predictor.tracking import track

    recorded = track("experiments/models/tested")
    done = run("card")
    assert f"Saved with the MLflow run {recorded.run_id}" in done.output
    write_csv(simulate_interviews(80, seed=98), "later.csv")
    assert "Recorded in MLflow" in run("drift", "later.csv").output
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{team}/experiments/mlflow.db")
    assert {"card.html", "card.md", "model.json"} <= {item.path for item in client.list_artifacts(recorded.run_id)}
    runs = client.search_runs([client.get_run(recorded.run_id).info.experiment_id], "tags.kind = 'drift'")
    assert [one.data.tags["moved"] for one in runs] == ["false"]
    assert runs[0].info.status == "FINISHED"
