"""The terminal: no text moves its cursor, no closed stream loses an answer, no damaged file causes a traceback."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import ROOT

from predictor import Catalogue, OfferModel
from predictor.cli import main
from predictor.errors import CatalogueError, ModelError, control_character
from predictor.model.file import fingerprint
from predictor.model.offer_model import PUBLISHED

SHIPPED = json.loads(PUBLISHED.read_bytes())
ESCAPES = ("\x1b[31mred", "\x1b]0;title\x07", "a\x08b", "\x9b31m", "\x7f", "\u202egpj", "\u2066x", "\x00")
PLACES = {
    "label": ("signals", 0, "label"), "question": ("signals", 0, "question"), "anchor": ("signals", 0, "anchors"),
    "family": ("families",), "title": ("title",), "name": ("name",), "input": ("inputs", "rater_role", "label"),
    "code": ("signals", 0, "not_applicable"), "level": ("inputs", "rater_role", "levels"), "column": ("columns", "context"), "signal": ("signals", 1, "name"),
}  # fmt: skip


def put(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = inner = copy.deepcopy(data)
    for key in path[:-1]:
        inner = inner[key]
    match inner.get(path[-1], []) if isinstance(inner, dict) else inner[path[-1]]:
        case dict() as old:
            value = dict.fromkeys(old, value)
        case list() as old:
            value = [*old, value]
    inner[path[-1]] = value
    return changed


def call(folder: Path, *words: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(main, list(words), color=True)  # as in a terminal


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("escape", ESCAPES, ids=ascii)
def test_control_characters_in_a_catalogue_are_refused(tmp_path: Path, place: str, escape: str) -> None:
    changed = put(SHIPPED["catalogue"], PLACES[place], escape)
    with pytest.raises(CatalogueError, match=r"has a control character, .*; take it out") as refused:
        Catalogue.from_dict(changed)
    assert control_character(str(refused.value)) is None
    model = {**SHIPPED, "catalogue": changed}
    (tmp_path / "my.json").write_text(json.dumps({**model, "fingerprint": fingerprint(model)}))
    (tmp_path / "ratings.json").write_text("{}")
    done = call(tmp_path, "predict", "ratings.json", "--model", "my.json")
    assert (done.exit_code, escape in done.output, "control character" in done.output) == (2, False, True)


def test_a_catalogue_may_contain_white_space_and_any_script() -> None:
    for text in (
        "two\r\nlines\tand a tab",
        "نص",
        "किताब\u200dें",
        "naïve — ☃ 🧑\u200d🏫",
        "a\u00a0b",
        "soft\u00adhyphen",
    ):
        assert Catalogue.from_dict(put(SHIPPED["catalogue"], ("signals", 0, "label"), text)).signals[0].label == text


@pytest.mark.parametrize("escape", ESCAPES, ids=ascii)
def test_control_characters_in_a_bad_file_are_escaped(tmp_path: Path, escape: str) -> None:
    (tmp_path / "my.csv").write_text(f"goals_discussed,{escape}\n{escape},{escape}\n", newline="")
    (tmp_path / "my.json").write_text(json.dumps({escape: 1, "rater_role": escape}))
    (tmp_path / "my.toml").write_text(f"[x{json.dumps(escape)}]\n")
    for words in (
        ["predict", "my.csv"], ["predict", "my.json"], ["signals", "show", "--signals", "my.toml"], ["predict", escape],
        ["journal", "import", "my.csv"], ["inspect", "--model", f"x{escape}"], ["train", "my.csv", "--experiment", escape],
    ):  # fmt: skip
        if "\0" in "".join(words):  # which no program can be given
            continue
        done = call(tmp_path, *words)
        assert done.exit_code == 2, done.output
        assert escape not in done.output, words
    drafted = call(tmp_path, "signals", "infer", "my.csv", "--outcome", "goals_discussed")
    assert escape not in drafted.output


DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a table of 1e308": lambda data: data["tables"]["goals_discussed"].update(log_odds=[1e308] * 5),
    "tables of -1e308": lambda data: [item.update(not_observed=-1e308) for item in data["tables"].values()],
    "pairs of 1e308": lambda data: data["pairs"][0].update(log_odds=[[1e308] * len(row) for row in data["pairs"][0]["log_odds"]]),
    "variances of 1e308": lambda data: data["interval"]["variances"].update(goals_discussed=[1e308] * 6),
    "factors of 1e200": lambda data: data["interval"]["factors"].update(goals_discussed=[[1e200] * len(row) for row in data["interval"]["factors"]["goals_discussed"]]),
    "an intercept of 1e308": lambda data: data.update(intercept=1e308),
    "an intercept of 400 digits": lambda data: data.update(intercept=10**400),
    "counts of 1e308": lambda data: data["tables"]["goals_discussed"].update(rows=[1e308] * 5),
    "importances of 1e308": lambda data: data["feature_importances"].update(goals_discussed=1e308),
    "deviations of 1e-308": lambda data: [item.update(sd=1e-308) for item in data["unrated"]["signals"].values()],
    "loadings of 1e308": lambda data: [item.update(loadings=[1e308] * len(item["loadings"])) for item in data["unrated"]["signals"].values()],
    "scores that are text": lambda data: data["trained_on"].update(scores="good"),
    "scores that are a list": lambda data: data["trained_on"].update(scores=[1]),
    "a score without interval": lambda data: data["trained_on"].update(scores={"roc_auc": 0.7}),
    "a score of two numbers": lambda data: data["trained_on"].update(scores={"roc_auc": [0.7, 0.6]}),
    "a score of words": lambda data: data["trained_on"].update(scores={"roc_auc": ["a", "b", "c"]}),
    "a score of nothing": lambda data: data["trained_on"].update(scores={"roc_auc": [None] * 3}),
    "a score without end": lambda data: data["trained_on"].update(scores={"roc_auc": [1e999] * 3}),
    "a metric that is an escape": lambda data: data["trained_on"].update(scores={"\x1b[31m": [0.7, 0.6, 0.8]}),
    "versions that are text": lambda data: data.update(versions="new"),
    "versions that are nothing": lambda data: data.update(versions=None),
    "versions with an escape": lambda data: data.update(versions={"numpy": "\x1b]0;x\x07"}),
}  # fmt: skip


@pytest.mark.parametrize("change", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_model_is_refused_with_a_clear_message(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    data = copy.deepcopy(SHIPPED)
    if not data["pairs"]:
        pytest.skip("the shipped model has no pair")
    change(data)
    data["fingerprint"] = fingerprint(data)
    (tmp_path / "my.json").write_text(json.dumps(data))
    (tmp_path / "ratings.json").write_text('{"goals_discussed": 4}')
    with pytest.raises(ModelError, match=r"my.json: damaged: ") as refused:
        OfferModel.load(tmp_path / "my.json")
    assert control_character(str(refused.value)) is None
    for words in (["predict", "ratings.json"], ["inspect"], ["inspect", "--json"], ["serve"]):
        assert call(tmp_path, *words, "--model", "my.json").exit_code == 2


def run(folder: Path, words: str, streams: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m predictor {words} {streams}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streams")
    (folder / "ratings.json").write_text('{"goals_discussed": 4}')
    return folder


@pytest.mark.parametrize("words", ["predict ratings.json", "predict ratings.json --json", "signals show", "--help"])
def test_a_closed_output_stream_is_an_error(folder: Path, words: str) -> None:
    for streams, says in (
        (">&-", "standard output is closed"), ("<&- >&-", "standard output is closed"), (">&- 2>&-", ""),
        ("1<ratings.json", "cannot be written: Bad file descriptor"), (">/dev/full 2>/dev/full", ""),
        (">/dev/full", "cannot be written: No space left on device"),
    ):  # fmt: skip
        if "/dev/full" in streams and not Path("/dev/full").exists():
            continue
        done = run(folder, words, streams)
        assert (done.returncode, "Traceback" in done.stderr, says in done.stderr) == (2, False, True), (streams, done)


def test_other_closed_streams_change_nothing(folder: Path) -> None:
    open_ = run(folder, "predict ratings.json", "")
    assert open_.returncode == 0
    for streams in ("<&-", "2>&-", "<&- 2>&-"):
        assert run(folder, "predict ratings.json", streams).stdout == open_.stdout
    done = run(folder, "predict -", "<&-")
    assert (done.returncode, "empty" in done.stderr) == (2, True)
    done = run(folder, "predict ratings.json --out out.csv", ">&-")  # nor is the message written into the file
    assert (done.returncode, (folder / "out.csv").exists()) == (2, False)


def test_a_server_runs_without_standard_streams(folder: Path) -> None:
    code = (
        "import subprocess, sys, time, urllib.request\n"
        "command = f'exec {sys.executable} -m predictor serve --port {sys.argv[1]} <&- >&- 2>&-'\n"
        "server = subprocess.Popen(['sh', '-c', command])\n"
        "for _ in range(300):\n"
        "    try:\n"
        "        print(urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/health').read())\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
        "server.terminate()\n"
        "print(server.wait(20))"
    )
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, port], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ['b\'{"status":"ok"}\'', "0"], done


def test_ratings_in_words_are_printed_as_words(tmp_path: Path) -> None:
    """A person who wrote 'good' sees it again; the numbers of the shape functions are explained."""
    changed = copy.deepcopy(SHIPPED["catalogue"])
    changed["signals"][0]["levels"] = list(WORDS)
    name = changed["signals"][0]["name"]
    model = {**SHIPPED, "catalogue": changed}
    (tmp_path / "my.json").write_text(json.dumps({**model, "fingerprint": fingerprint(model)}))
    (tmp_path / "my.csv").write_text(f"{name},offer\ngood,Ja\n")  # an outcome does not affect a prediction
    (tmp_path / "two.csv").write_text(f"{name},offer\nbeyond all measure,Ja\n4.5,Nein\n")
    answer = call(tmp_path, "predict", "my.csv", "-m", "my.json")
    assert answer.exit_code == 0, answer.output
    assert re.search(rf"{changed['signals'][0]['label']} +good +[+-]\d", answer.output)
    assert "1 poor, 2 fair, 3 middling, 4 good, 5 beyond all measure" in " ".join(
        call(tmp_path, "inspect", "-m", "my.json").output.split()
    )
    assert call(tmp_path, "predict", "two.csv", "-m", "my.json").exit_code == 0


WORDS = ("poor", "fair", "middling", "good", "beyond all measure")
