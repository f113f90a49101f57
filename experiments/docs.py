"""Write the blocks of output in the documentation again, and the API reference: `make docs`.

A block stands after a mark such as `<!-- output: train -->`. It holds what the commands print when a model is trained
on the sample, as `make quickstart` does. Tests compare its shape, not its digits.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pdoc

import predictor
from predictor import OfferModel

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "build/docs"
PAGES = ("README.md", "experiments/README.md")
TRAIN = ("train", "data/interviews.csv", "--name", "interviews-pool", "--no-track")
PREDICT = ("predict", "data/ratings.json", "--model", "interviews-pool")


def block(mark: str, text: str) -> str:
    """Return the block after a mark.

    Raises
    ------
    LookupError
        If there is none.
    """
    if not (match := re.search(rf"<!-- {re.escape(mark)} -->\n```\w*\n(.*?)```", text, re.DOTALL)):
        raise LookupError(f"no block '{mark}'")
    return match[1]


def blocks(folder: Path, *options: str) -> dict[str, str]:
    """Compute every block, by its mark, from a model trained in an empty folder, with more options where given."""
    (folder / "data").symlink_to(ROOT / "data")
    training = _run(folder, (*TRAIN, *options)).partition("\nModel saved")[0]
    prediction = _run(folder, PREDICT)
    model = OfferModel.load(folder / "experiments/models/interviews-pool/model.json")
    asked = json.loads(block("json: in", (ROOT / "README.md").read_text()))
    return {
        "output: training": training + "\n",
        "output: train": "\n".join(training.splitlines()[:9]) + "\n",
        "output: predict": prediction.partition("\nLowered the estimate")[0],
        "json: out": shortened(model.predict(asked).to_dict()),
    }


def shortened(answer: dict[str, Any]) -> str:
    """Write an answer as JSON with a line for each key, one contribution, and the beginning of what is long."""
    ratings = [item for item in answer["contributions"] if item["rating"] is not None]
    short = {
        **answer,
        "contributions": ratings[-1:],
        "feature_importances": dict(list(answer["feature_importances"].items())[:2]),
        "not_rated": list(answer["not_rated"][:2]),
        "notes": list(answer["notes"][:1]),
        "model": {key: answer["model"][key] for key in ("name", "fingerprint", "created_at")},
    }
    rounded = json.loads(json.dumps(short), parse_float=lambda text: round(float(text), 4))
    lines = [f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in rounded.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _run(folder: Path, words: tuple[str, ...]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    command = [sys.executable, "-m", "predictor", *words]
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    """Write the pages and the reference."""
    with tempfile.TemporaryDirectory() as folder:
        made = blocks(Path(folder))
    for name in PAGES:
        page = ROOT / name
        text = page.read_text()
        for mark, content in made.items():
            old = re.compile(rf"(<!-- {re.escape(mark)} -->\n```\w*\n).*?```", re.DOTALL)
            text = old.sub(lambda match, content=content: f"{match[1]}{content}```", text)
        page.write_text(text)
        print(f"written: {name}")
    write_reference()
    print(f"written: {REFERENCE.relative_to(ROOT)}/predictor.html, the API reference")


def write_reference() -> None:
    """Write the API reference; pdoc sees public names only where the package has imported them already."""
    for name in predictor.__all__:
        setattr(predictor, name, getattr(predictor, name))
    pdoc.render.configure(docformat="numpy")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Error parsing type annotation")  # it is then shown as it is written
        pdoc.pdoc("predictor", output_directory=REFERENCE)


if __name__ == "__main__":
    main()
