"""From `make quickstart` to a model of one's own data, by the README's lines, in one folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from predictor import OfferModel, simulate_interviews
from predictor.sources.files import write_csv
from predictor.training_folder import MODEL

QUICK = 'folds = 2\nrepeats = 1\nresamples = 20\nchallengers = ["base_rate"]\n'
ROWS = 240  # of the sample here; the real one has more
OWN = {"goals_discussed": "listening", "mutual_rapport": "rapport", "next_steps_timeline": "next_steps"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm_python: Path) -> Path:
    """An installed clone of the project with a quick experiment and a user's own file."""
    place = tmp_path_factory.mktemp("clone")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, place)
    for name in ("data", "pins"):
        shutil.copytree(ROOT / name, place / name)
    write_csv(simulate_interviews(ROWS, seed=2026), place / "data/interviews.csv")
    (place / "experiments").mkdir()
    (place / "experiments/pool.toml").write_text(QUICK)
    program = place / ".venv/bin/predictor"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{warm_python}" -m predictor "$@"\n')
    program.chmod(0o755)
    for stamp in ("python", "train"):
        (place / ".venv" / f"{stamp}-{sys.version_info[0]}.{sys.version_info[1]}").touch()
    rows = simulate_interviews(160, seed=4)
    table = rows.X[[*OWN]].rename(columns=OWN)
    table.assign(candidate=rows.columns["candidate_id"], hired=["yes" if y else "no" for y in rows.y]).to_csv(
        place / "my.csv", index=False
    )
    return place


def _say(project: Path, line: str) -> str:
    """Run a line of the README in an activated shell."""
    ours = ("MLFLOW_TRACKING_URI", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # variables of the make that runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment["PATH"] = os.pathsep.join([str(project / ".venv/bin"), environment.get("PATH", "")])
    done = subprocess.run(["bash", "-c", line], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_quickstart_and_own_data_work_in_one_folder(project: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## Train on your own file")[2]
    lines = re.findall(r"```\n(.*?)```", section, re.DOTALL)[0].splitlines()
    assert len(lines) >= 5
    python = f"PYTHON={sys.executable}"
    assert "Registered as version 1, the champion" in _say(project, f"make quickstart {python}")
    sample = _say(project, "predictor predict data/ratings.json --json")
    models, said = project / "experiments/models", {}
    for line in lines:
        said[line] = _say(project, line.replace("make ", f"make {python} ").replace(" | ", " | "))
    (trained,) = [said[line] for line in lines if line.startswith("make train")]
    assert "Champion, which `predict` uses for ratings by the catalogue 'my': my-pool" in trained
    (promoted,) = [said[line] for line in lines if line.startswith("make promote")]
    assert "No registered version was the champion yet.\nChampion: version my/1\n" in promoted

    assert OfferModel.load(models / "champion.json").name == "interviews-pool"
    own = OfferModel.load(models / "champion-my.json")
    assert own.fingerprint == OfferModel.load(models / "my-pool" / MODEL).fingerprint
    assert _say(project, f"make predict {python}") == _say(project, "predictor predict data/ratings.json")
    assert _say(project, "predictor predict data/ratings.json --json") == sample
    # each file is answered by the model of its own signals
    (project / "one.json").write_text(json.dumps(dict.fromkeys(OWN.values(), 4)))
    assert json.loads(_say(project, "predictor predict one.json --json"))["model"]["name"] == "my-pool"
    messages = json.loads(_say(project, """echo '{"listening": 2}' | predictor predict - --json"""))
    assert messages["model"]["name"] == "my-pool"
    history = _say(project, "predictor history")
    assert re.findall(r"^(\S+) +(\S+-pool)", history, re.MULTILINE) == [("1", "interviews-pool"), ("my/1", "my-pool")]
    assert history.count("@champion") == 2


def test_python_blocks_of_the_docs_run(project: Path, warm_python: Path) -> None:
    """Those of every page, except the one for Spark, which a test of the served model runs."""
    pages = [(ROOT / name).read_text() for name in ("README.md", "data/README.md", "predictor/README.md")]
    blocks = [code for page in pages for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL)]
    assert len(blocks) == 5
    (project / "blocks.json").write_text(json.dumps(blocks))
    run_each = "import json; [exec(code, {}) for code in json.load(open('blocks.json'))]"
    said = _say(project, f'"{warm_python}" -c "{run_each}"')
    assert "90 % interval" in said
    assert "improvement over the base rate" in said
    assert f"{ROWS} rows scored" in said


def test_a_file_that_fits_no_champion_is_refused_naming_the_nearest(project: Path) -> None:
    model = OfferModel.load(project / "experiments/models/champion-my.json")
    pd.DataFrame([{"listening": 4, "rapport": 9, "next_steps": 1}]).to_csv(project / "wrong.csv", index=False)
    done = subprocess.run(
        [project / ".venv/bin/predictor", "predict", "wrong.csv"], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "row 1, rapport: '9'" in done.stderr
    assert model.name == "my-pool"


def test_the_team_walk_through_runs(project: Path) -> None:
    lines = re.findall(r"<!-- team -->\n```\n(.*?)```", (ROOT / "data/README.md").read_text(), re.DOTALL)[
        0
    ].splitlines()
    recipe = (ROOT / "Makefile").read_text().partition("\nteam:")[2].partition("\n\n")[0].splitlines()[1:]
    again = " || test $$? -eq 1"  # the second training is no improvement
    assert [line.removesuffix(again).replace("\t$(BIN)/", "") for line in recipe] == lines and len(lines) <= 8
    printed = _say(project, f"make -s team PYTHON='{sys.executable}'")
    assert "SIMULATED people, cards and offers" in printed and "Champion: version " in printed
    report = (project / "team/interviews-report.html").read_text()
    assert "SIMULATED" in report and "Scorecards submitted after the decision" in report
    folder = project / "experiments/models/team"
    assert "SIMULATED" in (folder / "audit.html").read_text() and "SIMULATED" in (folder / "card.md").read_text()
    model = OfferModel.load(folder / MODEL)
    assert model.simulated and model.catalogue.signals[0].levels[-1] == "strong yes"
