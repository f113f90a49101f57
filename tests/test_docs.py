"""The README tells the truth: its output, JSON and Python are what the code gives; its commands exist."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from conftest import ROOT

from predictor import OfferModel
from predictor.cli import main

README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "data/README.md",
        "experiments/README.md",
        "experiments/benchmark/README.md",
        "predictor/README.md",
    )
]


def _block(mark: str) -> str:
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block '{mark}'"
    return found[1]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, OfferModel]:
    """What `make quickstart` prints, and the model that it makes."""
    folder = tmp_path_factory.mktemp("quickstart")
    (folder / "data").symlink_to(ROOT / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = [
            CliRunner().invoke(main, words).stdout
            for words in (
                ["train", "data/interviews.csv", "--name", "interviews-pool", "--no-track"],
                ["predict", "data/ratings.json", "--model", "interviews-pool"],
            )
        ]
    return said[0], said[1], OfferModel.load(folder / "experiments/models/interviews-pool/model.json")


def _steady(text: str) -> str:
    """Leave out what differs from run to run or from machine to machine: seconds, and the model's fingerprint."""
    return re.sub(r"in \d+ s|\([0-9a-f]{16}\)", "", text).strip()


def test_output(quickstart: tuple[str, str, OfferModel]) -> None:
    train, predict, _ = quickstart
    assert _steady(_block("output: train")) == _steady(train.partition("\nModel saved")[0])
    assert _steady(_block("output: predict")) == _steady(predict)


def test_json(quickstart: tuple[str, str, OfferModel]) -> None:
    answer = quickstart[2].predict(json.loads(_block("json: in"))).to_dict()
    shown = json.loads(_block("json: out"))
    answer["contributions"] = [item for item in answer["contributions"] if item["signal"] == "next_steps_timeline"]
    answer["feature_importances"] = dict(list(answer["feature_importances"].items())[:2])
    answer["not_rated"] = answer["not_rated"][:2]
    for changing in ("fingerprint", "created_at"):
        answer["model"][changing] = shown["model"][changing]
    assert json.loads(json.dumps(answer), parse_float=_rounded) == json.loads(json.dumps(shown), parse_float=_rounded)


def _rounded(text: str) -> float:
    return round(float(text), 4)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for line in re.findall(r"(?:^|`)predictor ((?:[a-z]+ )[^#`\n]*)", text, re.MULTILINE):
        words, command = line.split(), main
        while words and isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        options = {option for item in command.params for option in item.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    needed = "quickstart install data train predict ui test check bench bench-peers clean"
    assert set(needed.split()) <= set(re.findall(r"make ([a-z-]+) ", listed))


def test_changelog_names_every_command(run: Callable[..., Result]) -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    for name in main.commands:
        assert f"predictor {name}" in changes, name
