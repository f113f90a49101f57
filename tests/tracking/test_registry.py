"""Which model is the champion: the comparison that decides it, and the commands, on a real store in a file."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import EXAMPLES

from predictor import OfferModel, Ratings, TrainingResult, simulate_interviews
from predictor.cli import main
from predictor.errors import ModelError
from predictor.sources.files import write_csv
from predictor.training.comparison import OutOfFold, judge, keys

pytestmark = pytest.mark.usefixtures("without_figures")

# --- the comparison


def said(rows: range, strength: float, *, repeats: int = 2, person: int = 1, noise: int = 0) -> OutOfFold:
    """Return made-up out-of-fold predictions, `person` rows per person; a higher strength is nearer to the outcome."""
    number = np.arange(rows.start, rows.stop)
    y = (number * 7919 % 5 < 2).astype(float)
    rough = np.random.default_rng(noise).normal(0, 0.3, (repeats, len(number)))
    p = 1 / (1 + np.exp(-strength * (2 * y - 1) - rough))
    return OutOfFold(
        number.astype(np.uint64), (number // person).astype(np.uint64), y, p, np.zeros(p.shape, dtype=np.int64)
    )


@settings(max_examples=EXAMPLES or 15, deadline=None)
@given(st.integers(60, 300), st.integers(1, 4), st.integers(1, 3), st.floats(0, 3))
def test_a_model_is_never_better_than_itself(n: int, repeats: int, person: int, strength: float) -> None:
    it = said(range(n), strength, repeats=repeats, person=person)
    verdict = judge(it, it)
    assert not verdict.better
    assert verdict.n == (n if verdict.gain else verdict.n)
    assert verdict.gain is None or verdict.gain.value == verdict.gain.low == verdict.gain.high == 0


def test_a_better_model_wins_and_a_noisy_copy_does_not() -> None:
    champion = said(range(400), 1.0)
    assert judge(said(range(400), 1.5), champion).better
    assert not judge(champion, said(range(400), 1.5)).better
    twins = [judge(said(range(400), 1.0, noise=seed), champion).better for seed in range(1, 21)]
    assert sum(twins) <= 1


def test_rows_of_people_known_to_the_champion_are_left_out() -> None:
    champion, challenger = said(range(201), 1.0, person=2), said(range(100, 500), 2.0, person=2)
    verdict = judge(challenger, champion, lambda: np.full(400, 0.4))
    assert (verdict.n, verdict.excluded_rows) == (
        399,
        1,
    )  # row 201 is the second one of a person whom the champion knows
    assert verdict.better
    assert "1 row was left out" in str(verdict)
    unable = np.where(np.arange(400) < 350, 0.4, np.nan)
    assert judge(challenger, champion, lambda: unable).excluded_rows == 51
    assert judge(challenger, champion).n == 101  # without predictions, only rows that both learned from


def test_a_champion_that_learned_every_row_is_not_evaluated_again() -> None:
    def asked() -> np.ndarray:
        raise AssertionError

    assert judge(said(range(100, 200), 2.0), said(range(300), 1.0), asked).better


def test_too_few_rows_are_not_judged() -> None:
    verdict = judge(said(range(70), 3.0), said(range(70), 0.0))  # 28 of one outcome
    assert verdict.gain is None
    assert not verdict.better
    assert str(verdict).startswith("Not enough data: needs 30 offers and 30 non-offers, found 70 rows")


def test_training_rows_of_an_unmeasured_champion_are_excluded() -> None:
    champion = said(range(100), 1.0, repeats=0)
    verdict = judge(said(range(400), 2.0), champion, lambda: np.full(400, 0.4))
    assert (verdict.n, verdict.excluded_rows) == (300, 100)
    assert judge(champion, said(range(400), 2.0)).gain is None


@settings(max_examples=EXAMPLES or 25, deadline=None)
@given(st.permutations(range(40)), st.sets(st.integers(0, 39), min_size=1))
def test_rows_are_recognised_in_any_order_and_subset(order: list[int], part: set[int]) -> None:
    some = SOME.rows(np.array(order))
    rows, groups = keys(SOME)
    assert len(set(rows)) == 40
    for had, found in zip((rows, groups), keys(some), strict=True):
        assert (found == had[order]).all()
    assert set(keys(SOME.rows(np.array(sorted(part))))[0]) <= set(rows)


SOME = simulate_interviews(60, seed=9).labelled().rows(np.arange(40))


def test_out_of_fold_predictions_survive_saving(training_result: TrainingResult, tmp_path: Path) -> None:
    for wrote in (OutOfFold.of(training_result), said(range(50), 1.0, repeats=0)):
        read = OutOfFold.read(wrote.write(tmp_path / "out_of_fold.csv"))
        for name in ("rows", "groups", "y", "p", "folds"):
            had, found = getattr(wrote, name), getattr(read, name)
            assert had.shape == found.shape and (had == found).all() and had.dtype == found.dtype, name
    with pytest.raises(ModelError, match="train it again"):
        OutOfFold.read(tmp_path / "missing.csv")
    (tmp_path / "damaged.csv").write_text("row,group,outcome\nx,y,z\n")
    with pytest.raises(ModelError, match="train it again"):
        OutOfFold.read(tmp_path / "damaged.csv")


# --- the commands

Call = Callable[..., Result]
QUICK = 'folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\nprior = "none"\n'


@pytest.fixture(scope="module")
def trainings_folder(training_folder: Path, interviews: Ratings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty store and unrecorded trainings: on few rows, on many, and twice on the same."""
    place = tmp_path_factory.mktemp("trained")
    write_csv(simulate_interviews(60, seed=2), place / "few.csv")
    write_csv(interviews, place / "many.csv")
    models = place / "experiments" / "models"
    for name in ("large", "equal"):
        shutil.copytree(training_folder, models / name)
    (place / "experiments" / "quick.toml").write_text(QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for command in (["train", "few.csv", "-e", "quick", "--name", "small", "--no-track"], ["history"]):
            done = CliRunner().invoke(main, command, catch_exceptions=False)
            assert done.exit_code == 0, done.output
    (models / "small" / "recorded.json").unlink()  # as if the store had been down: it is to be recorded
    return place


@pytest.fixture
def call(trainings_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in a copy of that folder; expect success by default, and no other output."""
    shutil.copytree(trainings_folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
        assert done.exit_code == code, done.output
        assert code == 2 or all(" fits" in line for line in done.stderr.splitlines()), done.stderr  # on a busy machine
        return done

    return run


def champion() -> str:
    return OfferModel.load("experiments/models/champion.json").name


def test_only_the_first_and_better_models_are_promoted(call: Call) -> None:
    from mlflow import MlflowClient

    call("track", "experiments/models/small")
    client = MlflowClient("sqlite:///experiments/mlflow.db")
    client.delete_run(json.loads(Path("experiments/models/small/recorded.json").read_text())["run_id"])
    # a deleted run is recorded again
    assert "No registered version was the champion yet.\nChampion: version 1\n" in call("promote", "small").stdout
    assert "Version 1 is the champion already" in call("promote", "1").stdout

    printed = call("promote", "large", "--data", "many.csv").stdout
    assert re.search(r"Significantly better: log-loss improvement 0\.\d+ \(0.* to 0.*\), n = \d+", printed)
    assert "Champion: version 2, instead of 1\nChampion, which `predict` uses: tested, instead of small\n" in printed
    assert champion() == "tested"

    printed = call("promote", "equal", code=1).stdout
    assert (
        "Version 3 (tested) is not promoted: Not significantly better: log-loss improvement 0.000 (0.000 to 0.000)"
        in printed
    )
    assert "--force REASON" in printed
    printed = call("promote", "small", code=1).stdout  # simulated people have the same names in both files
    assert re.search(
        r"Not enough data: .* found \d rows?\. \d+ rows were left out: the champion was trained on the same people",
        printed,
    )

    assert "version 1 again, instead of 2" in call("rollback").stdout
    assert champion() == "small"
    assert "no champion before the present one" in call("rollback", code=2).stderr


def test_a_forced_promotion_and_its_reason_are_in_the_history(call: Call) -> None:
    assert "No version is registered yet" in call("history").stdout
    assert "has no champion; register one" in call("pull", code=2).stderr
    assert "no champion before the present one" in call("rollback", code=2).stderr
    call("promote", "large")
    printed = call("promote", "equal", "--force", "the file was mended").stdout
    assert "Forced: the file was mended\nChampion: version 2, instead of 1" in printed
    printed = call("history").stdout
    assert [line.split()[:3] for line in printed.splitlines() if re.match(r"\d", line)] == [
        ["2", "tested", "546"],
        ["1", "tested", "546"],
    ]
    assert re.search(r"\n2 .*\n +@champion, gain 0\.000 .* forced: the file was\s+mended\n1 ", printed)
    call("rollback")
    printed = call("history").stdout
    assert re.search(r"\n1 .*\n +@champion", printed)
    assert printed.count("@champion") == 1
    call("promote", "small", "--force", "fewer rows", "--data", "few.csv")
    assert champion() == "small"
    assert "Version 1 (tested)" in call("pull", "1").stdout
    assert champion() == "tested"
    assert "Version 3 (small)" in call("pull").stdout
    assert champion() == "small"


def test_registering_a_second_model_keeps_the_champion(call: Call) -> None:
    assert "Registered as version 1, the champion" in call("track", "experiments/models/small", "--register").stdout
    # also one of the same name
    printed = call("train", "few.csv", "-e", "quick", "--name", "small", "--register").stdout
    assert "Registered as version 2; to make it the champion: predictor promote 2" in printed
    assert "which `predict` uses" not in printed
    assert re.search(r"\n2 .*\n1 .*\n +@champion", call("history").stdout)


def test_a_second_store_does_not_replace_the_local_champion(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("promote", "large")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/second/mlflow.db")
    printed = call("track", "experiments/models/small", "--register").stdout
    assert (
        "Registered as version 1, the first and so the champion of this store. Here `predict` still uses tested"
        in printed
    )
    assert champion() == "tested"
    assert ", instead of tested" in call("pull", "1").stdout
    assert champion() == "small"


def test_equally_named_catalogues_with_other_signals_are_reported(call: Call) -> None:
    some = simulate_interviews(60, seed=3)
    for number, names in enumerate((["goals_discussed", "clarity"], ["mutual_rapport", "candidate_enthusiasm"]), 1):
        known = [name for name in names if name in some.X] or list(some.X)[:2]
        renamed = {name: f"own{number}_{place}" for place, name in enumerate(known)}
        table = some.X[known].rename(columns=renamed).assign(hired=["yes" if y else "no" for y in some.y])
        table.to_csv(f"own{number}.csv", index=False)
        draft = call("signals", "infer", f"own{number}.csv", "--outcome", "hired").stdout
        Path(f"own{number}.toml").write_text(draft.replace(f'name = "own{number}"', 'name = "own"', 1))
    call("train", "own1.csv", "--signals", "own1.toml", "-e", "quick", "--register")
    printed = call("train", "own2.csv", "--signals", "own2.toml", "-e", "quick", "--register").stdout
    assert "Registered as version own/2; to make it the champion: predictor promote own/2" in printed
    printed = call("promote", "own/2", code=2).stderr
    assert "which uses other signals of the same catalogue 'own'" in printed
    assert "give it another name" in printed
    assert "nothing was written" not in printed
    assert "Champion: version own/2, instead of own/1" in call("promote", "own/2", "--force", "new rubric").stdout
    assert "version own/1 again, instead of own/2" in call("rollback", "own").stdout


def test_impossible_requests_are_refused_with_a_fix(call: Call) -> None:
    call("promote", "small")
    assert "no version 7 of offer-predictor; there are: 1" in call("promote", "7", code=2).stderr
    assert "did you mean 'small'?" in call("promote", "smal", code=2).stderr
    assert "champion.json is not in the folder of a training" in call("promote", "champion", code=2).stderr
    assert "the reason to force a promotion is empty" in call("promote", "large", "--force", " ", code=2).stderr
    assert call("promote", "large", code=2).stderr.startswith("Error: some rows are new to the champion, and ")
    assert "are not the 5" in call("promote", "large", "--data", "few.csv", code=2).stderr
    printed = call("promote", "large", "--force", "other signals").stdout
    assert "Cannot be compared: some rows are new" in printed
    assert "Forced: other signals\nChampion: version 2, instead of 1" in printed
    Path("experiments/logistic.toml").write_text('model = "logistic"\n')
    printed = call("train", "few.csv", "-e", "logistic", "--register", code=2).stderr
    assert "--register: only a model of the type pool can be registered" in printed
