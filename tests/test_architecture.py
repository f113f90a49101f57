"""The architecture: which package imports which, what predicting loads, what the package shows."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from conftest import ROOT, SLOW

import predictor
from predictor import OfferModel

PACKAGE = Path(predictor.__file__).parent
LAYERS = {
    "errors": 0,
    "atomic": 1,
    "reading": 1,
    "cluster": 1,
    "threads": 1,
    "training_folder": 2,
    "ratings": 1,
    "model": 2,
    "sources": 3,
    "journal": 4,
    "learning": 4,
    "evaluation": 5,
    "panels": 5,
    "training": 6,
    "tracking": 7,
    "reports": 8,
    "pipeline": 9,
    "batch": 5,
    "serving": 10,
    "cli": 11,
    "__main__": 12,
}
# neighbours on one level, or far apart, that must not import each other all the same
FORBIDDEN_IMPORTS = {"ratings": {"atomic", "cluster"}, "learning": {"journal"}, "evaluation": {"journal", "batch"}, "serving": {"tracking", "batch"}, "batch": {"journal", "learning", "evaluation", "panels"}, "panels": {"journal", "batch", "learning"}}  # fmt: skip
HEAVY = ("sklearn", "pandas", "mlflow", "matplotlib", "scipy", "joblib", "lightgbm", "pyarrow", "distributed")


def test_imports_run_downward_only() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if package == "__init__":
            continue
        for node in _imports(_tree(path)):
            other = node.split(".")[1] if node.count(".") else ""
            if not other or other == package:
                continue
            if LAYERS.get(other, 99) > LAYERS[package] or other in FORBIDDEN_IMPORTS.get(package, ()):
                wrong.append(f"{path.relative_to(PACKAGE)} imports {node}")
    assert not wrong


def test_strings_and_docstrings_name_what_exists() -> None:
    """In a part of a message without its f the user reads the braces; a renamed field has its new name in the docstring."""
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.JoinedStr):
                parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
                wrong += [(path.name, part) for part in parts if re.search(r"\{[A-Za-z_]\w*\}", part)]
            elif isinstance(node, ast.ClassDef) and "dataclass" in "".join(map(ast.unparse, node.decorator_list)):
                _, _, section = (ast.get_docstring(node) or "").partition("Attributes\n----------\n")
                named = re.findall(r"^\w.*", section.split("\n\n")[0], re.MULTILINE)
                fields = {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}  # type: ignore[union-attr]
                wrong += [(node.name, name) for line in named for name in line.split(", ") if name not in fields]
    assert not wrong


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _imports(tree: ast.Module) -> list[str]:
    """Names of our own modules that a module imports, for types too."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names.append("predictor.relative")  # names no package, so it is in no layer
        elif isinstance(node, ast.ImportFrom) and node.module == "predictor":
            names += [predictor._HOME.get(name.name, f"predictor.{name.name}") for name in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("predictor."):
            names.append(str(node.module))
        elif isinstance(node, ast.Import):
            names += [name.name for name in node.names if name.name.startswith("predictor")]
    return names


def test_predicting_loads_nothing_heavy(model: OfferModel, tmp_path: Path) -> None:
    model.save(tmp_path / "experiments/models/champion.json")
    (tmp_path / "ratings.json").write_text(json.dumps({"goals_discussed": 4}))
    code = (
        "import sys; from predictor.cli import main\n"
        "main(['predict', 'ratings.json', '--json'], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert 0 < json.loads(done.stdout)["offer_probability"] < 1


def test_serving_loads_nothing_to_train_with(model: OfferModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.json")
    code = (
        "import sys; from pathlib import Path; from predictor.serving.app import make_app, Settings\n"
        "make_app(Settings(Path('model.json'), journal=Path('my.journal')))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("library", "package"), [("mlflow", "tracking"), ("(dask|distributed)", "cluster")])
def test_only_one_package_imports(library: str, package: str) -> None:
    imports = re.compile(rf"(^|\s)(import|from) {library}\b|import_module\(.{library}")
    knowing = [path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py") if imports.search(path.read_text())]
    assert {name.removesuffix(".py") for name in knowing} == {package}


def test_public_names() -> None:
    assert predictor.__all__ == sorted(predictor.__all__)
    for name in predictor.__all__:
        assert getattr(predictor, name).__doc__, f"{name} has no docstring"


def test_slow_test_files_are_named_as_they_are() -> None:
    assert {f"test_{name}" for name in SLOW} <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
