"""The README is true: its output, JSON and Python are what the code gives, and its commands exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result
from conftest import ROOT

import predictor
from predictor import Catalogue
from predictor.cli import main

sys.path.insert(0, str(ROOT / "experiments"))
import docs

README = (ROOT / "README.md").read_text()
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "data/README.md",
        "experiments/README.md",
        "experiments/benchmark/README.md",
        "predictor/README.md",
        "predictor/serving/README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    )
]


@pytest.fixture(scope="module")
def generated_blocks(tmp_path_factory: pytest.TempPathFactory, warm_python: Path) -> dict[str, str]:
    """The blocks that `make docs` writes, from a quicker training."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "quick.toml").write_text("repeats = 1\nfolds = 2\nresamples = 20\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(warm_python))
        return docs.blocks(folder, "--experiment", "quick.toml")


def _shape(text: str) -> list[str]:
    """Remove digits, bars and the order of signals, which differ between machines and versions of the engine."""
    labels = "|".join(
        sorted((re.escape(signal.label) for signal in Catalogue.shipped().signals), key=len, reverse=True)
    )
    text = re.sub(rf"(?m)^  (?:{labels}|Who rated) .*$", "  SIGNAL", text)
    text = re.sub(r"[+-]?\d[\d,.]*", "#", re.sub(r"[━●┃·█]+", "|", text))
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    return [line for line, before in zip(lines, ["", *lines], strict=False) if line != before or line != "SIGNAL"]


@pytest.mark.parametrize(
    ("page", "mark"),
    [("README.md", "output: train"), ("README.md", "output: predict"), ("experiments/README.md", "output: training")],
)
def test_output_in_the_docs_has_the_form_of_real_output(generated_blocks: dict[str, str], page: str, mark: str) -> None:
    shown = docs.block(mark, (ROOT / page).read_text())
    assert _shape(shown)[:3] == _shape(generated_blocks[mark])[:3]
    assert {line for line in _shape(shown) if line[:1].isupper()} <= {*_shape(generated_blocks[mark])}


def test_json_in_the_docs_has_the_keys_and_types_of_an_answer(generated_blocks: dict[str, str]) -> None:
    shown, answer = (json.loads(text) for text in (docs.block("json: out", README), generated_blocks["json: out"]))
    assert list(shown) == list(answer)
    assert {key: type(value) for key, value in shown.items()} == {key: type(value) for key, value in answer.items()}
    assert list(shown["contributions"][0]) == list(answer["contributions"][0])


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_links_in_the_docs_exist(page: Path) -> None:
    text = page.read_text()
    for line in re.findall(r"(?:^|`)predictor ((?:[a-z]+ )[^#`\n]*)", text, re.MULTILINE):
        command: click.Command = main
        words = line.split()
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
    needed = "quickstart install data train predict ui test check docs pins bench bench-peers clean"
    assert set(needed.split()) <= set(re.findall(r"make ([a-z-]+) ", listed))


def test_the_changelog_names_every_command(run: Callable[..., Result]) -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    for name in main.commands:
        assert f"predictor {name}" in changes, name


def test_the_reference_has_every_public_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "REFERENCE", tmp_path)
    docs.write_reference()
    page = (tmp_path / "predictor.html").read_text()
    assert [name for name in predictor.__all__ if f'id="{name}"' not in page] == []
