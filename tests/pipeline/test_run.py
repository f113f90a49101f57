"""Training folders and the champion: one training per name, nothing overwritten, nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from predictor import OfferModel, TrainingConfig, simulate_interviews
from predictor.atomic import exclusive_lock
from predictor.cli import main
from predictor.errors import ConfigError, ModelError, TrackingError
from predictor.model.champions import champion_file, default_model, write_champion
from predictor.model.offer_model import PUBLISHED
from predictor.pipeline.comparison_run import compare_and_save
from predictor.pipeline.run import train_and_save
from predictor.sources.files import write_csv
from predictor.tracking import track
from predictor.training_folder import MODEL, one_training, replace_folder

SOME = simulate_interviews(60, seed=1)
PRIOR = OfferModel.published()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda *words: CliRunner().invoke(main, words, catch_exceptions=False)


def test_two_trainings_of_one_name_are_refused(tmp_path: Path) -> None:
    """Otherwise one version could have the scores of one data set and the model of the other."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with exclusive_lock(folder, "ours"):
        with pytest.raises(
            ConfigError, match=r"another training writes to .*mine; wait until it is done, or give this"
        ):
            train_and_save(SOME, TrainingConfig(), name="mine", experiment="pool", folder=folder)
        with pytest.raises(ConfigError, match=r"another training writes to .*mine"):
            compare_and_save(SOME, {"pool": TrainingConfig()}, name="mine", folder=folder)
        with pytest.raises(ConfigError, match=r"a training writes to .*mine; record it once that is done"):
            track(folder, store=f"sqlite:///{tmp_path}/mlflow.db")
        with one_training(tmp_path / "other"):
            assert {path.name for path in tmp_path.iterdir()} == {"mine", ".mine.lock", ".other.lock"}
    with one_training(folder):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}


def test_the_lock_admits_one_process_at_a_time(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(200):
            try:
                with exclusive_lock(tmp_path / "it", "taken"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except ConfigError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def _fill(name: str) -> Callable[[Path], None]:
    def fill(place: Path) -> None:
        replace(PRIOR, name=name).save(place / MODEL)

    return fill


@pytest.mark.parametrize("killed", ["while it wrote", "between the names", "before the old one was removed"])
def test_leftovers_of_a_killed_training_are_repaired(tmp_path: Path, killed: str) -> None:
    folder, fresh, old = (tmp_path / name for name in ("mine", ".mine.0123abcd", ".mine.0123abcd.old"))
    replace_folder(folder, _fill("before"))
    fresh.mkdir()
    if killed == "while it wrote":
        (fresh / MODEL).write_text("{")
    else:
        _fill("after")(fresh)
        folder.rename(old)
        if killed.startswith("before"):
            fresh.rename(folder)
    (tmp_path / ".mine.else.0123abcd").mkdir()  # another's
    with one_training(folder):
        assert OfferModel.load(folder / MODEL).name == ("before" if killed == "while it wrote" else "after")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", ".mine.else.0123abcd"}


def test_replacing_a_linked_champion_keeps_the_link_target(tmp_path: Path) -> None:
    champion, mine = tmp_path / "champion.json", replace_folder(tmp_path / "mine", _fill("mine"))
    champion.symlink_to("mine/model.json")
    before = (mine / MODEL).read_bytes()
    replaced = write_champion(replace(PRIOR, name="other", intercept=-1.0), tmp_path)
    assert replaced and replaced.name == "mine"
    assert (mine / MODEL).read_bytes() == before
    assert not champion.is_symlink()
    assert OfferModel.load(champion).name == "other"
    assert {path.name for path in tmp_path.iterdir()} == {"champion.json", "mine"}


def test_replacing_a_linked_folder_keeps_the_link_target(tmp_path: Path) -> None:
    theirs = replace_folder(tmp_path / "theirs", _fill("theirs"))
    (tmp_path / "mine").symlink_to("theirs")
    replace_folder(tmp_path / "mine", _fill("mine"))
    assert OfferModel.load(theirs / MODEL).name == "theirs"
    assert OfferModel.load(tmp_path / "mine" / MODEL).name == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "theirs"}


def test_each_catalogue_has_its_own_champion(tmp_path: Path) -> None:
    model = PRIOR
    mine = replace(model, name="mine", catalogue=replace(model.catalogue, name="My signals / 2"))
    assert default_model(tmp_path) == PUBLISHED
    assert write_champion(mine, tmp_path) is None
    assert default_model(tmp_path) == tmp_path / "champion-My-signals-2.json"
    assert write_champion(model, tmp_path) is None
    assert default_model(tmp_path) == tmp_path / "champion.json" == champion_file(tmp_path, model.catalogue.name)
    (tmp_path / "champion.json").unlink()
    write_champion(replace(mine, catalogue=replace(mine.catalogue, name="third")), tmp_path)
    with pytest.raises(ModelError, match="--model champion-My-signals-2 or --model champion-third"):
        default_model(tmp_path)


@pytest.mark.usefixtures("without_figures")
def test_promote_does_not_record_a_training_made_without_tracking(run: Callable[..., Result]) -> None:
    replace(PRIOR, name="other", trained_on={**PRIOR.trained_on, "n": 5}).save("experiments/models/champion.json")
    write_csv(SOME, "few.csv")
    Path("quick.toml").write_text('folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\n')
    done = run("train", "few.csv", "-e", "quick.toml", "--name", "mine", "--no-track")
    assert done.exit_code == 0
    assert "predictor track experiments/models/mine --register, then predictor promote mine" in done.output
    done = run("promote", "mine")
    assert (done.exit_code, "was trained with --no-track" in done.stderr) == (2, True)
    assert not Path("experiments/mlflow.db").exists()


def test_reading_commands_create_no_store_and_name_where_they_searched(run: Callable[..., Result]) -> None:
    assert "No version is registered yet" in run("history").output
    done = run("pull")
    assert (done.exit_code, str(Path.cwd() / "experiments/mlflow.db") in done.stderr) == (2, True)
    assert not Path("experiments/mlflow.db").exists()
    done = run("train", "few.csv", "-e", "no-such")
    assert done.exit_code == 2
    assert f"looked for no-such.toml in {Path.cwd() / 'experiments'}" in done.stderr
    assert "which has none; work in the project's folder" in done.stderr


def test_tracking_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="no such folder"):
        track(tmp_path / "none")
