"""The architecture: which package imports which, what predicting imports, and the public names."""

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
# further imports that would be downward, or on one level, and are forbidden all the same
FORBIDDEN_IMPORTS = {
    "ratings": {"atomic", "cluster"},
    "learning": {"journal"},
    "evaluation": {"journal", "batch"},
    "panels": {"journal", "batch", "learning"},
    "batch": {"journal", "learning", "evaluation", "panels"},
    "serving": {"tracking", "batch"},
}
HEAVY = ("sklearn", "pandas", "mlflow", "matplotlib", "scipy", "joblib", "lightgbm", "pyarrow", "distributed")


def test_packages_import_only_lower_layers() -> None:
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


def test_placeholders_and_docstring_names_exist() -> None:
    """A message without its f would show braces to the user; a docstring must use the new name of a renamed field."""
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
    """Return the project's modules that a module imports, including imports for types."""
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


def test_predicting_imports_no_heavy_package(model: OfferModel, tmp_path: Path) -> None:
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


def test_serving_imports_no_training_package(model: OfferModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model.json")
    code = (
        "import sys; from pathlib import Path; from predictor.serving.app import make_app, Settings\n"
        "make_app(Settings(Path('model.json'), journal=Path('my.journal')))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("library", "package"), [("mlflow", "tracking"), ("(dask|distributed)", "cluster")])
def test_each_library_is_imported_by_one_package(library: str, package: str) -> None:
    imports = re.compile(rf"(^|\s)(import|from) {library}\b|import_module\(.{library}")
    knowing = [path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py") if imports.search(path.read_text())]
    assert {name.removesuffix(".py") for name in knowing} == {package}


def test_public_names_are_sorted_and_documented() -> None:
    assert predictor.__all__ == sorted(predictor.__all__)
    for name in predictor.__all__:
        assert getattr(predictor, name).__doc__, f"{name} has no docstring"


def test_the_list_of_slow_test_files_names_existing_files() -> None:
    assert {f"test_{name}" for name in SLOW} <= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}


def test_no_module_is_longer_than_450_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {path: count for path, count in lines.items() if count > 450}
