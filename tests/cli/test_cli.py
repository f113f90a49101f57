"""The command line, as a user meets it."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result
from conftest import ROOT

from predictor import OfferModel, simulate_interviews
from predictor.cli import main
from predictor.sources.files import write_csv


def _commands(group: click.Group, *above: str) -> Iterator[tuple[list[str], click.Command]]:
    for name, command in group.commands.items():
        yield [*above, name], command
        if isinstance(command, click.Group):
            yield from _commands(command, *above, name)


QUICK = 'folds = 2\nrepeats = 1\nresamples = 20\nbaselines = ["base_rate"]\n'
PAGES = ("README.md", "data/README.md", "experiments/README.md", "predictor/README.md", "predictor/serving/README.md")


@pytest.mark.parametrize(
    "words", [words for words, command in _commands(main) if not isinstance(command, click.Group)], ids=" ".join
)
def test_every_command_has_help_with_an_example(run: Callable[..., Result], words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.exit_code == 0
    assert f"predictor {' '.join(words)}" in done.output.partition("Example")[2]
    pages = "".join((ROOT / name).read_text() for name in PAGES)
    assert f"predictor {words[0]}" in pages


def test_predict_prints_a_readable_answer(run: Callable[..., Result]) -> None:
    done = run("predict", str(ROOT / "data/ratings.json"))
    assert done.exit_code == 0
    for words in ("Likelihood of an offer", "90 % interval", "Raised the", "Not rated", "SIMULATED", "not causes"):
        assert words in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_predict_json_equals_the_python_answer(run: Callable[..., Result], workplace: Path) -> None:
    done = run("predict", str(ROOT / "data/ratings.json"), "--json", "--base-rate", "0.2")
    ratings = json.loads((ROOT / "data/ratings.json").read_text())
    model = OfferModel.load("experiments/models/champion.json")
    assert json.loads(done.output) == json.loads(json.dumps(model.predict(ratings, base_rate=0.2).to_dict()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--greenhouse --severity 0.2", "takes -n and --seed only"),
        ("--panel 2", "need --cards FILE"),
        ("--by 1", "--by needs --drift"),
    ],
)
def test_simulate_uses_every_option(run: Callable[..., Result], workplace: Path, options: str, message: str) -> None:
    done = run("simulate", "simulated", *options.split())
    assert done.exit_code == 2 and message in done.output
    assert not Path("simulated").exists()


def test_predict_scores_a_table(run: Callable[..., Result], workplace: Path) -> None:
    write_csv(simulate_interviews(30, seed=1), "many.csv")
    table = run("predict", "many.csv")
    assert table.exit_code == 0
    assert "and 10 more" in table.output
    assert len(json.loads(run("predict", "many.csv", "--json").output)) == 30
    assert run("predict", "many.csv", "--out", "answers.csv").exit_code == 0
    with Path("answers.csv").open() as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 30
    assert [row["row"] for row in answers[:2]] == ["1", "2"]
    assert {row["simulated_model"] for row in answers} == {"True"}
    for row in answers:
        parts = [float(value) for name, value in row.items() if name == "baseline" or name.startswith("contribution:")]
        assert float(row["offer_probability"]) == pytest.approx(1 / (1 + math.exp(-sum(parts))), abs=1e-9)


def test_output_that_cannot_be_written_leaves_every_file_unchanged(run: Callable[..., Result], workplace: Path) -> None:
    write_csv(simulate_interviews(5, seed=1), "mine.csv")
    before = Path("mine.csv").read_bytes()
    Path("afile").touch()
    os.mkfifo("pipe")
    for words, says in (
        (("predict", "mine.csv", "--out", "afile/x.csv"), "cannot be written"),
        (("predict", "mine.csv", "--out", "mine.csv"), "the file of ratings itself"),
        (("predict", "mine.csv", "--out", "pipe"), "not an ordinary file"),
        (("predict", "mine.csv", "--out", "x.csv", "--json"), "choose one"),
        (("simulate", "afile/x.csv"), "cannot be written"),
    ):
        done = run(*words)
        assert (done.exit_code, says in done.output) == (2, True), done.output
    assert Path("mine.csv").read_bytes() == before
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    Path("link.csv").symlink_to("target.csv")
    assert run("predict", "mine.csv", "--out", "link.csv").exit_code == 0
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text().startswith("row,offer_probability")


TWO_AT_ONCE = """
import os, sys
from predictor.cli import main
from predictor.pipeline import run

run.save_report = run.save_plots = lambda *_: None  # figures take longer than the rest
for name in "ab":
    if os.fork() == 0:
        main(["train", "my.csv", "--experiment", "quick.toml", "--name", name])
sys.exit(sum(bool(os.wait()[1]) for _ in "ab"))
"""


def test_two_trainings_can_start_at_once_in_a_fresh_folder(tmp_path: Path, warm_python: Path) -> None:
    write_csv(simulate_interviews(120, seed=1), tmp_path / "my.csv")
    (tmp_path / "quick.toml").write_text(QUICK)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    _done([str(warm_python), "-c", TWO_AT_ONCE], cwd=tmp_path, env=environment)
    assert {path.stem for path in (tmp_path / "experiments/models").iterdir()} == {"a", "b", "champion"}
    with contextlib.closing(sqlite3.connect(tmp_path / "experiments/mlflow.db")) as store:
        assert sorted(store.execute("SELECT name, status FROM runs")) == [("a", "FINISHED"), ("b", "FINISHED")]


@pytest.mark.usefixtures("without_figures")
def test_the_train_and_promote_commands_work(run: Callable[..., Result], workplace: Path) -> None:
    Path("experiments/models/champion.json").unlink()
    write_csv(simulate_interviews(150, seed=1), "first.csv")
    write_csv(simulate_interviews(150, seed=2), "second.csv")
    Path("experiments/quick.toml").write_text(QUICK)
    done = run("train", "first.csv", "--experiment", "quick", "--no-track")
    assert done.exit_code == 0, done.output
    assert "Champion, which `predict` uses: first-quick" in done.output
    done = run("train", "second.csv", "--experiment", "quick")
    assert "predictor promote second-quick" in done.output
    assert OfferModel.load("experiments/models/champion.json").name == "first-quick"
    done = run("promote", "second-quick")
    assert done.exit_code == 0, done.output
    assert "Champion, which `predict` uses: second-quick, instead of first-quick" in done.output
    assert OfferModel.load("experiments/models/champion.json").name == "second-quick"
    assert "second-quick" in run("predict", str(ROOT / "data/ratings.json")).output
    assert "first-quick" in run("predict", str(ROOT / "data/ratings.json"), "--model", "first-quick").output
    for wrong, says in (("frist-quick", "did you mean 'first-quick'"), ("zzz", "there are: champion")):
        done = run("predict", str(ROOT / "data/ratings.json"), "--model", wrong)
        assert done.exit_code == 2
        assert says in done.output
    done = run("train", "first.csv", "--experiment", "quik")
    assert done.exit_code == 2
    assert "did you mean 'quick'" in done.output
    done = run("train", "first.csv", "--name", "../away")
    assert done.exit_code == 2
    assert "letters, digits" in done.output


def test_without_a_champion_the_published_prior_answers(run: Callable[..., Result], workplace: Path) -> None:
    Path("experiments/models/champion.json").unlink()
    done = run("predict", str(ROOT / "data/ratings.json"))
    assert done.exit_code == 0
    assert "published-evidence" in done.output and "SIMULATED" in done.output
    assert done.output == run("predict", str(ROOT / "data/ratings.json"), "--model", "published").output


def test_an_empty_form_gives_the_base_rate(run: Callable[..., Result], model: OfferModel) -> None:
    form = run("signals", "form").output
    answer = json.loads(run("predict", "-", "--json", stdin=form).output)
    assert answer["offer_probability"] == pytest.approx(model.base_rate)
    assert answer["not_rated"] == list(model.signals)


def test_the_sample_is_rebuilt_byte_for_byte(run: Callable[..., Result], workplace: Path) -> None:
    assert run("simulate", "again.csv", "-n", "1200", "--seed", "2026").exit_code == 0
    assert Path("again.csv").read_bytes() == (ROOT / "data/interviews.csv").read_bytes()
    assert len(Path("again.csv").read_bytes()) < 500_000
    assert Path("again.csv").read_text().count("SIMULATED") == 1200


def test_a_wheel_installed_alone_predicts(model: OfferModel, tmp_path: Path) -> None:
    """Build a wheel, install it with only its declared dependencies in a fresh environment, and predict."""
    python = tmp_path / "env/bin/python"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _done([*pip, "wheel", str(ROOT), "--no-deps", "--no-build-isolation", "-w", str(tmp_path)])
    (wheel,) = tmp_path.glob("*.whl")
    if find_spec("uv"):  # in a third of the time
        venv.create(python.parent.parent, symlinks=True)
        install = [sys.executable, "-m", "uv", "--quiet", "pip", "install", "--python", str(python)]
    else:
        venv.create(python.parent.parent, symlinks=True, with_pip=True)
        install = [str(python), *pip[1:], "install"]
    _done([*install, "--require-hashes", "-r", str(ROOT / "pins/predict.txt")])
    _done([*install, "--no-index", str(wheel)])  # it names nothing more
    model.save(tmp_path / "model.json")
    command = [str(python.with_name("predictor")), "predict", str(ROOT / "data/ratings.json"), "--json"]
    answer = json.loads(_done([*command, "--model", str(tmp_path / "model.json")], cwd=tmp_path))
    assert (
        answer["offer_probability"]
        == model.predict(json.loads((ROOT / "data/ratings.json").read_text())).offer_probability
    )
    (tmp_path / "my.csv").write_text("rater_role,goals_discussed\nobserver,4\n")
    _done([*command[:2], str(tmp_path / "my.csv"), "--model", str(tmp_path / "model.json")], cwd=tmp_path)
    for words in (
        ["train", "my.csv"],
        ["audit", "my.csv", "--group", "sex=rater_role"],
        ["panels", "my.csv"],
        ["card"],
    ):
        lacking = subprocess.run([*command[:1], *words], cwd=tmp_path, capture_output=True, text=True)
        assert lacking.returncode == 2, lacking.stderr
        assert "pip install 'interview-outcome-predictor[train]'" in lacking.stderr


def _done(command: list[str], **where: Any) -> str:
    done = subprocess.run(command, **where, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_leaves_no_unfinished_file(
    run: Callable[..., Result], workplace: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def amid_the_write(_: int) -> None:
        assert [path for path in (workplace / "new").iterdir() if path.name.startswith(".")]
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # as an impatient user presses Ctrl-C twice

    before = signal.signal(number, lambda *_: None)
    try:
        mine = signal.getsignal(number)
        monkeypatch.setattr(os, "fsync", amid_the_write)
        assert run("simulate", "new/my.csv", "-n", "5").exit_code == 128 + number
        assert signal.getsignal(number) is mine
    finally:
        signal.signal(number, before)
    assert [*(workplace / "new").iterdir()] == []


def test_control_characters_in_names_are_escaped_in_the_terminal(run: Callable[..., Result], workplace: Path) -> None:
    name = "a\x1b[31mred\x07.csv"
    made = run("simulate", name, "-n", "20")
    forgotten = run("forget", "x\x1b[2J", "--table", name)
    assert (made.exit_code, forgotten.exit_code) == (0, 2)
    assert r"a\x1b[31mred\x07.csv" in made.output
    assert not set("\x1b\x07") & set(made.output + forgotten.output)


def test_a_table_that_is_a_circular_link_is_refused(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to("b.csv")
    (tmp_path / "b.csv").symlink_to("a.csv")
    done = run("forget", "x", "--table", str(tmp_path / "a.csv"))
    assert done.exit_code == 2
    assert "Too many levels of symbolic links" in done.stderr
